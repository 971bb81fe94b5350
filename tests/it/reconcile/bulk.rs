//! Very many customers: how much memory a comparison takes, how fast it is, and that it still finds what is off. The test with a
//! hundred thousand is run by hand:
//!
//! `cargo test --test it -- --ignored --nocapture a_hundred_thousand_customers`

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use billing_portal::audit::Actor;
use billing_portal::clock::Clock;
use billing_portal::db::Db;
use billing_portal::demo::Control;
use billing_portal::reconcile::store;
use billing_portal::reconcile::work::Means;
use billing_portal::reconcile::{GRACE, Kind, RunState, State};
use billing_portal::stripe::{Budget, CustomerId, Key, Stripe, StripeConfig};
use billing_portal::sync;
use serde_json::{Value, json};
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::support::world::World;

/// How many customers, and how many of each kind that something is off with.
const COUNT: i64 = 100_000;
const EACH: i64 = 100;
/// What the program may take, in kilobytes.
const MOST: u64 = 100 * 1_024;

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_billing-portal"))
}

async fn post(stripe: &Stripe, path: &str, form: Value) -> Value {
    let request = RequestBuilder::new(StripeMethod::Post, path).form(&form);
    stripe.call::<Value>(request, Some(&Key::random()), Budget::work()).await.unwrap().value
}

/// The most memory that a process has had so far, in kilobytes.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// One customer as copies are made of it: its tenant and its card.
struct Original {
    tenant: String,
    card: String,
}

impl Original {
    /// The rows of the copies that the sandbox makes of it: statements for both databases.
    fn copies(&self, count: i64) -> [String; 5] {
        let number = format!(
            "with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < {count})"
        );
        let seven = "substr('0000000' || n, length('0000000' || n) - 6)";
        let Self { tenant, card } = self;
        let with = |statement: &str, select: &str| {
            let select = select.replace("{copy}", &format!("'copy' || {seven}"));
            let select =
                select.replace("{tenant}", &format!("'{tenant}' || {seven}")).replace("{card}", card);
            format!("{statement} {number} {select} where tenant_id = '{tenant}'")
        };
        [
            format!(
                "insert into tenants (id, name, email, created_at) {number}\
                 select '{tenant}' || {seven}, 'Bulk', 'bulk@bulk.example', 1 from numbers"
            ),
            with(
                "insert into customers (id, tenant_id, email, name, currency, address, tax_ids, balance, delinquent, deleted,\
                 livemode, payment_method, seen_at)",
                "select id || {copy}, {tenant}, email, name, currency, address, tax_ids, balance, delinquent, deleted, livemode,\
                 replace(payment_method, '{card}', '{card}' || {copy}), seen_at from numbers, customers",
            ),
            with(
                "insert into subscriptions (id, tenant_id, customer_id, status, currency, price_id, product_id, quantity, items,\
                 current_period_start, current_period_end, discounts, collection_method, latest_invoice_id, livemode, started_at,\
                 created_at, seen_at)",
                "select id || {copy}, {tenant}, customer_id || {copy}, status, currency, price_id, product_id, quantity, items,\
                 current_period_start, current_period_end, discounts, collection_method, latest_invoice_id || {copy}, livemode,\
                 started_at, created_at - n, seen_at from numbers, subscriptions",
            ),
            with(
                "insert into invoices (id, tenant_id, customer_id, subscription_id, number, status, billing_reason,\
                 collection_method, currency, subtotal, discount, tax, total, amount_due, amount_paid, amount_remaining,\
                 period_start, period_end, created_at, due_at, finalized_at, paid_at, attempt_count, next_attempt_at, lines,\
                 taxes, seen_at)",
                "select id || {copy}, {tenant}, customer_id || {copy}, subscription_id || {copy}, number, status, billing_reason,\
                 collection_method, currency, subtotal, discount, tax, total, amount_due, amount_paid, amount_remaining,\
                 period_start, period_end, created_at - n, due_at, finalized_at, paid_at, attempt_count, next_attempt_at, lines,\
                 taxes, seen_at from numbers, invoices",
            ),
            with(
                "insert into charges (id, tenant_id, customer_id, payment_intent_id, amount, currency, status, created_at, seen_at)",
                "select id || {copy}, {tenant}, customer_id || {copy}, payment_intent_id || {copy}, amount, currency, status,\
                 created_at - n, seen_at from numbers, charges",
            ),
        ]
    }
}

/// Tears rows apart behind everybody's back, `each` of three kinds.
fn torn(each: i64) -> [String; 3] {
    let some =
        |table: &str| format!("(select id from {table} where id like '%copy%' order by id limit {each})");
    [
        format!("update customers set name = 'Other' where id in {}", some("customers")),
        format!("delete from subscriptions where id in {}", some("subscriptions")),
        format!("update invoices set amount_paid = amount_paid - 1 where id in {}", some("invoices")),
    ]
}

both_databases! {
    async fn three_thousand_customers_are_compared_and_what_is_off_is_put_right(world: World) {
        const COUNT: i64 = 3_000;
        const EACH: i64 = 15;
        let one = world.subscriber("Bulk", "starter").await;
        let card = world.text("select payment_method from customers").await;
        let card = serde_json::from_str::<Value>(&card).unwrap()["id"].as_str().unwrap().to_owned();
        let original = Original { tenant: one.tenant.id.to_string(), card };
        for statement in original.copies(COUNT).into_iter().chain(torn(EACH)) {
            world.portal.run(&statement).await;
        }
        let wish = json!({ "customer": one.customer, "count": COUNT, "tenants": one.tenant.id.as_str() });
        world.switch("copies", wish).await;
        // Past the recorder, which holds every exchange against Stripe's description.
        let base = world.portal.app.config.site.redirect_origins[0].clone();
        let mut config = StripeConfig::new("sk_test_bulk".parse().unwrap(), Some(base)).unwrap();
        config.rate = 100_000;
        let means = Means { stripe: Stripe::new(config).unwrap(), ..world.means() };
        let run = world.begin(true).await;
        let ended = world.finish_with(&means, &run).await;
        assert_eq!((ended.state, ended.progress.customers, ended.progress.total), (RunState::Done, COUNT + 1, Some(COUNT + 1)));
        assert!(ended.progress.seconds >= Some(GRACE) && ended.progress.customers_per_second(0) > 0, "{ended:?}");
        let counts = store::count(&mut world.portal.db.read().await.unwrap(), &run).await.unwrap();
        let found: Vec<_> = counts.iter().map(|one| (one.kind, one.state, one.count)).collect();
        let mut expected: Vec<_> = [Kind::AmountDiffers, Kind::MissingRow, Kind::StaleRow].map(|kind| (kind, State::Repaired, EACH)).into();
        let kinds = |all: &mut Vec<(Kind, State, i64)>| all.sort_by_key(|one| one.0);
        let mut found = found;
        kinds(&mut found);
        kinds(&mut expected);
        assert_eq!(found, expected);
        let run = world.begin(false).await;
        let ended = world.finish_with(&means, &run).await;
        assert_eq!((ended.state, ended.progress.fetched), (RunState::Done, 1), "only the catalogue is fetched by itself");
        assert!(world.findings(&run).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: run by hand"]
async fn a_hundred_thousand_customers() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base: url::Url = format!("http://{address}/").parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("bulk.db").display());
    let sandbox = program().args(["sandbox", "--listen", &address.to_string()]).stdout(Stdio::null()).spawn();
    let _sandbox = Running(sandbox.unwrap());
    while std::net::TcpStream::connect(address).is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut config = StripeConfig::new("sk_test_bulk".parse().unwrap(), Some(base.clone())).unwrap();
    config.rate = 1_000;
    let stripe = Stripe::new(config).unwrap();
    let db = Db::open(&database).await.unwrap();
    db.migrate().await.unwrap();
    let run = async |sql: String| {
        let mut tx = db.write().await.unwrap();
        tx.query_built(sql).run().await.unwrap();
        tx.commit().await.unwrap();
    };
    run("insert into tenants (id, name, email, created_at) values ('ten_bulk', 'Bulk', 'bulk@bulk.example', 1)".into()).await;

    let metadata = json!({ "tenant_id": "ten_bulk" });
    let customer =
        post(&stripe, "/customers", json!({ "name": "Bulk", "metadata": metadata })).await["id"].clone();
    let card = post(&stripe, "/payment_methods/pm_card_visa/attach", json!({ "customer": customer })).await;
    let settings = json!({ "invoice_settings": { "default_payment_method": card["id"] } });
    post(&stripe, &format!("/customers/{}", customer.as_str().unwrap()), settings).await;
    let price = json!({
        "currency": "eur", "unit_amount": 2900, "recurring": { "interval": "month" }, "product_data": { "name": "Plan" },
    });
    let price = post(&stripe, "/prices", price).await["id"].clone();
    let new = json!({ "customer": customer, "items": [{ "price": price }], "metadata": metadata });
    post(&stripe, "/subscriptions", new).await;
    let id: CustomerId = customer.as_str().unwrap().parse().unwrap();
    let clock = Clock::system();
    let mut tx = db.write().await.unwrap();
    assert!(sync::store::attach(&mut tx, "ten_bulk", &id, false, 1).await.unwrap());
    tx.commit().await.unwrap();
    sync::refetch(&db, &stripe, &clock, &id, &Actor::Command, Budget::work()).await.unwrap();
    sync::catalogue(&db, &stripe).await.unwrap();
    let card = card["id"].as_str().unwrap().to_owned();
    let original = Original { tenant: "ten_bulk".to_owned(), card };
    for statement in original.copies(COUNT).into_iter().chain(torn(EACH)) {
        run(statement).await;
    }
    let wish = json!({ "customer": customer, "count": COUNT, "tenants": "ten_bulk" });
    Control::new(base.clone()).ask(http::Method::POST, "copies", &wish).await.unwrap();
    db.close().await;

    let started = Instant::now();
    let mut command = program();
    command.args([
        "reconcile",
        "--format",
        "json",
        "--rate",
        "1000",
        "--database-url",
        &database,
        "--stripe-api-base",
        base.as_str(),
    ]);
    let mut child = command.env("STRIPE_SECRET_KEY", "sk_test_bulk").stdout(Stdio::piped()).spawn().unwrap();
    // Read while it writes: a pipe holds less than its report.
    let mut out = child.stdout.take().unwrap();
    let reading = std::thread::spawn(move || std::io::read_to_string(&mut out).unwrap());
    let mut most = 0;
    let status = loop {
        most = peak(child.id()).map_or(most, |now| now.max(most));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let took = started.elapsed();
    let report: Value = serde_json::from_str(&reading.join().unwrap()).unwrap();
    println!("{}", report["run"]);
    println!(
        "{COUNT} customers in {} s, {} customers a second, {} MB at most",
        took.as_secs(),
        u64::try_from(COUNT).unwrap() / took.as_secs().max(1),
        most / 1_024
    );
    assert_eq!(report["findings"].as_array().unwrap().len(), usize::try_from(3 * EACH).unwrap());
    assert_eq!(status.code(), Some(2), "findings are left");
    assert!(report["run"]["customers_per_second"].as_i64() > Some(100), "{}", report["run"]);
    assert_eq!(report["run"]["looked_at"]["customers"], json!(COUNT + 1));
    assert!(most < MOST, "{most} kB");
}
