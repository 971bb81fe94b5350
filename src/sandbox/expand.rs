//! `expand[]`: replaces ids by the objects they name, and adds the fields that only appear on demand.

use serde_json::{Value, json};

use super::errors::{Answer, ApiError};
use super::json::{Json, list, public};
use super::state::State;
use super::store::Kind;

/// Expands the paths of a request in its answer.
pub(crate) fn apply(state: &State, answer: &mut Value, paths: &[&str]) -> Answer<()> {
    for path in paths {
        let steps: Vec<&str> = path.split('.').collect();
        // Four levels count from the object; the `data` of the list that holds it is not one of them.
        let levels = steps.iter().filter(|step| **step != "data").count();
        if levels > 4 {
            let message = "You cannot expand more than 4 levels of a property".to_owned();
            return Err(ApiError::invalid("expand", message).code("property_cannot_be_expanded"));
        }
        walk(state, answer, &steps)?;
    }
    Ok(())
}

fn walk(state: &State, value: &mut Value, steps: &[&str]) -> Answer<()> {
    if let Value::Array(items) = value {
        return items.iter_mut().try_for_each(|item| walk(state, item, steps));
    }
    let Some((step, rest)) = steps.split_first() else { return Ok(()) };
    let Value::Object(_) = value else { return Ok(()) };
    // Of what is gone there is nothing to expand.
    if value["deleted"] == true {
        return Ok(());
    }
    if value.get(*step).is_none_or(Value::is_null)
        && let Some(made) = on_demand(state, value, step)
        && !(made.is_null() && value["object"] == "price")
    {
        value[*step] = made;
    }
    // What this object does not have, though others of its kind do, stays away.
    if value["object"] == "price" && matches!(*step, "tiers" | "currency_options") && value[*step].is_null() {
        return Ok(());
    }
    let Some(field) = value.get_mut(*step) else {
        return Err(ApiError::invalid("expand", format!("This property cannot be expanded ({step})."))
            .code("property_cannot_be_expanded"));
    };
    resolve(state, field, step);
    if field.is_null() { Ok(()) } else { walk(state, field, rest) }
}

/// Replaces an id, or each id of an array, by the object.
fn resolve(state: &State, field: &mut Value, name: &str) {
    match field {
        Value::String(id) => {
            let kind = match name {
                "coupon" => Some(Kind::Coupon),
                "product" => Some(Kind::Product),
                "promotion_code" => Some(Kind::PromotionCode),
                _ => Kind::of_id(id),
            };
            if let Some(object) = kind.and_then(|kind| state.store.get(kind, id)) {
                *field = public(object);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| {
            if item.is_string() {
                resolve(state, item, name);
            }
        }),
        _ => {}
    }
}

/// The fields that an object shows only when asked.
fn on_demand(state: &State, object: &Value, field: &str) -> Option<Value> {
    let id = object.text("id");
    let of = |kind: Kind, key: &str, url: String| {
        let found = state.store.all(kind).rev().filter(|item| item.text(key) == id).map(|item| public(item));
        Some(list(found.collect(), false, &url))
    };
    match (object.text("object"), field) {
        ("invoice", "payments") => of(Kind::InvoicePayment, "invoice", "/v1/invoice_payments".into()),
        ("customer", "tax_ids") => of(Kind::TaxId, "customer", format!("/v1/customers/{id}/tax_ids")),
        ("customer", "sources") => Some(list(Vec::new(), false, &format!("/v1/customers/{id}/sources"))),
        ("customer", "subscriptions") => {
            let live = state.store.all(Kind::Subscription).rev().filter(|sub| {
                sub.text("customer") == id && !matches!(sub.text("status"), "canceled" | "incomplete_expired")
            });
            Some(list(live.map(|sub| public(sub)).collect(), false, "/v1/subscriptions"))
        }
        ("charge", "refunds") => of(Kind::Refund, "charge", format!("/v1/charges/{id}/refunds")),
        ("invoice", "confirmation_secret") => noted(state, Kind::Invoice, id, field),
        ("checkout.session", "line_items") => {
            let items = state.store.get(Kind::Session, id)?.note("line_items").as_array()?.clone();
            let url = format!("/v1/checkout/sessions/{id}/line_items");
            Some(list(items.iter().map(public).collect(), false, &url))
        }
        ("coupon", "applies_to") => noted(state, Kind::Coupon, id, field),
        ("price", "tiers" | "currency_options") => noted(state, Kind::Price, id, field),
        ("customer", "tax") => Some(json!({
            "automatic_tax": super::billing::tax::standing(object),
            "ip_address": null, "location": null, "provider": "stripe",
        })),
        _ => None,
    }
}

/// A field that an object keeps among its private notes until it is asked for.
fn noted(state: &State, kind: Kind, id: &str, field: &str) -> Option<Value> {
    Some(state.store.get(kind, id)?.note(field).clone())
}
