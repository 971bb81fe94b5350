//! Durable inserts through the group commit, each answered after its commit, against the database's own rate: the same
//! rows, as many as there are waiters, in one multi-row insert and one commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use billing_portal::db::{self, Batch, Db, GroupCommit, Tx, bulk};

use crate::{TURN, TURNS, Turn, median, report};

struct Row {
    id: String,
    payload: Arc<str>,
    at: i64,
}

struct Rows;

impl Batch for Rows {
    type Row = Row;
    type Outcome = ();

    async fn write(&self, tx: &mut Tx, rows: &[Row]) -> db::Result<Vec<()>> {
        insert(tx, rows).await?;
        Ok(rows.iter().map(|_| ()).collect())
    }
}

async fn insert(tx: &mut Tx, rows: &[Row]) -> db::Result<()> {
    let statement = bulk!(
        "insert into bench_rows (id, kind, payload, at) values " rows "($1, 'invoice.paid', $2, $3)"
        " on conflict (id) do nothing returning id"
    );
    let stored: Vec<(String,)> = tx
        .insert_many(statement, rows, |query, row| query.bind(&row.id).bind(&*row.payload).bind(row.at))
        .await?;
    assert_eq!(stored.len(), rows.len(), "every row is new");
    Ok(())
}

/// New rows without end, as large as Stripe's events are.
pub(crate) struct Source {
    prefix: &'static str,
    next: AtomicU64,
    payload: Arc<str>,
}

impl Source {
    /// Rows that begin with this word.
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self { prefix, next: AtomicU64::new(0), payload: "x".repeat(2_000).into() }
    }

    fn row(&self) -> Row {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Row {
            id: format!("{}_{number:022}", self.prefix),
            payload: Arc::clone(&self.payload),
            at: 1_800_000_000,
        }
    }
}

/// The table that rows go to.
pub(crate) async fn prepare(db: &Db) {
    let mut tx = db.write().await.unwrap();
    let table = "create table bench_rows (id text primary key, kind text, payload text, at bigint)";
    tx.query_built(table.to_owned()).run().await.unwrap();
    tx.commit().await.unwrap();
}

/// Both rates for 16 and for 64 who wait at once.
pub(crate) async fn run(name: &str, db: &Db) {
    let source = Arc::new(Source::new("evt"));
    for waiters in [16, 64] {
        let (mut grouped, mut raw) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            grouped.push(group(db, &source, waiters).await.rate());
            raw.push(Turn::of(async || one_insert(db, &source, waiters).await).await.rate());
        }
        report(
            &format!("{name}: inserts, {waiters} waiters, each acknowledged"),
            median(grouped),
            &format!("{waiters} rows in one insert"),
            median(raw),
        );
    }
}

pub(crate) async fn one_insert(db: &Db, source: &Source, rows: usize) -> usize {
    let rows: Vec<Row> = (0..rows).map(|_| source.row()).collect();
    let mut tx = db.write().await.unwrap();
    insert(&mut tx, &rows).await.unwrap();
    tx.commit().await.unwrap();
    rows.len()
}

async fn group(db: &Db, source: &Arc<Source>, waiters: usize) -> Turn {
    let writer = GroupCommit::start(db.clone(), Rows);
    let started = Instant::now();
    let tasks: Vec<_> = (0..waiters)
        .map(|_| {
            let (writer, source) = (writer.clone(), Arc::clone(source));
            tokio::spawn(async move {
                let mut done = 0;
                while started.elapsed() < TURN {
                    writer.put(source.row()).await.unwrap();
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    Turn { done, took: started.elapsed() }
}
