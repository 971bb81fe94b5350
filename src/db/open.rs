//! Opening: addresses, pools, pragmas, time limits, migrations.

use std::fs::OpenOptions;
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Database, PgConnection, raw_sql};

use super::{Db, Error, Result, guards, sql};

/// How long a request waits for a connection: a database that is down is a 503 in less than five seconds.
const ACQUIRE: Duration = Duration::from_secs(3);
/// How long SQLite waits for another process (a command beside the server) to finish its write.
const BUSY: Duration = Duration::from_millis(1500);
/// Connections to Postgres in each of the two pools.
const POSTGRES_POOL: u32 = 10;
/// A connection idle for less is used without asking first whether it still lives.
const FRESH: Duration = Duration::from_secs(1);
/// Prepared statements kept per connection: more than the program has.
const STATEMENTS: usize = 512;
/// Time limits of Postgres for one statement, for waiting on a lock, and for a transaction that sits idle.
const LIMITS: [(&str, &str); 3] =
    [("statement_timeout", "30s"), ("lock_timeout", "4s"), ("idle_in_transaction_session_timeout", "60s")];

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

impl Db {
    /// Opens `sqlite://FILE` (made if absent, readable by its owner alone) or `postgres://…`.
    ///
    /// # Errors
    /// When the address is of neither kind, its folder is missing, or the database does not let us in.
    pub async fn open(url: &str) -> Result<Self> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => open_sqlite(url).await,
            Some("postgres" | "postgresql") => open_postgres(url).await,
            _ => Err(Error::Address("a database address starts with sqlite:// or postgres://".to_owned())),
        }
    }

    /// Brings the tables to the form that this program reads. Processes that start together on one Postgres wait for
    /// each other; an SQLite file has one process.
    ///
    /// # Errors
    /// When a migration fails, or one that was applied is not one of ours: the database is then newer than the program.
    pub async fn migrate(&self) -> Result<()> {
        match self {
            Self::Sqlite { write, .. } => {
                let mut to = write.acquire().await?;
                MIGRATIONS.run_direct(None, &mut *to, false).await?;
                raw_sql(AssertSqlSafe(guards::sqlite())).execute(&mut *to).await?;
            }
            Self::Postgres { write, .. } => {
                // Its own connection: waiting for another process and rebuilding a table may take longer than a page may.
                let options = (*write.connect_options()).clone();
                let options = options.options([("statement_timeout", "0"), ("lock_timeout", "0")]);
                let mut to = PgConnection::connect_with(&options).await?;
                MIGRATIONS.run_direct(None, &mut to, false).await?;
                raw_sql(AssertSqlSafe(guards::postgres())).execute(&mut to).await?;
                to.close().await?;
            }
        }
        Ok(())
    }

    /// How many migrations of this program the database still lacks.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pending_migrations(&self) -> Result<usize> {
        let mut tx = self.read().await?;
        let started = tx
            .query(sql!(
                lite "select 1 from sqlite_master where name = '_sqlx_migrations'"
                pg "select 1 from pg_class where oid = to_regclass('_sqlx_migrations')"
            ))
            .optional::<(i32,)>()
            .await?;
        // Built, not registered: sqlx owns this table, and makes it with the first migration.
        let applied = match started {
            None => Vec::new(),
            Some(_) => {
                tx.query_built("select version from _sqlx_migrations where success".to_owned())
                    .all::<(i64,)>()
                    .await?
            }
        };
        Ok(MIGRATIONS.iter().filter(|ours| !applied.contains(&(ours.version,))).count())
    }

    /// Whether the database answers and its tables are in the form that this program reads.
    pub async fn is_ready(&self) -> bool {
        matches!(self.pending_migrations().await, Ok(0))
    }

    /// Closes all connections, after what is running on them. Nothing can be asked afterwards.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres { read, write } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

async fn open_sqlite(url: &str) -> Result<Db> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(Error::Address(
            "a database in memory would not outlive the program: name a file".to_owned(),
        ));
    }
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| Error::Address(format!("the database address cannot be read: {error}")))?;
    let file = options.get_filename().to_path_buf();
    create_private(&file)?;
    let options = options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .statement_cache_capacity(STATEMENTS)
        .pragma("temp_store", "memory")
        .pragma("cache_size", "-8192")
        .pragma("journal_size_limit", "67108864");
    let write = pool::<sqlx::Sqlite>(1)
        .connect_with(options.clone().optimize_on_close(true, 400))
        .await
        .map_err(|error| cannot_open(&file, &error))?;
    let readers = std::thread::available_parallelism().map_or(4, |cores| cores.get().clamp(4, 16));
    let read = pool::<sqlx::Sqlite>(u32::try_from(readers).unwrap_or(4))
        .connect_with(options.pragma("query_only", "on"))
        .await
        .map_err(|error| cannot_open(&file, &error))?;
    Ok(Db::Sqlite { read, write })
}

async fn open_postgres(url: &str) -> Result<Db> {
    // The error of the parser is not repeated: it may hold a piece of the address, and so of the password.
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| Error::Address("the database address is not a valid postgres:// URL".to_owned()))?
        .application_name("billing-portal")
        .statement_cache_capacity(STATEMENTS)
        .options(LIMITS);
    let read = options.clone().options([("default_transaction_read_only", "on")]);
    Ok(Db::Postgres { read: connect_postgres(read).await?, write: connect_postgres(options).await? })
}

async fn connect_postgres(options: PgConnectOptions) -> Result<PgPool> {
    let pool: PgPoolOptions = pool(POSTGRES_POOL);
    // A question before each use doubles the way to a distant server; none at all fails the first request after a restart.
    let pool = pool.before_acquire(|connection, about| {
        Box::pin(async move {
            if about.idle_for > FRESH {
                connection.ping().await?;
            }
            Ok(true)
        })
    });
    Ok(pool.connect_with(options).await?)
}

fn pool<D: Database>(connections: u32) -> PoolOptions<D> {
    PoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .max_lifetime(None)
}

/// Makes the file, if it is not there, for its owner alone; SQLite gives the files beside it the same permissions.
fn create_private(file: &Path) -> Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(Error::Address(format!(
            "the folder of the database does not exist: {}",
            folder.display()
        )));
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::Address(format!("the database {} cannot be made: {error}", file.display()))),
    }
}

fn cannot_open(file: &Path, error: &sqlx::Error) -> Error {
    Error::Address(format!("the database {} cannot be opened: {error}", file.display()))
}
