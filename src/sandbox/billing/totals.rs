//! Adding up an invoice: discounts, taxes, the customer's balance. Run again whenever its lines change.

use serde_json::{Value, json};

use super::decimal::share;
use super::{discounts, lines, tax};
use crate::sandbox::json::Json;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// Computes everything that follows from an invoice's lines.
pub(crate) fn compute(state: &mut State, invoice: &mut Value) {
    let customer = state.find(Kind::Customer, invoice.text("customer"));
    let ids: Vec<String> =
        invoice.items("discounts").iter().filter_map(|id| id.as_str().map(str::to_owned)).collect();
    let currency = invoice.text("currency").to_owned();
    let mut lines = invoice.items("lines").to_vec();
    let taken = discounts::take(state, &ids, &lines, &currency);
    let automatic = invoice.flag("/automatic_tax/enabled");
    let taxation = if automatic { tax::of(state, &customer) } else { None };
    for (index, line) in lines.iter_mut().enumerate() {
        let off: Vec<Value> = ids
            .iter()
            .zip(&taken)
            .filter(|(_, parts)| parts[index] != 0)
            .map(|(id, parts)| json!({ "amount": parts[index], "discount": id }))
            .collect();
        let net = line.int("amount") - off.iter().map(|part| part.int("amount")).sum::<i64>();
        if line.flag("discountable") {
            line["discount_amounts"] = Value::Array(off);
        }
        let price = state.find(Kind::Price, line.text("/pricing/price_details/price"));
        line["taxes"] = match (line.note("taxes"), &taxation) {
            (Value::Array(settled), _) => json!(settled),
            (_, Some(taxation)) => json!([taxation.entry(state, net, tax::inclusive(&price))]),
            (_, None) => json!([]),
        };
    }
    let subtotal: i64 = lines.iter().map(|line| line.int("amount")).sum();
    let off: Vec<i64> = taken.iter().map(|parts| parts.iter().sum()).collect();
    let discounted: i64 = off.iter().sum();
    let taxes = gather(&lines);
    let tax_of = |behavior: &str| -> i64 {
        taxes.iter().filter(|t| t.text("tax_behavior") == behavior).map(|t| t.int("amount")).sum()
    };
    let total = subtotal - discounted + tax_of("exclusive");
    let without_tax = total - tax_of("exclusive") - tax_of("inclusive");
    invoice["lines"]["data"] = Value::Array(lines);
    invoice["subtotal"] = json!(subtotal);
    invoice["subtotal_excluding_tax"] = json!(without_tax + discounted);
    invoice["total"] = json!(total);
    invoice["total_excluding_tax"] = json!(without_tax);
    invoice["total_discount_amounts"] = ids
        .iter()
        .zip(&off)
        .map(|(id, amount)| json!({ "amount": amount, "discount": id }))
        .collect::<Vec<_>>()
        .into();
    invoice["total_taxes"] = Value::Array(taxes);
    if automatic {
        let status = if taxation.is_some() { "complete" } else { "requires_location_inputs" };
        invoice["automatic_tax"]["status"] = json!(status);
    }
    settle(invoice, total, customer.int("balance"));
}

/// What is due after the customer's balance: a credit (negative) is used up, a debt is added, what the invoice gives back
/// becomes credit. What the currency has no coin for is rounded, and the difference stays in the balance: Stripe says so of UGX
/// (<https://docs.stripe.com/currencies>, special cases); of the currencies with three digits it says only that the last is 0.
fn settle(invoice: &mut Value, total: i64, balance: i64) {
    let step = lines::step(invoice.text("currency"));
    let due = if total < 0 { 0 } else { share((total + balance).max(0), 1, step) * step };
    invoice["starting_balance"] = json!(balance);
    invoice["amount_due"] = json!(due);
    invoice["amount_remaining"] = json!(due - invoice.int("amount_paid"));
    // The balance that finalizing leaves: what is not asked for now moves to the balance or comes from it.
    invoice.set_note("ending_balance", json!(balance + total - due));
}

/// The taxes of lines, added up by rate and behaviour.
pub(crate) fn gather<'a>(lines: impl IntoIterator<Item = &'a Value>) -> Vec<Value> {
    let mut sums: Vec<Value> = Vec::new();
    for entry in lines.into_iter().flat_map(|line| line.items("taxes")) {
        let same = |sum: &&mut Value| {
            sum["tax_rate_details"] == entry["tax_rate_details"]
                && sum["tax_behavior"] == entry["tax_behavior"]
        };
        match sums.iter_mut().find(same) {
            Some(sum) => {
                sum["amount"] = json!(sum.int("amount") + entry.int("amount"));
                sum["taxable_amount"] = json!(sum.int("taxable_amount") + entry.int("taxable_amount"));
            }
            None => sums.push(entry.clone()),
        }
    }
    sums
}
