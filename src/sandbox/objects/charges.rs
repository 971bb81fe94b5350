//! Charges and payment intents: the money trail of an invoice.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::billing::payments::refusal;
use crate::sandbox::cards::Decline;
use crate::sandbox::errors::Answer;
use crate::sandbox::json::{Json, merge, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, get};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    get("/v1/charges", paged!("customer payment_intent"), charges),
    get("/v1/charges/{}", "", charge),
    get("/v1/payment_intents", paged!("customer"), intents),
    get("/v1/payment_intents/{}", "client_secret", one_intent),
];

/// A payment intent for what an invoice asks for.
pub(crate) fn intent(state: &State, id: &str, invoice: &Value, amount: i64, secret: &str) -> Value {
    merge(
        json!({
            "id": id, "object": "payment_intent", "amount": amount, "amount_capturable": 0, "amount_details": { "tip": {} },
            "amount_received": 0, "application": null, "application_fee_amount": null, "automatic_payment_methods": null,
            "canceled_at": null, "cancellation_reason": null, "capture_method": "automatic", "client_secret": secret,
            "confirmation_method": "automatic", "created": state.at, "currency": invoice["currency"],
        }),
        json!({
            "customer": invoice["customer"], "customer_account": null, "description": words(invoice),
            "excluded_payment_method_types": null, "last_payment_error": null, "latest_charge": null, "livemode": false,
            "metadata": {}, "next_action": null, "on_behalf_of": null, "payment_method": null,
            "payment_method_configuration_details": null, "payment_method_options": null, "payment_method_types": ["card"],
            "processing": null, "receipt_email": null, "review": null, "setup_future_usage": "off_session", "shipping": null,
            "statement_descriptor": null, "statement_descriptor_suffix": null, "status": "requires_payment_method",
            "transfer_data": null, "transfer_group": null, "_": { "invoice": invoice["id"] },
        }),
    )
}

fn words(invoice: &Value) -> &'static str {
    match invoice.text("billing_reason") {
        "subscription_create" => "Subscription creation",
        "subscription_update" => "Subscription update",
        "subscription_cycle" => "Subscription update",
        _ => "Payment for Invoice",
    }
}

/// A charge of what is left to pay of an invoice, refused when there is a reason; gives its id.
pub(crate) fn make(
    state: &mut State,
    invoice: &Value,
    method: &str,
    intent: &str,
    decline: Option<Decline>,
) -> String {
    let id = state.id("ch_");
    let method = state.find(Kind::PaymentMethod, method);
    let amount = invoice.int("amount_remaining");
    let paid = decline.is_none();
    let card = &method["card"];
    let mailed = (paid && state.settings.mails_receipts)
        .then(|| format!("{:04}-{:04}", state.at / 10_000 % 10_000, state.at % 10_000));
    let receipt = paid.then(|| format!("{}/i/{}", state.public_url, invoice.text("id")));
    let outcome = json!({
        "advice_code": null, "network_advice_code": null, "network_decline_code": null,
        "network_status": if paid { "approved_by_network" } else { "declined_by_network" },
        "reason": decline.and_then(|decline| decline.decline_code), "risk_level": "normal", "risk_score": 12,
        "seller_message": if paid { "Payment complete." } else { "The bank did not return any further details with this decline." },
        "type": if paid { "authorized" } else { "issuer_declined" },
    });
    let charge = merge(
        json!({
            "id": id, "object": "charge", "amount": amount, "amount_captured": if paid { amount } else { 0 },
            "amount_refunded": 0, "application": null, "application_fee": null, "application_fee_amount": null,
            "balance_transaction": null, "billing_details": method["billing_details"],
            "calculated_statement_descriptor": "SANDBOX", "captured": paid, "created": state.at,
            "currency": invoice["currency"], "customer": invoice["customer"], "description": words(invoice), "disputed": false,
            "failure_balance_transaction": null, "failure_code": decline.map(|decline| decline.code),
            "failure_message": decline.map(|decline| decline.message), "fraud_details": {}, "livemode": false, "metadata": {},
            "on_behalf_of": null, "outcome": outcome, "paid": paid, "payment_intent": intent, "payment_method": method["id"],
        }),
        json!({
            "payment_method_details": {
                "card": {
                    "amount_authorized": if paid { json!(amount) } else { Value::Null }, "authorization_code": null,
                    "brand": card["brand"], "checks": card["checks"], "country": card["country"],
                    "electronic_commerce_indicator": null, "exp_month": card["exp_month"], "exp_year": card["exp_year"],
                    "extended_authorization": { "status": "disabled" }, "fingerprint": card["fingerprint"],
                    "funding": card["funding"], "incremental_authorization": { "status": "unavailable" },
                    "installments": null, "last4": card["last4"], "mandate": null, "multicapture": { "status": "unavailable" },
                    "network": card["brand"], "network_token": { "used": false }, "network_transaction_id": null,
                    "overcapture": { "maximum_amount_capturable": amount, "status": "unavailable" },
                    "regulated_status": "unregulated", "three_d_secure": null, "wallet": null,
                },
                "type": "card",
            },
            "radar_options": {}, "receipt_email": null, "receipt_number": mailed, "receipt_url": receipt, "refunded": false,
            "review": null, "shipping": null, "source_transfer": null, "statement_descriptor": null,
            "statement_descriptor_suffix": null, "status": if paid { "succeeded" } else { "failed" }, "transfer_data": null,
            "transfer_group": null, "_": { "invoice": invoice["id"] },
        }),
    );
    state.create(Kind::Charge, charge, if paid { "charge.succeeded" } else { "charge.failed" });
    if let Some(decline) = decline {
        let error = refusal(decline).body()["error"].clone();
        state.amend(Kind::PaymentIntent, intent, |intent| intent["last_payment_error"] = error);
    }
    id
}

fn charges(state: &mut State, call: &Call<'_>) -> Answer {
    let (customer, intent) = (call.params.text("customer")?, call.params.text("payment_intent")?);
    list::page(state, call, Kind::Charge, "/v1/charges", |charge| {
        customer.is_none_or(|customer| charge.text("customer") == customer)
            && intent.is_none_or(|intent| charge.text("payment_intent") == intent)
    })
}

fn charge(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Charge, call.arg(0), "id")?))
}

fn intents(state: &mut State, call: &Call<'_>) -> Answer {
    let customer = call.params.text("customer")?;
    list::page(state, call, Kind::PaymentIntent, "/v1/payment_intents", |intent| {
        customer.is_none_or(|customer| intent.text("customer") == customer)
    })
}

fn one_intent(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::PaymentIntent, call.arg(0), "id")?))
}
