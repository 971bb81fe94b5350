//! Whatever comes between Stripe and the portal, both end in the same state.
//!
//! A random history is made in the sandbox. Its events reach the portal's door in any order, some of them twice, while the
//! history still goes on; work breaks off at any point and is taken up again. When the queue is empty, every row is what the
//! API says, and each mail and audit entry is there once.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use billing_portal::db::Db;
use billing_portal::sandbox::Config;
use billing_portal::stripe::calls::{customers, invoices, payments, schedules, subscriptions};
use billing_portal::stripe::{Budget, CustomerId, signature};
use billing_portal::sync::{self, ChargeRow, CustomerRow, InvoiceRow, Plan, SubscriptionRow};
use billing_portal::worker::{self, Tools};
use http::{Request, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::sandbox::client::{Account, text};
use crate::support::cases::cases;
use crate::support::databases::{on_postgres, on_sqlite};
use crate::support::portal::{Portal, WEBHOOK_SECRET};

/// When the tests begin: 2026-11-21T05:00:00Z.
const START: i64 = 1_795_237_200;

/// What happens at Stripe.
#[derive(Clone, Debug)]
enum Act {
    Subscribe { price: usize },
    SubscribeWithTrial,
    Pass { seconds: i64 },
    Renew,
    BreakCard,
    MendCardAndPay,
    Change { price: usize },
    ScheduleChange,
    CancelAtEnd,
    Keep,
    CancelNow,
    Pause,
    Resume,
    Rename,
    Refund,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..2_usize).prop_map(|price| Act::Subscribe { price }),
        1 => Just(Act::SubscribeWithTrial),
        4 => prop_oneof![Just(0), 1..3_i64, Just(3_600), Just(86_400 * 4)].prop_map(|seconds| Act::Pass { seconds }),
        3 => Just(Act::Renew),
        2 => Just(Act::BreakCard),
        2 => Just(Act::MendCardAndPay),
        2 => (0..2_usize).prop_map(|price| Act::Change { price }),
        1 => Just(Act::ScheduleChange),
        1 => Just(Act::CancelAtEnd),
        1 => Just(Act::Keep),
        1 => Just(Act::CancelNow),
        1 => Just(Act::Pause),
        1 => Just(Act::Resume),
        1 => Just(Act::Rename),
        1 => Just(Act::Refund),
    ]
}

/// What the network and the machine do meanwhile.
#[derive(Clone, Debug)]
struct Fate {
    /// Where in the queue the next event to be delivered stands; one number for each delivery.
    order: Vec<u16>,
    /// How many are delivered after each act.
    pace: Vec<u8>,
    /// Microseconds after which work breaks off; 0: it does not.
    crashes: Vec<u16>,
    /// Whether Stripe fails at that point.
    faults: Vec<bool>,
}

fn fate() -> impl Strategy<Value = Fate> {
    let numbers = |n| prop::collection::vec(any::<u16>(), n);
    let crashes = prop::collection::vec(prop_oneof![2 => Just(0_u16), 1 => 1..12_000_u16], 32);
    (
        numbers(64),
        prop::collection::vec(0..6_u8, 32),
        crashes,
        prop::collection::vec(prop::bool::weighted(0.15), 32),
    )
        .prop_map(|(order, pace, crashes, faults)| Fate { order, pace, crashes, faults })
}

/// Both sides of a history.
struct World {
    stripe: Account,
    portal: Portal,
    tenant: String,
    customer: CustomerId,
    prices: Vec<String>,
    /// Events that Stripe has made, by the order in which they were made.
    made: Vec<Value>,
    /// Those of them that are still to be delivered; some stand there twice.
    queue: Vec<usize>,
}

impl World {
    async fn begin(db: Db) -> Self {
        let config = Config { start: Some(START), frozen: true, seed: Some(7), ..Config::default() };
        let stripe = Account::start(config).await;
        let portal = Portal::with_stripe(db, stripe.url().parse().unwrap(), "http://billing.test/");
        let tenant = portal.tenant("Acme").await.id.to_string();
        let prices = vec![
            stripe.price("Starter", 2_900, "month").await,
            stripe.price("Professional", 9_900, "month").await,
        ];
        let form = format!("name=Acme&email=a%40example.com&metadata[tenant_id]={tenant}");
        let customer = text(&stripe.post("/v1/customers", &form).await, "/id");
        stripe.card(&customer, "pm_card_visa").await;
        let customer = customer.parse().unwrap();
        Self { stripe, portal, tenant, customer, prices, made: Vec::new(), queue: Vec::new() }
    }

    /// The subscription that is not over, if there is one.
    async fn live(&self) -> Option<Value> {
        let path = format!("/v1/subscriptions?customer={}&status=all&limit=100", self.customer);
        let all = self.stripe.get(&path).await["data"].as_array().unwrap().clone();
        all.into_iter()
            .find(|one| !["canceled", "incomplete_expired"].contains(&one["status"].as_str().unwrap()))
    }

    /// Asks the sandbox for something that its present state may refuse.
    async fn try_post(&self, path: &str, form: &str) {
        let answer = self.stripe.ask("POST", path, form).await;
        assert!(
            answer.status == 200 || answer.status == 400 || answer.status == 402,
            "{path} {form}: {:#}",
            answer.body
        );
    }

    async fn act(&self, act: &Act) {
        let live = self.live().await;
        let path = live.as_ref().map(|live| format!("/v1/subscriptions/{}", text(live, "/id")));
        let customer = &self.customer;
        match (act, path) {
            (Act::Subscribe { price }, None) => {
                let form = format!("customer={customer}&items[0][price]={}", self.prices[*price]);
                self.try_post("/v1/subscriptions", &form).await;
            }
            (Act::SubscribeWithTrial, None) => {
                let form =
                    format!("customer={customer}&items[0][price]={}&trial_period_days=14", self.prices[0]);
                self.try_post("/v1/subscriptions", &form).await;
            }
            (Act::Pass { seconds }, _) => self.stripe.pass(*seconds).await,
            (Act::Renew, _) => self.stripe.pass(86_400 * 31).await,
            (Act::BreakCard, _) => self.charge("4000000000000341").await,
            (Act::MendCardAndPay, _) => {
                self.charge("4242424242424242").await;
                let open = self.stripe.get(&format!("/v1/invoices?customer={customer}&status=open")).await;
                for invoice in open["data"].as_array().unwrap() {
                    self.try_post(&format!("/v1/invoices/{}/pay", text(invoice, "/id")), "").await;
                }
            }
            (Act::Change { price }, Some(path)) => {
                let item = text(&live.unwrap(), "/items/data/0/id");
                let form = format!(
                    "items[0][id]={item}&items[0][price]={}&proration_behavior=always_invoice&payment_behavior=pending_if_incomplete",
                    self.prices[*price]
                );
                self.try_post(&path, &form).await;
            }
            (Act::ScheduleChange, Some(path)) => {
                let id = path.rsplit('/').next().unwrap();
                self.try_post("/v1/subscription_schedules", &format!("from_subscription={id}")).await;
            }
            (Act::CancelAtEnd, Some(path)) => self.try_post(&path, "cancel_at_period_end=true").await,
            (Act::Keep, Some(path)) => self.try_post(&path, "cancel_at_period_end=false").await,
            (Act::CancelNow, Some(path)) => {
                self.stripe.ask("DELETE", &path, "").await;
            }
            (Act::Pause, Some(path)) => self.try_post(&path, "pause_collection[behavior]=void").await,
            (Act::Resume, Some(path)) => self.try_post(&path, "pause_collection=").await,
            (Act::Rename, _) => self.try_post(&format!("/v1/customers/{customer}"), "name=Acme+Ltd").await,
            (Act::Refund, _) => {
                let charges = self.stripe.get(&format!("/v1/charges?customer={customer}")).await;
                if let Some(charge) = charges["data"].as_array().unwrap().first() {
                    self.try_post("/v1/refunds", &format!("charge={}", text(charge, "/id"))).await;
                }
            }
            _ => {}
        }
    }

    async fn charge(&self, number: &str) {
        self.stripe.control("cards", json!({ "customer": self.customer, "number": number })).await;
    }

    /// Queues the events that Stripe has made since, every third of them twice.
    async fn collect(&mut self) {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.stripe.get(&format!("/v1/events?limit=100{after}")).await;
            let data = page["data"].as_array().unwrap();
            all.extend(data.iter().cloned());
            match data.last().filter(|_| page["has_more"] == true) {
                Some(last) => after = format!("&starting_after={}", text(last, "/id")),
                None => break,
            }
        }
        all.reverse();
        for event in all.into_iter().skip(self.made.len()) {
            let index = self.made.len();
            self.queue.extend(std::iter::repeat_n(index, if index.is_multiple_of(3) { 2 } else { 1 }));
            self.made.push(event);
        }
    }

    /// Delivers one of the events that wait, really signed, to the real door.
    async fn deliver(&mut self, which: u16) {
        if self.queue.is_empty() {
            return;
        }
        let event = &self.made[self.queue.remove(usize::from(which) % self.queue.len())];
        let body = event.to_string();
        let header =
            signature::sign(body.as_bytes(), &WEBHOOK_SECRET.parse().unwrap(), self.portal.clock.wall());
        let request = Request::post("/webhooks/stripe").header("stripe-signature", header);
        let request = request.body(axum::body::Body::from(body)).unwrap();
        let status = self.portal.router.clone().oneshot(request).await.unwrap().status();
        assert_eq!(status, StatusCode::OK);
    }

    /// Works, and breaks off after so many microseconds: what a worker held is free again when its lease is over.
    async fn work(&self, crash: u16) {
        let tools: Tools = (&self.portal.app).into();
        if crash == 0 {
            worker::settle(tools).await;
            return;
        }
        let time = Duration::from_micros(u64::from(crash));
        if tokio::time::timeout(time, worker::once(&tools)).await.is_err() {
            self.portal.clock.pass(121);
        }
    }

    /// Works until nothing waits; what failed is due again before long.
    async fn drain(&self) {
        for _ in 0..20 {
            worker::settle(&self.portal.app).await;
            let waiting = "select (select count(*) from webhook_events where state = 'pending') + (select count(*) from customer_sync)";
            if self.portal.count(waiting).await == 0 {
                let mut tx = self.portal.db.read().await.unwrap();
                let parked = "select type, coalesce(error, '') from webhook_events where state = 'parked'";
                let parked: Vec<(String, String)> = tx.query_built(parked.to_owned()).all().await.unwrap();
                assert!(parked.is_empty(), "given up: {parked:?}");
                return;
            }
            self.portal.clock.pass(900);
        }
        panic!("the queue does not drain");
    }
}

/// One history from its beginning to its end.
async fn history(db: Db, acts: Vec<Act>, fate: Fate) {
    let mut world = World::begin(db).await;
    let mut order = fate.order.iter().cycle();
    for (step, act) in acts.iter().enumerate() {
        world.act(act).await;
        world.collect().await;
        for _ in 0..fate.pace[step % fate.pace.len()] {
            world.deliver(*order.next().unwrap()).await;
        }
        if fate.faults[step % fate.faults.len()] {
            world.stripe.control("faults", json!({ "path": "/v1/", "times": 2, "status": 503 })).await;
        }
        world.work(fate.crashes[step % fate.crashes.len()]).await;
        world.stripe.send("DELETE", "/_sandbox/faults", "", &[]).await;
    }
    while !world.queue.is_empty() {
        world.deliver(*order.next().unwrap()).await;
    }
    world.drain().await;
    world.same_rows().await;
    world.each_mail_once().await;
    world.each_entry_once().await;
    crate::staff::agree_with_rows(&world.portal).await;
    world.stripe.stop().await;
}

impl World {
    /// Every row is what the API says now.
    async fn same_rows(&self) {
        let (stripe, id, budget) = (&self.portal.app.stripe, &self.customer, Budget::work());
        let customer = customers::get_one(stripe, id, budget).await.unwrap().value;
        let all = subscriptions::of_customer(stripe, id, budget).await.unwrap().value;
        let mut planned: HashMap<_, _> = schedules::of_customer(stripe, id, budget)
            .await
            .unwrap()
            .value
            .into_iter()
            .map(|schedule| (schedule.id.clone(), schedule))
            .collect();
        let invoices = invoices::of_customer(stripe, id, budget).await.unwrap().value;
        let charges = payments::charges_of(stripe, id, budget).await.unwrap().value;
        let mut tx = self.portal.db.read().await.unwrap();
        let row = sync::store::customer(&mut tx, id).await.unwrap().expect("the customer's row");
        assert_eq!(CustomerRow::new(&self.tenant, None, &customer, row.seen_at), row);
        for subscription in &all {
            let row = sync::store::subscription(&mut tx, &subscription.id)
                .await
                .unwrap()
                .expect("a subscription's row");
            let plan =
                subscription.schedule.as_ref().and_then(|schedule| planned.remove(schedule)).map(Box::new);
            let expected =
                SubscriptionRow::new(&self.tenant, None, subscription, &Plan::Seen(plan), row.seen_at);
            assert_eq!(expected, row);
        }
        for invoice in &invoices {
            let row = sync::store::invoice(&mut tx, invoice.id.as_ref().unwrap())
                .await
                .unwrap()
                .expect("an invoice's row");
            let mut expected = InvoiceRow::new(&self.tenant, None, invoice, row.seen_at).unwrap();
            // An invoice in an event does not say how it was paid.
            expected.payments.clone_from(&row.payments);
            assert_eq!(expected, row);
        }
        for charge in &charges {
            let row = sync::store::charge(&mut tx, &charge.id).await.unwrap().expect("a charge's row");
            let mut expected = ChargeRow::new(&self.tenant, id, None, charge, row.seen_at);
            assert_eq!(expected.refunded_at.is_some(), row.refunded_at.is_some());
            expected.refunded_at = row.refunded_at;
            assert_eq!(expected, row);
        }
        drop(tx);
        for (table, count) in
            [("subscriptions", all.len()), ("invoices", invoices.len()), ("charges", charges.len())]
        {
            let rows = self.portal.count(&format!("select count(*) from {table}")).await;
            assert_eq!(rows, i64::try_from(count).unwrap(), "{table}");
        }
        let sql = "select type, state, coalesce(error, '') from webhook_events where state not in ('done', 'not_needed')";
        let mut tx = self.portal.db.read().await.unwrap();
        let unfinished: Vec<(String, String, String)> = tx.query_built(sql.to_owned()).all().await.unwrap();
        drop(tx);
        assert!(unfinished.is_empty(), "{unfinished:#?}");
        let stored = self.portal.count("select count(*) from webhook_events where conflict is null").await;
        assert_eq!(stored, i64::try_from(self.made.len()).unwrap(), "each event is kept, once");
    }

    /// A receipt for each invoice that was paid with money and a farewell for each subscription that ended; no other.
    async fn each_mail_once(&self) {
        let mut tx = self.portal.db.read().await.unwrap();
        let sql = "select cause from mails where kind = 'receipt' or cause like '%:ended' order by cause"
            .to_owned();
        let sent: Vec<(String,)> = tx.query_built(sql).all().await.unwrap();
        let sql = "select 'receipt:' || id from invoices where status = 'paid' and amount_paid > 0
            union all select 'cancelled:' || id || ':ended' from subscriptions where status = 'canceled' order by 1";
        let owed: Vec<(String,)> = tx.query_built(sql.to_owned()).all().await.unwrap();
        let sorted = |mut all: Vec<(String,)>| {
            all.sort();
            all
        };
        assert_eq!(sorted(sent), sorted(owed));
    }

    /// The entries about each object are one path from nothing to what its row says: no step is told twice, none is missing.
    async fn each_entry_once(&self) {
        let mut tx = self.portal.db.read().await.unwrap();
        let sql = "select object_id, before, after from audit_entries where actor_kind in ('stripe', 'job')
            and action not like 'dunning.%' and action not like 'mail.%' order by id";
        let entries: Vec<(String, Option<String>, String)> =
            tx.query_built(sql.to_owned()).all().await.unwrap();
        let mut degrees: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
        for (object, before, after) in entries {
            let of_object = degrees.entry(object).or_default();
            *of_object.entry(before.unwrap_or_default()).or_default() -= 1;
            *of_object.entry(after).or_default() += 1;
        }
        for (object, states) in &degrees {
            let ends: Vec<_> = states.iter().filter(|(_, degree)| **degree != 0).collect();
            assert_eq!(ends.len(), 2, "{object}: {states:#?}");
            assert_eq!((ends[0].0.as_str(), *ends[0].1, *ends[1].1), ("", -1, 1), "{object}: {states:#?}");
        }
        let rows = "select (select count(*) from subscriptions) + (select count(*) from invoices) + (select count(*) from charges) + 1";
        let objects = i64::try_from(degrees.len()).unwrap();
        drop(tx);
        assert!(objects >= self.portal.count(rows).await, "each object has its entries");
    }
}

/// Runs histories on fresh databases, each in a runtime of its own.
fn run(count: u32, test: impl Fn(Vec<Act>, Fate)) {
    let strategy = (prop::collection::vec(act(), 3..16), fate());
    let done = TestRunner::new(cases(count, 24)).run(&strategy, |(acts, fate)| {
        test(acts, fate);
        Ok(())
    });
    if let Err(error) = done {
        panic!("{error}");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn any_history_in_any_order_ends_in_stripes_state_on_sqlite() {
    let runtime = runtime();
    run(24, |acts, fate| runtime.block_on(on_sqlite(|db| history(db, acts, fate))));
}

#[test]
fn any_history_in_any_order_ends_in_stripes_state_on_postgres() {
    let runtime = runtime();
    run(6, |acts, fate| runtime.block_on(on_postgres(|db| history(db, acts, fate))));
}
