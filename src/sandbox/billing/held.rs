//! Changes that wait for their payment: Stripe's pending updates.

use serde_json::{Value, json};

use super::change::{self, Change};
use super::{PaymentBehavior, cycle, discounts, invoices};
use crate::sandbox::errors::Answer;
use crate::sandbox::json::{Json, public};
use crate::sandbox::settings::HOUR;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// How long a change waits for its payment at the longest.
const WAITING: i64 = 23 * HOUR;

/// When a change that waits from now on is dropped: after 23 hours, and not later than a trial or any item's period ends
/// (<https://docs.stripe.com/billing/subscriptions/pending-updates>). What was computed for a period must not outlive it.
fn expiry(sub: &Value, now: i64) -> i64 {
    let trial = sub.maybe_int("trial_end").filter(|end| *end > now);
    [trial, cycle::earliest_end(sub)].into_iter().flatten().fold(now + WAITING, i64::min)
}

/// Keeps a change that was not paid: the subscription stays as it is until its invoice is.
pub(crate) fn hold(state: &mut State, id: &str, change: &Change) -> Answer<()> {
    let before = state.need(Kind::Subscription, id, "id")?;
    let plan = change::plan(state, &before, change)?;
    let invoice = change::draft(state, &plan);
    let expires = expiry(&before, state.at);
    let items: Vec<Value> = plan.sub.items("items").iter().map(public).collect();
    let anchor = plan.immediate.then(|| plan.sub["billing_cycle_anchor"].clone());
    let trial_end = (plan.sub["trial_end"] != before["trial_end"]).then(|| plan.sub["trial_end"].clone());
    state.amend(Kind::Invoice, &invoice, |invoice| invoice.set_note("pending_update", json!(id)));
    state.amend(Kind::Subscription, id, |sub| {
        sub["latest_invoice"] = json!(invoice);
        sub["pending_update"] = json!({
            "billing_cycle_anchor": anchor, "cancel_at_period_end": null, "discounts": null, "expires_at": expires,
            "metadata": null, "subscription_items": items, "trial_end": trial_end, "trial_from_plan": null,
        });
        sub.set_note("pending", json!({ "sub": plan.sub, "invoice": invoice }));
    });
    state.tell_update(Kind::Subscription, id, "customer.subscription.updated", &before);
    change::settle(state, &invoice, PaymentBehavior::Allow).map(|_| ())
}

/// The invoice of a waiting change was paid: the change is carried out.
pub(crate) fn apply(state: &mut State, id: &str) {
    let before = state.find(Kind::Subscription, id);
    let waiting = before.note("pending").clone();
    if waiting.is_null() {
        return;
    }
    let planned = waiting.look("sub");
    let mut sub = Value::clone(&before);
    for field in ["items", "billing_cycle_anchor", "trial_end", "trial_start"] {
        sub[field] = planned[field].clone();
    }
    if sub.text("status") == "trialing" {
        // The change may have ended the trial; nothing else that it does is a status.
        sub["status"] = planned["status"].clone();
    }
    sub["pending_update"] = Value::Null;
    sub.set_note("pending", Value::Null);
    cycle::plan_notices(state, &mut sub);
    state.store.put(Kind::Subscription, sub);
    cycle::remember_billed(state, id, waiting.text("invoice"));
    discounts::wear_off(state, id);
    state.tell_update(Kind::Subscription, id, "customer.subscription.updated", &before);
    let changed = state.find(Kind::Subscription, id);
    state.emit("customer.subscription.pending_update_applied", &changed, None);
}

/// A waiting change gives way, if there is one: its invoice is voided, and with it the change falls.
pub(crate) fn expire(state: &mut State, id: &str) {
    let waiting = state.find(Kind::Subscription, id).note("pending").clone();
    if waiting.is_object() && invoices::void(state, waiting.text("invoice")).is_err() {
        drop(state, id);
    }
}

/// Forgets a waiting change.
pub(crate) fn drop(state: &mut State, id: &str) {
    let before = state.find(Kind::Subscription, id);
    state.amend(Kind::Subscription, id, |sub| {
        sub["pending_update"] = Value::Null;
        sub.set_note("pending", Value::Null);
    });
    state.tell_update(Kind::Subscription, id, "customer.subscription.updated", &before);
    let unchanged = state.find(Kind::Subscription, id);
    state.emit("customer.subscription.pending_update_expired", &unchanged, None);
}
