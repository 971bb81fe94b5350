//! Usage: increments through the gate against the upsert that the database would need at the least, a check against a bare
//! read by primary key, and the page's reads with three years of history against those with a month.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use billing_portal::app;
use billing_portal::auth::{self, NewUser, Role};
use billing_portal::catalog::policy::Catalog;
use billing_portal::clock::from_seconds;
use billing_portal::db::{Db, bulk, sql};
use billing_portal::tenants::TenantId;
use billing_portal::usage::{Event, Gate, Report, store};

use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::requests::{Web, cookie_of, crowd, listen, portal};
use crate::{TURN, TURNS, Turn, median, report};

const DAY: i64 = 86_400;
const NOW: i64 = 1_795_237_200;
/// Tenants that events are spread over.
const TENANTS: u64 = 32;

/// Everything that the measurements share.
struct Scene {
    catalog: Catalog,
    gate: Gate,
    tenants: Vec<TenantId>,
    next: AtomicU64,
}

impl Scene {
    fn event(&self) -> Event {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let tenant = &self.tenants[usize::try_from(number % TENANTS).unwrap()];
        let report = Report {
            metric: "messages".into(),
            quantity: Some(1),
            idempotency_key: format!("event-{number:016}"),
            ..Report::default()
        };
        Event::new(tenant, &self.catalog, report, from_seconds(NOW)).unwrap()
    }
}

/// All measurements of usage.
pub(crate) async fn run(name: &str, db: &Db) {
    let scene = Arc::new(prepare(db).await);
    increments(name, db, &scene).await;
    checks(name, db, &scene).await;
    pages(name, db, &scene).await;
}

async fn prepare(db: &Db) -> Scene {
    let mut tx = db.write().await.unwrap();
    let table = "create table bench_totals (tenant_id text, metric text, period_start bigint, total bigint,\
                 primary key (tenant_id, metric, period_start))";
    tx.query_built(table.to_owned()).run().await.unwrap();
    let product = "insert into products (id, name, active, livemode, plan, limits, seen_at) values ('prod_bench', 'Plan', true, false,\
                   'bench', '{\"messages\":{\"limit\":1000000000000,\"hard\":true},\"conversations\":{\"limit\":1000000,\"hard\":false}}', 1)";
    tx.query_built(product.to_owned()).run().await.unwrap();
    let mut tenants = Vec::new();
    for number in 0..TENANTS {
        let id = format!("ten_bench{number}");
        let start = NOW - 10 * DAY;
        for sql in [
            format!(
                "insert into tenants (id, name, email, created_at) values ('{id}', 'T', 't@t.example', 1)"
            ),
            format!(
                "insert into subscriptions (id, tenant_id, customer_id, status, currency, product_id, current_period_start,\
                 current_period_end, livemode, started_at, created_at, seen_at) values ('sub_{id}', '{id}', 'cus_{id}', 'active', 'eur',\
                 'prod_bench', {start}, {}, false, {start}, {start}, 1)",
                start + 30 * DAY
            ),
        ] {
            tx.query_built(sql).run().await.unwrap();
        }
        tenants.push(id.parse().unwrap());
    }
    tx.commit().await.unwrap();
    let catalog = Catalog::load(None).unwrap();
    let gate = Gate::start(db.clone(), &catalog);
    Scene { catalog, gate, tenants, next: AtomicU64::new(0) }
}

async fn increments(name: &str, db: &Db, scene: &Arc<Scene>) {
    for waiters in [1, 16, 64] {
        let (mut ours, mut raw) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            ours.push(singles(scene, waiters).await.rate());
            raw.push(Turn::of(async || upsert(db, scene, waiters).await).await.rate());
        }
        report(
            &format!("{name}: increments, {waiters} callers, one event each"),
            median(ours),
            &format!("{waiters} rows in one bare upsert"),
            median(raw),
        );
    }
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let batch = async || {
            let events = (0..1_000).map(|_| scene.event()).collect();
            scene.gate.record(events).await.unwrap().len()
        };
        ours.push(Turn::of(batch).await.rate());
        raw.push(Turn::of(async || upsert(db, scene, 1_000).await).await.rate());
    }
    report(
        &format!("{name}: increments, batches of 1,000"),
        median(ours),
        "1,000 rows in bare upserts",
        median(raw),
    );
}

/// Callers that report one event after the other, each answered after its commit.
async fn singles(scene: &Arc<Scene>, waiters: usize) -> Turn {
    let started = Instant::now();
    let tasks: Vec<_> = (0..waiters)
        .map(|_| {
            let scene = Arc::clone(scene);
            tokio::spawn(async move {
                let mut done = 0;
                while started.elapsed() < TURN {
                    scene.gate.record(vec![scene.event()]).await.unwrap();
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

/// The least that counting needs: an addition to a total, without a key, a limit, a day or an answer.
async fn upsert(db: &Db, scene: &Scene, rows: usize) -> usize {
    let numbers: Vec<i64> =
        (0..rows).map(|_| i64::try_from(scene.next.fetch_add(1, Ordering::Relaxed)).unwrap()).collect();
    let mut tx = db.write().await.unwrap();
    let statement = bulk!(
        "insert into bench_totals (tenant_id, metric, period_start, total) values " rows "($1, 'messages', $2, 1)"
        " on conflict (tenant_id, metric, period_start) do update set total = bench_totals.total + excluded.total"
    );
    // One row may be touched once in a statement: the period tells rows apart.
    tx.insert_many::<_, (i64,)>(statement, &numbers, |query, number| {
        query.bind(format!("ten_bench{}", number % 32)).bind(number % 4_096)
    })
    .await
    .unwrap();
    tx.commit().await.unwrap();
    rows
}

async fn checks(name: &str, db: &Db, scene: &Scene) {
    let tenant = &scene.tenants[0];
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let check = async || {
            let mut tx = db.read().await.unwrap();
            let seen = store::check(&mut tx, tenant, &scene.catalog, "messages", 1, from_seconds(NOW))
                .await
                .unwrap();
            assert!(seen.unwrap().refusal.is_none());
            1
        };
        ours.push(Turn::of(check).await.rate());
        let read = async || {
            let mut tx = db.read().await.unwrap();
            let row: (String,) = tx
                .query(sql!("select name from tenants where id = $1"))
                .bind(tenant.as_str())
                .one()
                .await
                .unwrap();
            assert_eq!(row.0, "T");
            1
        };
        bare.push(Turn::of(read).await.rate());
    }
    report(&format!("{name}: a check"), median(ours), "a bare read by primary key", median(bare));
}

/// Days of history for a tenant: all counters and gauges, every day.
async fn fill(db: &Db, tenant: &TenantId, days: i64) {
    let today = NOW.div_euclid(DAY);
    let rows: Vec<(i64, &str)> = (0..days)
        .flat_map(|ago| {
            ["messages", "conversations", "api_calls", "ai_tokens", "users", "storage_mb"]
                .map(|metric| (today - ago, metric))
        })
        .collect();
    let mut tx = db.write().await.unwrap();
    let statement = bulk!(
        "insert into usage_days (tenant_id, metric, day, period_start, quantity, at) values " rows "($1, $2, $3, $4, 100, $5)"
        " on conflict (tenant_id, metric, day, period_start) do nothing"
    );
    tx.insert_many::<_, (i64,)>(statement, &rows, |query, (day, metric)| {
        let period = NOW - 10 * DAY - (today - 10 - *day).max(0) / 30 * 30 * DAY;
        query.bind(tenant.as_str()).bind(*metric).bind(*day).bind(period).bind(day * DAY)
    })
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

async fn pages(name: &str, db: &Db, scene: &Scene) {
    // Eight weeks are what a forecast reads: with less there is less to read.
    let (old, eight_weeks, young) = (&scene.tenants[1], &scene.tenants[2], &scene.tenants[3]);
    for (tenant, days) in [(old, 1_096), (eight_weeks, 57), (young, 30)] {
        fill(db, tenant, days).await;
    }
    for (what, other) in [("a month of it", young), ("eight weeks of it", eight_weeks)] {
        let (mut long, mut short) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            for (tenant, rates) in [(old, &mut long), (other, &mut short)] {
                let page = async || {
                    let mut tx = db.read().await.unwrap();
                    let now = from_seconds(NOW);
                    let summary =
                        store::summary(&mut tx, tenant, &scene.catalog, now).await.unwrap().unwrap();
                    assert!(!summary.is_empty());
                    1
                };
                rates.push(Turn::of(page).await.rate());
            }
        }
        report(
            &format!("{name}: reads of the usage page, three years of history"),
            median(long),
            what,
            median(short),
        );
    }
    details(name, db, scene, old, young).await;
    over_http(name, db, old, young).await;
}

/// The reads of the page of one metric, of a counter and of a gauge.
async fn details(name: &str, db: &Db, scene: &Scene, old: &TenantId, young: &TenantId) {
    for metric in ["messages", "users"] {
        let (mut long, mut short) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            for (tenant, rates) in [(old, &mut long), (young, &mut short)] {
                let page = async || {
                    let mut tx = db.read().await.unwrap();
                    let now = from_seconds(NOW);
                    let page =
                        store::periods(&mut tx, tenant, &scene.catalog, metric, now, now).await.unwrap();
                    assert!(!page.unwrap().days.is_empty());
                    1
                };
                rates.push(Turn::of(page).await.rate());
            }
        }
        let what = format!("{name}: reads of the page of {metric}, three years of history");
        report(&what, median(long), "a month of it", median(short));
    }
}

/// The pages themselves, asked for by a browser that is signed in.
async fn over_http(name: &str, db: &Db, old: &TenantId, young: &TenantId) {
    let app = portal(db.clone());
    let at = listen(app::router(app.clone())).await;
    let client: Web = Client::builder(TokioExecutor::new()).build_http();
    let mut cookies = Vec::new();
    for tenant in [old, young] {
        let mut tx = db.write().await.unwrap();
        let new = NewUser::new(format!("{tenant}@usage.example").parse().unwrap(), "Reader").unwrap();
        let user = auth::store::create(&mut tx, &new, app.clock.now()).await.unwrap().unwrap();
        auth::store::join(&mut tx, tenant, &user.id, Role::Owner, app.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        cookies.push(cookie_of(&app, &user).await);
    }
    for page in ["/usage", "/usage/messages", "/usage/users"] {
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            for (cookie, rates) in cookies.iter().zip(&mut rates) {
                let request = || {
                    Request::get(format!("{at}{page}"))
                        .header(header::COOKIE, cookie)
                        .body(Full::default())
                        .unwrap()
                };
                rates.push(crowd(&client, 16, request, StatusCode::OK).await.rate());
            }
        }
        let [long, short] = rates;
        let what = format!("{name}: {page} with three years of history, 16 readers");
        report(&what, median(long), "with a month of it", median(short));
    }
}
