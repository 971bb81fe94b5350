//! How a subscription's status follows what happens to its invoices.

use serde_json::{Value, json};

use super::{end, held, invoices, waking};
use crate::sandbox::json::Json;
use crate::sandbox::settings::AfterRetries;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// Sets a subscription's status and tells of it.
pub(crate) fn set(state: &mut State, subscription: &str, status: &str) {
    state.update(Kind::Subscription, subscription, "customer.subscription.updated", |sub| {
        sub["status"] = json!(status);
    });
}

/// An invoice was paid: an incomplete subscription starts, a late one is in order again, a waiting change is carried out.
pub(crate) fn after_payment(state: &mut State, invoice: &Value) {
    let Some(id) = invoices::subscription_of(invoice).map(str::to_owned) else { return };
    let sub = state.find(Kind::Subscription, &id);
    if !invoice.note("pending_update").is_null() {
        held::apply(state, &id);
        return;
    }
    match sub.text("status") {
        "incomplete" => set(state, &id, "active"),
        "past_due" | "unpaid" if sub.text("latest_invoice") == invoice.text("id") || !owes(state, &id) => {
            set(state, &id, "active");
        }
        "paused" if !invoice.note("resumes").is_null() => waking::settled(state, &id),
        _ => {}
    }
}

/// Whether a subscription has an open invoice whose payment failed.
fn owes(state: &State, subscription: &str) -> bool {
    state.store.all(Kind::Invoice).any(|invoice| {
        invoice.text("status") == "open"
            && invoice.flag("attempted")
            && invoices::subscription_of(invoice) == Some(subscription)
    })
}

/// A payment failed: the subscription is late, or, when nothing more will be tried, what the account has chosen.
pub(crate) fn after_failure(state: &mut State, invoice: &Value) {
    let Some(id) = invoices::subscription_of(invoice).map(str::to_owned) else { return };
    let sub = state.find(Kind::Subscription, &id);
    if !invoice.note("resumes").is_null() {
        waking::failed(state, &id, invoice);
    }
    if !invoice.note("pending_update").is_null() || !invoice.note("resumes").is_null() {
        return;
    }
    if matches!(sub.text("status"), "active" | "trialing") {
        set(state, &id, "past_due");
    }
    let first = invoice.text("billing_reason") == "subscription_create";
    let over = invoice["next_payment_attempt"].is_null()
        && invoice.text("collection_method") == "charge_automatically";
    if first || !over || sub.text("status") == "incomplete" {
        return;
    }
    match state.settings.after_retries {
        AfterRetries::PastDue => {}
        AfterRetries::Unpaid => set(state, &id, "unpaid"),
        AfterRetries::Cancel => end::now(state, &id, "payment_failed"),
    }
}

/// An invoice was voided or given up: what hung on it falls.
pub(crate) fn after_void(state: &mut State, invoice: &Value) {
    let Some(id) = invoices::subscription_of(invoice).map(str::to_owned) else { return };
    let sub = state.find(Kind::Subscription, &id);
    if !invoice.note("pending_update").is_null() {
        held::drop(state, &id);
    } else if !invoice.note("resumes").is_null() && sub.text("status") == "paused" {
        // Given up, it wakes the subscription as if it were paid; voided, it lets it sleep.
        if invoice.text("status") == "uncollectible" {
            waking::settled(state, &id);
        } else {
            waking::forget(state, &id);
        }
    } else if sub.text("status") == "incomplete" && sub.text("latest_invoice") == invoice.text("id") {
        end::expire(state, &id);
    } else if matches!(sub.text("status"), "past_due" | "unpaid")
        && sub.text("latest_invoice") == invoice.text("id")
        && !owes(state, &id)
    {
        set(state, &id, "active");
    }
}
