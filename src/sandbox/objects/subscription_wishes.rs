//! What requests say of a subscription, read into what billing works with.

use serde_json::{Value, json};

use crate::sandbox::billing::change::{Change, Edit, Trial};
use crate::sandbox::billing::subscribe::Wanted;
use crate::sandbox::billing::{PaymentBehavior, Proration, cycle};
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::form::Params;
use crate::sandbox::json::Json;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// The items of a new subscription.
pub(crate) fn read_wanted(params: &Params<'_>) -> Answer<Vec<Wanted>> {
    params.each("items", |item| {
        let mut holder = json!({});
        item.metadata(&mut holder)?;
        Ok(Wanted {
            price: item.need("price")?.to_owned(),
            quantity: item.count("quantity")?,
            metadata: holder["metadata"].clone(),
        })
    })
}

pub(super) fn behavior(params: &Params<'_>) -> Answer<PaymentBehavior> {
    let words = ["allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"];
    Ok(match params.word("payment_behavior", &words)? {
        Some("default_incomplete") => PaymentBehavior::Await,
        Some("error_if_incomplete") => PaymentBehavior::Refuse,
        Some("pending_if_incomplete") => PaymentBehavior::Hold,
        _ => PaymentBehavior::Allow,
    })
}

pub(super) fn proration(params: &Params<'_>) -> Answer<Proration> {
    Ok(match params.word("proration_behavior", &["none", "create_prorations", "always_invoice"])? {
        Some("none") => Proration::None,
        Some("always_invoice") => Proration::Invoice,
        _ => Proration::Create,
    })
}

/// The fields that create and update take alike.
pub(super) fn fill(state: &State, sub: &mut Value, params: &Params<'_>, customer: &str) -> Answer<()> {
    if let Some(enabled) = params.within("automatic_tax").flag("enabled")? {
        let located = state.find(Kind::Customer, customer).maybe_text("/address/country").is_some();
        if enabled && !located {
            return Err(ApiError::invalid(
                "automatic_tax[enabled]",
                "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax.",
            )
            .code("customer_tax_location_invalid"));
        }
        let liability = if enabled { json!({ "type": "self" }) } else { Value::Null };
        sub["automatic_tax"] = json!({ "disabled_reason": null, "enabled": enabled, "liability": liability });
    }
    if let Some(method) = params.word("collection_method", &["charge_automatically", "send_invoice"])? {
        sub["collection_method"] = json!(method);
    }
    if let Some(days) = params.count("days_until_due")? {
        sub["days_until_due"] = json!(days);
    }
    if sub.text("collection_method") == "send_invoice" && sub["days_until_due"].is_null() {
        return Err(ApiError::missing("days_until_due"));
    }
    if params.clears("default_payment_method") {
        sub["default_payment_method"] = Value::Null;
    } else if let Some(method) = params.text("default_payment_method")? {
        let found = state.need(Kind::PaymentMethod, method, "default_payment_method")?;
        if found.text("customer") != customer {
            return Err(ApiError::invalid("default_payment_method", format!("The customer does not have a payment method with the ID {method}. The payment method must be attached to the customer.")).code("resource_missing"));
        }
        sub["default_payment_method"] = json!(method);
    }
    params.given("description").apply(sub, "description");
    params.given_int("cancel_at")?.apply(sub, "cancel_at");
    if let Some(flag) = params.flag("cancel_at_period_end")? {
        sub["cancel_at_period_end"] = json!(flag);
    }
    let behavior = params.within("trial_settings");
    let behavior = behavior.within("end_behavior");
    if let Some(word) = behavior.word("missing_payment_method", &["cancel", "create_invoice", "pause"])? {
        sub["trial_settings"] =
            json!({ "end_behavior": { "billing_cycle_anchor": null, "missing_payment_method": word } });
    }
    if let Some(save) =
        params.within("payment_settings").word("save_default_payment_method", &["off", "on_subscription"])?
    {
        sub["payment_settings"] = json!({ "payment_method_options": null, "payment_method_types": null, "save_default_payment_method": save });
    }
    params.metadata(sub)
}

/// The change of items, anchor and trial that a request asks for; also of a preview's details.
pub(crate) fn read_change(state: &State, params: &Params<'_>, sub: &Value) -> Answer<Change> {
    let edits = params.each("items", |item| {
        let metadata = if item.has("metadata") {
            let mut holder = json!({ "metadata": {} });
            item.metadata(&mut holder)?;
            Some(holder["metadata"].clone())
        } else {
            None
        };
        Ok(Edit {
            id: item.text("id")?.map(str::to_owned),
            price: item.text("price")?.map(str::to_owned),
            quantity: item.count("quantity")?,
            deleted: item.flag("deleted")?.unwrap_or(false),
            metadata,
        })
    })?;
    let anchor = params.within("billing_cycle_anchor");
    let trial = match params.text("trial_end")? {
        None => Trial::Unchanged,
        Some("now") => Trial::EndsNow,
        Some(_) => {
            let end = params.need_int("trial_end")?;
            if sub.maybe_int("trial_end") == Some(end) { Trial::Unchanged } else { Trial::Ends(end) }
        }
    };
    Ok(Change {
        edits,
        proration: proration(params)?,
        at: params.int("proration_date")?.unwrap_or(state.at),
        anchor_now: anchor.word("type", &["now", "unchanged"])? == Some("now"),
        trial,
    })
}

/// What a request says about the subscription's end.
pub(super) fn note_ending(state: &State, sub: &mut Value, params: &Params<'_>) -> Answer<()> {
    match (params.flag("cancel_at_period_end")?, params.int("cancel_at").ok().flatten()) {
        (Some(true), Some(_)) => {
            return Err(ApiError::refused("You can only set one of `cancel_at` and `cancel_at_period_end`."));
        }
        (Some(true), None) => {
            sub["cancel_at"] = json!(cycle::latest_end(sub));
            mark_canceled(state, sub);
        }
        (_, Some(at)) => {
            if at <= state.at {
                return Err(ApiError::invalid("cancel_at", "The timestamp must be in the future."));
            }
            sub["cancel_at_period_end"] = json!(false);
            mark_canceled(state, sub);
        }
        (Some(false), None) => {
            sub["cancel_at"] = Value::Null;
            unmark(sub);
        }
        (None, None) if params.clears("cancel_at") => {
            sub["cancel_at_period_end"] = json!(false);
            unmark(sub);
        }
        (None, None) => {}
    }
    details(sub, params)
}

fn mark_canceled(state: &State, sub: &mut Value) {
    sub["canceled_at"] = json!(state.at);
    sub["cancellation_details"]["reason"] = json!("cancellation_requested");
}

fn unmark(sub: &mut Value) {
    sub["canceled_at"] = Value::Null;
    sub["cancellation_details"] =
        json!({ "comment": null, "feedback": null, "feedback_option": null, "reason": null });
}

const FEEDBACK: [&str; 8] = [
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
];

pub(super) fn details(sub: &mut Value, params: &Params<'_>) -> Answer<()> {
    let details = params.within("cancellation_details");
    details.given("comment").apply(&mut sub["cancellation_details"], "comment");
    details.given("feedback_option").apply(&mut sub["cancellation_details"], "feedback_option");
    if details.clears("feedback") {
        sub["cancellation_details"]["feedback"] = Value::Null;
    } else if let Some(feedback) = details.word("feedback", &FEEDBACK)? {
        sub["cancellation_details"]["feedback"] = json!(feedback);
    }
    Ok(())
}

pub(super) fn pause_collection(sub: &mut Value, params: &Params<'_>) -> Answer<()> {
    if params.clears("pause_collection") {
        sub["pause_collection"] = Value::Null;
    } else if let Some(pause) = params.hash("pause_collection") {
        let behavior = pause.word("behavior", &["keep_as_draft", "mark_uncollectible", "void"])?;
        let behavior = behavior.ok_or_else(|| ApiError::missing("pause_collection[behavior]"))?;
        sub["pause_collection"] = json!({ "behavior": behavior, "resumes_at": pause.int("resumes_at")? });
    }
    Ok(())
}
