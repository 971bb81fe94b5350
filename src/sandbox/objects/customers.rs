//! Customers.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::billing::end;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::form::Params;
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::objects::payment_methods;
use crate::sandbox::routes::{Call, Route, delete, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// The fields of an address.
pub(crate) const ADDRESS: [&str; 6] = ["city", "country", "line1", "line2", "postal_code", "state"];

/// What create and update both take.
macro_rules! fields {
    ($more:literal) => {
        concat!(
            "name email phone description metadata* address(city country line1 line2 postal_code state) ",
            "shipping(name phone address(city country line1 line2 postal_code state)) preferred_locales[] tax_exempt ",
            "balance invoice_prefix next_invoice_sequence business_name individual_name ",
            "invoice_settings(default_payment_method footer custom_fields[](name value)) tax(ip_address validate_location) ",
            $more
        )
    };
}

pub(crate) const ROUTES: &[Route] = &[
    post("/v1/customers", fields!("payment_method test_clock tax_id_data[](type value)"), create),
    get("/v1/customers", paged!("email test_clock"), all),
    get("/v1/customers/{}", "", one),
    post("/v1/customers/{}", fields!(""), update),
    delete("/v1/customers/{}", "", remove),
    get("/v1/customers/{}/payment_methods", paged!("type allow_redisplay"), methods),
    get("/v1/customers/{}/payment_methods/{}", "", method),
];

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let clock = call.params.text("test_clock")?.map(str::to_owned);
    if let Some(clock) = &clock {
        let found = state.need(Kind::TestClock, clock, "test_clock")?;
        state.at = found.int("frozen_time");
        state.scope.clone_from(clock);
    }
    let id = state.token("cus_", 14);
    let mut customer = blank(state, &id, clock.as_deref());
    fill(state, &mut customer, &call.params)?;
    let event = customer.clone();
    state.store.put(Kind::Customer, customer);
    state.emit("customer.created", &event, None);
    if let Some(method) = call.params.text("payment_method")? {
        let method = payment_methods::attach_to(state, method, &id)?;
        set_default(state, &call.params, &id, &method)?;
    } else {
        set_default(state, &call.params, &id, "")?;
    }
    for (kind, value) in call
        .params
        .each("tax_id_data", |data| Ok((data.need("type")?.to_owned(), data.need("value")?.to_owned())))?
    {
        super::tax_ids::add(state, &id, &kind, &value)?;
    }
    Ok(public(&state.find(Kind::Customer, &id)))
}

/// A customer without anything.
fn blank(state: &mut State, id: &str, clock: Option<&str>) -> Value {
    let prefix = state.token("", 8).to_uppercase();
    json!({
        "id": id, "object": "customer", "address": null, "balance": 0, "created": state.at, "currency": null,
        "customer_account": null, "default_source": null, "delinquent": false, "description": null, "discount": null,
        "email": null, "invoice_prefix": prefix,
        "invoice_settings": { "custom_fields": null, "default_payment_method": null, "footer": null,
                              "rendering_options": null },
        "livemode": false, "metadata": {}, "name": null, "next_invoice_sequence": 1, "phone": null,
        "preferred_locales": [], "shipping": null, "tax_exempt": "none", "test_clock": clock,
    })
}

/// A customer for a preview without one.
pub(crate) fn passing(state: &mut State) -> String {
    let id = state.token("cus_", 14);
    let customer = blank(state, &id, None);
    state.store.put(Kind::Customer, customer);
    id
}

/// A new customer, made by Checkout; gives its id.
pub(crate) fn anew(state: &mut State, email: Option<&str>) -> String {
    let id = state.token("cus_", 14);
    let mut customer = blank(state, &id, None);
    customer["email"] = json!(email);
    state.create(Kind::Customer, customer, "customer.created");
    id
}

fn fill(state: &State, customer: &mut Value, params: &Params<'_>) -> Answer<()> {
    for field in ["name", "email", "phone", "description", "business_name", "individual_name"] {
        params.given(field).apply(customer, field);
    }
    if let Some(email) = customer.maybe_text("email").filter(|email| !email.contains('@')) {
        return Err(
            ApiError::invalid("email", format!("Invalid email address: {email}")).code("email_invalid")
        );
    }
    if params.clears("address") {
        customer["address"] = Value::Null;
    } else if let Some(address) = params.strings("address", &ADDRESS) {
        check_country(&address)?;
        customer["address"] = address;
    }
    if params.clears("shipping") {
        customer["shipping"] = Value::Null;
    } else if let Some(shipping) = params.hash("shipping") {
        let address = shipping.strings("address", &ADDRESS);
        customer["shipping"] =
            json!({ "address": address, "name": shipping.need("name")?, "phone": shipping.text("phone")? });
    }
    if params.has("preferred_locales") {
        customer["preferred_locales"] = json!(params.texts("preferred_locales"));
    }
    if let Some(exempt) = params.word("tax_exempt", &["none", "exempt", "reverse"])? {
        customer["tax_exempt"] = json!(exempt);
    }
    for field in ["balance", "next_invoice_sequence"] {
        if let Some(number) = params.int(field)? {
            customer[field] = json!(number);
        }
    }
    if let Some(prefix) = params.text("invoice_prefix")? {
        customer["invoice_prefix"] = json!(prefix);
    }
    params.within("invoice_settings").given("footer").apply(&mut customer["invoice_settings"], "footer");
    if params.within("tax").text("validate_location")? == Some("immediately")
        && crate::sandbox::billing::tax::of(state, customer).is_none()
    {
        return Err(ApiError::refused("The customer's location could not be determined from its address.")
            .code("customer_tax_location_invalid"));
    }
    params.metadata(customer)
}

fn check_country(address: &Value) -> Answer<()> {
    match address.maybe_text("country") {
        Some(code) if code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            Err(ApiError::invalid(
                "address[country]",
                format!("Country '{code}' is unknown. Try using a 2-character alphanumeric country code."),
            ))
        }
        _ => Ok(()),
    }
}

/// Sets the default payment method that a request names; `attached` is the one that came with the request.
fn set_default(state: &mut State, params: &Params<'_>, id: &str, attached: &str) -> Answer<()> {
    let settings = params.within("invoice_settings");
    if settings.clears("default_payment_method") {
        state.amend(Kind::Customer, id, |c| c["invoice_settings"]["default_payment_method"] = Value::Null);
        return Ok(());
    }
    let Some(wish) = settings.text("default_payment_method")? else { return Ok(()) };
    // A test id such as `pm_card_visa` stands for the method that it became when it was attached.
    let method = if state.store.get(Kind::PaymentMethod, wish).is_none() { attached } else { wish };
    let found = state.find(Kind::PaymentMethod, method);
    if found.text("customer") != id {
        return Err(ApiError::no_such("PaymentMethod", wish, "invoice_settings[default_payment_method]"));
    }
    state.amend(Kind::Customer, id, |c| c["invoice_settings"]["default_payment_method"] = json!(method));
    Ok(())
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let email = call.params.text("email")?;
    let clock = call.params.text("test_clock")?;
    list::page(state, call, Kind::Customer, "/v1/customers", |customer| {
        !customer.flag("deleted")
            && email.is_none_or(|email| customer.text("email") == email)
            && (clock.is_none_or(|clock| customer.text("test_clock") == clock))
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Customer, call.arg(0), "id")?))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let before = state.customer(call.arg(0), "id")?;
    let id = before.id();
    let mut customer = Value::clone(&before);
    fill(state, &mut customer, &call.params)?;
    state.store.put(Kind::Customer, customer);
    set_default(state, &call.params, &id, "")?;
    state.tell_update(Kind::Customer, &id, "customer.updated", &before);
    Ok(public(&state.find(Kind::Customer, &id)))
}

/// Deletes a customer: the subscriptions end at once, what remains is that it was.
fn remove(state: &mut State, call: &Call<'_>) -> Answer {
    let customer = state.customer(call.arg(0), "id")?;
    let id = customer.id();
    let live: Vec<String> = state
        .store
        .all(Kind::Subscription)
        .filter(|sub| {
            sub.text("customer") == id && !matches!(sub.text("status"), "canceled" | "incomplete_expired")
        })
        .map(|sub| sub.id())
        .collect();
    for sub in live {
        end::cancel(state, &sub, false, false)?;
    }
    let gone = json!({ "id": id, "object": "customer", "deleted": true });
    state.store.put(Kind::Customer, gone.clone());
    state.emit("customer.deleted", &customer, None);
    Ok(gone)
}

fn methods(state: &mut State, call: &Call<'_>) -> Answer {
    let customer = state.customer(call.arg(0), "id")?;
    let wanted = call.params.text("type")?;
    let url = format!("/v1/customers/{}/payment_methods", customer.text("id"));
    list::page(state, call, Kind::PaymentMethod, &url, |method| {
        method.text("customer") == customer.text("id")
            && wanted.is_none_or(|kind| method.text("type") == kind)
    })
}

fn method(state: &mut State, call: &Call<'_>) -> Answer {
    let method = state.need(Kind::PaymentMethod, call.arg(1), "payment_method")?;
    if method.text("customer") != call.arg(0) {
        return Err(ApiError::no_such("PaymentMethod", call.arg(1), "payment_method"));
    }
    Ok(public(&method))
}
