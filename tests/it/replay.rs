//! A long history, told again: the same mails and the same audit entries, each once.
//!
//! One sandbox makes the history. One portal hears each event once, in its order. Another hears each of them twice, in any order,
//! some of them again long after, and its worker breaks off now and then. In the end both have told the same to the same people.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use billing_portal::db::Db;
use billing_portal::sandbox::Config;
use billing_portal::stripe::signature;
use billing_portal::tenants::Tenant;
use billing_portal::webhooks::store::replay;
use billing_portal::worker;
use http::{Request, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::sandbox::client::{Account, text};
use crate::support::databases::{fresh_sqlite, on_postgres, on_sqlite};
use crate::support::portal::{BEGINNING, Portal, WEBHOOK_SECRET};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// What happens at Stripe, and how much time passes before the next.
#[derive(Clone, Copy)]
enum Act {
    Trial,
    BreakCard,
    Pay,
    Upgrade,
    Downgrade,
    CancelAtEnd,
    Keep,
    Refund,
    Rename,
    CancelNow,
    Subscribe,
    Nothing,
}

/// A year with a trial, changes, missing payments that are paid early, late and never, a second subscription.
const HISTORY: &[(Act, i64)] = &[
    (Act::Trial, 11 * DAY),
    (Act::Nothing, 4 * DAY),
    (Act::Rename, HOUR),
    (Act::Upgrade, 10 * DAY),
    (Act::CancelAtEnd, DAY),
    (Act::Keep, 12 * DAY),
    (Act::BreakCard, 9 * DAY),
    (Act::Pay, 8 * DAY),
    (Act::BreakCard, 20 * DAY),
    (Act::Nothing, 7 * DAY),
    (Act::Nothing, 8 * DAY),
    (Act::Pay, DAY),
    (Act::Refund, DAY),
    (Act::Downgrade, 15 * DAY),
    (Act::BreakCard, 15 * DAY),
    (Act::Nothing, 4 * DAY),
    (Act::Nothing, 4 * DAY),
    (Act::Nothing, 8 * DAY),
    (Act::Nothing, 8 * DAY),
    (Act::Nothing, 30 * DAY),
    (Act::Pay, HOUR),
    (Act::Subscribe, 31 * DAY),
    (Act::CancelNow, DAY),
];

/// One portal, its tenant, and what of the history it has been told.
struct Hearer {
    portal: Portal,
    tenant: Tenant,
    heard: usize,
}

impl Hearer {
    async fn new(db: Db, stripe: &Account) -> Self {
        let portal = Portal::with_stripe(db, stripe.url().parse().unwrap(), "http://billing.test/");
        let tenant = portal.tenant("Acme").await;
        Self { portal, tenant, heard: 0 }
    }

    /// An event at the door, really signed.
    async fn deliver(&self, event: &Value) {
        let body = event.to_string();
        let header =
            signature::sign(body.as_bytes(), &WEBHOOK_SECRET.parse().unwrap(), self.portal.clock.wall());
        let request = Request::post("/webhooks/stripe").header("stripe-signature", header);
        let request = request.body(axum::body::Body::from(body)).unwrap();
        assert_eq!(self.portal.router.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
    }

    /// What a worker held that broke off is free again, as it is when its leases run out.
    async fn free(&self) {
        for sql in [
            "update customer_sync set lease_until = 0, lease_holder = null, due_at = 0",
            "update webhook_events set due_at = 0 where state = 'pending'",
            "update mails set due_at = 0 where state = 'sending' and handed_at is null",
            "update dunning_cases set lease_until = 0",
            "update customers set details_due_at = 0 where details_due_at is not null",
        ] {
            self.portal.run(sql).await;
        }
    }

    /// Works until nothing waits.
    async fn settle(&self) {
        for _ in 0..40 {
            worker::settle(&self.portal.app).await;
            let waiting = "select (select count(*) from webhook_events where state = 'pending')
                + (select count(*) from customer_sync) + (select count(*) from mails where state in ('waiting', 'sending'))
                + (select count(*) from dunning_cases where lease_until > 0) + (select count(*) from notices where state = 'asked')";
            if self.portal.count(waiting).await == 0 {
                return;
            }
            self.free().await;
        }
        panic!("the queue does not drain");
    }

    /// All mails: what each tells, under its cause.
    async fn mails(&self) -> BTreeMap<String, String> {
        let mut tx = self.portal.db.read().await.unwrap();
        let rows: Vec<(String, String, String)> =
            tx.query_built("select cause, data, state from mails".to_owned()).all().await.unwrap();
        rows.into_iter()
            .map(|(cause, data, state)| {
                assert_eq!(state, "kept", "{cause}");
                (cause, data)
            })
            .collect()
    }

    /// Entries that follow from a cause of their own, and not from a difference of rows: what was done about what.
    async fn caused(&self) -> Vec<(String, String)> {
        let mut tx = self.portal.db.read().await.unwrap();
        let sql = "select e.action, coalesce(m.cause, e.object_id) from audit_entries e left join mails m on m.id = e.object_id
            where e.action like 'dunning.%' or e.action like 'mail.%' order by 1, 2";
        tx.query_built(sql.to_owned()).all().await.unwrap()
    }

    /// What the entries about each object of Stripe's say that it has become. Each is one path from nothing to there, on which
    /// no step is told twice: an event that comes late may spare a step, and never adds one.
    async fn ends(&self) -> BTreeMap<String, String> {
        let mut tx = self.portal.db.read().await.unwrap();
        let sql = "select object_id, before, after from audit_entries where actor_kind in ('stripe', 'job')
            and action not like 'dunning.%' and action not like 'mail.%'";
        let rows: Vec<(String, Option<String>, String)> = tx.query_built(sql.to_owned()).all().await.unwrap();
        let mut degrees: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
        for (object, before, after) in rows {
            let states = degrees.entry(object).or_default();
            *states.entry(before.unwrap_or_default()).or_default() -= 1;
            *states.entry(after).or_default() += 1;
        }
        let end = |(object, states): (String, BTreeMap<String, i64>)| {
            let ends: Vec<_> = states.iter().filter(|(_, degree)| **degree != 0).collect();
            assert_eq!(ends.len(), 2, "{object}: {states:#?}");
            assert_eq!((ends[0].0.as_str(), *ends[0].1, *ends[1].1), ("", -1, 1), "{object}: {states:#?}");
            (object, ends[1].0.clone())
        };
        degrees.into_iter().map(end).collect()
    }

    /// Every mail and every entry, as they stand.
    async fn everything(&self) -> BTreeSet<String> {
        let mut tx = self.portal.db.read().await.unwrap();
        let sql = "select 'mail ' || id || ' ' || cause || ' ' || state || ' ' || attempts || ' ' || data from mails
            union all select 'entry ' || id || ' ' || action from audit_entries
            union all select 'case ' || invoice_id || ' ' || state from dunning_cases
            union all select 'step ' || invoice_id || ' ' || step || ' ' || state from dunning_steps";
        let rows: Vec<(String,)> = tx.query_built(sql.to_owned()).all().await.unwrap();
        rows.into_iter().map(|(row,)| row).collect()
    }
}

/// The sandbox and the customer whose history it is.
struct Story {
    stripe: Account,
    customer: String,
    prices: [String; 2],
    events: Vec<Value>,
}

impl Story {
    async fn begin() -> Self {
        let start = BEGINNING.parse::<jiff::Timestamp>().unwrap().as_second();
        let stripe =
            Account::start(Config { start: Some(start), frozen: true, seed: Some(11), ..Config::default() })
                .await;
        let prices = [
            stripe.price("Starter", 2_900, "month").await,
            stripe.price("Professional", 9_900, "month").await,
        ];
        Self { stripe, customer: String::new(), prices, events: Vec::new() }
    }

    async fn live(&self) -> Option<Value> {
        let path = format!("/v1/subscriptions?customer={}&status=all&limit=100", self.customer);
        let all = self.stripe.get(&path).await["data"].as_array().unwrap().clone();
        let is_over =
            |one: &Value| ["canceled", "incomplete_expired"].contains(&one["status"].as_str().unwrap());
        all.into_iter().find(|one| !is_over(one))
    }

    async fn subscribe(&self, more: &str) {
        let form = format!("customer={}&items[0][price]={}{more}", self.customer, self.prices[0]);
        self.stripe.post("/v1/subscriptions", &form).await;
    }

    async fn change(&self, form: &str) {
        let Some(live) = self.live().await else { return };
        let (id, item) = (text(&live, "/id"), text(&live, "/items/data/0/id"));
        let form = form.replace("ITEM", &item);
        self.stripe.post(&format!("/v1/subscriptions/{id}"), &form).await;
    }

    async fn card(&self, number: &str) {
        self.stripe.control("cards", json!({ "customer": self.customer, "number": number })).await;
    }

    async fn act(&self, act: Act) {
        let price = |index: usize| {
            format!(
                "items[0][id]=ITEM&items[0][price]={}&proration_behavior=always_invoice",
                self.prices[index]
            )
        };
        match act {
            Act::Trial => self.subscribe("&trial_period_days=14").await,
            Act::Subscribe => self.subscribe("").await,
            Act::BreakCard => self.card("4000000000000341").await,
            Act::Pay => {
                self.card("4242424242424242").await;
                let path = format!("/v1/invoices?customer={}&status=open", self.customer);
                for invoice in self.stripe.get(&path).await["data"].as_array().unwrap() {
                    self.stripe.post(&format!("/v1/invoices/{}/pay", text(invoice, "/id")), "").await;
                }
            }
            Act::Upgrade => self.change(&price(1)).await,
            Act::Downgrade => self.change(&price(0)).await,
            Act::CancelAtEnd => self.change("cancel_at_period_end=true").await,
            Act::Keep => self.change("cancel_at_period_end=false").await,
            Act::Refund => {
                let charges = self.stripe.get(&format!("/v1/charges?customer={}", self.customer)).await;
                let paid = charges["data"].as_array().unwrap().iter().find(|charge| charge["paid"] == true);
                let form = format!("charge={}", text(paid.expect("a charge"), "/id"));
                self.stripe.post("/v1/refunds", &form).await;
            }
            Act::Rename => {
                let path = format!("/v1/customers/{}", self.customer);
                self.stripe.post(&path, "name=Acme+Ltd").await;
            }
            Act::CancelNow => {
                let live = self.live().await.expect("a subscription");
                self.stripe.ask("DELETE", &format!("/v1/subscriptions/{}", text(&live, "/id")), "").await;
            }
            Act::Nothing => {}
        }
    }

    /// Adds what has happened since to all events so far, in their order.
    async fn listen(&mut self) {
        let known = self.events.last().map(|event| text(event, "/id"));
        let mut new = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.stripe.get(&format!("/v1/events?limit=100{after}")).await;
            let data = page["data"].as_array().unwrap();
            let fresh: Vec<_> =
                data.iter().take_while(|event| event["id"].as_str() != known.as_deref()).cloned().collect();
            let is_all = fresh.len() < data.len();
            new.extend(fresh);
            match data.last().filter(|_| page["has_more"] == true && !is_all) {
                Some(last) => after = format!("&starting_after={}", text(last, "/id")),
                None => break,
            }
        }
        new.reverse();
        self.events.extend(new);
    }
}

fn shuffle<T>(random: &mut TestRng, items: &mut [T]) {
    for index in (1..items.len()).rev() {
        items.swap(index, random.random_range(0..=index));
    }
}

/// The whole of it: `db` is that of the portal that is told everything twice and out of order.
async fn told_twice_and_out_of_order(db: Db) {
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut story = Story::begin().await;
    let (quiet_db, _folder) = fresh_sqlite().await;
    let mut quiet = Hearer::new(quiet_db, &story.stripe).await;
    let mut torn = Hearer::new(db, &story.stripe).await;
    let form = "name=Acme&email=a%40example.com";
    story.customer = text(&story.stripe.post("/v1/customers", form).await, "/id");
    story.stripe.card(&story.customer, "pm_card_visa").await;
    for hearer in [&quiet, &torn] {
        let mut tx = hearer.portal.db.write().await.unwrap();
        let (customer, tenant) = (story.customer.parse().unwrap(), hearer.tenant.id.as_str());
        assert!(billing_portal::sync::store::attach(&mut tx, tenant, &customer, false, 0).await.unwrap());
        tx.commit().await.unwrap();
    }
    for (act, seconds) in HISTORY {
        // While a payment is missing a day at a time, so that what falls due on the way is done on its day.
        let mut left = *seconds;
        story.act(*act).await;
        loop {
            story.listen().await;
            let events = &story.events;
            for event in &events[quiet.heard..] {
                quiet.deliver(event).await;
            }
            quiet.heard = events.len();
            quiet.settle().await;

            let mut twice: Vec<&Value> =
                events[torn.heard..].iter().flat_map(|event| [event, event]).collect();
            // And some that are long past.
            for _ in 0..2 {
                twice.extend(events.get(random.random_range(0..=events.len())));
            }
            torn.heard = events.len();
            shuffle(&mut random, &mut twice);
            for event in twice {
                torn.deliver(event).await;
                if random.random_range(0..4) == 0 {
                    let time = Duration::from_micros(random.random_range(1..9_000));
                    if tokio::time::timeout(time, worker::settle(&torn.portal.app)).await.is_err() {
                        torn.free().await;
                    }
                }
            }
            torn.settle().await;
            if left == 0 {
                break;
            }
            let missing = quiet.portal.count("select count(*) from dunning_cases where state = 'open'").await;
            let step = left.min(if missing > 0 { DAY } else { 4 * DAY });
            left -= step;
            story.stripe.pass(step).await;
            let now = int_now(&story.stripe).await;
            for hearer in [&quiet, &torn] {
                hearer.portal.clock.travel_to(billing_portal::clock::from_seconds(now));
            }
        }
    }

    let (mails, again) = (quiet.mails().await, torn.mails().await);
    let causes = |mails: &BTreeMap<String, String>| mails.keys().cloned().collect::<Vec<_>>();
    assert_eq!(causes(&again), causes(&mails));
    assert_eq!(again, mails, "and each says the same");
    for kind in [
        "receipt",
        "payment_failed",
        "payment_urgent",
        "payment_final",
        "access_restricted",
        "access_restored",
        "upcoming_invoice",
        "trial_ending",
        "plan_changed",
        "cancelled",
    ] {
        assert!(
            mails.keys().any(|cause| cause.starts_with(&format!("{kind}:"))),
            "the history has no {kind}"
        );
    }
    let caused = quiet.caused().await;
    assert_eq!(torn.caused().await, caused);
    assert_eq!(caused.iter().collect::<BTreeSet<_>>().len(), caused.len(), "each once");
    assert_eq!(torn.ends().await, quiet.ends().await);

    told_once_more(&quiet, &story.events, &mut random).await;
    told_once_more(&torn, &story.events, &mut random).await;
    story.stripe.stop().await;
}

/// The whole history again: at the door, and by staff who have each event worked on anew, in any order. Nothing comes of it.
async fn told_once_more(hearer: &Hearer, events: &[Value], random: &mut TestRng) {
    let before = hearer.everything().await;
    let mut all: Vec<&Value> = events.iter().chain(events).collect();
    shuffle(random, &mut all);
    for (number, event) in all.into_iter().enumerate() {
        hearer.deliver(event).await;
        let mut tx = hearer.portal.db.write().await.unwrap();
        replay(&mut tx, event["id"].as_str().unwrap(), hearer.portal.clock.wall().as_second()).await.unwrap();
        tx.commit().await.unwrap();
        if number % 7 == 0 {
            hearer.settle().await;
        }
    }
    hearer.settle().await;
    let after = hearer.everything().await;
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:#?}");
    assert_eq!(after.len(), before.len());
}

async fn int_now(stripe: &Account) -> i64 {
    let clock = stripe.send("GET", "/_sandbox/clock", "", &[]).await.body;
    clock["now"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_told_twice_and_out_of_order_says_the_same_to_the_same_people_on_sqlite() {
    on_sqlite(told_twice_and_out_of_order).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_told_twice_and_out_of_order_says_the_same_to_the_same_people_on_postgres() {
    on_postgres(told_twice_and_out_of_order).await;
}
