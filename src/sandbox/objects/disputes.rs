//! Disputes: a cardholder takes a payment back.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, get, post};
use crate::sandbox::settings::DAY;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    get("/v1/disputes", paged!("charge payment_intent"), all),
    get("/v1/disputes/{}", "", one),
    post("/v1/disputes/{}", "evidence* submit metadata*", update),
    post("/v1/disputes/{}/close", "", close),
];

/// The texts that evidence may hold.
const EVIDENCE: [&str; 27] = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
];

/// Opens a dispute of a charge, for a reason.
pub(crate) fn open(state: &mut State, charge: &str, reason: &str) -> Answer {
    let found = state.need(Kind::Charge, charge, "charge")?;
    if found.flag("disputed") || !found.flag("paid") {
        return Err(ApiError::invalid("charge", "This charge cannot be disputed."));
    }
    let mut evidence = json!({ "enhanced_evidence": {} });
    for field in EVIDENCE {
        evidence[field] = Value::Null;
    }
    let brand = found.look("/payment_method_details/card/brand");
    let dispute = json!({
        "id": state.id("du_"), "object": "dispute", "amount": found["amount"], "balance_transactions": [], "charge": charge,
        "created": state.at, "currency": found["currency"], "enhanced_eligibility_types": [], "evidence": evidence,
        "evidence_details": { "due_by": state.at + 9 * DAY, "enhanced_eligibility": {}, "has_evidence": false,
                              "past_due": false, "submission_count": 0 },
        "is_charge_refundable": false, "livemode": false, "metadata": {}, "payment_intent": found["payment_intent"],
        "payment_method_details": {
            "card": { "brand": brand, "case_type": "chargeback", "network": brand, "network_reason_code": "83" },
            "type": "card",
        },
        "reason": reason, "status": "needs_response",
    });
    state.create(Kind::Dispute, dispute.clone(), "charge.dispute.created");
    state.update(Kind::Charge, charge, "charge.updated", |charge| charge["disputed"] = json!(true));
    state.emit("charge.dispute.funds_withdrawn", &dispute, None);
    Ok(dispute)
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let (charge, intent) = (call.params.text("charge")?, call.params.text("payment_intent")?);
    list::page(state, call, Kind::Dispute, "/v1/disputes", |dispute| {
        charge.is_none_or(|charge| dispute.text("charge") == charge)
            && intent.is_none_or(|intent| dispute.text("payment_intent") == intent)
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Dispute, call.arg(0), "id")?))
}

/// Takes evidence. As with Stripe's test data, the texts `winning_evidence` and `losing_evidence` decide the case when they are
/// submitted.
fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let before = state.need(Kind::Dispute, call.arg(0), "id")?;
    if before.text("status") != "needs_response" {
        return Err(ApiError::refused("This dispute is already closed or under review."));
    }
    let id = before.id();
    let mut dispute = Value::clone(&before);
    call.params.metadata(&mut dispute)?;
    let evidence = call.params.within("evidence");
    for field in evidence.names() {
        if !EVIDENCE.contains(&field) {
            return Err(ApiError::unknown(&[evidence.name(field)]));
        }
        evidence.given(field).apply(&mut dispute["evidence"], field);
        dispute["evidence_details"]["has_evidence"] = json!(true);
    }
    if call.params.flag("submit")?.unwrap_or(call.params.has("evidence")) {
        dispute["status"] = json!("under_review");
        dispute["evidence_details"]["submission_count"] = json!(1);
    }
    let verdict = dispute.text("/evidence/uncategorized_text").to_owned();
    let submitted = dispute.text("status") == "under_review";
    state.store.put(Kind::Dispute, dispute);
    state.tell_update(Kind::Dispute, &id, "charge.dispute.updated", &before);
    match verdict.as_str() {
        "winning_evidence" if submitted => end(state, &id, "won"),
        "losing_evidence" if submitted => end(state, &id, "lost"),
        _ => {}
    }
    Ok(public(&state.find(Kind::Dispute, &id)))
}

fn end(state: &mut State, id: &str, status: &str) {
    state.amend(Kind::Dispute, id, |dispute| dispute["status"] = json!(status));
    let ended = state.find(Kind::Dispute, id);
    state.emit("charge.dispute.closed", &ended, None);
    if status == "won" {
        state.emit("charge.dispute.funds_reinstated", &ended, None);
    }
}

fn close(state: &mut State, call: &Call<'_>) -> Answer {
    let dispute = state.need(Kind::Dispute, call.arg(0), "id")?;
    if !matches!(dispute.text("status"), "needs_response" | "under_review") {
        return Err(ApiError::refused("This dispute is already closed"));
    }
    end(state, call.arg(0), "lost");
    Ok(public(&state.find(Kind::Dispute, call.arg(0))))
}
