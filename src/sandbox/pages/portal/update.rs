//! Changing a subscription's plan or quantity: choose, see what it costs, confirm.

use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State as From};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::super::answer::{self, Fields, Frame, Problem};
use super::super::{call, missing, wallet};
use super::{Portal, licensed, period_end, price_text, product_name, within};
use crate::sandbox::engine::Handle;
use crate::sandbox::errors::Answer;
use crate::sandbox::json::Json as _;
use crate::sandbox::objects::portal::is_changeable;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(super) fn router() -> Router<Handle> {
    Router::new()
        .route("/p/session/{id}/subscriptions/{subscription}/update", get(choose))
        .route("/p/session/{id}/subscriptions/{subscription}/confirm", get(review).post(confirm))
}

#[derive(Template)]
#[template(path = "sandbox/portal_update.html")]
struct UpdatePage {
    frame: Frame,
    seller: String,
    back: (String, String),
    current: String,
    plans: Vec<Plan>,
    /// The present number of units, where it may be changed.
    quantity: Option<String>,
    action: String,
}

struct Plan {
    price: String,
    name: String,
    text: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "sandbox/portal_confirm.html")]
struct ConfirmPage {
    frame: Frame,
    seller: String,
    back: (String, String),
    from: String,
    to: String,
    takes_effect: String,
    due_now: String,
    lines: Vec<(String, String)>,
    price: String,
    quantity: i64,
    /// The moment that the shown amounts are for, in unix seconds.
    moment: i64,
    action: String,
}

#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    price: String,
    #[serde(default)]
    quantity: String,
}

/// A change that may be made: of this item, to this price and number of units.
struct Change {
    subscription: std::sync::Arc<Value>,
    item: Value,
    price: Value,
    quantity: i64,
}

async fn choose(
    From(handle): From<Handle>,
    Path((id, subscription)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    within(&handle, &id, &headers, |state, portal| {
        let allowed = portal.is_for("subscription_update") || portal.allows("subscription_update");
        let subscription = changeable(state, portal, &subscription).filter(|_| allowed);
        let Some(subscription) = subscription else { return missing(&headers) };
        let page = UpdatePage::new(state, portal, &subscription, Vec::new());
        answer::page(StatusCode::OK, &page.frame, &page)
    })
}

async fn review(
    From(handle): From<Handle>,
    Path((id, subscription)): Path<(String, String)>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Response {
    within(&handle, &id, &headers, |state, portal| {
        let Some(subscription) = changeable(state, portal, &subscription) else { return missing(&headers) };
        let change = match Change::of(state, portal, subscription.clone(), &wish) {
            Ok(change) => change,
            Err(problem) => return refused(state, portal, &subscription, problem),
        };
        match ConfirmPage::new(state, portal, &change, Vec::new()) {
            Ok(page) => answer::page(StatusCode::OK, &page.frame, &page),
            Err(error) => refused(state, portal, &subscription, Problem::of_page(error.field("message"))),
        }
    })
}

async fn confirm(
    From(handle): From<Handle>,
    Path((id, subscription)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = Fields::parse(&body);
    let wish = Wish { price: fields.get("price").to_owned(), quantity: fields.get("quantity").to_owned() };
    within(&handle, &id, &headers, |state, portal| {
        let Some(subscription) = changeable(state, portal, &subscription) else { return missing(&headers) };
        let change = match Change::of(state, portal, subscription.clone(), &wish) {
            Ok(change) => change,
            Err(problem) => return refused(state, portal, &subscription, problem),
        };
        let error = match state.attempt(|state| change.carry_out(state, portal, fields.get("moment"))) {
            Ok(done) => return portal.done(done),
            Err(error) => error,
        };
        let problem = match error.status() {
            402 => wallet::refusal(portal.words, &error),
            _ => Problem::of_page(error.field("message")),
        };
        match ConfirmPage::new(state, portal, &change, vec![problem]) {
            Ok(page) => answer::page(StatusCode::UNPROCESSABLE_ENTITY, &page.frame, &page),
            Err(error) => refused(state, portal, &subscription, Problem::of_page(error.field("message"))),
        }
    })
}

/// A subscription of this customer that the customer portal can change.
fn changeable(state: &State, portal: &Portal, id: &str) -> Option<std::sync::Arc<Value>> {
    portal.subscription(state, id).filter(|subscription| is_changeable(subscription))
}

fn refused(state: &State, portal: &Portal, subscription: &Value, problem: Problem) -> Response {
    let page = UpdatePage::new(state, portal, subscription, vec![problem]);
    answer::page(StatusCode::UNPROCESSABLE_ENTITY, &page.frame, &page)
}

fn may(portal: &Portal, update: &str) -> bool {
    let allowed = portal.feature("subscription_update").items("default_allowed_updates");
    allowed.iter().any(|allowed| allowed == update)
}

/// The prices that the configuration lets a customer choose, in its order.
fn offered(state: &State, portal: &Portal, currency: &str) -> Vec<Value> {
    let products = portal.feature("subscription_update").items("products").iter();
    let ids = products.flat_map(|product| product.items("prices")).filter_map(Value::as_str);
    let prices = ids.map(|id| state.find(Kind::Price, id)).filter(|price| {
        price.flag("active")
            && price.text("currency") == currency
            && price.text("/recurring/usage_type") != "metered"
    });
    prices.map(|price| Value::clone(&price)).collect()
}

impl Change {
    /// Reads the wish. The session's own change, where it was opened to confirm one, needs no wish.
    fn of(
        state: &State,
        portal: &Portal,
        subscription: std::sync::Arc<Value>,
        wish: &Wish,
    ) -> Result<Self, Problem> {
        let words = portal.words;
        let item = licensed(&subscription).next().cloned().unwrap_or_default();
        let own = &portal.session.look("/flow/subscription_update_confirm/items")[0];
        let (price, quantity) = if portal.is_for("subscription_update_confirm") {
            let price = own.maybe_text("price").unwrap_or_else(|| item.text("/price/id"));
            (price.to_owned(), own.maybe_int("quantity").unwrap_or_else(|| item.int("quantity")))
        } else {
            if !portal.allows("subscription_update") && !portal.is_for("subscription_update") {
                return Err(Problem::of_page(words.say("not-allowed")));
            }
            let offered = offered(state, portal, subscription.text("currency"));
            let price = Some(wish.price.as_str())
                .filter(|price| !price.is_empty())
                .unwrap_or_else(|| item.text("/price/id"));
            let changed = price != item.text("/price/id");
            if changed && !(may(portal, "price") && offered.iter().any(|offer| offer.text("id") == price)) {
                return Err(Problem::of_page(words.say("not-allowed")));
            }
            (price.to_owned(), quantity(portal, &item, wish)?)
        };
        if price == item.text("/price/id") && quantity == item.int("quantity") {
            return Err(Problem::of_page(words.say("update-same")));
        }
        let price = Value::clone(&state.find(Kind::Price, &price));
        Ok(Self { subscription, item, price, quantity })
    }

    /// Whether the configuration wants such a change made when the period ends.
    fn waits(&self, portal: &Portal) -> bool {
        let conditions = portal.feature("subscription_update").items("/schedule_at_period_end/conditions");
        let wants = |kind: &str| conditions.iter().any(|condition| condition.text("type") == kind);
        let amount = |price: &Value, quantity: i64| price.int("unit_amount").saturating_mul(quantity);
        let old = &self.item["price"];
        let days = |price: &Value| {
            let unit = match price.text("/recurring/interval") {
                "day" => 1,
                "week" => 7,
                "year" => 365,
                _ => 30,
            };
            unit * price.int("/recurring/interval_count").max(1)
        };
        let cheaper = amount(&self.price, self.quantity).saturating_mul(days(old))
            < amount(old, self.item.int("quantity")).saturating_mul(days(&self.price));
        (wants("decreasing_item_amount") && cheaper)
            || (wants("shortening_interval") && days(&self.price) < days(old))
    }

    fn proration<'a>(&self, portal: &'a Portal) -> &'a str {
        portal.feature("subscription_update").maybe_text("proration_behavior").unwrap_or("none")
    }

    fn carry_out(&self, state: &mut State, portal: &Portal, moment: &str) -> Answer<&'static str> {
        let quantity = self.quantity.to_string();
        if self.waits(portal) {
            self.schedule(state, &quantity)?;
            return Ok("updated-later");
        }
        let mut form = vec![
            ("items[0][id]", self.item.text("id")),
            ("items[0][price]", self.price.text("id")),
            ("items[0][quantity]", quantity.as_str()),
            ("proration_behavior", self.proration(portal)),
            ("payment_behavior", "error_if_incomplete"),
        ];
        // The amounts that were shown are of that moment.
        if !moment.is_empty() && self.proration(portal) != "none" {
            form.push(("proration_date", moment));
        }
        call(state, "POST", &format!("/v1/subscriptions/{}", self.subscription.text("id")), &form)?;
        Ok("updated-now")
    }

    /// The present plan until the period ends, then the new one.
    fn schedule(&self, state: &mut State, quantity: &str) -> Answer<()> {
        let id = self.subscription.text("id");
        let schedule = match self.subscription.maybe_text("schedule") {
            Some(schedule) => schedule.to_owned(),
            None => call(state, "POST", "/v1/subscription_schedules", &[("from_subscription", id)])?.id(),
        };
        let start = self.item.int("current_period_start").to_string();
        let end = period_end(&self.subscription).to_string();
        let before = self.item.int("quantity").to_string();
        let mut form = vec![
            ("end_behavior".to_owned(), "release"),
            ("phases[0][start_date]".to_owned(), start.as_str()),
            ("phases[0][end_date]".to_owned(), end.as_str()),
            ("phases[1][proration_behavior]".to_owned(), "none"),
        ];
        // Items that are charged by use go along unchanged.
        for (phase, price, quantity) in
            [(0, self.item.text("/price/id"), before.as_str()), (1, self.price.text("id"), quantity)]
        {
            form.push((format!("phases[{phase}][items][0][price]"), price));
            form.push((format!("phases[{phase}][items][0][quantity]"), quantity));
            let others = self
                .subscription
                .items("items")
                .iter()
                .filter(|item| item.text("id") != self.item.text("id"));
            for (index, other) in others.enumerate() {
                form.push((format!("phases[{phase}][items][{}][price]", index + 1), other.text("/price/id")));
            }
        }
        let form = form.iter().map(|(key, value)| (key.as_str(), *value)).collect::<Vec<_>>();
        call(state, "POST", &format!("/v1/subscription_schedules/{schedule}"), &form).map(drop)
    }

    /// What it would cost now, by the same code that charges it.
    fn preview(&self, state: &mut State, portal: &Portal) -> Answer<Value> {
        let (quantity, moment) = (self.quantity.to_string(), state.at.to_string());
        let mut form = vec![
            ("subscription", self.subscription.text("id")),
            ("subscription_details[items][0][id]", self.item.text("id")),
            ("subscription_details[items][0][price]", self.price.text("id")),
            ("subscription_details[items][0][quantity]", quantity.as_str()),
            ("subscription_details[proration_behavior]", self.proration(portal)),
        ];
        if self.proration(portal) != "none" {
            form.push(("subscription_details[proration_date]", moment.as_str()));
        }
        call(state, "POST", "/v1/invoices/create_preview", &form)
    }
}

/// The wished number of units; the present one where the customer may not change it.
fn quantity(portal: &Portal, item: &Value, wish: &Wish) -> Result<i64, Problem> {
    if !may(portal, "quantity") || wish.quantity.trim().is_empty() {
        return Ok(item.int("quantity"));
    }
    let wished = wish.quantity.trim().parse::<i64>().ok().filter(|quantity| (1..=999_999).contains(quantity));
    wished.ok_or_else(|| Problem::of("quantity", portal.words.say("update-quantity-wrong")))
}

impl UpdatePage {
    fn new(state: &State, portal: &Portal, subscription: &Value, problems: Vec<Problem>) -> Self {
        let words = portal.words;
        let item = licensed(subscription).next().cloned().unwrap_or_default();
        let described = |price: &Value| Plan {
            price: price.text("id").to_owned(),
            name: product_name(state, price),
            text: price_text(words, price, 1),
            chosen: price.text("id") == item.text("/price/id"),
        };
        let offers = if may(portal, "price") {
            offered(state, portal, subscription.text("currency"))
        } else {
            Vec::new()
        };
        let current = described(&item["price"]);
        Self {
            frame: portal.frame(words.say("update-title")).with_errors(problems),
            seller: portal.seller.clone(),
            back: portal.back(),
            current: format!("{}: {}", current.name, price_text(words, &item["price"], item.int("quantity"))),
            plans: offers.iter().map(described).collect(),
            quantity: may(portal, "quantity").then(|| item.int("quantity").to_string()),
            action: portal.path(&format!("/subscriptions/{}/confirm", subscription.text("id"))),
        }
    }
}

impl ConfirmPage {
    fn new(state: &mut State, portal: &Portal, change: &Change, problems: Vec<Problem>) -> Answer<Self> {
        let words = portal.words;
        let waits = change.waits(portal);
        let preview = if waits { Value::Null } else { change.preview(state, portal)? };
        let currency = change.subscription.text("currency");
        let invoiced_now = change.proration(portal) == "always_invoice" && !waits;
        let due_now = match preview.int("amount_due") {
            amount if invoiced_now && amount > 0 => words.money(amount, currency),
            _ => words.say("confirm-no-charge"),
        };
        let lines = preview
            .items("lines")
            .iter()
            .map(|line| (line.text("description").to_owned(), words.money(line.int("amount"), currency)));
        let described = |price: &Value, quantity| {
            format!("{}: {}", product_name(state, price), price_text(words, price, quantity))
        };
        Ok(Self {
            frame: portal.frame(words.say("confirm-title")).with_errors(problems),
            seller: portal.seller.clone(),
            back: portal.back(),
            from: described(&change.item["price"], change.item.int("quantity")),
            to: described(&change.price, change.quantity),
            takes_effect: match waits {
                true => words.date(period_end(&change.subscription)),
                false => words.say("confirm-now"),
            },
            due_now,
            lines: lines.collect(),
            price: change.price.text("id").to_owned(),
            quantity: change.quantity,
            moment: state.at,
            action: portal.path(&format!("/subscriptions/{}/confirm", change.subscription.text("id"))),
        })
    }
}
