//! What happens at Stripe.

use std::collections::BTreeMap;

use billing_portal::sandbox::Config;
use serde_json::{Value, json};

use super::{DAY, HOUR};
use crate::sandbox::client::{Account, text};
use crate::support::portal::BEGINNING;

/// What the plans limit, and to how much.
pub(super) const METRIC: &str = "messages";
const LIMIT: i64 = 100;

/// What happens at Stripe, and how much time passes before the next.
#[derive(Clone, Copy)]
pub(super) enum Act {
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
    /// So much more of a metric is used, as the host application reports.
    Use(i64),
    Nothing,
}

/// A year with a trial, changes, missing payments that are paid early, late and never, a second subscription, and limits that
/// are neared and reached.
pub(super) const HISTORY: &[(Act, i64)] = &[
    (Act::Trial, 11 * DAY),
    (Act::Nothing, 4 * DAY),
    (Act::Use(79), HOUR),
    (Act::Use(6), HOUR),
    (Act::Rename, HOUR),
    (Act::Upgrade, 10 * DAY),
    (Act::CancelAtEnd, DAY),
    (Act::Keep, 6 * DAY),
    (Act::Use(30), 6 * DAY),
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

/// The sandbox and the customer whose history it is.
pub(super) struct Story {
    pub(super) stripe: Account,
    pub(super) customer: String,
    prices: [String; 2],
    pub(super) events: Vec<Value>,
}

impl Story {
    pub(super) async fn begin() -> Self {
        let start = BEGINNING.parse::<jiff::Timestamp>().unwrap().as_second();
        let stripe =
            Account::start(Config { start: Some(start), frozen: true, seed: Some(11), ..Config::default() })
                .await;
        let prices = [
            stripe.price("Starter", 2_900, "month").await,
            stripe.price("Professional", 9_900, "month").await,
        ];
        for price in &prices {
            let product = text(&stripe.get(&format!("/v1/prices/{price}")).await, "/product");
            let limit = format!("metadata[limit_{METRIC}]={LIMIT}");
            stripe.post(&format!("/v1/products/{product}"), &limit).await;
        }
        let customer = text(&stripe.post("/v1/customers", "name=Acme&email=a%40example.com").await, "/id");
        stripe.card(&customer, "pm_card_visa").await;
        Self { stripe, customer, prices, events: Vec::new() }
    }

    pub(super) async fn live(&self) -> Option<Value> {
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

    pub(super) async fn act(&self, act: Act) {
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
            Act::Use(_) | Act::Nothing => {}
        }
    }

    /// Adds what has happened since to all events so far, in their order.
    pub(super) async fn listen(&mut self) {
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

    /// Stripe's time, in unix seconds.
    pub(super) async fn now(&self) -> i64 {
        let clock = self.stripe.send("GET", "/_sandbox/clock", "", &[]).await.body;
        clock["now"].as_i64().unwrap()
    }

    /// The states that each object has had at Stripe, one after the other, as far as an entry tells of them: read from its events.
    pub(super) fn truth(&self) -> BTreeMap<String, Vec<Value>> {
        let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for event in &self.events {
            let object = &event["data"]["object"];
            // The preview of an invoice has no id.
            let (Some(id), Some(facts)) = (object["id"].as_str(), facts(object)) else { continue };
            let states = all.entry(id.to_owned()).or_default();
            if states.last() != Some(&facts) {
                states.push(facts);
            }
        }
        all
    }
}

/// What an entry about an object of Stripe's says of it: found here by other means than the portal's.
fn facts(object: &Value) -> Option<Value> {
    let of = |name: &str| object[name].clone();
    Some(match object["object"].as_str()? {
        "customer" => json!({
            "deleted": object["deleted"] == true, "delinquent": object["delinquent"] == true, "balance": of("balance"),
            "currency": of("currency"),
        }),
        "subscription" => json!({
            "status": of("status"), "price": object["items"]["data"][0]["price"]["id"],
            "quantity": object["items"]["data"][0]["quantity"], "cancel_at": of("cancel_at"),
            "cancel_at_period_end": of("cancel_at_period_end"), "paused": object["pause_collection"]["behavior"],
            "pending_change": null,
        }),
        "invoice" => json!({
            "status": of("status"), "currency": of("currency"), "total": of("total"), "amount_paid": of("amount_paid"),
            "amount_remaining": of("amount_remaining"), "attempts": of("attempt_count"),
        }),
        "charge" => json!({
            "status": of("status"), "currency": of("currency"), "amount": of("amount"),
            "amount_refunded": of("amount_refunded"), "disputed": of("disputed"),
        }),
        _ => return None,
    })
}
