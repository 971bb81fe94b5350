//! Schedules: a subscription's phases, entered one after the other.

use serde_json::{Value, json};

use super::change::{self, Change, Edit, Trial};
use super::discounts::{self, Wish};
use super::{PaymentBehavior, Proration, end, held};
use crate::sandbox::json::Json;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// The present phase is over: the next begins, or the schedule ends as it says.
pub(crate) fn advance(state: &mut State, id: &str) {
    let before = state.find(Kind::Schedule, id);
    let next = before.items("phases").iter().find(|phase| phase.int("end_date") > state.at).cloned();
    let Some(phase) = next else {
        finish(state, &before);
        return;
    };
    enter(state, &before, &phase);
    state.update(Kind::Schedule, id, "subscription_schedule.updated", |schedule| {
        schedule["status"] = json!("active");
        schedule["current_phase"] =
            json!({ "start_date": phase["start_date"], "end_date": phase["end_date"] });
    });
}

fn finish(state: &mut State, schedule: &Value) {
    let sub = schedule.text("subscription").to_owned();
    if schedule.text("end_behavior") == "cancel" {
        let id = schedule.id();
        close(state, &id, "completed");
        state.amend(Kind::Subscription, &sub, |sub| sub["schedule"] = Value::Null);
        end::now(state, &sub, "cancellation_requested");
    } else {
        close(state, schedule.text("id"), "completed");
        state.update(Kind::Subscription, &sub, "customer.subscription.updated", |sub| {
            sub["schedule"] = Value::Null;
        });
    }
}

/// Ends a schedule: `completed`, `released` or `canceled`. A completed one has released its subscription.
pub(crate) fn close(state: &mut State, id: &str, status: &str) {
    let at = state.at;
    let released = matches!(status, "completed" | "released");
    state.amend(Kind::Schedule, id, |schedule| {
        let field = match status {
            "canceled" => "canceled_at",
            "completed" => "completed_at",
            _ => "released_at",
        };
        schedule["status"] = json!(status);
        schedule[field] = json!(at);
        schedule["current_phase"] = Value::Null;
        if released {
            schedule["released_subscription"] = schedule["subscription"].clone();
            schedule["subscription"] = Value::Null;
        }
    });
    let closed = state.find(Kind::Schedule, id);
    state.emit(&format!("subscription_schedule.{status}"), &closed, None);
}

/// Gives the subscription the items of a phase. At the end of a period nothing is prorated: the renewal that follows at the
/// same moment bills the new prices.
fn enter(state: &mut State, schedule: &Value, phase: &Value) {
    let id = schedule.text("subscription").to_owned();
    // A change that waits for its payment does not survive a new phase.
    held::expire(state, &id);
    let before = state.find(Kind::Subscription, &id);
    if !matches!(before.text("status"), "active" | "trialing" | "past_due" | "unpaid") {
        return;
    }
    settings(state, &before, schedule, phase);
    let proration = match phase.text("proration_behavior") {
        "none" => Proration::None,
        "always_invoice" => Proration::Invoice,
        _ => Proration::Create,
    };
    let boundary = before.items("items").iter().all(|item| item.int("current_period_end") <= state.at);
    let change = Change {
        edits: edits(&before, phase),
        proration: if boundary { Proration::None } else { proration },
        at: state.at,
        anchor_now: phase.text("billing_cycle_anchor") == "phase_start" && !boundary,
        trial: Trial::Unchanged,
    };
    // A phase was checked when it was written; a price withdrawn since leaves the subscription as it is.
    let Ok(invoice) = state.attempt(|state| change::apply(state, &id, &change)) else { return };
    state.amend(Kind::Subscription, &id, |sub| {
        for field in ["default_payment_method", "collection_method"] {
            if !phase[field].is_null() {
                sub[field] = phase[field].clone();
            }
        }
        if let (Some(own), Some(new)) = (sub["metadata"].as_object_mut(), phase["metadata"].as_object()) {
            own.extend(new.clone());
        }
    });
    state.tell_update(Kind::Subscription, &id, "customer.subscription.updated", &before);
    if let Some(invoice) = invoice {
        // Failing to collect makes the subscription late; there is no request to refuse.
        let _ = change::settle(state, &invoice, PaymentBehavior::Allow);
    }
}

/// Gives the subscription the discounts and the tax setting of a phase. A discount that the phase does not name ends with the
/// phase before (<https://docs.stripe.com/api/subscription_schedules/update#update_subscription_schedule-phases-discounts>).
pub(crate) fn settings(state: &mut State, sub: &Value, schedule: &Value, phase: &Value) {
    let customer = sub.text("customer");
    let mut held = Vec::new();
    for entry in phase.items("discounts") {
        match entry.maybe_text("discount") {
            // One that was used up meanwhile, or whose time is over, is not given again.
            Some(id) => held.extend(sub.items("discounts").iter().filter(|own| *own == id).cloned()),
            None => {
                let wish = Wish {
                    coupon: entry.text("coupon").to_owned(),
                    promotion_code: entry.maybe_text("promotion_code").map(str::to_owned),
                };
                let made = discounts::redeem(state, &[wish], customer, sub.maybe_text("id"));
                held.extend(made.into_iter().map(Value::from));
            }
        }
    }
    let enabled = [phase, schedule.look("default_settings")]
        .into_iter()
        .find_map(|settings| settings.look("/automatic_tax/enabled").as_bool());
    state.amend(Kind::Subscription, sub.text("id"), |sub| {
        sub["discounts"] = json!(held);
        if let Some(enabled) = enabled {
            sub["automatic_tax"]["enabled"] = json!(enabled);
        }
    });
}

/// The edits that make a subscription's items those of a phase: same price, same item; else the item of the same kind changes
/// its price; else items come and go.
pub(crate) fn edits(sub: &Value, phase: &Value) -> Vec<Edit> {
    let mut free: Vec<&Value> = sub.items("items").iter().collect();
    let mut open: Vec<&Value> = Vec::new();
    let mut edits = Vec::new();
    for wanted in phase.items("items") {
        match free.iter().position(|item| item.text("/price/id") == wanted.text("price")) {
            Some(place) => edits.push(edit(free.remove(place), wanted)),
            None => open.push(wanted),
        }
    }
    for wanted in open {
        let metered = wanted.note("metered").as_bool().unwrap_or_default();
        let alike =
            free.iter().position(|item| (item.text("/price/recurring/usage_type") == "metered") == metered);
        match alike {
            Some(place) => edits.push(edit(free.remove(place), wanted)),
            None => edits.push(Edit {
                price: wanted.maybe_text("price").map(str::to_owned),
                quantity: wanted.maybe_int("quantity"),
                ..Edit::default()
            }),
        }
    }
    edits.extend(free.iter().map(|item| Edit { id: Some(item.id()), deleted: true, ..Edit::default() }));
    edits
}

fn edit(item: &Value, wanted: &Value) -> Edit {
    let price = wanted.maybe_text("price").filter(|price| *price != item.text("/price/id"));
    Edit {
        id: Some(item.id()),
        price: price.map(str::to_owned),
        quantity: wanted.maybe_int("quantity"),
        ..Edit::default()
    }
}
