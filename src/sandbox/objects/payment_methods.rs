//! Payment methods: the test cards, saved.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::billing::payments;
use crate::sandbox::cards::{self, Behavior, TestCard};
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post(
        "/v1/payment_methods",
        "type card(number exp_month exp_year cvc token) metadata* allow_redisplay \
         billing_details(address(city country line1 line2 postal_code state) email name phone)",
        create,
    ),
    get("/v1/payment_methods", paged!("customer type"), all),
    get("/v1/payment_methods/{}", "", one),
    post(
        "/v1/payment_methods/{}",
        "metadata* allow_redisplay card(exp_month exp_year) \
         billing_details(address(city country line1 line2 postal_code state) email name phone)",
        update,
    ),
    post("/v1/payment_methods/{}/attach", "customer", attach),
    post("/v1/payment_methods/{}/detach", "", detach),
];

/// Who a card belongs to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holder {
    /// Name, e-mail, telephone.
    pub(crate) name: Option<String>,
    /// E-mail address.
    pub(crate) email: Option<String>,
    /// Stripe's address object, or null.
    pub(crate) address: Value,
}

/// Makes a payment method of a test card; not attached yet.
pub(crate) fn make(state: &mut State, card: &TestCard, expiry: (i64, i64), holder: &Holder) -> String {
    let id = state.id("pm_");
    let last4 = &card.number[card.number.len() - 4..];
    let fingerprint = state.token("", 16);
    let method = json!({
        "id": id, "object": "payment_method", "allow_redisplay": "unspecified",
        "billing_details": { "address": address(&holder.address), "email": holder.email, "name": holder.name,
                             "phone": null, "tax_id": null },
        "card": {
            "brand": card.brand,
            "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
            "country": "US", "display_brand": card.brand, "exp_month": expiry.0, "exp_year": expiry.1,
            "fingerprint": fingerprint, "funding": card.funding, "generated_from": null, "last4": last4,
            "networks": { "available": [card.brand], "preferred": null }, "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true }, "wallet": null,
        },
        "created": state.at, "customer": null, "customer_account": null, "livemode": false, "metadata": {},
        "radar_options": {}, "type": "card", "_": { "number": card.number },
    });
    state.store.put(Kind::PaymentMethod, method);
    id
}

fn address(given: &Value) -> Value {
    let mut address = json!({});
    for field in super::customers::ADDRESS {
        address[field] = given[field].clone();
    }
    address
}

/// A card that expires well after the sandbox's present.
pub(crate) fn far_expiry(state: &State) -> (i64, i64) {
    let year =
        jiff::Timestamp::from_second(state.at).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC).year();
    (12, i64::from(year) + 4)
}

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    match call.params.need("type")? {
        "card" => {}
        other => {
            return Err(ApiError::invalid("type", format!("The sandbox has cards only, not `{other}`.")));
        }
    }
    let given = call.params.within("card");
    let card = match (given.text("token")?, given.text("number")?) {
        (Some(token), _) => {
            cards::by_name(token).ok_or_else(|| ApiError::no_such("token", token, "card[token]"))?
        }
        (None, Some(number)) => {
            cards::by_number(number).ok_or_else(|| payments::refusal(cards::NOT_A_TEST_CARD))?
        }
        (None, None) => return Err(ApiError::missing("card")),
    };
    let far = far_expiry(state);
    let expiry = (given.int("exp_month")?.unwrap_or(far.0), given.int("exp_year")?.unwrap_or(far.1));
    if !(1..=12).contains(&expiry.0) {
        let message = "Your card's expiration month is invalid.";
        return Err(ApiError::card("invalid_expiry_month", None, message));
    }
    let id = make(state, card, expiry, &Holder::default());
    let mut method = Value::clone(&state.find(Kind::PaymentMethod, &id));
    fill(&mut method, call)?;
    state.store.put(Kind::PaymentMethod, method.clone());
    Ok(public(&method))
}

fn fill(method: &mut Value, call: &Call<'_>) -> Answer<()> {
    let details = call.params.within("billing_details");
    for field in ["email", "name", "phone"] {
        details.given(field).apply(&mut method["billing_details"], field);
    }
    if let Some(address) = details.strings("address", &super::customers::ADDRESS) {
        method["billing_details"]["address"] = address;
    }
    if let Some(allow) = call.params.word("allow_redisplay", &["always", "limited", "unspecified"])? {
        method["allow_redisplay"] = json!(allow);
    }
    call.params.metadata(method)
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let customer = call.params.text("customer")?;
    list::page(state, call, Kind::PaymentMethod, "/v1/payment_methods", |method| {
        customer.is_none_or(|customer| method.text("customer") == customer)
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::PaymentMethod, call.arg(0), "id")?))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let before = state.need(Kind::PaymentMethod, call.arg(0), "id")?;
    let mut method = Value::clone(&before);
    fill(&mut method, call)?;
    let card = call.params.within("card");
    for field in ["exp_month", "exp_year"] {
        if let Some(number) = card.int(field)? {
            method["card"][field] = json!(number);
        }
    }
    state.store.put(Kind::PaymentMethod, method.clone());
    state.tell_update(Kind::PaymentMethod, call.arg(0), "payment_method.updated", &before);
    Ok(public(&method))
}

fn attach(state: &mut State, call: &Call<'_>) -> Answer {
    let customer = call.params.need("customer")?.to_owned();
    state.customer(&customer, "customer")?;
    let id = attach_to(state, call.arg(0), &customer)?;
    Ok(public(&state.find(Kind::PaymentMethod, &id)))
}

/// Attaches a payment method, or a fresh one of a test id such as `pm_card_visa`; gives its id. Refused cards cannot be
/// attached.
pub(crate) fn attach_to(state: &mut State, method: &str, customer: &str) -> Answer<String> {
    let id = match (state.store.get(Kind::PaymentMethod, method), cards::by_name(method)) {
        (Some(found), _) => found.id(),
        (None, Some(card)) => {
            let expiry = far_expiry(state);
            make(state, card, expiry, &Holder::default())
        }
        (None, None) => return Err(ApiError::no_such("PaymentMethod", method, "id")),
    };
    let found = state.find(Kind::PaymentMethod, &id);
    if found.note("detached").as_bool().unwrap_or_default() {
        return Err(ApiError::refused(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a \
             Customer, and may not be used again.",
        ));
    }
    if found.maybe_text("customer").is_some_and(|owner| owner != customer) {
        return Err(ApiError::refused(
            "The payment method you provided has already been attached to a customer.",
        ));
    }
    let card = found.note("number").as_str().and_then(cards::by_number);
    if let Some(Behavior::Refused(decline)) = card.map(|card| card.behavior) {
        return Err(payments::refusal(decline));
    }
    state.amend(Kind::PaymentMethod, &id, |method| method["customer"] = json!(customer));
    let attached = state.find(Kind::PaymentMethod, &id);
    state.emit("payment_method.attached", &attached, None);
    Ok(id)
}

fn detach(state: &mut State, call: &Call<'_>) -> Answer {
    let before = state.need(Kind::PaymentMethod, call.arg(0), "id")?;
    let id = before.id();
    let Some(customer) = before.maybe_text("customer").map(str::to_owned) else {
        return Err(ApiError::refused(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
        ));
    };
    state.amend(Kind::PaymentMethod, &id, |method| {
        method["customer"] = Value::Null;
        method.set_note("detached", json!(true));
    });
    let detached = state.find(Kind::PaymentMethod, &id);
    state.emit("payment_method.detached", &detached, Some(json!({ "customer": customer })));
    if state.find(Kind::Customer, &customer).text("/invoice_settings/default_payment_method") == id {
        state.update(Kind::Customer, &customer, "customer.updated", |customer| {
            customer["invoice_settings"]["default_payment_method"] = Value::Null;
        });
    }
    Ok(public(&detached))
}

/// Makes a customer's saved cards behave like another test card; gives how many.
pub(crate) fn behave(state: &mut State, customer: &str, number: &str) -> Answer<usize> {
    state.customer(customer, "customer")?;
    let card = cards::by_number(number).ok_or_else(|| ApiError::invalid("number", "not a test card"))?;
    let own = state.store.all(Kind::PaymentMethod).filter(|method| method.text("customer") == customer);
    let ids: Vec<String> = own.map(|method| method.id()).collect();
    for id in &ids {
        state.amend(Kind::PaymentMethod, id, |method| method.set_note("number", json!(card.number)));
    }
    Ok(ids.len())
}
