//! How subscriptions end, rest and come back.

use serde_json::{Value, json};

use super::invoices::{self, Draft};
use super::lines::Line;
use super::{change, cycle, discounts, held, pending, waking};
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::Json;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// Ends a subscription at this moment, for a reason: `cancellation_requested`, `payment_failed`.
pub(crate) fn now(state: &mut State, id: &str, reason: &str) {
    // What waited for a payment does not come back to life with it.
    held::expire(state, id);
    waking::expire(state, id);
    let at = state.at;
    let schedule = state.find(Kind::Subscription, id).text("schedule").to_owned();
    state.amend(Kind::Subscription, id, |sub| {
        sub["status"] = json!("canceled");
        sub["ended_at"] = json!(at);
        if sub["canceled_at"].is_null() {
            sub["canceled_at"] = json!(at);
        }
        if sub["cancellation_details"]["reason"].is_null() {
            sub["cancellation_details"]["reason"] = json!(reason);
        }
        sub.set_note("upcoming_at", Value::Null);
        sub.set_note("trial_notice_at", Value::Null);
    });
    stop_collecting(state, id);
    if !schedule.is_empty() {
        super::schedules::close(state, &schedule, "canceled");
    }
    let sub = state.find(Kind::Subscription, id);
    state.emit("customer.subscription.deleted", &sub, None);
}

/// Nothing of a subscription that has ended is collected by itself any more.
fn stop_collecting(state: &mut State, id: &str) {
    let open: Vec<String> = state
        .store
        .all(Kind::Invoice)
        .filter(|invoice| invoice.text("status") == "open" && invoices::subscription_of(invoice) == Some(id))
        .map(|invoice| invoice.id())
        .collect();
    for invoice in open {
        state.update(Kind::Invoice, &invoice, "invoice.updated", |invoice| {
            invoice["auto_advance"] = json!(false);
            invoice["next_payment_attempt"] = Value::Null;
        });
    }
}

/// The last period is over: usage and what waits are invoiced a last time.
pub(crate) fn at_period_end(state: &mut State, id: &str) {
    let sub = state.find(Kind::Subscription, id);
    let invoice =
        if sub.text("status") == "trialing" { None } else { last_invoice(state, &sub, Vec::new(), true) };
    if let Some(invoice) = invoice {
        invoices::announce(state, &invoice, Some(state.at + state.settings.draft_seconds));
    }
    now(state, id, "cancellation_requested");
}

/// The draft of a last invoice: usage so far if wanted, what waits, and `lines`; none when there is nothing to ask for.
fn last_invoice(state: &mut State, sub: &Value, mut lines: Vec<Line>, with_usage: bool) -> Option<String> {
    if with_usage {
        for item in sub.items("items") {
            lines.extend(
                cycle::usage_lines(state, sub, item, state.at)
                    .into_iter()
                    .filter(|line| line.quantity != Some(0)),
            );
        }
    }
    let waiting = pending::waiting(state, sub.text("customer"), sub.maybe_text("id"), sub.text("currency"));
    if lines.is_empty() && waiting.is_empty() {
        return None;
    }
    let draft = Draft {
        customer: sub.text("customer"),
        subscription: Some(sub),
        reason: "subscription_cycle",
        lines,
        period: (
            sub.items("items").iter().map(|item| item.int("current_period_start")).min().unwrap_or(state.at),
            state.at,
        ),
        discounts: discounts::holding(state, sub, state.at),
        currency: sub.text("currency"),
        with_pending: true,
    };
    let invoice = invoices::draft(state, draft);
    state.amend(Kind::Subscription, sub.text("id"), |sub| sub["latest_invoice"] = json!(invoice));
    Some(invoice)
}

/// Cancels at once: with a last invoice and credit for unused time if wanted.
pub(crate) fn cancel(state: &mut State, id: &str, invoice_now: bool, prorate: bool) -> Answer<()> {
    let sub = state.need(Kind::Subscription, id, "id")?;
    if matches!(sub.text("status"), "canceled" | "incomplete_expired") {
        return Err(ApiError::no_such(Kind::Subscription.noun(), id, "id"));
    }
    if prorate {
        for line in change::credits(state, &sub, state.at) {
            pending::add(state, &line, sub.text("customer"), sub.text("currency"));
        }
    }
    if sub.text("status") == "incomplete" {
        // The invoice that nobody will pay goes; it is open, so that it can be voided.
        let _ = invoices::void(state, sub.text("latest_invoice"));
    }
    let last = if invoice_now { last_invoice(state, &sub, Vec::new(), true) } else { None };
    now(state, id, "cancellation_requested");
    if let Some(invoice) = last {
        invoices::announce(state, &invoice, None);
        cycle::finalize_and_collect(state, &invoice);
    }
    Ok(())
}

/// The first payment did not come in time.
pub(crate) fn expire(state: &mut State, id: &str) {
    let before = state.find(Kind::Subscription, id);
    let at = state.at;
    state.amend(Kind::Subscription, id, |sub| {
        sub["status"] = json!("incomplete_expired");
        sub["ended_at"] = json!(at);
    });
    state.tell_update(Kind::Subscription, id, "customer.subscription.updated", &before);
    let invoice = before.text("latest_invoice");
    if state.find(Kind::Invoice, invoice).text("status") == "open" {
        // It is open: voiding cannot be refused.
        let _ = invoices::void(state, invoice);
    }
}

/// A trial ends without a payment method: the subscription is canceled or paused if it says so. True when it was.
pub(crate) fn without_method(state: &mut State, sub: &Value) -> bool {
    let customer = state.find(Kind::Customer, sub.text("customer"));
    let method = sub.maybe_text("default_payment_method");
    if method.or_else(|| customer.maybe_text("/invoice_settings/default_payment_method")).is_some() {
        return false;
    }
    match sub.text("/trial_settings/end_behavior/missing_payment_method") {
        "cancel" => now(state, sub.text("id"), "payment_failed"),
        "pause" => pause(state, sub.text("id")),
        _ => return false,
    }
    true
}

/// Puts a subscription to rest: no invoices until it is resumed.
pub(crate) fn pause(state: &mut State, id: &str) {
    let before = state.find(Kind::Subscription, id);
    state.amend(Kind::Subscription, id, |sub| {
        sub["status"] = json!("paused");
        sub.set_note("upcoming_at", Value::Null);
        sub.set_note("trial_notice_at", Value::Null);
    });
    state.tell_update(Kind::Subscription, id, "customer.subscription.updated", &before);
    let paused = state.find(Kind::Subscription, id);
    state.emit("customer.subscription.paused", &paused, None);
}
