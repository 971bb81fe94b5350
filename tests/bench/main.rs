//! Measurements that mean something on any machine: ratios of two rates taken in turns within one run.
//!
//! `cargo bench` runs all but `scale`, which takes minutes; `cargo bench -- inserts` those whose name contains the word.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a measurement that fails stops")]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::float_arithmetic, reason = "rates are no money")]

#[path = "../it/support/postgres.rs"]
mod postgres;

mod audit;
mod inserts;
mod requests;
mod scale;
mod usage;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use billing_portal::db::Db;

/// How long one turn of one rate lasts.
const TURN: Duration = Duration::from_millis(700);
/// Turns of each rate, of which the median counts.
const TURNS: usize = 5;

#[tokio::main]
async fn main() {
    // cargo adds `--bench`; what is no flag narrows the choice.
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    if wanted == "scale" {
        return scale::run(&folder()).await;
    }
    for (name, db) in databases().await {
        inserts::prepare(&db).await;
        if "inserts".contains(&wanted) {
            inserts::run(name, &db).await;
        }
        if "audit".contains(&wanted) {
            audit::run(name, &db).await;
        }
        if "requests".contains(&wanted) {
            requests::run(name, &db).await;
        }
        if "usage".contains(&wanted) {
            usage::run(name, &db).await;
        }
        db.close().await;
    }
}

/// An empty folder. Not among temporary ones, which may be in memory and know no sync: beside what cargo builds.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("no folder for the bench");
    folder
}

/// Both databases, durable and empty but for their tables.
async fn databases() -> Vec<(&'static str, Db)> {
    let folder = folder();
    let sqlite = Db::open(&format!("sqlite://{}/bench.db", folder.display())).await.expect("SQLite");
    let mut all = vec![("SQLite", sqlite)];
    match postgres::Server::find(true).await {
        Some(server) => {
            server.command("drop database if exists portal_bench with (force)".to_owned()).await;
            server.command("create database portal_bench template template0".to_owned()).await;
            all.push(("Postgres", Db::open(&server.url("portal_bench")).await.expect("Postgres")));
            // Lives as long as the process.
            std::mem::forget(server);
        }
        None => println!("skipped: no Postgres"),
    }
    for (_, db) in &all {
        db.migrate().await.expect("migrations");
    }
    all
}

/// What one turn of a rate did: how often, in how long.
struct Turn {
    done: usize,
    took: Duration,
}

impl Turn {
    /// Calls `step`, which tells how much it did, until the turn is over.
    async fn of(mut step: impl AsyncFnMut() -> usize) -> Self {
        let started = Instant::now();
        let mut done = 0;
        while started.elapsed() < TURN {
            done += step().await;
        }
        Self { done, took: started.elapsed() }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    fn rate(&self) -> f64 {
        self.done as f64 / self.took.as_secs_f64()
    }
}

/// The median of rates.
fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Prints a rate beside the one that it is held against.
fn report(what: &str, ours: f64, against: &str, theirs: f64) {
    println!("{what:<52} {ours:>9.0}/s   {against:<40} {theirs:>9.0}/s   ratio {:.2}", ours / theirs);
}
