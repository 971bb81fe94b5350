//! What a Checkout session offers, in words: its lines, its discount, its sums, what is due when.

use serde_json::Value;

use super::checkout::{LineView, Promotion, Session};
use super::portal::price_text;
use super::words::Words;
use crate::sandbox::json::Json as _;
use crate::sandbox::pdf::Total;
use crate::sandbox::settings::DAY;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// The session's line items.
pub(super) fn items(session: &Value) -> &[Value] {
    session.note("line_items").as_array().map_or(&[], Vec::as_slice)
}

/// The days of the trial that the session gives; 0 for none.
pub(super) fn trial_days(state: &State, session: &Value) -> i64 {
    let trial = session.note("data").look("trial");
    let until = trial.maybe_int("end").map(|end| (end - state.at).max(0) / DAY);
    trial.maybe_int("days").or(until).unwrap_or_default()
}

fn metered(item: &Value) -> bool {
    item.text("/price/recurring/usage_type") == "metered"
}

/// A line with what there is to say about it.
pub(super) fn line(item: &Value, trial_days: i64, words: Words) -> LineView {
    let (price, currency, quantity) =
        (item.look("price"), item.text("currency"), item.int("quantity").max(1));
    let mut details = Vec::new();
    if metered(item) {
        details.push(words.say("metered"));
        return LineView { name: item.text("description").to_owned(), amount: String::new(), details };
    }
    if quantity > 1 {
        let unit = words.money(price.int("unit_amount"), currency);
        details.push(words.fill_all("quantity", [("quantity", quantity.to_string()), ("unit", unit)]));
    }
    if trial_days > 0 {
        details.push(words.count("free-trial-line", trial_days));
    }
    if price.look("recurring").is_object() {
        details.push(price_text(words, price, quantity));
    }
    let amount = words.money(item.int("amount_subtotal"), currency);
    LineView { name: item.text("description").to_owned(), amount, details }
}

/// What is charged at each renewal before discount and tax: the licensed, recurring lines. None where nothing recurs.
pub(super) fn recurring(items: &[Value], words: Words) -> Option<String> {
    let recur = items.iter().filter(|item| item.look("/price/recurring").is_object() && !metered(item));
    let recur = recur.collect::<Vec<_>>();
    let first = recur.first()?;
    let amount =
        recur.iter().map(|item| item.int("/price/unit_amount") * item.int("quantity").max(1)).sum::<i64>();
    let recurring = first.look("/price/recurring");
    let every = words.every(recurring.text("interval"), recurring.int("interval_count"));
    Some(
        words.fill_all("per-unit", [("unit", words.money(amount, first.text("currency"))), ("every", every)]),
    )
}

/// What comes after today: after the trial, or once a discount no longer makes today cheaper.
pub(super) fn then(state: &State, session: &Session, items: &[Value], trial_days: i64) -> String {
    let words = session.words;
    let Some(amount) = recurring(items, words) else { return String::new() };
    if trial_days > 0 {
        let date = words.date(state.at + trial_days * DAY);
        return words.fill_all("then-from", [("amount", amount), ("date", date)]);
    }
    let discounted = session.session.int("/total_details/amount_discount") > 0;
    if discounted { words.fill("then-amount", "amount", amount) } else { String::new() }
}

/// The discount that is applied, and whether another may be typed.
pub(super) fn promotion(state: &State, session: &Session, typed: &str) -> Promotion {
    let words = session.words;
    let object = &session.session;
    let discount = object.items("discounts").first();
    let by_code = discount.and_then(|discount| discount.maybe_text("promotion_code"));
    let code = by_code.map(|id| state.find(Kind::PromotionCode, id));
    let coupon = discount.map(|discount| match &code {
        Some(code) => state.find(Kind::Coupon, code.text("/promotion/coupon")),
        None => state.find(Kind::Coupon, discount.text("coupon")),
    });
    let Some(coupon) = coupon.filter(|coupon| coupon.is_object()) else {
        let offered = object.flag("allow_promotion_codes");
        return Promotion { offered, code: typed.to_owned(), ..Promotion::default() };
    };
    let name = code.as_ref().and_then(|code| code.maybe_text("code")).or(coupon.maybe_text("name"));
    Promotion {
        offered: false,
        code: String::new(),
        applied: name.unwrap_or_else(|| coupon.text("id")).to_owned(),
        meaning: meaning(&coupon, words),
        removable: object.flag("allow_promotion_codes"),
    }
}

/// "50 % off, once".
fn meaning(coupon: &Value, words: Words) -> String {
    let off = match coupon.maybe_int("amount_off") {
        Some(amount) => words.fill("amount-off", "amount", words.money(amount, coupon.text("currency"))),
        None => words.fill(
            "percent-off",
            "percent",
            coupon.look("percent_off").to_string().trim_end_matches(".0"),
        ),
    };
    match coupon.text("duration") {
        "forever" => words.fill("discount-forever", "off", off),
        "repeating" => words.fill_count("discount-repeating", coupon.int("duration_in_months"), "off", off),
        _ => words.fill("discount-once", "off", off),
    }
}

/// The sums under the lines.
pub(super) fn sums(session: &Session) -> Vec<Total> {
    let (words, object) = (session.words, &session.session);
    let sum = |label: String, amount: i64| Total { label, amount: session.money(amount), strong: false };
    let mut sums = vec![sum(words.say("subtotal"), object.int("amount_subtotal"))];
    let discount = object.int("/total_details/amount_discount");
    if discount != 0 {
        sums.push(sum(words.say("discount"), -discount));
    }
    let tax = object.int("/total_details/amount_tax");
    if tax != 0 {
        sums.push(sum(words.say("tax"), tax));
    }
    sums.push(Total { strong: true, ..sum(words.say("total-due-today"), object.int("amount_total")) });
    sums
}
