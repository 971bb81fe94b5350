//! Cancelling a subscription, and taking that back.

use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as From};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::super::answer::{self, Fields, Frame, Problem};
use super::super::missing;
use super::{Portal, period_end, plan_name, within};
use crate::sandbox::actions;
use crate::sandbox::engine::Handle;
use crate::sandbox::errors::Answer;
use crate::sandbox::json::Json as _;
use crate::sandbox::state::State;

pub(super) fn router() -> Router<Handle> {
    Router::new()
        .route("/p/session/{id}/subscriptions/{subscription}/cancel", get(ask).post(cancel))
        .route("/p/session/{id}/subscriptions/{subscription}/keep", post(keep))
}

/// The reasons of Stripe's portal, in its order.
const REASONS: [&str; 8] = [
    "too_expensive",
    "missing_features",
    "switched_service",
    "unused",
    "customer_service",
    "too_complex",
    "low_quality",
    "other",
];

#[derive(Template)]
#[template(path = "sandbox/portal_cancel.html")]
struct CancelPage {
    frame: Frame,
    seller: String,
    back: (String, String),
    consequence: String,
    reasons: Vec<(&'static str, String)>,
    action: String,
}

async fn ask(
    From(handle): From<Handle>,
    Path((id, subscription)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    within(&handle, &id, &headers, |state, portal| {
        let Some(subscription) = cancellable(state, portal, &subscription) else { return missing(&headers) };
        let page = CancelPage::new(state, portal, &subscription, Vec::new());
        answer::page(StatusCode::OK, &page.frame, &page)
    })
}

async fn cancel(
    From(handle): From<Handle>,
    Path((id, subscription)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = Fields::parse(&body);
    within(&handle, &id, &headers, |state, portal| {
        let Some(subscription) = cancellable(state, portal, &subscription) else { return missing(&headers) };
        match carry_out(state, portal, &subscription, &fields) {
            Ok(done) => portal.done(done),
            Err(error) => {
                let problems = vec![Problem::of_page(error.field("message"))];
                let page = CancelPage::new(state, portal, &subscription, problems);
                answer::page(StatusCode::UNPROCESSABLE_ENTITY, &page.frame, &page)
            }
        }
    })
}

async fn keep(
    From(handle): From<Handle>,
    Path((id, subscription)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    within(&handle, &id, &headers, |state, portal| {
        let subscription =
            portal.subscription(state, &subscription).filter(|_| portal.allows("subscription_cancel"));
        let Some(subscription) = subscription else { return missing(&headers) };
        let id = subscription.text("id");
        match state.attempt(|state| actions::reactivate(state, portal.customer(), id)) {
            Ok(()) => portal.done("kept"),
            Err(_) => missing(&headers),
        }
    })
}

fn cancellable(state: &State, portal: &Portal, id: &str) -> Option<std::sync::Arc<Value>> {
    let asked_for = portal.is_for("subscription_cancel") || portal.allows("subscription_cancel");
    portal.subscription(state, id).filter(|_| asked_for)
}

fn immediately(portal: &Portal) -> bool {
    portal.feature("subscription_cancel").text("mode") == "immediately"
}

/// The reasons that the configuration offers; none where it does not ask.
fn reasons(portal: &Portal) -> Vec<&'static str> {
    let asked = portal.feature("subscription_cancel").look("cancellation_reason");
    let offered = |reason: &&str| asked.items("options").iter().any(|option| option == reason);
    if asked.flag("enabled") { REASONS.into_iter().filter(offered).collect() } else { Vec::new() }
}

/// Cancels as the configuration says. Gives the word about it.
fn carry_out(
    state: &mut State,
    portal: &Portal,
    subscription: &Value,
    fields: &Fields,
) -> Answer<&'static str> {
    let feedback = reasons(portal).into_iter().find(|reason| *reason == fields.get("feedback"));
    let comment = Some(fields.get("comment")).filter(|comment| !comment.is_empty());
    let (customer, id, now) = (portal.customer(), subscription.text("id"), immediately(portal));
    state.attempt(|state| actions::cancel(state, customer, id, now, feedback, comment))?;
    Ok(if now { "canceled-now" } else { "canceled-at-end" })
}

impl CancelPage {
    fn new(state: &State, portal: &Portal, subscription: &Value, problems: Vec<Problem>) -> Self {
        let words = portal.words;
        let consequence = if immediately(portal) {
            words.say("cancel-now")
        } else {
            words.fill("cancel-at-end", "date", words.date(period_end(subscription)))
        };
        let reasons =
            reasons(portal).into_iter().map(|reason| (reason, words.say(&format!("reason-{reason}"))));
        Self {
            frame: portal
                .frame(words.fill("cancel-title", "plan", plan_name(state, subscription)))
                .with_errors(problems),
            seller: portal.seller.clone(),
            back: portal.back(),
            consequence,
            reasons: reasons.collect(),
            action: portal.path(&format!("/subscriptions/{}/cancel", subscription.text("id"))),
        }
    }
}
