//! Checkout sessions. The page itself is beside; what it does is in `actions`.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::billing::Proration;
use crate::sandbox::billing::discounts;
use crate::sandbox::billing::preview;
use crate::sandbox::billing::subscribe::{self, Order, Wanted};
use crate::sandbox::billing::tariff::Tariff;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::form::Params;
use crate::sandbox::json::{Json, merge, public};
use crate::sandbox::list;
use crate::sandbox::objects::customers;
use crate::sandbox::routes::{Call, Route, get, post};
use crate::sandbox::settings::{DAY, HOUR};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post(
        "/v1/checkout/sessions",
        "mode customer customer_email customer_creation client_reference_id success_url cancel_url locale metadata* \
         expires_at currency line_items[](price quantity adjustable_quantity(enabled minimum maximum)) \
         discounts[](coupon promotion_code) allow_promotion_codes automatic_tax(enabled liability*) \
         billing_address_collection tax_id_collection(enabled required) customer_update(address name shipping) \
         payment_method_collection allowed_payment_method_types[] ui_mode submit_type \
         phone_number_collection(enabled) consent_collection* custom_text* saved_payment_method_options* \
         subscription_data(trial_period_days trial_end trial_settings(end_behavior(missing_payment_method)) metadata* \
         description billing_cycle_anchor proration_behavior billing_mode* invoice_settings*)",
        create,
    ),
    get("/v1/checkout/sessions", paged!("customer status subscription customer_details(email)"), all),
    get("/v1/checkout/sessions/{}", "", one),
    post("/v1/checkout/sessions/{}", "metadata*", update),
    post("/v1/checkout/sessions/{}/expire", "", expire_now),
    get("/v1/checkout/sessions/{}/line_items", paged!(), line_items),
];

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let mode = params
        .word("mode", &["subscription", "payment", "setup"])?
        .ok_or_else(|| ApiError::missing("mode"))?;
    if mode != "subscription" {
        return Err(ApiError::invalid("mode", "The sandbox's Checkout sells subscriptions only."));
    }
    let success_url = params.need("success_url")?.to_owned();
    let customer = params.text("customer")?.map(str::to_owned);
    let mut clock = Value::Null;
    if let Some(id) = &customer {
        clock = state.customer(id, "customer")?["test_clock"].clone();
    }
    check_pairs(params, customer.as_deref())?;
    let items = read_items(params)?;
    let currency = currency(state, params, &items, customer.as_deref())?;
    let data = read_data(state, params)?;
    let expires = params.int("expires_at")?.unwrap_or(state.at + DAY);
    if expires < state.at + HOUR / 2 || expires > state.at + DAY {
        return Err(ApiError::invalid(
            "expires_at",
            "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session creation.",
        ));
    }
    let wishes = discounts::read(state, params, customer.as_deref().unwrap_or_default())?;
    let id = state.token("cs_test_", 58);
    let mut session = blank(state, &id, &currency);
    session["customer"] = json!(customer);
    session["success_url"] = json!(success_url);
    session["expires_at"] = json!(expires);
    session["discounts"] = wishes
        .iter()
        .map(|wish| match &wish.promotion_code {
            Some(code) => json!({ "coupon": null, "promotion_code": code }),
            None => json!({ "coupon": wish.coupon, "promotion_code": null }),
        })
        .collect::<Vec<_>>()
        .into();
    fill(&mut session, params)?;
    session.set_note(
        "items",
        json!(items.iter().map(|(price, quantity)| json!([price, quantity])).collect::<Vec<_>>()),
    );
    session.set_note("data", data);
    session.set_note("clock", clock);
    session.set_note("update", update_wish(params)?);
    reckon(state, &mut session)?;
    state.create(Kind::Session, session.clone(), "");
    Ok(public(&session))
}

/// Parameters that need or exclude each other.
fn check_pairs(params: &Params<'_>, customer: Option<&str>) -> Answer<()> {
    if customer.is_some() && params.has("customer_email") {
        return Err(ApiError::refused(
            "You may only specify one of these parameters: customer, customer_email.",
        ));
    }
    if params.has("discounts") && params.has("allow_promotion_codes") {
        return Err(ApiError::refused(
            "You may only specify one of these parameters: allow_promotion_codes, discounts.",
        ));
    }
    if customer.is_none() && params.has("customer_update") {
        return Err(ApiError::invalid(
            "customer_update",
            "`customer_update` can only be used with `customer`.",
        ));
    }
    let collects = params.within("tax_id_collection").flag("enabled")?.unwrap_or(false);
    let named = params.within("customer_update").text("name")? == Some("auto");
    if collects && customer.is_some() && !named {
        return Err(ApiError::refused(
            "Tax ID collection requires updating business name on the customer. To enable tax ID collection for an \
             existing customer, please set `customer_update[name]` to `auto`.",
        ));
    }
    Ok(())
}

fn read_items(params: &Params<'_>) -> Answer<Vec<(String, Option<i64>)>> {
    let items = params.each("line_items", |item| {
        let quantity = item.count("quantity")?;
        if quantity == Some(0) {
            return Err(ApiError::invalid(
                item.name("quantity"),
                "This value must be greater than or equal to 1.",
            )
            .code("parameter_invalid_integer"));
        }
        Ok((item.need("price")?.to_owned(), quantity))
    })?;
    if items.is_empty() {
        return Err(ApiError::missing("line_items"));
    }
    Ok(items)
}

fn currency(
    state: &State,
    params: &Params<'_>,
    items: &[(String, Option<i64>)],
    customer: Option<&str>,
) -> Answer<String> {
    let mut recurring = None;
    for (index, (price, quantity)) in items.iter().enumerate() {
        let name = format!("line_items[{index}][price]");
        let object = state.need(Kind::Price, price, &name)?;
        let metered = object.text("/recurring/usage_type") == "metered";
        if metered && quantity.is_some() {
            return Err(ApiError::invalid(
                format!("line_items[{index}][quantity]"),
                "Quantity should not be specified where usage_type is `metered`.",
            ));
        }
        if !metered && quantity.is_none() {
            return Err(ApiError::missing(&format!("line_items[{index}][quantity]")));
        }
        if object.text("type") == "recurring" && recurring.is_none() {
            recurring = Some(object);
        }
    }
    let Some(first) = recurring else {
        return Err(ApiError::refused(
            "You must provide at least one recurring price in `subscription` mode.",
        ));
    };
    let held = customer.map(|customer| state.find(Kind::Customer, customer));
    let held = held.as_ref().and_then(|held| held.maybe_text("currency"));
    let held = held.filter(|held| crate::sandbox::billing::tariff::speaks(&first, held));
    let wanted = params.text("currency")?;
    let wanted = wanted.map_or_else(|| held.unwrap_or(first.text("currency")).to_owned(), str::to_lowercase);
    if let Some(customer) = customer {
        subscribe::keep_currency(state, &state.find(Kind::Customer, customer), &wanted)?;
    }
    Ok(wanted)
}

fn read_data(state: &State, params: &Params<'_>) -> Answer {
    let data = params.within("subscription_data");
    let trial = match (data.int("trial_period_days")?, data.int("trial_end")?) {
        (Some(days), _) if !(1..=730).contains(&days) => {
            return Err(ApiError::invalid(
                "subscription_data[trial_period_days]",
                "Invalid integer: must be at least 1.",
            ));
        }
        (_, Some(end)) if end < state.at + 2 * DAY => {
            return Err(ApiError::invalid(
                "subscription_data[trial_end]",
                "The `trial_end` date has to be at least 2 days in the future.",
            ));
        }
        (days, end) => json!({ "days": days, "end": end }),
    };
    let settings = data.within("trial_settings");
    let missing = settings
        .within("end_behavior")
        .word("missing_payment_method", &["cancel", "create_invoice", "pause"])?;
    let mut holder = json!({});
    data.metadata(&mut holder)?;
    Ok(json!({
        "trial": trial, "missing": missing, "metadata": holder["metadata"], "description": data.text("description")?,
        "anchor": data.int("billing_cycle_anchor")?,
        "proration": data.word("proration_behavior", &["none", "create_prorations"])?,
    }))
}

fn update_wish(params: &Params<'_>) -> Answer {
    let update = params.within("customer_update");
    let wish = |field: &str| -> Answer<bool> { Ok(update.word(field, &["auto", "never"])? == Some("auto")) };
    Ok(json!({ "address": wish("address")?, "name": wish("name")? }))
}

fn fill(session: &mut Value, params: &Params<'_>) -> Answer<()> {
    for field in ["cancel_url", "client_reference_id", "customer_email", "locale"] {
        if let Some(text) = params.text(field)? {
            session[field] = json!(text);
        }
    }
    if let Some(allow) = params.flag("allow_promotion_codes")? {
        session["allow_promotion_codes"] = json!(allow);
    }
    if params.within("automatic_tax").flag("enabled")? == Some(true) {
        session["automatic_tax"] = json!({ "enabled": true, "liability": { "type": "self" }, "provider": "stripe",
                                           "status": "requires_location_inputs" });
    }
    if let Some(word) = params.word("billing_address_collection", &["auto", "required"])? {
        session["billing_address_collection"] = json!(word);
    }
    if let Some(word) = params.word("payment_method_collection", &["always", "if_required"])? {
        session["payment_method_collection"] = json!(word);
    }
    let tax_ids = params.within("tax_id_collection");
    if let Some(enabled) = tax_ids.flag("enabled")? {
        let required = tax_ids.word("required", &["if_supported", "never"])?.unwrap_or("never");
        session["tax_id_collection"] = json!({ "enabled": enabled, "required": required });
    }
    if params.has("allowed_payment_method_types") {
        session["allowed_payment_method_types"] = json!(params.texts("allowed_payment_method_types"));
    }
    params.metadata(session)
}

fn blank(state: &State, id: &str, currency: &str) -> Value {
    merge(
        json!({
            "id": id, "object": "checkout.session", "adaptive_pricing": null, "after_expiration": null,
            "allow_promotion_codes": null, "allowed_payment_method_types": null, "amount_subtotal": 0, "amount_total": 0,
            "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
            "billing_address_collection": null, "cancel_url": null, "client_reference_id": null, "client_secret": null,
            "collected_information": { "business_name": null, "individual_name": null, "shipping_details": null },
            "consent": null, "consent_collection": null, "created": state.at, "currency": currency,
            "currency_conversion": null, "custom_fields": [],
            "custom_text": { "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null },
        }),
        json!({
            "customer": null, "customer_account": null, "customer_creation": null, "customer_details": null,
            "customer_email": null, "discounts": [], "expires_at": 0, "integration_identifier": null, "invoice": null,
            "invoice_creation": null, "livemode": false, "locale": null, "managed_payments": null, "metadata": {},
            "mode": "subscription", "origin_context": null, "payment_intent": null, "payment_link": null,
            "payment_method_collection": "always", "payment_method_configuration_details": null,
            "payment_method_options": {}, "payment_method_types": ["card"], "payment_status": "unpaid", "permissions": null,
            "phone_number_collection": { "enabled": false }, "recovered_from": null,
            "saved_payment_method_options": { "allow_redisplay_filters": ["always"], "payment_method_remove": "disabled",
                                              "payment_method_save": null },
            "setup_intent": null, "shipping_address_collection": null, "shipping_cost": null, "shipping_options": [],
            "status": "open", "submit_type": null, "subscription": null, "success_url": null,
            "tax_id_collection": { "enabled": false, "required": "never" }, "total_details": null, "ui_mode": "hosted_page",
            "url": format!("{}/c/pay/{id}", state.public_url), "wallet_options": null,
        }),
    )
}

/// The order that a session stands for, for a customer.
pub(crate) fn order(state: &State, session: &Value, customer: &str) -> Answer<Order> {
    let data = session.note("data");
    let wanted = session.note("items").as_array().map_or(&[][..], Vec::as_slice).iter().map(|item| Wanted {
        price: item[0].as_str().unwrap_or_default().to_owned(),
        quantity: item[1].as_i64(),
        metadata: Value::Null,
    });
    let trial_end =
        data.maybe_int("/trial/end").or_else(|| Some(state.at + data.maybe_int("/trial/days")? * DAY));
    let wishes = session.items("discounts").iter().map(|discount| {
        if let Some(code) = discount.maybe_text("promotion_code") {
            return discounts::by_code(state, code, customer, "promotion_code");
        }
        Ok(discounts::Wish { coupon: discount.text("coupon").to_owned(), promotion_code: None })
    });
    let enabled = session.flag("/automatic_tax/enabled");
    let missing = data.maybe_text("missing").unwrap_or("create_invoice");
    Ok(Order {
        customer: customer.to_owned(),
        items: wanted.collect(),
        currency: session.maybe_text("currency").map(str::to_owned),
        trial_end,
        discounts: wishes.collect::<Answer<_>>()?,
        anchor: data.maybe_int("anchor"),
        proration: if data.text("proration") == "none" { Proration::None } else { Proration::Create },
        fields: json!({
            "automatic_tax": { "disabled_reason": null, "enabled": enabled,
                               "liability": if enabled { json!({ "type": "self" }) } else { Value::Null } },
            "description": data["description"], "metadata": if data["metadata"].is_object() { data["metadata"].clone() } else { json!({}) },
            "trial_settings": { "end_behavior": { "billing_cycle_anchor": null, "missing_payment_method": missing } },
        }),
    })
}

/// Computes a session's amounts and line items, by rehearsing the subscription that it would make.
pub(crate) fn reckon(state: &mut State, session: &mut Value) -> Answer<()> {
    let invoice = state.rehearse(|state| {
        let customer = match session.maybe_text("customer") {
            Some(customer) => customer.to_owned(),
            None => customers::passing(state),
        };
        let order = order(state, session, &customer)?;
        preview::of_order(state, &order)
    })?;
    take_over(state, session, &invoice)
}

fn take_over(state: &mut State, session: &mut Value, invoice: &Value) -> Answer<()> {
    let sum = |field: &str| invoice.items(field).iter().map(|entry| entry.int("amount")).sum::<i64>();
    session["amount_subtotal"] = invoice["subtotal"].clone();
    session["amount_total"] = invoice["total"].clone();
    session["total_details"] = json!({
        "amount_discount": sum("total_discount_amounts"), "amount_shipping": 0, "amount_tax": sum("total_taxes"),
    });
    if session.flag("/automatic_tax/enabled") {
        session["automatic_tax"]["status"] = invoice["automatic_tax"]["status"].clone();
    }
    let items = session.note("items").as_array().cloned().unwrap_or_default();
    let lines: Vec<Value> = items
        .iter()
        .map(|item| line_item(state, item[0].as_str().unwrap_or_default(), item[1].as_i64(), invoice))
        .collect::<Answer<_>>()?;
    session.set_note("line_items", Value::Array(lines));
    Ok(())
}

/// Takes a session's amounts from the invoice that was really made.
pub(crate) fn reckon_paid(state: &mut State, session: &mut Value, subscription: &str) {
    let invoice = state.find(Kind::Subscription, subscription).text("latest_invoice").to_owned();
    let invoice = public(&state.find(Kind::Invoice, &invoice));
    // The prices were found when the subscription was made.
    let _ = take_over(state, session, &invoice);
}

fn line_item(state: &mut State, price: &str, quantity: Option<i64>, invoice: &Value) -> Answer {
    let object = state.find(Kind::Price, price);
    let tariff = Tariff::of(state, price, invoice.text("currency"))?;
    let lines: Vec<&Value> = invoice
        .items("lines")
        .iter()
        .filter(|line| line.text("/pricing/price_details/price") == price)
        .collect();
    let sum = |of: &dyn Fn(&Value) -> i64| lines.iter().map(|line| of(line)).sum::<i64>();
    let entries =
        |line: &Value, field: &str| line.items(field).iter().map(|entry| entry.int("amount")).sum::<i64>();
    let subtotal = sum(&|line| line.int("amount"));
    let discount = sum(&|line| entries(line, "discount_amounts"));
    let tax = sum(&|line| entries(line, "taxes"));
    let on_top = if object.text("tax_behavior") == "inclusive" { 0 } else { tax };
    Ok(json!({
        "id": state.id("li_"), "object": "item", "adjustable_quantity": null, "amount_discount": discount,
        "amount_subtotal": subtotal, "amount_tax": tax, "amount_total": subtotal - discount + on_top,
        "currency": invoice["currency"], "description": tariff.name, "metadata": {}, "price": public(&object),
        "quantity": if tariff.metered { Value::Null } else { json!(quantity.unwrap_or(1)) },
    }))
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let (customer, sub) = (params.text("customer")?, params.text("subscription")?);
    let status = params.word("status", &["open", "complete", "expired"])?;
    list::page(state, call, Kind::Session, "/v1/checkout/sessions", |session| {
        customer.is_none_or(|customer| session.text("customer") == customer)
            && sub.is_none_or(|sub| session.text("subscription") == sub)
            && status.is_none_or(|status| session.text("status") == status)
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Session, call.arg(0), "id")?))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let mut session = Value::clone(&*state.need(Kind::Session, call.arg(0), "id")?);
    call.params.metadata(&mut session)?;
    state.store.put(Kind::Session, session.clone());
    Ok(public(&session))
}

fn expire_now(state: &mut State, call: &Call<'_>) -> Answer {
    let session = state.need(Kind::Session, call.arg(0), "id")?;
    if session.text("status") != "open" {
        return Err(ApiError::refused(format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `{}`.",
            session.text("status")
        )));
    }
    expire(state, call.arg(0));
    Ok(public(&state.find(Kind::Session, call.arg(0))))
}

/// Nobody paid in time.
pub(crate) fn expire(state: &mut State, id: &str) {
    state.amend(Kind::Session, id, |session| {
        session["status"] = json!("expired");
        session["url"] = Value::Null;
    });
    let expired = state.find(Kind::Session, id);
    state.emit("checkout.session.expired", &expired, None);
}

fn line_items(state: &mut State, call: &Call<'_>) -> Answer {
    let session = state.need(Kind::Session, call.arg(0), "id")?;
    let items = session.note("line_items").as_array().cloned().unwrap_or_default();
    list::slice(call, &items, &format!("/v1/checkout/sessions/{}/line_items", call.arg(0)))
}
