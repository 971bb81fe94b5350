//! The query layer: what it promises to every store function, on both databases.

use std::os::unix::fs::PermissionsExt as _;

use billing_portal::db::{self, Db, Tx, bulk};

async fn run(tx: &mut Tx, sql: &str) -> db::Result<u64> {
    tx.query_built(sql.to_owned()).run().await
}

async fn with_table(db: &Db) {
    let mut tx = db.write().await.unwrap();
    run(&mut tx, "create table things (id text primary key, size bigint, good boolean)").await.unwrap();
    tx.commit().await.unwrap();
}

async fn count(db: &Db) -> i64 {
    let mut tx = db.read().await.unwrap();
    tx.query_built("select count(*) from things".to_owned()).one::<(i64,)>().await.unwrap().0
}

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Thing {
    id: String,
    size: Option<i64>,
    good: bool,
}

both_databases! {
    async fn every_statement_of_the_program_is_understood(db: Db) {
        let mut faults = Vec::new();
        let mut seen = 0;
        for statement in db::registered().filter(|statement| statement.file.starts_with("src/")) {
            seen += 1;
            if let Err(error) = prepare(&db, statement).await {
                faults.push(format!("{}:{}: {error}", statement.file, statement.line));
            }
        }
        assert!(seen > 10, "only {seen} statements are registered");
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    async fn what_is_written_is_read_as_it_was(db: Db) {
        with_table(&db).await;
        let mut tx = db.write().await.unwrap();
        let stored = tx
            .query_built("insert into things (id, size, good) values ($1, $2, $3), ($4, $5, $6)".to_owned())
            .bind("a").bind(i64::MAX).bind(true)
            .bind(String::from("ñ€😀")).bind(None::<i64>).bind(false)
            .run().await.unwrap();
        assert_eq!(stored, 2);
        tx.commit().await.unwrap();
        let mut tx = db.read().await.unwrap();
        let all: Vec<Thing> = tx.query_built("select * from things order by id".to_owned()).all().await.unwrap();
        assert_eq!(all, [
            Thing { id: "a".into(), size: Some(i64::MAX), good: true },
            Thing { id: "ñ€😀".into(), size: None, good: false },
        ]);
        let query = tx.query_built("select * from things where id = $1".to_owned()).bind("b");
        assert_eq!(query.optional::<Thing>().await.unwrap(), None);
    }

    async fn a_reader_cannot_write(db: Db) {
        with_table(&db).await;
        let mut tx = db.read().await.unwrap();
        let refused = run(&mut tx, "insert into things (id, good) values ('a', true)").await;
        assert!(refused.is_err());
        assert!(!refused.unwrap_err().is_unavailable());
        drop(tx);
        assert_eq!(count(&db).await, 0);
    }

    async fn a_transaction_that_is_dropped_leaves_nothing(db: Db) {
        with_table(&db).await;
        let mut tx = db.write().await.unwrap();
        run(&mut tx, "insert into things (id, good) values ('a', true)").await.unwrap();
        drop(tx);
        assert_eq!(count(&db).await, 0);
        let mut tx = db.write().await.unwrap();
        run(&mut tx, "insert into things (id, good) values ('b', true)").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(count(&db).await, 1);
    }

    async fn others_do_not_see_what_is_not_committed(db: Db) {
        with_table(&db).await;
        let mut tx = db.write().await.unwrap();
        run(&mut tx, "insert into things (id, good) values ('a', true)").await.unwrap();
        assert_eq!(count(&db).await, 0);
        tx.commit().await.unwrap();
        assert_eq!(count(&db).await, 1);
    }

    async fn read_then_write_never_loses_to_another(db: Db) {
        with_table(&db).await;
        let mut tx = db.write().await.unwrap();
        run(&mut tx, "insert into things (id, size, good) values ('sum', 0, true)").await.unwrap();
        tx.commit().await.unwrap();
        let adders: Vec<_> = (0..20).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut tx = db.write().await.unwrap();
                let lock = if matches!(db, Db::Postgres { .. }) { " for update" } else { "" };
                let (size,) = tx.query_built(format!("select size from things where id = 'sum'{lock}"))
                    .one::<(i64,)>().await.unwrap();
                tx.query_built("update things set size = $1 where id = 'sum'".to_owned())
                    .bind(size + 1).run().await.unwrap();
                tx.commit().await.unwrap();
            })
        }).collect();
        for adder in adders { adder.await.unwrap() }
        let mut tx = db.read().await.unwrap();
        let sum = tx.query_built("select size from things".to_owned()).one::<(i64,)>().await.unwrap();
        assert_eq!(sum, (20,));
    }

    async fn many_rows_go_in_with_few_statements_and_return_what_is_new(db: Db) {
        with_table(&db).await;
        let insert = bulk!(
            "insert into things (id, size, good) values " rows "($1, $2, true)"
            " on conflict (id) do nothing returning id"
        );
        let rows: Vec<(String, i64)> = (0..1_301).map(|number| (format!("{number:05}"), number)).collect();
        for (from, to, new) in [(0, 3, 3), (0, 1_301, 1_298), (5, 10, 0)] {
            let mut tx = db.write().await.unwrap();
            let inserted: Vec<(String,)> = tx
                .insert_many(insert, &rows[from..to], |query, (id, size)| query.bind(id).bind(*size))
                .await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(inserted.len(), new);
        }
        let mut tx = db.read().await.unwrap();
        let wrong = "select count(*) from things where cast(id as bigint) <> size or not good";
        assert_eq!(tx.query_built(wrong.to_owned()).one::<(i64,)>().await.unwrap(), (0,));
        assert_eq!(count(&db).await, 1_301);
    }

    async fn a_missing_row_is_an_error_where_one_was_promised(db: Db) {
        with_table(&db).await;
        let mut tx = db.read().await.unwrap();
        assert!(tx.query_built("select id from things".to_owned()).one::<(String,)>().await.is_err());
    }

    async fn a_state_that_is_no_state_is_refused_when_read(db: Db) {
        let mut tx = db.read().await.unwrap();
        let good = tx.query_built("select $1".to_owned()).bind(Light::Green).one::<(Light,)>().await.unwrap();
        assert_eq!(good.0, Light::Green);
        let refused = tx.query_built("select $1".to_owned()).bind("mauve").one::<(Light,)>().await;
        assert!(refused.unwrap_err().to_string().contains("no light: mauve"));
    }

    async fn migrating_again_changes_nothing(db: Db) {
        assert!(db.is_ready().await);
        db.migrate().await.unwrap();
        let mut tx = db.write().await.unwrap();
        run(&mut tx, "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)")
            .await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(db.pending_migrations().await.unwrap(), 1);
        assert!(!db.is_ready().await);
    }

    async fn a_closed_database_is_told_apart_from_a_wrong_statement(db: Db) {
        let mut tx = db.read().await.unwrap();
        assert!(!run(&mut tx, "select nonsense from nowhere").await.unwrap_err().is_unavailable());
        drop(tx);
        db.close().await;
        assert!(db.read().await.err().unwrap().is_unavailable());
        assert!(!db.is_ready().await);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Light {
    Green,
}

impl Light {
    fn as_str(&self) -> &str {
        match self {
            Self::Green => "green",
        }
    }
}

impl std::str::FromStr for Light {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "green" { Ok(Self::Green) } else { Err(format!("no light: {text}")) }
    }
}

billing_portal::text_column!(Light);

async fn prepare(db: &Db, statement: &db::Registered) -> sqlx::Result<()> {
    use sqlx::{Executor as _, SqlSafeStr as _};
    match db {
        Db::Sqlite { write, .. } => {
            write.acquire().await?.prepare(statement.sql.lite.into_sql_str()).await.map(drop)
        }
        Db::Postgres { write, .. } => {
            write.acquire().await?.prepare(statement.sql.pg.into_sql_str()).await.map(drop)
        }
    }
}

#[tokio::test]
async fn a_new_file_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.db");
    let db = Db::open(&format!("sqlite://{}", file.display())).await.unwrap();
    assert!(!db.is_ready().await);
    db.migrate().await.unwrap();
    assert!(db.is_ready().await);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
    db.close().await;
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_explained() {
    for (address, words) in [
        ("mysql://localhost/x", "sqlite:// or postgres://"),
        ("portal.db", "sqlite:// or postgres://"),
        ("sqlite:///no/such/folder/portal.db", "/no/such/folder"),
        ("sqlite::memory:", "name a file"),
        ("postgres://me:secret@[", "not a valid postgres:// URL"),
    ] {
        let error = Db::open(address).await.unwrap_err().to_string();
        assert!(error.contains(words), "{address}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_given_up_in_less_than_five_seconds() {
    let started = std::time::Instant::now();
    let error = Db::open("postgres://nobody@127.0.0.1:1/none").await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(started.elapsed().as_secs() < 5);
}

#[tokio::test]
async fn a_server_that_was_away_is_used_again_without_a_restart() {
    let Some((db, server, name)) = crate::support::databases::fresh_postgres().await else {
        assert!(
            std::env::var_os("CI").is_none(),
            "there is no Postgres: install one or set TEST_POSTGRES_URL"
        );
        return;
    };
    with_table(&db).await;
    let mut tx = db.write().await.unwrap();
    run(&mut tx, "insert into things (id, good) values ('a', true)").await.unwrap();
    let hang_up = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
    server.command(hang_up).await;
    let lost = tx.commit().await.unwrap_err();
    assert!(lost.is_unavailable(), "{lost}");
    // A connection that was in use a moment ago is not asked first whether it still lives: one of each pool may fail once.
    let again = async || {
        let mut tx = db.write().await?;
        run(&mut tx, "insert into things (id, good) values ('b', true) on conflict (id) do nothing").await?;
        tx.commit().await?;
        db.read().await?.query_built("select count(*) from things".to_owned()).one::<(i64,)>().await
    };
    let mut failures = Vec::new();
    let kept = loop {
        match again().await {
            Ok((kept,)) => break kept,
            Err(error) => failures.push(error),
        }
        assert!(failures.len() < 10, "{failures:?}");
    };
    assert!(failures.iter().all(db::Error::is_unavailable), "{failures:?}");
    assert_eq!(kept, 1, "what was not committed is not there");
    db.close().await;
    server.command(format!("drop database {name} with (force)")).await;
}
