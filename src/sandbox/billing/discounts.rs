//! Coupons at work: which lines they take from, and how much.

use serde_json::{Value, json};

use super::decimal::{share, split};
use super::period::Interval;
use super::tariff::Tariff;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::form::Params;
use crate::sandbox::json::Json;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// A coupon asked for, and the promotion code it came by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The coupon's id.
    pub(crate) coupon: String,
    /// The promotion code's id.
    pub(crate) promotion_code: Option<String>,
}

/// Reads `discounts[]` of a request: coupons, promotion codes, or discounts that are there already (by their id).
pub(crate) fn read(state: &State, params: &Params<'_>, customer: &str) -> Answer<Vec<Wish>> {
    params.each("discounts", |discount| {
        if let Some(existing) = discount.text("discount")? {
            let found = state.need(Kind::Discount, existing, &discount.name("discount"))?;
            let coupon = found.text("/source/coupon").to_owned();
            return Ok(Wish {
                coupon,
                promotion_code: found.maybe_text("promotion_code").map(str::to_owned),
            });
        }
        wish(state, discount, customer)
    })
}

/// Reads one entry that names a coupon or a promotion code.
pub(crate) fn wish(state: &State, discount: &Params<'_>, customer: &str) -> Answer<Wish> {
    if let Some(code) = discount.text("promotion_code")? {
        return by_code(state, code, customer, &discount.name("promotion_code"));
    }
    let coupon = discount.need("coupon")?;
    valid(state, coupon, &discount.name("coupon"))?;
    Ok(Wish { coupon: coupon.to_owned(), promotion_code: None })
}

/// The coupon behind a promotion code's id, if it may be used by a customer.
pub(crate) fn by_code(state: &State, id: &str, customer: &str, param: &str) -> Answer<Wish> {
    let code = state.need(Kind::PromotionCode, id, param)?;
    let refuse = |message: &str| Err(ApiError::invalid(param, message));
    if !code.flag("active") || code.maybe_int("expires_at").is_some_and(|at| at <= state.at) {
        return refuse("This promotion code cannot be redeemed because it is not active.");
    }
    if code.maybe_int("max_redemptions").is_some_and(|max| code.int("times_redeemed") >= max) {
        return refuse("This promotion code has been redeemed as often as it may be.");
    }
    if code.maybe_text("customer").is_some_and(|only| only != customer) {
        return refuse("This promotion code cannot be redeemed because it belongs to another customer.");
    }
    let paid = || {
        let mut invoices = state.store.all(Kind::Invoice);
        invoices.any(|invoice| invoice.text("customer") == customer && invoice.int("amount_paid") > 0)
    };
    if code.flag("/restrictions/first_time_transaction") && !customer.is_empty() && paid() {
        return refuse(
            "This promotion code cannot be redeemed because the associated customer has prior transactions.",
        );
    }
    let coupon = code.text("/promotion/coupon").to_owned();
    valid(state, &coupon, param)?;
    Ok(Wish { coupon, promotion_code: Some(id.to_owned()) })
}

/// Refuses a coupon that can no longer be redeemed.
fn valid(state: &State, coupon: &str, param: &str) -> Answer<()> {
    let found = state.need(Kind::Coupon, coupon, param)?;
    let over = found.maybe_int("redeem_by").is_some_and(|at| at <= state.at);
    let used = found.maybe_int("max_redemptions").is_some_and(|max| found.int("times_redeemed") >= max);
    if over || used || found.flag("deleted") || !found.flag("valid") {
        return Err(ApiError::invalid(param, format!("Coupon {coupon} is used up and cannot be applied."))
            .code("coupon_expired"));
    }
    Ok(())
}

/// Attaches coupons to a subscription (or, with none, to a customer's single invoice); gives the discounts' ids.
pub(crate) fn redeem(
    state: &mut State,
    wishes: &[Wish],
    customer: &str,
    subscription: Option<&str>,
) -> Vec<String> {
    wishes.iter().map(|wish| attach(state, wish, customer, subscription)).collect()
}

fn attach(state: &mut State, wish: &Wish, customer: &str, subscription: Option<&str>) -> String {
    let coupon = state.find(Kind::Coupon, &wish.coupon);
    let months = coupon.maybe_int("duration_in_months").filter(|_| coupon.text("duration") == "repeating");
    let end = months.and_then(|months| Some(Interval::parse("month", months)?.add(state.at, 1)));
    let id = state.id("di_");
    let discount = json!({
        "id": id, "object": "discount", "checkout_session": null, "customer": customer, "customer_account": null,
        "end": end, "invoice": null, "invoice_item": null, "promotion_code": wish.promotion_code,
        "source": { "coupon": wish.coupon, "type": "coupon" }, "start": state.at, "subscription": subscription,
        "subscription_item": null,
    });
    state.create(Kind::Discount, discount, "customer.discount.created");
    count(state, Kind::Coupon, &wish.coupon);
    if let Some(code) = &wish.promotion_code {
        count(state, Kind::PromotionCode, code);
    }
    id
}

/// Counts a redemption.
fn count(state: &mut State, kind: Kind, id: &str) {
    state.amend(kind, id, |object| {
        object["times_redeemed"] = json!(object.int("times_redeemed") + 1);
        if kind == Kind::Coupon && object.maybe_int("max_redemptions") == Some(object.int("times_redeemed")) {
            object["valid"] = json!(false);
        }
    });
}

/// The discounts of a subscription that still hold at a moment.
pub(crate) fn holding(state: &State, subscription: &Value, at: i64) -> Vec<String> {
    let ids = subscription.items("discounts").iter().filter_map(Value::as_str);
    ids.filter(|id| state.find(Kind::Discount, id).maybe_int("end").is_none_or(|end| at < end))
        .map(str::to_owned)
        .collect()
}

/// Takes off a subscription what has been used up: coupons for one invoice, and those whose time is over.
pub(crate) fn wear_off(state: &mut State, subscription: &str) {
    let sub = state.find(Kind::Subscription, subscription);
    let (gone, kept): (Vec<String>, Vec<String>) =
        sub.items("discounts").iter().filter_map(|id| id.as_str().map(str::to_owned)).partition(|id| {
            let discount = state.find(Kind::Discount, id);
            let coupon = state.find(Kind::Coupon, discount.text("/source/coupon"));
            coupon.text("duration") == "once" || discount.maybe_int("end").is_some_and(|end| end <= state.at)
        });
    if gone.is_empty() {
        return;
    }
    state.amend(Kind::Subscription, subscription, |sub| sub["discounts"] = json!(kept));
    for id in gone {
        let discount = state.find(Kind::Discount, &id);
        let mut ended = Value::clone(&discount);
        if ended["end"].is_null() {
            ended["end"] = json!(state.at);
        }
        state.store.put(Kind::Discount, ended.clone());
        state.emit("customer.discount.deleted", &ended, None);
    }
}

/// What each discount takes from each line: `taken[discount][line]`, in minor units.
///
/// In their order, each from what the ones before have left. Prorations are not discounted again: theirs is in their amount.
pub(crate) fn take(state: &State, ids: &[String], lines: &[Value], currency: &str) -> Vec<Vec<i64>> {
    let mut left: Vec<i64> = lines.iter().map(|line| line.int("amount").max(0)).collect();
    let mut taken = Vec::with_capacity(ids.len());
    for id in ids {
        let coupon = state.find(Kind::Coupon, state.find(Kind::Discount, id).text("/source/coupon"));
        let eligible: Vec<bool> = lines.iter().map(|line| applies(&coupon, line)).collect();
        let parts = match coupon.note("basis_points").as_i64() {
            Some(points) => left
                .iter()
                .zip(&eligible)
                .map(|(amount, eligible)| if *eligible { share(*amount, points, 10_000) } else { 0 })
                .collect(),
            None => fixed(&coupon, &left, &eligible, currency),
        };
        for (amount, part) in left.iter_mut().zip(&parts) {
            *amount -= part;
        }
        taken.push(parts);
    }
    taken
}

/// A fixed amount, spread over the lines by what is left of each.
fn fixed(coupon: &Value, left: &[i64], eligible: &[bool], currency: &str) -> Vec<i64> {
    let off = if coupon.text("currency") == currency {
        coupon.int("amount_off")
    } else {
        coupon.note("currency_options").int(&format!("/{currency}/amount_off"))
    };
    let weights: Vec<i64> =
        left.iter().zip(eligible).map(|(amount, eligible)| if *eligible { *amount } else { 0 }).collect();
    split(off.min(weights.iter().sum()), &weights)
}

/// What each item costs for a whole period with discounts taken off, in minor units; nothing where it is billed by usage.
pub(crate) fn net_of_items(
    state: &State,
    discounts: &[String],
    items: &[Value],
    currency: &str,
) -> Answer<Vec<i64>> {
    let mut lines = Vec::with_capacity(items.len());
    for item in items {
        let tariff = Tariff::of(state, item.text("/price/id"), currency)?;
        let amount = if tariff.metered { 0 } else { tariff.total(item.int("quantity")) };
        let pricing = json!({ "price_details": { "product": tariff.product } });
        lines.push(json!({ "amount": amount, "discountable": true, "pricing": pricing }));
    }
    let taken = take(state, discounts, &lines, currency);
    let net = lines.iter().enumerate();
    let off = |place: usize| taken.iter().filter_map(|parts| parts.get(place)).sum::<i64>();
    Ok(net.map(|(place, line)| line.int("amount") - off(place)).collect())
}

fn applies(coupon: &Value, line: &Value) -> bool {
    let products = coupon.note("applies_to").items("products");
    let product = line.look("/pricing/price_details/product");
    line.flag("discountable") && (products.is_empty() || products.contains(product))
}

/// Hundredths of a per cent as the JSON number that Stripe shows: `50`, `12.5`.
pub(crate) fn percentage(points: i64) -> Value {
    let (whole, hundredths) = (points / 100, points % 100);
    let text = if hundredths == 0 { whole.to_string() } else { format!("{whole}.{hundredths:02}") };
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// Reads a percentage with up to two decimals as hundredths of a per cent.
pub(crate) fn basis_points(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 2 || whole.is_empty() {
        return None;
    }
    let points =
        whole.parse::<i64>().ok()?.checked_mul(100)? + format!("{fraction:0<2}").parse::<i64>().ok()?;
    (1..=10_000).contains(&points).then_some(points)
}
