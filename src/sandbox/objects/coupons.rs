//! Coupons.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::billing::discounts;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, delete, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post(
        "/v1/coupons",
        "id name percent_off amount_off currency currency_options* duration duration_in_months max_redemptions redeem_by \
         metadata* applies_to(products[])",
        create,
    ),
    get("/v1/coupons", paged!(), all),
    get("/v1/coupons/{}", "", one),
    post("/v1/coupons/{}", "name metadata* currency_options*", update),
    delete("/v1/coupons/{}", "", remove),
];

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let id = match params.text("id")? {
        Some(id) if state.store.get(Kind::Coupon, id).is_some() => {
            return Err(ApiError::invalid("id", "Coupon already exists.").code("resource_already_exists"));
        }
        Some(id) => id.to_owned(),
        None => state.token("", 8),
    };
    let duration = params.word("duration", &["once", "repeating", "forever"])?.unwrap_or("once");
    let months = params.int("duration_in_months")?;
    if (duration == "repeating") != months.is_some() {
        return Err(ApiError::invalid(
            "duration_in_months",
            "`duration_in_months` goes with `duration: repeating`, and only with it.",
        ));
    }
    let (percent, amount) = (params.text("percent_off")?, params.int("amount_off")?);
    let points = match (percent, amount) {
        (Some(text), None) => {
            let points = discounts::basis_points(text);
            Some(points.ok_or_else(|| {
                ApiError::invalid("percent_off", "Invalid percent_off: more than 0, at most 100.")
            })?)
        }
        (None, Some(amount)) if amount > 0 => None,
        (None, Some(_)) => return Err(ApiError::invalid("amount_off", "Invalid positive integer")),
        _ => return Err(ApiError::refused("Must provide exactly one of percent_off and amount_off.")),
    };
    let currency = params.text("currency")?.map(str::to_lowercase);
    if amount.is_some() && currency.is_none() {
        return Err(ApiError::missing("currency"));
    }
    let mut coupon = json!({
        "id": id, "object": "coupon", "amount_off": amount, "created": state.at, "currency": currency,
        "duration": duration, "duration_in_months": months, "livemode": false,
        "max_redemptions": params.int("max_redemptions")?, "metadata": {}, "name": params.text("name")?,
        "percent_off": points.map(discounts::percentage), "redeem_by": params.int("redeem_by")?, "times_redeemed": 0,
        "valid": true,
    });
    coupon.set_note("basis_points", json!(points));
    fill(state, &mut coupon, call)?;
    state.create(Kind::Coupon, coupon.clone(), "coupon.created");
    Ok(public(&coupon))
}

fn fill(state: &State, coupon: &mut Value, call: &Call<'_>) -> Answer<()> {
    if let Some(applies) = call.params.hash("applies_to") {
        let products = applies.texts("products");
        for product in &products {
            state.need(Kind::Product, product, "applies_to[products]")?;
        }
        coupon.set_note("applies_to", json!({ "products": products }));
    }
    if let Some(options) = call.params.hash("currency_options") {
        let mut all = json!({});
        for code in options.names() {
            all[code] = json!({ "amount_off": options.within(code).need_int("amount_off")? });
        }
        coupon.set_note("currency_options", all);
    }
    call.params.metadata(coupon)
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    list::page(state, call, Kind::Coupon, "/v1/coupons", |_| true)
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Coupon, call.arg(0), "id")?))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let before = state.need(Kind::Coupon, call.arg(0), "id")?;
    let mut coupon = Value::clone(&before);
    call.params.given("name").apply(&mut coupon, "name");
    fill(state, &mut coupon, call)?;
    state.store.put(Kind::Coupon, coupon.clone());
    state.tell_update(Kind::Coupon, call.arg(0), "coupon.updated", &before);
    Ok(public(&coupon))
}

/// Deletes a coupon: nobody can redeem it any more; who has it keeps it, as at Stripe.
fn remove(state: &mut State, call: &Call<'_>) -> Answer {
    let coupon = state.need(Kind::Coupon, call.arg(0), "id")?;
    state.store.remove(Kind::Coupon, call.arg(0));
    state.emit("coupon.deleted", &coupon, None);
    Ok(json!({ "id": coupon["id"], "object": "coupon", "deleted": true }))
}
