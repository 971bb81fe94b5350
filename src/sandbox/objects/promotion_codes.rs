//! Promotion codes: what a customer types to get a coupon.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post(
        "/v1/promotion_codes",
        "promotion(type coupon) code active customer expires_at max_redemptions metadata* \
         restrictions(first_time_transaction minimum_amount minimum_amount_currency currency_options*)",
        create,
    ),
    get("/v1/promotion_codes", paged!("active code coupon customer"), all),
    get("/v1/promotion_codes/{}", "", one),
    post("/v1/promotion_codes/{}", "active metadata* restrictions*", update),
];

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let promotion = params.within("promotion");
    let coupon = promotion.need("coupon")?;
    state.need(Kind::Coupon, coupon, "promotion[coupon]")?;
    let customer = params.text("customer")?.map(str::to_owned);
    if let Some(customer) = &customer {
        state.customer(customer, "customer")?;
    }
    let code = match params.text("code")? {
        Some(code) => code.to_owned(),
        None => state.token("", 8).to_uppercase(),
    };
    let taken =
        by_code(state, &code).is_some_and(|found| found.maybe_text("customer") == customer.as_deref());
    if taken {
        return Err(ApiError::invalid(
            "code",
            format!("An active promotion code with `code: {code}` already exists."),
        ));
    }
    let restrictions = params.within("restrictions");
    let mut promotion = json!({
        "id": state.id("promo_"), "object": "promotion_code", "active": params.flag("active")?.unwrap_or(true),
        "code": code, "created": state.at, "customer": customer, "customer_account": null,
        "expires_at": params.int("expires_at")?, "livemode": false, "max_redemptions": params.int("max_redemptions")?,
        "metadata": {}, "promotion": { "coupon": coupon, "type": "coupon" },
        "restrictions": {
            "first_time_transaction": restrictions.flag("first_time_transaction")?.unwrap_or(false),
            "minimum_amount": restrictions.int("minimum_amount")?,
            "minimum_amount_currency": restrictions.text("minimum_amount_currency")?,
        },
        "times_redeemed": 0,
    });
    params.metadata(&mut promotion)?;
    state.create(Kind::PromotionCode, promotion.clone(), "promotion_code.created");
    Ok(promotion)
}

/// The active promotion code that reads so; letters count alike, small or capital.
pub(crate) fn by_code(state: &State, code: &str) -> Option<Value> {
    let mut all = state.store.all(Kind::PromotionCode);
    let found =
        all.find(|promotion| promotion.flag("active") && promotion.text("code").eq_ignore_ascii_case(code));
    found.map(|found| Value::clone(found))
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let (active, code) = (params.flag("active")?, params.text("code")?);
    let (coupon, customer) = (params.text("coupon")?, params.text("customer")?);
    list::page(state, call, Kind::PromotionCode, "/v1/promotion_codes", |promotion| {
        active.is_none_or(|active| promotion.flag("active") == active)
            && code.is_none_or(|code| promotion.text("code").eq_ignore_ascii_case(code))
            && coupon.is_none_or(|coupon| promotion.text("/promotion/coupon") == coupon)
            && customer.is_none_or(|customer| promotion.text("customer") == customer)
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::PromotionCode, call.arg(0), "id")?))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let before = state.need(Kind::PromotionCode, call.arg(0), "id")?;
    let mut promotion = Value::clone(&before);
    if let Some(active) = call.params.flag("active")? {
        promotion["active"] = json!(active);
    }
    call.params.metadata(&mut promotion)?;
    state.store.put(Kind::PromotionCode, promotion.clone());
    state.tell_update(Kind::PromotionCode, call.arg(0), "promotion_code.updated", &before);
    Ok(public(&promotion))
}
