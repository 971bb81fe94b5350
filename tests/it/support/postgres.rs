//! A Postgres server for the tests: the one that `TEST_POSTGRES_URL` names, or one of our own, started from installed
//! binaries in a temporary folder, without a network port, as a user without rights, and gone when the process is.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// A running server.
pub(crate) struct Server {
    /// The address of a database of the server, up to where its name goes, and what follows the name.
    before: String,
    after: String,
    /// The shell that stops the server when our end of its input is closed, which the end of this process does.
    _guard: Option<Child>,
}

impl Server {
    /// The named server, or one of our own; `None` where there is neither. Ours survives a loss of power only if it is to
    /// be `durable`: measurements want that, tests do not.
    pub(crate) async fn find(durable: bool) -> Option<Self> {
        if let Some(url) = std::env::var_os("TEST_POSTGRES_URL") {
            let url = url.into_string().expect("TEST_POSTGRES_URL is not UTF-8");
            let (address, query) = url.split_once('?').unwrap_or((&url, ""));
            let authority = address.find("://").expect("TEST_POSTGRES_URL has no scheme") + 3;
            let end = address[authority..].find('/').map_or(address.len(), |slash| authority + slash);
            let after = if query.is_empty() { String::new() } else { format!("?{query}") };
            return Some(Self { before: format!("{}/", &address[..end]), after, _guard: None });
        }
        let binaries = binaries()?;
        Some(Self::start(&binaries, durable).await)
    }

    /// The address of one of the server's databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}{database}{}", self.before, self.after)
    }

    /// Runs a command that no transaction may hold, such as `create database`.
    pub(crate) async fn command(&self, sql: String) {
        self.try_command(sql).await.expect("Postgres refuses");
    }

    /// As [`command`](Self::command), where it may be refused.
    pub(crate) async fn try_command(&self, sql: String) -> sqlx::Result<()> {
        let mut admin = PgConnection::connect(&self.url("postgres")).await?;
        let done = admin.execute(AssertSqlSafe(sql)).await;
        admin.close().await?;
        done.map(drop)
    }

    async fn start(binaries: &Path, durable: bool) -> Self {
        let folder =
            tempfile::Builder::new().prefix("portal-pg-").tempdir().expect("no temporary folder").keep();
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).expect("cannot hand over the temporary folder");
        }
        let data = folder.join("data");
        let made = as_user(user, Command::new(binaries.join("initdb")))
            .current_dir(&folder)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .expect("cannot run initdb");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let sync = if durable { "on" } else { "off" };
        let guard = as_user(user, Command::new("/bin/sh"))
            .current_dir(&folder)
            .arg("-c")
            .arg(
                r#""$1" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=400 -c shared_buffers=64MB \
                    -c fsync="$3" -c full_page_writes="$3" -c synchronous_commit="$3" >"$2/log" 2>&1 </dev/null &
                   read -r _; kill -QUIT $!; wait $!; rm -rf "$2""#,
            )
            .arg("sh")
            .arg(binaries.join("postgres"))
            .arg(&folder)
            .arg(sync)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("cannot start a shell");
        let socket = folder.to_str().expect("a temporary folder in UTF-8").replace('/', "%2F");
        let server = Self {
            before: "postgres://postgres@localhost/".to_owned(),
            after: format!("?host={socket}"),
            _guard: Some(guard),
        };
        server.answers(&folder).await;
        server
    }

    /// Waits until the server lets somebody in.
    async fn answers(&self, folder: &Path) {
        let started = Instant::now();
        while let Err(error) = PgConnection::connect(&self.url("postgres")).await {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(20), "Postgres does not start: {error}\n{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The folder of the newest server that is installed.
fn binaries() -> Option<PathBuf> {
    let mut packaged: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    packaged.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    packaged
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .chain(std::env::split_paths(&path))
        .chain(["/usr/local/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin"].map(PathBuf::from))
        .find(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file())
}

/// Whom to run the server as when we are root, which it refuses: user and group.
fn unprivileged() -> Option<(u32, u32)> {
    let own = fs::metadata("/proc/self").map(|about| std::os::unix::fs::MetadataExt::uid(&about)).ok()?;
    if own != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").ok()?;
    ["postgres:", "nobody:"].iter().find_map(|name| {
        let mut fields = users.lines().find(|line| line.starts_with(name))?.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

fn as_user(user: Option<(u32, u32)>, mut command: Command) -> Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}
