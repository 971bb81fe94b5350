//! Refunds.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::billing::lines;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post("/v1/refunds", "charge payment_intent amount reason metadata*", create),
    get("/v1/refunds", paged!("charge payment_intent"), all),
    get("/v1/refunds/{}", "", one),
    post("/v1/refunds/{}", "metadata*", update),
];

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let charge = match (params.text("charge")?, params.text("payment_intent")?) {
        (Some(charge), _) => state.need(Kind::Charge, charge, "charge")?,
        (None, Some(intent)) => {
            let intent = state.need(Kind::PaymentIntent, intent, "payment_intent")?;
            state.need(Kind::Charge, intent.text("latest_charge"), "payment_intent")?
        }
        (None, None) => return Err(ApiError::missing("charge")),
    };
    if let Some(customer) = charge.maybe_text("customer") {
        // A customer deleted since is no reason to keep the money.
        let _ = state.customer(customer, "customer");
    }
    let left = charge.int("amount_captured") - charge.int("amount_refunded");
    if left <= 0 {
        let message = format!("Charge {} has already been refunded.", charge.text("id"));
        return Err(ApiError::refused(message).code("charge_already_refunded"));
    }
    let amount = params.int("amount")?.unwrap_or(left);
    if amount <= 0 || amount > left {
        let message =
            format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).");
        return Err(ApiError::invalid("amount", message));
    }
    let step = lines::step(charge.text("currency"));
    if amount % step != 0 {
        let message =
            format!("Invalid amount for {}: it must be a multiple of {step}.", charge.text("currency"));
        return Err(ApiError::invalid("amount", message));
    }
    let reason = params.word("reason", &["duplicate", "fraudulent", "requested_by_customer"])?;
    let mut refund = json!({
        "id": state.id("re_"), "object": "refund", "amount": amount, "balance_transaction": null, "charge": charge["id"],
        "created": state.at, "currency": charge["currency"], "customer": charge["customer"], "customer_account": null,
        "destination_details": { "card": { "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund" }, "type": "card" },
        "metadata": {}, "payment_intent": charge["payment_intent"], "payment_method": charge["payment_method"],
        "reason": reason, "receipt_number": null, "source_transfer_reversal": null, "status": "succeeded",
        "transfer_reversal": null,
    });
    params.metadata(&mut refund)?;
    state.create(Kind::Refund, refund.clone(), "refund.created");
    state.amend(Kind::Charge, charge.text("id"), |charge| {
        let refunded = charge.int("amount_refunded") + amount;
        charge["amount_refunded"] = json!(refunded);
        charge["refunded"] = json!(refunded == charge.int("amount_captured"));
    });
    let after = state.find(Kind::Charge, charge.text("id"));
    let previous = crate::sandbox::events::difference(&public(&charge), &public(&after));
    state.emit("charge.refunded", &after, previous);
    Ok(refund)
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let (charge, intent) = (call.params.text("charge")?, call.params.text("payment_intent")?);
    list::page(state, call, Kind::Refund, "/v1/refunds", |refund| {
        charge.is_none_or(|charge| refund.text("charge") == charge)
            && intent.is_none_or(|intent| refund.text("payment_intent") == intent)
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Refund, call.arg(0), "id")?))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let before = state.need(Kind::Refund, call.arg(0), "id")?;
    let mut refund = Value::clone(&before);
    call.params.metadata(&mut refund)?;
    state.store.put(Kind::Refund, refund.clone());
    state.tell_update(Kind::Refund, call.arg(0), "refund.updated", &before);
    Ok(public(&refund))
}
