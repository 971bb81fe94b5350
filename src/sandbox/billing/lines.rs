//! The lines of an invoice, before discounts and taxes.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::decimal::Decimal;
use super::tariff::{Part, Tariff};
use crate::sandbox::state::State;

/// What a line stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A period of a subscription, in advance.
    Period,
    /// The usage of a period, in arrears.
    Usage,
    /// A trial, at nothing.
    Trial,
    /// The rest of a period after a change.
    Debit,
    /// What was paid for time that will not be used.
    Credit,
    /// A charge beside the subscription.
    Single,
}

impl Role {
    /// The word kept with the line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Period => "period",
            Self::Usage => "usage",
            Self::Trial => "trial",
            Self::Debit => "debit",
            Self::Credit => "credit",
            Self::Single => "single",
        }
    }
}

/// A line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// What it stands for.
    pub(crate) role: Role,
    /// What the customer reads.
    pub(crate) description: String,
    /// Minor units; negative for a credit.
    pub(crate) amount: i64,
    /// How many.
    pub(crate) quantity: Option<i64>,
    /// From when to when, in unix seconds.
    pub(crate) period: (i64, i64),
    /// The price's and the product's id.
    pub(crate) price: (String, String),
    /// The price of one.
    pub(crate) unit: Option<String>,
    /// The subscription and its item.
    pub(crate) source: Option<(String, String)>,
    /// What is settled already.
    pub(crate) settled: Settled,
}

/// What was settled when a proration was made, and no later invoice changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settled {
    /// The ids of the discounts that are in the amount.
    pub(crate) discounts: Vec<Value>,
    /// The taxes, as a line shows them; none: those that hold when it is invoiced.
    pub(crate) taxes: Option<Vec<Value>>,
}

/// Where a line comes from, and how it is written.
pub(crate) struct Context<'a> {
    /// The subscription's id.
    pub(crate) subscription: &'a str,
    /// The item's id.
    pub(crate) item: &'a str,
    /// The currency.
    pub(crate) currency: &'a str,
}

impl Context<'_> {
    fn source(&self) -> Option<(String, String)> {
        Some((self.subscription.to_owned(), self.item.to_owned()))
    }
}

/// The lines for a whole period, or a part of it: `amounts` turns what the period costs into what is charged.
pub(crate) fn of_period(
    tariff: &Tariff,
    quantity: i64,
    period: (i64, i64),
    context: &Context<'_>,
    role: Role,
    amounts: impl Fn(i64) -> i64,
) -> Vec<Line> {
    let parts = tariff.parts(quantity);
    parts
        .into_iter()
        .map(|part| Line {
            role,
            description: describe(tariff, &part, context.currency),
            amount: amounts(part.amount),
            quantity: Some(part.quantity),
            period,
            price: (tariff.price.clone(), tariff.product.clone()),
            unit: part.unit,
            source: context.source(),
            settled: Settled::default(),
        })
        .collect()
}

/// The line that a trial leaves.
pub(crate) fn of_trial(tariff: &Tariff, quantity: i64, period: (i64, i64), context: &Context<'_>) -> Line {
    Line {
        role: Role::Trial,
        description: format!("Free trial for {quantity} × {}", tariff.name),
        amount: 0,
        quantity: Some(quantity),
        period,
        price: (tariff.price.clone(), tariff.product.clone()),
        unit: Some("0".into()),
        source: context.source(),
        settled: Settled::default(),
    }
}

/// A proration: a credit for unused time when negative, a charge for remaining time otherwise.
pub(crate) fn of_change(
    tariff: &Tariff,
    quantity: i64,
    amount: i64,
    role: Role,
    period: (i64, i64),
    context: &Context<'_>,
) -> Line {
    let what = if quantity == 1 { tariff.name.clone() } else { format!("{quantity} × {}", tariff.name) };
    let words = if role == Role::Credit { "Unused time on" } else { "Remaining time on" };
    Line {
        role,
        description: format!("{words} {what} after {}", day(period.0)),
        amount,
        quantity: Some(quantity),
        period,
        price: (tariff.price.clone(), tariff.product.clone()),
        unit: None,
        source: context.source(),
        settled: Settled::default(),
    }
}

/// The line as JSON, not yet on an invoice.
pub(crate) fn render(state: &mut State, line: &Line, currency: &str, invoice_item: Option<&str>) -> Value {
    let proration = matches!(line.role, Role::Debit | Role::Credit);
    let parent = match (&line.source, invoice_item) {
        (Some((subscription, item)), invoice_item) => json!({
            "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": invoice_item, "proration": proration,
                "proration_details": { "credited_items": null },
                "subscription": subscription, "subscription_item": item,
            },
            "type": "subscription_item_details",
        }),
        (None, invoice_item) => json!({
            "invoice_item_details": {
                "invoice_item": invoice_item, "proration": false,
                "proration_details": { "credited_items": null }, "subscription": null,
            },
            "subscription_item_details": null,
            "type": "invoice_item_details",
        }),
    };
    let pricing = json!({
        "price_details": { "price": line.price.0, "product": line.price.1 },
        "type": "price_details",
        "unit_amount_decimal": line.unit,
    });
    // The account shows prorations with their discounts in the amount: the discounts are named, at nothing.
    let included: Vec<Value> =
        line.settled.discounts.iter().map(|id| json!({ "amount": 0, "discount": id })).collect();
    json!({
        "id": state.id("il_"), "object": "line_item", "amount": line.amount, "currency": currency,
        "description": line.description, "discount_amounts": included,
        "discountable": !proration, "discounts": line.settled.discounts,
        "invoice": null, "livemode": false, "metadata": {}, "parent": parent,
        "period": { "start": line.period.0, "end": line.period.1 }, "pretax_credit_amounts": [],
        "pricing": if line.price.0.is_empty() { Value::Null } else { pricing },
        "quantity": line.quantity, "quantity_decimal": line.quantity.map(|q| q.to_string()),
        "subscription": line.source.as_ref().map(|(subscription, _)| subscription),
        "subtotal": line.amount, "taxes": [],
        "_": { "kind": line.role.word(), "taxes": line.settled.taxes },
    })
}

/// `3 × Professional (at €99.00 / month)`.
fn describe(tariff: &Tariff, part: &Part, currency: &str) -> String {
    let per = match (&part.unit, tariff.interval) {
        (Some(unit), Some(_)) => format!(" (at {} / {})", price_text(unit, currency), tariff.interval_word()),
        (Some(unit), None) => format!(" (at {} each)", price_text(unit, currency)),
        (None, _) => String::new(),
    };
    match part.tier {
        Some(tier) => format!("{} × {} (Tier {tier}){per}", part.quantity, tariff.name),
        None => format!("{} × {}{per}", part.quantity, tariff.name),
    }
}

fn price_text(unit: &str, currency: &str) -> String {
    let digits = usize::try_from(exponent(currency)).unwrap_or(2);
    let major = Decimal::parse(unit).map(|unit| unit.major(digits)).unwrap_or_default();
    format!("{}{major}", symbol(currency))
}

/// What stands before an amount of a currency.
fn symbol(currency: &str) -> String {
    match currency {
        "eur" => "€".to_owned(),
        "usd" => "$".to_owned(),
        "gbp" => "£".to_owned(),
        "jpy" => "¥".to_owned(),
        other => format!("{} ", other.to_uppercase()),
    }
}

/// The digits after the point of a currency, as amounts are written in requests and answers
/// (<https://docs.stripe.com/currencies>): ISK and UGX have two there, though no fraction of them can be charged.
pub(crate) fn exponent(currency: &str) -> u32 {
    match currency {
        "bif" | "clp" | "djf" | "gnf" | "jpy" | "kmf" | "krw" | "mga" | "pyg" | "rwf" | "vnd" | "vuv"
        | "xaf" | "xof" | "xpf" => 0,
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 3,
        _ => 2,
    }
}

/// What an amount that is charged must be a multiple of, in minor units: whole krónur and shillings, and tens of the fils and
/// millimes that card networks have no third digit for (same page, three-decimal currencies and special cases).
pub(crate) fn step(currency: &str) -> i64 {
    match (currency, exponent(currency)) {
        ("isk" | "ugx", _) => 100,
        (_, 3) => 10,
        _ => 1,
    }
}

/// A date such as `21 Nov 2026`, in UTC.
pub(crate) fn day(at: i64) -> String {
    let at = Timestamp::from_second(at).unwrap_or_default().to_zoned(TimeZone::UTC);
    at.strftime("%-d %b %Y").to_string()
}
