//! Whole requests over loopback, on kept connections: webhooks acknowledged against the database's own rate of durable
//! inserts, and the overview page against a page of axum's that does nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use billing_portal::app::{self, App};
use billing_portal::auth::{self, NewUser, Role, User};
use billing_portal::catalog::policy::Catalog;
use billing_portal::clock::Clock;
use billing_portal::config::{Config, WebhookSecrets};
use billing_portal::db::{Db, sql};
use billing_portal::mail;
use billing_portal::stripe::{Stripe, StripeConfig, signature};
use billing_portal::tenants::{self, NewTenant};
use billing_portal::web::Site;
use billing_portal::web::server::{Limits, serve};
use billing_portal::webhooks::store::Delivery;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

use crate::inserts::{Source, one_insert};
use crate::{TURN, TURNS, Turn, median, report};

const SECRET: &str = "whsec_of_the_measurements";

/// What asks.
pub(crate) type Web = Client<HttpConnector, Full<Bytes>>;

/// Both measurements.
pub(crate) async fn run(name: &str, db: &Db) {
    let app = portal(db.clone());
    let at = listen(app::router(app.clone())).await;
    let bare = listen(
        Router::new().route("/", get(async || Html("<!doctype html><title>Page</title><h1>Page</h1>"))),
    )
    .await;
    let client: Web = Client::builder(TokioExecutor::new()).build_http();
    inbox(name, db, &app).await;
    webhooks(name, db, &client, &at).await;
    overview(name, &app, &client, &at, &bare).await;
}

/// What the database does of a webhook: the event with its indexes and its day, without the request around it.
async fn inbox(name: &str, db: &Db, app: &App) {
    let source = Source::new("own");
    let next = Arc::new(AtomicU64::new(1 << 40));
    let now = app.clock.wall().as_second();
    for waiters in [16, 64] {
        let (mut kept, mut raw) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let put = async || {
                let event = event(next.fetch_add(1, Ordering::Relaxed));
                app.inbox.put(Delivery::signed(event.as_bytes(), false, now)).await.unwrap();
            };
            kept.push(together(waiters, put).await.rate());
            raw.push(Turn::of(async || one_insert(db, &source, waiters).await).await.rate());
        }
        report(
            &format!("{name}: events kept, {waiters} waiters, each acknowledged"),
            median(kept),
            &format!("{waiters} rows in one insert"),
            median(raw),
        );
    }
}

async fn webhooks(name: &str, db: &Db, client: &Web, at: &str) {
    let source = Source::new("raw");
    let next = Arc::new(AtomicU64::new(0));
    let secret: signature::Secret = SECRET.parse().unwrap();
    let now = Clock::system().wall();
    for waiters in [16, 64] {
        let (mut acknowledged, mut raw) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let send = || {
                let body = event(next.fetch_add(1, Ordering::Relaxed));
                let signed = signature::sign(body.as_bytes(), &secret, now);
                Request::post(format!("{at}/webhooks/stripe"))
                    .header("stripe-signature", signed)
                    .body(Full::new(Bytes::from(body)))
                    .unwrap()
            };
            acknowledged.push(crowd(client, waiters, send, StatusCode::OK).await.rate());
            raw.push(Turn::of(async || one_insert(db, &source, waiters).await).await.rate());
        }
        report(
            &format!("{name}: webhooks, {waiters} senders, each acknowledged"),
            median(acknowledged),
            &format!("{waiters} rows in one insert"),
            median(raw),
        );
    }
}

async fn overview(name: &str, app: &App, client: &Web, at: &str, bare: &str) {
    let cookie = subscriber(app).await;
    let (mut pages, mut nothing) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let page =
            || Request::get(format!("{at}/")).header(header::COOKIE, &cookie).body(Full::default()).unwrap();
        pages.push(crowd(client, 16, page, StatusCode::OK).await.rate());
        let page = || Request::get(format!("{bare}/")).body(Full::default()).unwrap();
        nothing.push(crowd(client, 16, page, StatusCode::OK).await.rate());
    }
    report(
        &format!("{name}: overview page, 16 readers"),
        median(pages),
        "a bare page of axum's",
        median(nothing),
    );
}

/// So many who ask again and again until the turn is over.
pub(crate) async fn crowd(
    client: &Web,
    people: usize,
    request: impl Fn() -> Request<Full<Bytes>>,
    expected: StatusCode,
) -> Turn {
    together(people, async || {
        let answer = client.request(request()).await.unwrap();
        assert_eq!(answer.status(), expected);
        answer.into_body().collect().await.unwrap();
    })
    .await
}

/// So many who do the same again and again until the turn is over.
async fn together(people: usize, deed: impl AsyncFn()) -> Turn {
    let started = Instant::now();
    let one = async || {
        let mut done = 0;
        while started.elapsed() < TURN {
            deed().await;
            done += 1;
        }
        done
    };
    let mut all = Vec::new();
    all.resize_with(people, &one);
    let done = futures(all).await;
    Turn { done, took: started.elapsed() }
}

/// Runs them at once on this task, and adds up what they did.
async fn futures(all: Vec<impl Future<Output = usize>>) -> usize {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).map(Some).collect();
    let mut sum = 0;
    std::future::poll_fn(|context| {
        for slot in &mut all {
            if let Some(one) = slot
                && let std::task::Poll::Ready(done) = one.as_mut().poll(context)
            {
                sum += done;
                *slot = None;
            }
        }
        if all.iter().all(Option::is_none) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    sum
}

/// An event as large as Stripe's are, of a type that is not needed: what is measured is keeping it.
fn event(number: u64) -> String {
    let filling = "x".repeat(1_800);
    format!(
        r#"{{"id":"evt_{number:022}","object":"event","type":"invoice.paid","api_version":"2026-09-30.endive","created":1800000000,"livemode":false,"data":{{"object":{{"id":"obj_1","object":"thing","filling":"{filling}"}}}}}}"#
    )
}

/// A portal whose Stripe is nowhere.
pub(crate) fn portal(db: Db) -> App {
    let clock = Clock::system();
    let key = "sk_test_bench".parse().unwrap();
    let nowhere = "http://127.0.0.1:9/".parse().unwrap();
    let stripe = Stripe::new(StripeConfig::new(key, Some(nowhere)).unwrap()).unwrap();
    let site = Site::new("http://127.0.0.1".parse().unwrap(), clock.clone());
    let webhook_secrets = WebhookSecrets::new([SECRET.to_owned()]).unwrap();
    let config = Config {
        site: site.into(),
        webhook_secrets,
        livemode: false,
        mail: mail::Settings::default(),
        host_tokens: None,
    };
    App::new(db, clock, stripe, config, Catalog::load(None).unwrap())
}

/// Serves on a port of its own; where.
pub(crate) async fn listen(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, router, Limits::default(), std::future::pending()));
    format!("http://{address}")
}

/// A tenant with a subscription, and the cookie of its owner's session.
async fn subscriber(app: &App) -> String {
    let now = app.clock.now();
    let mut tx = app.db.write().await.unwrap();
    let tenant = NewTenant::new("Bench", "billing@bench.example".parse().unwrap()).unwrap();
    let tenant = tenants::store::create(&mut tx, &tenant, now).await.unwrap().unwrap();
    let user = NewUser::new("owner@bench.example".parse().unwrap(), "Owner").unwrap();
    let user = auth::store::create(&mut tx, &user, now).await.unwrap().unwrap();
    auth::store::join(&mut tx, &tenant.id, &user.id, Role::Owner, now).await.unwrap();
    for text in [
        "insert into products (id, name, active, livemode, plan, seen_at) values ('prod_1', 'Plan', true, false, 'plan', 1)",
        "insert into prices (id, product_id, active, livemode, currency, unit_amount, recurring_interval, usage_type, seen_at)\
         values ('price_1', 'prod_1', true, false, 'eur', 9900, 'month', 'licensed', 1)",
    ] {
        tx.query_built(text.to_owned()).run().await.unwrap();
    }
    let customer =
        sql!("insert into customers (id, tenant_id, livemode, seen_at) values ('cus_1', $1, false, 1)");
    tx.query(customer).bind(tenant.id.as_str()).run().await.unwrap();
    let subscription = sql!(
        "insert into subscriptions (id, tenant_id, customer_id, status, currency, price_id, product_id, livemode,"
        " started_at, created_at, seen_at, current_period_end)"
        " values ('sub_1', $1, 'cus_1', 'active', 'eur', 'price_1', 'prod_1', false, 1, 1, 1, 2000000000)"
    );
    tx.query(subscription).bind(tenant.id.as_str()).run().await.unwrap();
    tx.commit().await.unwrap();
    cookie_of(app, &user).await
}

/// The cookie of a new session.
pub(crate) async fn cookie_of(app: &App, user: &User) -> String {
    let session = tower_sessions::Session::new(None, Arc::new(app.auth.sessions.clone()), None);
    let from = auth::Origin::new([127, 0, 0, 1].into(), None);
    app.auth.welcome(&session, &user.id, &from).await.unwrap();
    session.save().await.unwrap();
    format!("billing_session={}", session.id().unwrap())
}
