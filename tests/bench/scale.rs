//! Pages of a portal with a million tenants and ten million invoices against the same pages of one with a thousand tenants,
//! on SQLite. Filling takes minutes and some gigabytes: it runs where it is named, `cargo bench -- scale`.

use std::path::Path;
use std::time::{Duration, Instant};

use billing_portal::api::{self, NewKey, Scope};
use billing_portal::app::{self, App};
use billing_portal::auth::{self, NewUser, Role};
use billing_portal::db::Db;
use bytes::Bytes;
use http::{HeaderName, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::requests::{Web, cookie_of, listen, portal};

/// Tenants of the small and of the large portal.
const SIZES: [u64; 2] = [1_000, 1_000_000];
/// Invoices of each tenant.
const INVOICES: u64 = 10;
/// Tenants whose pages are looked at, spread over all of them.
const LOOKED_AT: u64 = 50;
/// How often each page of each of them is asked for.
const ROUNDS: usize = 20;

/// Pages of a tenant.
const PAGES: [&str; 5] = ["/", "/plans", "/usage", "/invoices", "/invoices?status=open"];
/// Calls that the host application makes with every request of its own, with what they send.
const CALLS: [(&str, &str); 2] =
    [("/api/billing/access", ""), ("/api/billing/usage/check", r#"{"metric_type":"messages"}"#)];
/// Pages of the staff; `{}` stands for the id of each of the tenants that are looked at, in turn.
const STAFF_PAGES: [&str; 19] = [
    "/staff",
    "/staff/health.csv",
    "/staff/tenants",
    "/staff/tenants?q=Company%2099",
    "/staff/tenants?status=active",
    "/staff/tenants/{}",
    "/staff/tenants/{}/timeline",
    "/staff/tenants/{}/timeline?kind=event",
    "/staff/events",
    "/staff/events?state=parked",
    "/staff/events?state=parked&type=invoice.paid",
    "/staff/events?type=invoice.paid",
    "/staff/events?whose={}",
    "/staff/events?from=2026-11-20&to=2026-11-21",
    "/staff/reconciliation",
    "/staff/validation",
    "/staff/dunning",
    "/staff/mails",
    "/staff/audit",
];

/// Fills both, and reports the 95th percentile of each page.
pub(crate) async fn run(folder: &Path) {
    let mut portals = Vec::new();
    for tenants in SIZES {
        let file = folder.join(format!("scale-{tenants}.db"));
        let db = Db::open(&format!("sqlite://{}", file.display())).await.unwrap();
        db.migrate().await.unwrap();
        let began = Instant::now();
        fill(&db, tenants).await;
        println!(
            "SQLite: {tenants} tenants, {} invoices, filled in {} s",
            tenants * INVOICES,
            began.elapsed().as_secs()
        );
        portals.push(Portal::open(db, tenants).await);
    }
    let [small, large] = &portals[..] else { unreachable!("two sizes") };
    for page in PAGES {
        compare(page, "", small, large, |portal| &portal.owners).await;
    }
    for (call, body) in CALLS {
        compare(call, body, small, large, |portal| &portal.hosts).await;
    }
    for page in STAFF_PAGES {
        compare(page, "", small, large, |portal| &portal.staff).await;
    }
}

/// The headers that somebody comes with.
type Headers = Vec<(HeaderName, String)>;

/// A portal that listens, who is signed in at it, and who calls it: a key for each tenant.
struct Portal {
    at: String,
    client: Web,
    owners: Vec<Headers>,
    hosts: Vec<Headers>,
    staff: Vec<Headers>,
    /// The tenants that are looked at.
    tenants: Vec<String>,
}

impl Portal {
    async fn open(db: Db, tenants: u64) -> Self {
        let app = portal(db);
        let at = listen(app::router(app.clone())).await;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (mut owners, mut hosts) = (Vec::new(), Vec::new());
        for number in 0..LOOKED_AT {
            let number = number * (tenants / LOOKED_AT);
            owners.push(vec![(header::COOKIE, owner(&app, number).await)]);
            hosts.push(host(&app, number).await);
        }
        let staff = vec![vec![(header::COOKIE, staff(&app).await)]];
        let looked_at = (0..LOOKED_AT).map(|number| id_of(number * (tenants / LOOKED_AT))).collect();
        Self { at, client, owners, hosts, staff, tenants: looked_at }
    }

    /// How long each answer took, in the order of their lengths.
    async fn times(&self, page: &str, body: &'static str, callers: &[Headers]) -> Vec<Duration> {
        let mut times = Vec::new();
        let mut tenants = self.tenants.iter().cycle();
        for _ in 0..(ROUNDS * self.owners.len()).div_ceil(callers.len()) {
            for headers in callers {
                let page = page.replace("{}", tenants.next().unwrap());
                let method = if body.is_empty() { Method::GET } else { Method::POST };
                let mut request = Request::builder().method(method).uri(format!("{}{page}", self.at));
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                let request = request.body(Full::<Bytes>::from(body)).unwrap();
                let began = Instant::now();
                let answer = self.client.request(request).await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK, "{page}");
                answer.into_body().collect().await.unwrap();
                times.push(began.elapsed());
            }
        }
        times.sort();
        times
    }
}

async fn compare(
    page: &str,
    body: &'static str,
    small: &Portal,
    large: &Portal,
    who: impl Fn(&Portal) -> &Vec<Headers>,
) {
    // Once around first: what the operating system has not read yet says nothing about the page.
    large.times(page, body, who(large)).await;
    let p95 = async |portal: &Portal| {
        let times = portal.times(page, body, who(portal)).await;
        times[times.len() * 95 / 100].as_secs_f64() * 1_000.0
    };
    let (few, many) = (p95(small).await, p95(large).await);
    println!(
        "SQLite: {page:<44} p95 {many:>6.2} ms with {} tenants   {few:>6.2} ms with {}   ratio {:.2}",
        SIZES[1],
        SIZES[0],
        many / few
    );
}

fn id_of(number: u64) -> String {
    format!("ten_scale{number:08}")
}

async fn owner(app: &App, number: u64) -> String {
    let now = app.clock.now();
    let mut tx = app.db.write().await.unwrap();
    let user = NewUser::new(format!("owner{number}@scale.example").parse().unwrap(), "Owner").unwrap();
    let user = auth::store::create(&mut tx, &user, now).await.unwrap().unwrap();
    let tenant = id_of(number).parse().unwrap();
    auth::store::join(&mut tx, &tenant, &user.id, Role::Owner, now).await.unwrap();
    tx.commit().await.unwrap();
    cookie_of(app, &user).await
}

/// The host application, for a tenant.
async fn host(app: &App, number: u64) -> Headers {
    let scopes = [Scope::AccessRead, Scope::UsageRead];
    let new = NewKey::new("scale", &scopes, app.config.livemode, None).unwrap();
    let mut tx = app.db.write().await.unwrap();
    let (_, secret) = api::store::create(&mut tx, &new, app.clock.wall()).await.unwrap();
    tx.commit().await.unwrap();
    vec![
        (header::AUTHORIZATION, format!("Bearer {}", secret.expose())),
        (HeaderName::from_static("x-tenant-id"), format!("ten_scale{number:08}")),
        (header::CONTENT_TYPE, "application/json".to_owned()),
    ]
}

async fn staff(app: &App) -> String {
    let now = app.clock.now();
    let mut tx = app.db.write().await.unwrap();
    let user = NewUser::new("staff@scale.example".parse().unwrap(), "Staff").unwrap();
    let user = auth::store::create(&mut tx, &user, now).await.unwrap().unwrap();
    tx.query_built(format!("update users set staff = true where id = '{}'", user.id.as_str()))
        .run()
        .await
        .unwrap();
    tx.commit().await.unwrap();
    cookie_of(app, &user).await
}

/// Tenants with a customer, a subscription, invoices, a charge, counted use, events and entries of the audit each, and the figures
/// that follow from them: rows, not histories.
async fn fill(db: &Db, tenants: u64) {
    let last = tenants - 1;
    let each = format!("with recursive n(i) as (select 0 union all select i + 1 from n where i < {last}) ");
    let statements = [
        "insert into products (id, name, active, livemode, plan, limits, seen_at) values\
         ('prod_1', 'Plan', true, false, 'plan', '{\"messages\":{\"limit\":10000,\"hard\":true}}', 1)".to_owned(),
        "insert into prices (id, product_id, active, livemode, currency, unit_amount, recurring_interval, usage_type, seen_at)\
         values ('price_1', 'prod_1', true, false, 'eur', 9900, 'month', 'licensed', 1)".to_owned(),
        format!(
            "insert into tenants (id, name, email, created_at) {each}\
             select printf('ten_scale%08d', i), 'Company ' || i, 'billing' || i || '@scale.example', 1700000000 + i from n"
        ),
        format!(
            "insert into customers (id, tenant_id, livemode, seen_at) {each}\
             select printf('cus_%08d', i), printf('ten_scale%08d', i), false, 1 from n"
        ),
        format!(
            "insert into subscriptions (id, tenant_id, customer_id, status, currency, price_id, product_id, livemode, started_at,\
             created_at, seen_at, current_period_start, current_period_end) {each}\
             select printf('sub_%08d', i), printf('ten_scale%08d', i), printf('cus_%08d', i), 'active', 'eur', 'price_1', 'prod_1',\
             false, 1700000000, 1700000000, 1, 1795000000, 1797600000 from n"
        ),
        format!(
            "insert into usage_totals (tenant_id, metric, period_start, period_end, total, at) {each}\
             select printf('ten_scale%08d', i), 'messages', 1795000000, 1797600000, i % 10000, 1795000001 from n"
        ),
        format!(
            "insert into invoices (id, tenant_id, customer_id, subscription_id, number, status, currency, subtotal, total, amount_due,\
             amount_paid, amount_remaining, period_start, period_end, created_at, finalized_at, paid_at, seen_at) {each},\
             m(k) as (select 0 union all select k + 1 from m where k < {})\
             select printf('in_%08d_%02d', i, k), printf('ten_scale%08d', i), printf('cus_%08d', i), printf('sub_%08d', i),\
             printf('S%08d-%04d', i, k), case when k = 9 and i % 50 = 0 then 'open' else 'paid' end, 'eur', 9900, 9900, 9900, 9900, 0,\
             1770000000 + k * 2592000, 1772592000 + k * 2592000, 1770000000 + k * 2592000, 1770003600, 1770003600, 1 from n, m",
            INVOICES - 1
        ),
    ];
    for statement in statements.into_iter().chain(told(&each, tenants)) {
        let mut tx = db.write().await.unwrap();
        tx.query_built(statement).run().await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// What was told of the tenants: charges, events, entries of the audit, changes of revenue and the figures of all of them.
fn told(each: &str, tenants: u64) -> Vec<String> {
    let event = |id: &str, kind: &str, state: &str, second: u64| {
        format!(
            "insert into webhook_events (id, type, livemode, created_at, object_id, customer_id, payload, payload_hash, state, due_at,\
             received_at, processed_at) {each} select printf('evt_{id}_%08d', i), '{kind}', false, 1795000000 + i / 4, printf('in_%08d_00', i),\
             printf('cus_%08d', i), '{{\"id\":\"' || hex(zeroblob(600)) || '\"}}', 'hash', {state}, 1795000000 + i / 4,\
             1795000000 + i / 4 + {second}, 1795000001 + i / 4 from n"
        )
    };
    vec![
        format!(
            "insert into charges (id, tenant_id, customer_id, payment_intent_id, amount, currency, status, created_at, seen_at) {each}\
             select printf('ch_%08d', i), printf('ten_scale%08d', i), printf('cus_%08d', i), printf('pi_%08d', i), 9900, 'eur',\
             case when i % 40 = 0 then 'failed' else 'succeeded' end, 1795000000 + i / 4, 1 from n"
        ),
        event("paid", "invoice.paid", "case when i % 20000 = 7 then 'parked' else 'done' end", 1),
        event("made", "customer.subscription.created", "'done'", 2),
        format!(
            "insert into audit_entries (id, at, actor_kind, actor_id, action, tenant_id, object_id) {each}\
             select printf('aud_%08d', i), 1795000000 + i / 4, 'stripe', printf('evt_made_%08d', i), 'subscription.created',\
             printf('ten_scale%08d', i), printf('sub_%08d', i) from n"
        ),
        format!(
            "insert into mrr_changes (subscription_id, seq, tenant_id, currency, kind, at, delta, total) {each}\
             select printf('sub_%08d', i), 1, printf('ten_scale%08d', i), 'eur', 'new', 1795000000 + i / 4, 118800, 118800 from n"
        ),
        format!(
            "insert into figures (month, figure, label, currency, count, amount) values\
             (0, 'subscriptions', 'active', '', {tenants}, 0), (24322, 'mrr', 'new', 'eur', {tenants}, {tenants} * 118800),\
             (24322, 'charges', 'succeeded', 'eur', {tenants}, {tenants} * 9900), (24322, 'charges', 'failed', 'eur', 3, 29700)"
        ),
    ]
}
