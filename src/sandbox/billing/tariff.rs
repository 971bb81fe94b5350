//! What a price makes of a quantity: per unit, in packages, through tiers.

use serde_json::Value;

use super::decimal::Decimal;
use super::period::Interval;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::Json;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// A price in one currency, ready to be applied.
#[derive(Debug, Clone)]
pub(crate) struct Tariff {
    /// The price's id.
    pub(crate) price: String,
    /// Its product's id.
    pub(crate) product: String,
    /// The product's name, for descriptions.
    pub(crate) name: String,
    /// The interval; none for a one-time price.
    pub(crate) interval: Option<Interval>,
    /// The meter of a metered price.
    pub(crate) meter: Option<String>,
    /// Whether it is billed by usage, in arrears.
    pub(crate) metered: bool,
    scheme: Scheme,
    /// Units in a package and whether a started one counts.
    package: Option<(i64, bool)>,
}

#[derive(Debug, Clone)]
enum Scheme {
    Unit(Decimal),
    Graduated(Vec<Tier>),
    Volume(Vec<Tier>),
}

#[derive(Debug, Clone)]
struct Tier {
    up_to: Option<i64>,
    unit: Decimal,
    flat: Decimal,
}

/// A part of what a quantity costs: one line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Units in this part.
    pub(crate) quantity: i64,
    /// Minor units.
    pub(crate) amount: i64,
    /// The price of one, when there is one.
    pub(crate) unit: Option<String>,
    /// Which tier, from one.
    pub(crate) tier: Option<usize>,
}

impl Tariff {
    /// The tariff of a price in a currency: the price's own, or one of its currency options.
    pub(crate) fn of(state: &State, price: &str, currency: &str) -> Answer<Self> {
        let price = state.need(Kind::Price, price, "price")?;
        let source = amounts(&price, currency).ok_or_else(|| {
            ApiError::refused(format!(
                "The price specified only supports `{}`. This doesn't match the expected currency: `{currency}`.",
                price.text("currency")
            ))
        })?;
        let product = price.text("product").to_owned();
        let package = price.maybe_int("/transform_quantity/divide_by");
        Ok(Self {
            name: state.find(Kind::Product, &product).text("name").to_owned(),
            interval: Interval::of(&price),
            meter: price.maybe_text("/recurring/meter").map(str::to_owned),
            metered: price.text("/recurring/usage_type") == "metered",
            scheme: scheme(&price, source),
            package: package.map(|by| (by.max(1), price.text("/transform_quantity/round") == "up")),
            price: price.id(),
            product,
        })
    }

    /// The interval in words: `month`, `3 months`; empty for a one-time price.
    pub(crate) fn interval_word(&self) -> String {
        self.interval.map(Interval::words).unwrap_or_default()
    }

    /// What a quantity costs, in minor units.
    pub(crate) fn total(&self, quantity: i64) -> i64 {
        self.parts(quantity).iter().map(|part| part.amount).sum()
    }

    /// What a quantity costs, part by part; at least one part.
    pub(crate) fn parts(&self, quantity: i64) -> Vec<Part> {
        let quantity = match self.package {
            Some((by, true)) => (quantity + by - 1) / by,
            Some((by, false)) => quantity / by,
            None => quantity,
        };
        match &self.scheme {
            Scheme::Unit(unit) => {
                vec![Part {
                    quantity,
                    amount: unit.times(quantity),
                    unit: Some(unit.to_string()),
                    tier: None,
                }]
            }
            Scheme::Volume(tiers) => {
                let found = tiers
                    .iter()
                    .enumerate()
                    .find(|(_, tier)| tier.up_to.is_none_or(|up_to| quantity <= up_to));
                let Some((index, tier)) = found else { return vec![nothing()] };
                let amount = tier.unit.times(quantity) + tier.flat.times(1);
                vec![Part { quantity, amount, unit: Some(tier.unit.to_string()), tier: Some(index + 1) }]
            }
            Scheme::Graduated(tiers) => graduated(tiers, quantity),
        }
    }
}

fn nothing() -> Part {
    Part { quantity: 0, amount: 0, unit: None, tier: None }
}

fn graduated(tiers: &[Tier], quantity: i64) -> Vec<Part> {
    let (mut parts, mut below) = (Vec::new(), 0);
    for (index, tier) in tiers.iter().enumerate() {
        let top = tier.up_to.unwrap_or(i64::MAX).min(quantity);
        let within = top - below;
        if within <= 0 && index > 0 {
            break;
        }
        let within = within.max(0);
        let amount = tier.unit.times(within) + tier.flat.times(1);
        parts.push(Part {
            quantity: within,
            amount,
            unit: Some(tier.unit.to_string()),
            tier: Some(index + 1),
        });
        below = top;
    }
    if parts.is_empty() { vec![nothing()] } else { parts }
}

/// The amounts of a price in a currency.
fn amounts<'a>(price: &'a Value, currency: &str) -> Option<&'a Value> {
    if price.text("currency") == currency {
        return Some(price);
    }
    let options = price.note("currency_options");
    options.get(currency).filter(|option| option.is_object())
}

fn scheme(price: &Value, source: &Value) -> Scheme {
    let tiers = || {
        let list = source.get("tiers").or_else(|| Some(price.note("tiers"))).and_then(Value::as_array);
        list.map_or(&[][..], Vec::as_slice)
            .iter()
            .map(|tier| Tier {
                up_to: tier.maybe_int("up_to"),
                unit: decimal(tier, "unit_amount"),
                flat: decimal(tier, "flat_amount"),
            })
            .collect()
    };
    match (price.text("billing_scheme"), price.text("tiers_mode")) {
        ("tiered", "volume") => Scheme::Volume(tiers()),
        ("tiered", _) => Scheme::Graduated(tiers()),
        _ => Scheme::Unit(decimal(source, "unit_amount")),
    }
}

/// An amount that stands as an integer and, with its fraction, as a decimal text.
fn decimal(source: &Value, field: &str) -> Decimal {
    let text = source.maybe_text(&format!("/{field}_decimal")).and_then(Decimal::parse);
    text.unwrap_or_else(|| Decimal::whole(source.int(field)))
}

/// Whether a price can be charged in a currency.
pub(crate) fn speaks(price: &Value, currency: &str) -> bool {
    amounts(price, currency).is_some()
}
