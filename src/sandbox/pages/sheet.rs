//! An invoice object in words, for its page and for its PDF.

use serde_json::Value;

use super::seller;
use super::words::Words;
use crate::sandbox::json::Json as _;
use crate::sandbox::pdf::{Line, Party, Sheet, Total};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// The invoice as a reader sees it.
pub(super) fn of(state: &State, invoice: &Value, words: Words) -> Sheet {
    Sheet {
        language: words.code(),
        title: words.say("invoice-title"),
        facts: facts(invoice, words),
        from: Party { label: words.say("invoice-from"), lines: vec![seller(state)] },
        to: Party { label: words.say("invoice-to"), lines: bill_to(invoice, words) },
        headline: headline(invoice, words),
        headings: ["heading-description", "heading-quantity", "heading-unit", "heading-amount"]
            .map(|key| words.say(key)),
        lines: invoice.items("lines").iter().map(|item| line(item, words)).collect(),
        totals: totals(state, invoice, words),
        history: history(state, invoice, words),
        footer: words.say("sandbox-footer"),
        page_of: words.say("page-of"),
    }
}

/// The number; of a draft, that it is one.
pub(super) fn number(invoice: &Value, words: Words) -> String {
    invoice.maybe_text("number").map_or_else(|| words.say("invoice-draft-number"), str::to_owned)
}

fn facts(invoice: &Value, words: Words) -> Vec<(String, String)> {
    let mut facts = vec![
        (words.say("invoice-number"), number(invoice, words)),
        (words.say("invoice-issued"), words.date(issued(invoice))),
    ];
    if let Some(paid) = invoice.maybe_int("/status_transitions/paid_at") {
        facts.push((words.say("invoice-paid-on"), words.date(paid)));
    } else if let Some(due) = invoice.maybe_int("due_date") {
        facts.push((words.say("invoice-due"), words.date(due)));
    }
    facts
}

/// When it was finalized; of a draft, when it was made.
pub(super) fn issued(invoice: &Value) -> i64 {
    invoice.maybe_int("/status_transitions/finalized_at").unwrap_or_else(|| invoice.int("created"))
}

fn bill_to(invoice: &Value, words: Words) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(invoice.maybe_text("customer_name").map(str::to_owned));
    lines.extend(address(invoice.look("customer_address"), words));
    lines.extend(invoice.maybe_text("customer_email").map(str::to_owned));
    let tax_ids = invoice.items("customer_tax_ids").iter();
    lines.extend(tax_ids.map(|tax_id| words.fill("tax-id-line", "value", tax_id.text("value"))));
    lines
}

/// An address in lines.
pub(super) fn address(address: &Value, words: Words) -> Vec<String> {
    let town = format!("{} {}", address.text("postal_code"), address.text("city"));
    let country = address.maybe_text("country").map(|code| words.country(code)).unwrap_or_default();
    let lines = [address.text("line1"), address.text("line2"), town.trim(), address.text("state"), &country];
    lines.into_iter().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn headline(invoice: &Value, words: Words) -> String {
    let money = |field| words.money(invoice.int(field), invoice.text("currency"));
    let on =
        |key, field, seconds| words.fill_all(key, [("amount", money(field)), ("date", words.date(seconds))]);
    match invoice.text("status") {
        "paid" => {
            let paid = invoice.maybe_int("/status_transitions/paid_at").unwrap_or_else(|| issued(invoice));
            on("invoice-paid-headline", "amount_paid", paid)
        }
        "void" => words.say("invoice-void-headline"),
        "uncollectible" => words.fill("invoice-uncollectible-headline", "amount", money("amount_remaining")),
        "draft" => words.say("invoice-draft-headline"),
        _ => match invoice.maybe_int("due_date") {
            Some(due) => on("invoice-due-headline", "amount_remaining", due),
            None => words.fill("invoice-due-now-headline", "amount", money("amount_remaining")),
        },
    }
}

fn line(item: &Value, words: Words) -> Line {
    let currency = item.text("currency");
    let quantity = item.maybe_int("quantity");
    let unit = item.maybe_text("/pricing/unit_amount_decimal").and_then(|unit| unit.parse::<i64>().ok());
    let (from, to) = (item.int("/period/start"), item.int("/period/end"));
    let period = match to > from {
        true => words.fill_all("date-range", [("from", words.date(from)), ("to", words.date(to))]),
        false => String::new(),
    };
    Line {
        description: item.text("description").to_owned(),
        period,
        quantity: quantity.map(|quantity| quantity.to_string()).unwrap_or_default(),
        // A unit of less than the smallest coin has no price that could be shown here.
        unit: unit.map(|unit| words.money(unit, currency)).unwrap_or_default(),
        amount: words.money(item.int("amount"), currency),
    }
}

fn totals(state: &State, invoice: &Value, words: Words) -> Vec<Total> {
    let currency = invoice.text("currency");
    let sum =
        |label: String, amount: i64| Total { label, amount: words.money(amount, currency), strong: false };
    let mut totals = vec![sum(words.say("subtotal"), invoice.int("subtotal"))];
    let discounts = invoice.items("total_discount_amounts").iter();
    let discount = discounts.map(|discount| discount.int("amount")).sum::<i64>();
    if discount != 0 {
        totals.push(sum(words.say("discount"), -discount));
    }
    for tax in invoice.items("total_taxes") {
        totals.push(sum(tax_label(state, tax, words), tax.int("amount")));
    }
    totals.push(Total { strong: true, ..sum(words.say("total"), invoice.int("total")) });
    let applied = invoice.int("total") - invoice.int("amount_due");
    if applied != 0 {
        totals.push(sum(words.say("starting-balance"), -applied));
    }
    if invoice.int("amount_paid") != 0 {
        totals.push(sum(words.say("amount-paid"), -invoice.int("amount_paid")));
    }
    let due = if invoice.text("status") == "void" { 0 } else { invoice.int("amount_remaining") };
    totals.push(Total { strong: true, ..sum(words.say("amount-due"), due) });
    totals
}

/// "VAT (19 %)" where the rate is known.
pub(super) fn tax_label(state: &State, tax: &Value, words: Words) -> String {
    let id = tax.maybe_text("/tax_rate_details/tax_rate").unwrap_or_else(|| tax.text("rate"));
    let rate = state.find(Kind::TaxRate, id);
    if !rate.is_object() {
        return words.say("tax");
    }
    let key = if rate.flag("inclusive") { "tax-included" } else { "tax-of" };
    let percent = rate.look("percentage").to_string();
    let percent = percent.trim_end_matches(".0").to_owned();
    words.fill_all(key, [("name", rate.text("display_name").to_owned()), ("percent", percent)])
}

/// What happened to the money after it was paid.
fn history(state: &State, invoice: &Value, words: Words) -> Vec<String> {
    let id = invoice.id();
    let payments = state.store.all(Kind::InvoicePayment).filter(|payment| payment.text("invoice") == id);
    let intents =
        payments.filter_map(|payment| payment.maybe_text("/payment/payment_intent").map(str::to_owned));
    let intents = intents.collect::<Vec<_>>();
    let mine = |event: &Value| intents.iter().any(|intent| event.text("payment_intent") == intent);
    let on = |event: &Value| {
        let amount = words.money(event.int("amount"), event.text("currency"));
        [("amount", amount), ("date", words.date(event.int("created")))]
    };
    let refunds =
        state.store.all(Kind::Refund).filter(|refund| mine(refund) && refund.text("status") != "failed");
    let mut history = refunds.map(|refund| words.fill_all("refunded-on", on(refund))).collect::<Vec<_>>();
    for dispute in state.store.all(Kind::Dispute).filter(|dispute| mine(dispute)) {
        let key = format!("reason-{}", dispute.text("reason"));
        let reason =
            Some(words.say(&key)).filter(|text| *text != key).unwrap_or_else(|| words.say("reason-general"));
        let facts = on(dispute).into_iter().chain([("reason", reason)]);
        history.push(words.fill_all("disputed-on", facts));
    }
    history
}
