//! How a paused subscription wakes: at once where that costs nothing, otherwise with the payment of its resumption invoice
//! (<https://docs.stripe.com/billing/subscriptions/pause#resume-subscriptions>).

use serde_json::{Value, json};

use super::invoices::{self, Draft};
use super::lines::Line;
use super::payments::{self, Presence};
use super::tariff::Tariff;
use super::{cycle, discounts};
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::Json;
use crate::sandbox::settings::{DAY, HOUR};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// Stripe's `payment_behavior` of resuming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waking {
    /// The request tries to collect; the subscription stays paused until that succeeds, and it is tried again.
    OnSuccess,
    /// Somebody else collects, within 23 hours; trying wakes the subscription, late if it fails.
    OnAttempt,
}

impl Waking {
    /// The word kept with the invoice.
    fn word(self) -> &'static str {
        match self {
            Self::OnSuccess => "success",
            Self::OnAttempt => "attempt",
        }
    }

    /// How long the invoice may stay unpaid.
    fn patience(self) -> i64 {
        match self {
            Self::OnSuccess => 365 * DAY,
            Self::OnAttempt => 23 * HOUR,
        }
    }
}

/// Resumes a paused subscription: a new period from now, or what is left of the old one. Asked again, the invoice of the request
/// before gives way: both must not be paid.
pub(crate) fn resume(state: &mut State, id: &str, anchor_now: bool, waking: Waking) -> Answer<()> {
    let before = state.need(Kind::Subscription, id, "id")?;
    if before.text("status") != "paused" {
        return Err(ApiError::refused(format!(
            "Subscription {id} cannot be resumed: its status is {}, not paused.",
            before.text("status")
        )));
    }
    if before.text("collection_method") != "charge_automatically" {
        return Err(ApiError::refused("Only subscriptions that charge automatically can be resumed."));
    }
    expire(state, id);
    let (awake, lines) = planned(state, &before, anchor_now)?;
    if lines.is_empty() {
        wake(state, id, &awake, "active");
        return Ok(());
    }
    let invoice = open(state, id, &awake, lines, waking);
    let finalized = state.find(Kind::Invoice, &invoice);
    if finalized.text("status") != "open" || waking == Waking::OnAttempt {
        return Ok(());
    }
    if payments::method_for(state, &finalized).is_none() {
        return Err(payments::Outcome::NoMethod
            .error()
            .unwrap_or_else(|| ApiError::refused("No payment method.")));
    }
    payments::collect(state, &invoice, None, Presence::Away);
    Ok(())
}

/// The subscription as it will be when it is awake, and what that costs in advance.
fn planned(state: &State, before: &Value, anchor_now: bool) -> Answer<(Value, Vec<Line>)> {
    let mut sub = before.clone();
    if anchor_now {
        sub["billing_cycle_anchor"] = json!(state.at);
    }
    let anchor = sub.int("billing_cycle_anchor");
    let (mut lines, mut items) = (Vec::new(), sub.items("items").to_vec());
    for item in &mut items {
        let tariff = Tariff::of(state, item.text("/price/id"), sub.text("currency"))?;
        let Some(interval) = tariff.interval else { continue };
        if !anchor_now && item.int("current_period_end") > state.at {
            continue;
        }
        let (_, end) = interval.containing(anchor, state.at);
        item["current_period_start"] = json!(state.at);
        item["current_period_end"] = json!(end);
        if !tariff.metered {
            lines.extend(cycle::full_period(&sub, item, &tariff, (state.at, end)));
        }
    }
    sub["items"]["data"] = Value::Array(items);
    Ok((sub, lines))
}

/// Makes the resumption invoice, finalized at once; gives its id.
fn open(state: &mut State, id: &str, awake: &Value, lines: Vec<Line>, waking: Waking) -> String {
    let before = state.find(Kind::Subscription, id);
    let draft = Draft {
        customer: awake.text("customer"),
        subscription: Some(awake),
        reason: "subscription_update",
        lines,
        period: (state.at, state.at),
        discounts: discounts::holding(state, awake, state.at),
        currency: awake.text("currency"),
        with_pending: true,
    };
    let invoice = invoices::draft(state, draft);
    let note = json!({ "sub": awake, "invoice": invoice, "expires_at": state.at + waking.patience() });
    state.amend(Kind::Invoice, &invoice, |invoice| invoice.set_note("resumes", json!(waking.word())));
    state.amend(Kind::Subscription, id, |sub| {
        sub["latest_invoice"] = json!(invoice);
        sub.set_note("waking", note);
    });
    state.tell_update(Kind::Subscription, id, "customer.subscription.updated", &before);
    invoices::announce(state, &invoice, None);
    invoices::finalize(state, &invoice);
    invoice
}

/// The resumption invoice was paid or given up: the subscription is awake.
pub(crate) fn settled(state: &mut State, id: &str) {
    woken(state, id, "active");
}

/// Its payment was tried and failed: a subscription that was to wake with the attempt is awake, and late.
pub(crate) fn failed(state: &mut State, id: &str, invoice: &Value) {
    if invoice.note("resumes") == Waking::OnAttempt.word() {
        woken(state, id, "past_due");
    }
}

fn woken(state: &mut State, id: &str, status: &str) {
    let waiting = state.find(Kind::Subscription, id).note("waking").clone();
    if waiting.is_object() {
        wake(state, id, waiting.look("sub"), status);
        cycle::remember_billed(state, id, waiting.text("invoice"));
        discounts::wear_off(state, id);
    }
}

fn wake(state: &mut State, id: &str, awake: &Value, status: &str) {
    let before = state.find(Kind::Subscription, id);
    let mut sub = Value::clone(&before);
    for field in ["items", "billing_cycle_anchor"] {
        sub[field] = awake[field].clone();
    }
    sub["status"] = json!(status);
    sub.set_note("waking", Value::Null);
    cycle::plan_notices(state, &mut sub);
    state.store.put(Kind::Subscription, sub);
    state.tell_update(Kind::Subscription, id, "customer.subscription.updated", &before);
    let awake = state.find(Kind::Subscription, id);
    state.emit("customer.subscription.resumed", &awake, None);
}

/// The resumption invoice gives way, if there is one: it is voided, and the subscription stays paused.
pub(crate) fn expire(state: &mut State, id: &str) {
    let waiting = state.find(Kind::Subscription, id).note("waking").clone();
    if waiting.is_object() {
        // Voiding is refused where it is closed already; the subscription sleeps on either way.
        let _ = invoices::void(state, waiting.text("invoice"));
        forget(state, id);
    }
}

/// Forgets a resumption whose invoice was voided.
pub(crate) fn forget(state: &mut State, id: &str) {
    state.amend(Kind::Subscription, id, |sub| sub.set_note("waking", Value::Null));
}
