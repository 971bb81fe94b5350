//! A hundred thousand customers: how much memory a comparison takes, and how fast it is. Run by hand:
//!
//! `cargo test --test it -- --ignored --nocapture a_hundred_thousand_customers`

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use billing_portal::audit::Actor;
use billing_portal::clock::Clock;
use billing_portal::db::Db;
use billing_portal::demo::Control;
use billing_portal::stripe::{Budget, CustomerId, Key, Stripe, StripeConfig};
use billing_portal::sync;
use serde_json::{Value, json};
use stripe_client_core::{RequestBuilder, StripeMethod};

/// How many customers.
const COUNT: i64 = 100_000;
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

/// The rows of the copies that the sandbox makes of one customer.
fn copies() -> [String; 5] {
    let number = "with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < ";
    let with = |statement: &str, select: &str| {
        let select = select.replace("{copy}", "'copy' || printf('%07d', n)");
        format!("{statement} {number}{COUNT}) {select}")
    };
    [
        with(
            "insert into tenants (id, name, email, created_at)",
            "select 'ten_bulk' || printf('%07d', n), 'Bulk', 'bulk@bulk.example', 1 from numbers",
        ),
        with(
            "insert into customers (id, tenant_id, email, name, currency, address, tax_ids, balance, delinquent, deleted, livemode,\
             seen_at)",
            "select id || {copy}, 'ten_bulk' || printf('%07d', n), email, name, currency, address, tax_ids, balance, delinquent,\
             deleted, livemode, seen_at from numbers, customers where tenant_id = 'ten_bulk'",
        ),
        with(
            "insert into subscriptions (id, tenant_id, customer_id, status, currency, price_id, product_id, quantity, items,\
             current_period_start, current_period_end, discounts, collection_method, latest_invoice_id, livemode, started_at,\
             created_at, seen_at)",
            "select id || {copy}, 'ten_bulk' || printf('%07d', n), customer_id || {copy}, status, currency, price_id, product_id,\
             quantity, items, current_period_start, current_period_end, discounts, collection_method, latest_invoice_id || {copy},\
             livemode, started_at, created_at - n, seen_at from numbers, subscriptions where tenant_id = 'ten_bulk'",
        ),
        with(
            "insert into invoices (id, tenant_id, customer_id, subscription_id, number, status, billing_reason, collection_method,\
             currency, subtotal, discount, tax, total, amount_due, amount_paid, amount_remaining, period_start, period_end, created_at,\
             due_at, finalized_at, paid_at, attempt_count, next_attempt_at, lines, taxes, seen_at)",
            "select id || {copy}, 'ten_bulk' || printf('%07d', n), customer_id || {copy}, subscription_id || {copy}, number, status,\
             billing_reason, collection_method, currency, subtotal, discount, tax, total, amount_due, amount_paid, amount_remaining,\
             period_start, period_end, created_at - n, due_at, finalized_at, paid_at, attempt_count, next_attempt_at, lines, taxes,\
             seen_at from numbers, invoices where tenant_id = 'ten_bulk'",
        ),
        with(
            "insert into charges (id, tenant_id, customer_id, payment_intent_id, amount, currency, status, created_at, seen_at)",
            "select id || {copy}, 'ten_bulk' || printf('%07d', n), customer_id || {copy}, payment_intent_id || {copy}, amount,\
             currency, status, created_at - n, seen_at from numbers, charges where tenant_id = 'ten_bulk'",
        ),
    ]
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
    for statement in copies() {
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
        "--database-url",
        &database,
        "--stripe-api-base",
        base.as_str(),
    ]);
    let mut child = command.env("STRIPE_SECRET_KEY", "sk_test_bulk").stdout(Stdio::piped()).spawn().unwrap();
    let mut most = 0;
    let status = loop {
        most = peak(child.id()).map_or(most, |now| now.max(most));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let took = started.elapsed();
    let report: Value = serde_json::from_reader(child.stdout.take().unwrap()).unwrap();
    println!("{}", report["run"]);
    println!(
        "{COUNT} customers in {} s, {} customers a second, {} MB at most",
        took.as_secs(),
        u64::try_from(COUNT).unwrap() / took.as_secs().max(1),
        most / 1_024
    );
    assert_eq!(report["findings"], json!([]));
    assert_eq!(status.code(), Some(0));
    assert_eq!(report["run"]["looked_at"]["customers"], json!(COUNT + 1));
    assert!(most < MOST, "{most} kB");
}
