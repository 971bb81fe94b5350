//! What the audit costs: an entry with its place in the chain against the bare row of it, and checking the chain against reading
//! it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use billing_portal::audit::{self, Actor, Entry, work};
use billing_portal::clock::Clock;
use billing_portal::db::Db;
use serde_json::json;

use crate::{TURNS, Turn, median, report};

/// Transactions after which the worker seals: it wakes every second.
const PAUSE: usize = 200;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// One change with its entry, as a feature writes it.
async fn with_entry(db: &Db, clock: &Clock) -> usize {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut tx = db.write().await.unwrap();
    touch(&mut tx, number).await;
    let entry = Entry::new(Actor::User("usr_bench".into()), "tenant.changed", clock.now())
        .tenant("ten_bench")
        .object(format!("obj_{number}"))
        .change(Some(json!({ "name": "before", "n": number })), Some(json!({ "name": "after", "n": number })))
        .address("192.0.2.1");
    audit::record(&mut tx, &entry).await.unwrap();
    tx.commit().await.unwrap();
    1
}

/// The same change, with the row of the entry alone: nothing redacted, nothing to be sealed.
async fn with_row(db: &Db) -> usize {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut tx = db.write().await.unwrap();
    touch(&mut tx, number).await;
    let row = "insert into bench_entries (id, at, tenant_id, actor_kind, actor_id, action, object_id, before, after, address) \
               values ($1, $2, 'ten_bench', 'user', 'usr_bench', 'tenant.changed', $3, $4, $5, '192.0.2.1')";
    tx.query_built(row.to_owned())
        .bind(format!("aud_{number:022}"))
        .bind(1_795_237_200_i64)
        .bind(format!("obj_{number}"))
        .bind(format!("{{\"name\":\"before\",\"n\":{number}}}"))
        .bind(format!("{{\"name\":\"after\",\"n\":{number}}}"))
        .run()
        .await
        .unwrap();
    tx.commit().await.unwrap();
    1
}

/// The change itself.
async fn touch(tx: &mut billing_portal::db::Tx, number: u64) {
    let change = "insert into bench_changes (id, value) values ($1, $2) on conflict (id) do update set value = excluded.value";
    tx.query_built(change.to_owned())
        .bind(i64::try_from(number % 1_000).unwrap())
        .bind(i64::try_from(number).unwrap())
        .run()
        .await
        .unwrap();
}

/// Both pairs of rates.
pub(crate) async fn run(name: &str, db: &Db) {
    let clock = Clock::system();
    for table in [
        "create table bench_changes (id bigint primary key, value bigint not null)",
        "create table bench_entries (id text primary key, cause text unique, at bigint not null, tenant_id text, actor_kind text not null, \
         actor_id text, action text not null, object_id text, before text, after text, address text)",
    ] {
        let mut tx = db.write().await.unwrap();
        tx.query_built(table.to_owned()).run().await.unwrap();
        tx.commit().await.unwrap();
    }
    let (mut sealed, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let mut since = 0;
        let turn = Turn::of(async || {
            let done = with_entry(db, &clock).await;
            since += done;
            if since >= PAUSE {
                since = 0;
                while work::step(db).await.unwrap() > 0 {}
            }
            done
        });
        sealed.push(turn.await.rate());
        bare.push(Turn::of(async || with_row(db).await).await.rate());
    }
    report(
        &format!("{name}: changes with an entry, redacted and sealed"),
        median(sealed),
        "the same with the bare row of it",
        median(bare),
    );
    while work::step(db).await.unwrap() > 0 {}
    let (mut checked, mut read) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let started = Instant::now();
        let verdict = audit::cli::check(db, None).await.unwrap();
        assert_eq!((verdict.broken, verdict.waiting), (None, 0));
        let done = usize::try_from(verdict.entries).unwrap();
        checked.push(Turn { done, took: started.elapsed() }.rate());
        let started = Instant::now();
        let done = scan(db).await;
        read.push(Turn { done, took: started.elapsed() }.rate());
    }
    report(
        &format!("{name}: entries of the chain checked"),
        median(checked),
        "the same rows read",
        median(read),
    );
}

type Read = (
    i64,
    String,
    Option<String>,
    i64,
    Option<String>,
    String,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
);

/// Reads entries and seals in pages, as the check does.
async fn scan(db: &Db) -> usize {
    let (mut after, mut read) = (0_i64, 0);
    loop {
        let page = "select s.seq, s.hash, e.cause, e.at, e.tenant_id, e.actor_kind, e.actor_id, e.action, e.before, e.after \
                    from audit_seals s left join audit_entries e on e.id = s.entry_id where s.seq > $1 order by s.seq limit 1000";
        let mut tx = db.read().await.unwrap();
        let rows: Vec<Read> = tx.query_built(page.to_owned()).bind(after).all().await.unwrap();
        let Some(last) = rows.last() else { return read };
        after = last.0;
        read += rows.len();
    }
}
