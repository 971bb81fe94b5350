//! The customer portal's pages: what a customer may see and change is what the session's configuration says.
//!
//! Every change goes through the same calls as a program's would. A session that was opened for one task leads straight to
//! it and, once done, back to where the customer came from.

mod cards;
mod customer;
mod home;
mod subscription;
mod update;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use http::HeaderMap;
use serde_json::Value;

use super::answer::{self, Frame};
use super::words::Words;
use super::{missing, seller};
use crate::sandbox::engine::Handle;
use crate::sandbox::json::Json as _;
use crate::sandbox::state::{Cause, State};
use crate::sandbox::store::Kind;

pub(super) use cards::after_bank;

pub(super) fn router() -> Router<Handle> {
    home::router()
        .merge(cards::router())
        .merge(customer::router())
        .merge(subscription::router())
        .merge(update::router())
}

/// An open session with what its pages need to know.
pub(super) struct Portal {
    session: Arc<Value>,
    customer: Arc<Value>,
    configuration: Arc<Value>,
    words: Words,
    seller: String,
}

/// Loads the session, then lets a page decide. An unknown session, or one whose customer is gone, has a page of its own.
fn within(
    handle: &Handle,
    id: &str,
    headers: &HeaderMap,
    page: impl FnOnce(&mut State, &Portal) -> Response,
) -> Response {
    let answered = handle.run(Cause::default(), |state| {
        Ok(match Portal::load(state, id, headers) {
            Some(portal) => page(state, &portal),
            None => missing(headers),
        })
    });
    answered.unwrap_or_else(|_| missing(headers))
}

impl Portal {
    fn load(state: &mut State, id: &str, headers: &HeaderMap) -> Option<Self> {
        let session = state.find(Kind::PortalSession, id);
        let customer = state.customer(session.maybe_text("customer")?, "customer").ok()?;
        let configuration = state.find(Kind::PortalConfiguration, session.text("configuration"));
        let words = Words::of(session.text("locale"), headers);
        Some(Self { session, customer, configuration, words, seller: seller(state) })
    }

    fn customer(&self) -> &str {
        self.customer.text("id")
    }

    /// The address of one of the session's pages.
    fn path(&self, rest: &str) -> String {
        format!("/p/session/{}{rest}", self.session.text("id"))
    }

    /// A page's frame. Its forms may end where the session leads back to.
    fn frame(&self, title: String) -> Frame {
        Frame::new(self.words, title)
            .leading_to(self.session.text("return_url"))
            .leading_to(self.session.text("/flow/after_completion/redirect/return_url"))
    }

    /// A feature of the configuration.
    fn feature(&self, name: &str) -> &Value {
        &self.configuration["features"][name]
    }

    fn allows(&self, name: &str) -> bool {
        self.feature(name).flag("enabled")
    }

    /// The task that the session was opened for; empty for the whole portal.
    fn flow(&self) -> &str {
        self.session.text("/flow/type")
    }

    /// Whether the session's own task is this one: a task that was asked for by the seller is always offered.
    fn is_for(&self, flow: &str) -> bool {
        self.flow() == flow
    }

    /// Where "back" leads from a task: out of it, if the session is for this task alone; else to the portal's first page.
    fn back(&self) -> (String, String) {
        match self.session.maybe_text("return_url").filter(|_| !self.flow().is_empty()) {
            Some(outside) => (outside.to_owned(), self.words.fill("return-to", "seller", &self.seller)),
            None => (self.path("?home=true"), self.words.say("go-back")),
        }
    }

    /// After a task: where the session leads, or the portal's first page with a word about what was done.
    fn done(&self, what: &str) -> Response {
        match self.session.text("/flow/after_completion/type") {
            "redirect" => answer::see_other(self.session.text("/flow/after_completion/redirect/return_url")),
            "hosted_confirmation" => answer::see_other(&self.path("/done")),
            _ => answer::see_other(&self.path(&format!("?home=true&done={what}"))),
        }
    }

    /// A subscription of this customer that has not ended.
    fn subscription(&self, state: &State, id: &str) -> Option<Arc<Value>> {
        let subscription = state.find(Kind::Subscription, id);
        let ended = matches!(subscription.text("status"), "canceled" | "incomplete_expired");
        (subscription.text("customer") == self.customer() && !ended).then_some(subscription)
    }
}

/// What is charged whatever is used: the items that make the plan.
fn licensed(subscription: &Value) -> impl Iterator<Item = &Value> {
    let items = subscription.items("items").iter();
    items.filter(|item| item.text("/price/recurring/usage_type") != "metered")
}

/// The end of the present period.
fn period_end(subscription: &Value) -> i64 {
    subscription.items("items").iter().map(|item| item.int("current_period_end")).max().unwrap_or_default()
}

/// When the subscription ends by a cancellation that is already decided.
fn ending(subscription: &Value) -> Option<i64> {
    let at_period_end = subscription.flag("cancel_at_period_end").then(|| period_end(subscription));
    subscription.maybe_int("cancel_at").or(at_period_end)
}

/// The name of a price's product.
fn product_name(state: &State, price: &Value) -> String {
    let id = price.maybe_text("/product/id").unwrap_or_else(|| price.text("product"));
    state.find(Kind::Product, id).text("name").to_owned()
}

/// The plan's name: its products', joined.
fn plan_name(state: &State, subscription: &Value) -> String {
    let mut names =
        licensed(subscription).map(|item| product_name(state, &item["price"])).collect::<Vec<_>>();
    names.dedup();
    names.join(" + ")
}

/// "€29.00 per month" for a price and a number of units of it.
pub(super) fn price_text(words: Words, price: &Value, quantity: i64) -> String {
    let amount = price.int("unit_amount").saturating_mul(quantity.max(1));
    let every = words.every(price.text("/recurring/interval"), price.int("/recurring/interval_count"));
    words.fill_all("per-unit", [("unit", words.money(amount, price.text("currency"))), ("every", every)])
}
