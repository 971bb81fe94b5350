//! Each test of the data layer runs twice: once on SQLite, once on Postgres, each time on a fresh and migrated database.
//!
//! ```ignore
//! both_databases! {
//!     async fn a_tenant_is_found_by_its_id(db: Db) { … }
//! }
//! ```
//!
//! The argument may be anything that is made of a database: see [`FromDb`].

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use billing_portal::audit::coverage;
use billing_portal::db::{self, Db};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::postgres::Server;

/// Makes two tests, `name::sqlite` and `name::postgres`, of each body.
macro_rules! both_databases {
    ($($(#[$about:meta])* async fn $name:ident($input:ident: $type:ty) $body:block)+) => { $(
        $(#[$about])*
        mod $name {
            use super::*;

            async fn body($input: $type) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $crate::support::databases::on_sqlite(body).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                $crate::support::databases::on_postgres(body).await;
            }
        }
    )+ };
}

/// What a test of [`both_databases!`] may ask for.
pub(crate) trait FromDb: Send + 'static {
    /// Makes it of a fresh database.
    fn from_db(db: Db) -> impl Future<Output = Self> + Send;
}

impl FromDb for Db {
    async fn from_db(db: Db) -> Self {
        db
    }
}

/// Runs a body on a fresh SQLite file.
pub(crate) async fn on_sqlite<T: FromDb, F: Future<Output = ()> + Send + 'static>(body: impl FnOnce(T) -> F) {
    let (db, _folder) = fresh_sqlite().await;
    let input = T::from_db(db.clone()).await;
    let done = tokio::spawn(body(input)).await;
    db.close().await;
    pass_on(done);
    everything_is_told();
}

/// Runs a body on a fresh Postgres database; says so where there is no Postgres, and fails there in CI.
pub(crate) async fn on_postgres<T: FromDb, F: Future<Output = ()> + Send + 'static>(
    body: impl FnOnce(T) -> F,
) {
    let Some((db, server, name)) = fresh_postgres().await else {
        assert!(
            std::env::var_os("CI").is_none(),
            "there is no Postgres: install one or set TEST_POSTGRES_URL"
        );
        println!("skipped: no Postgres");
        return;
    };
    let input = T::from_db(db.clone()).await;
    let done = tokio::spawn(body(input)).await;
    db.close().await;
    server.command(format!("drop database {name} with (force)")).await;
    pass_on(done);
    everything_is_told();
}

/// Transactions that change in silence what others have to tell of: file, table, reason.
const IN_SILENCE: &[(&str, &str, &str)] = &[
    ("src/auth/sign_in.rs", "users", "the same password, hashed anew"),
    ("src/api/caller.rs", "api_keys", "when a key was last used is no news"),
    ("src/webhooks/work.rs", "tenants", "the trial is used up: its subscription has its entry"),
    ("src/sync/work.rs", "tenants", "the trial is used up: its subscription has its entry"),
    ("src/demo/seeds.rs", "tenants", "the scenery of the demo"),
    ("src/demo/seeds.rs", "users", "the scenery of the demo"),
    ("src/demo/seeds.rs", "memberships", "the scenery of the demo"),
];

/// Whatever the program has committed in any test so far, it has told of in the audit where that has to be. Each silence fails
/// one test: the first that ends after it.
fn everything_is_told() {
    static FOUND: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut found = FOUND.lock().expect("a list");
    let untold = coverage::untold(&db::committed(), IN_SILENCE).into_iter();
    let new: Vec<_> = untold.filter(|silence| found.insert(silence.clone())).collect();
    drop(found);
    assert!(new.is_empty(), "{new:#?}");
}

/// A fresh, migrated SQLite database, and the folder to keep as long as it is used.
pub(crate) async fn fresh_sqlite() -> (Db, TempDir) {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let template = TEMPLATE
        .get_or_init(|| async {
            let folder = tempfile::tempdir().expect("no temporary folder");
            let file = folder.path().join("template.db");
            let db = Db::open(&sqlite_url(&file)).await.expect("cannot open the template");
            db.migrate().await.expect("cannot migrate the template");
            db.close().await;
            std::fs::read(&file).expect("cannot read the template")
        })
        .await;
    let folder = tempfile::tempdir().expect("no temporary folder");
    let file = folder.path().join("portal.db");
    std::fs::write(&file, template).expect("cannot copy the template");
    (Db::open(&sqlite_url(&file)).await.expect("cannot open the database"), folder)
}

fn sqlite_url(file: &std::path::Path) -> String {
    format!("sqlite://{}", file.display())
}

/// A fresh, migrated Postgres database with its server and name.
pub(crate) async fn fresh_postgres() -> Option<(Db, &'static Server, String)> {
    static SERVER: OnceCell<Option<(Server, String)>> = OnceCell::const_new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let found = SERVER.get_or_init(|| async {
        let server = Server::find(false).await?;
        let template = template(&server).await;
        Some((server, template))
    });
    let (server, template) = found.await.as_ref()?;
    let name = format!("portal_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    server.command(format!("create database {name} template {template}")).await;
    let db = Db::open(&server.url(&name)).await.expect("cannot open the database");
    Some((db, server, name))
}

/// The name of a database with all migrations, for others to be copied from: made by the first who needs it, and left on a
/// named server for the next run, until the migrations change.
async fn template(server: &Server) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let digest = files.iter().fold(Sha256::new(), |all, file| all.chain_update(std::fs::read(file).unwrap()));
    let digest: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let name = format!("portal_template_{digest}");
    let missing = "do $$ begin if not exists (select from pg_database where datname = 'NAME') then raise 'missing'; end if; end $$";
    if server.try_command(missing.replace("NAME", &name)).await.is_ok() {
        return name;
    }
    let draft = format!("portal_draft_{}", std::process::id());
    server.command(format!("create database {draft} template template0")).await;
    let db = Db::open(&server.url(&draft)).await.expect("cannot open the template");
    db.migrate().await.expect("cannot migrate the template");
    db.close().await;
    // Another process may have been faster: then its template is as good.
    if server.try_command(format!("alter database {draft} rename to {name}")).await.is_err() {
        server.command(format!("drop database {draft}")).await;
    }
    name
}

fn pass_on(done: Result<(), tokio::task::JoinError>) {
    if let Err(failed) = done {
        std::panic::resume_unwind(failed.into_panic());
    }
}
