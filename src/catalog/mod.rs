//! Products, prices, plans, limits and features.
//!
//! Stripe is their source: rows are written by `sync` from Stripe's products and prices, and no amount is written in code.
//! What a Stripe product cannot say by itself stands in its metadata, under the keys of [`product`]. The catalogue file
//! ([`policy::Catalog`]) declares metrics and policy, and is what `setup` provisions Stripe from. This folder never decides
//! what a tenant may do: that is `access`.

pub mod api;
mod check;
pub mod install;
pub mod policy;
pub mod pricing;
pub mod product;
pub mod setup;
pub mod store;
pub mod web;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::i18n::Language;
use crate::money::{Currency, Money};
use product::ProductFacts;

/// How often a price is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// Every day.
    Day,
    /// Every week.
    Week,
    /// Every month.
    Month,
    /// Every year.
    Year,
}

/// The text is none of Stripe's intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an interval is day, week, month or year")]
pub struct NotAnInterval;

impl Interval {
    /// As Stripe writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

impl FromStr for Interval {
    type Err = NotAnInterval;

    fn from_str(text: &str) -> Result<Self, NotAnInterval> {
        [Self::Day, Self::Week, Self::Month, Self::Year]
            .into_iter()
            .find(|interval| interval.as_str() == text)
            .ok_or(NotAnInterval)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one unit costs in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
    /// In minor units; `None` where it is a fraction of one or depends on tiers.
    pub unit: Option<i64>,
    /// In minor units with up to twelve decimals, as Stripe writes it.
    pub decimal: Option<String>,
}

/// A recurring price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// Stripe's id.
    pub id: String,
    /// How often it is charged.
    pub interval: Interval,
    /// Every how many intervals.
    pub interval_count: i64,
    /// Billed by what was used, after it was.
    pub metered: bool,
    /// New subscriptions may have it.
    pub active: bool,
    /// The currency that it was made in.
    pub currency: Currency,
    /// What it costs, in every currency that it has.
    pub amounts: BTreeMap<Currency, Amount>,
}

impl Price {
    /// What one unit costs in that currency, in whole minor units.
    pub fn amount(&self, currency: Currency) -> Option<Money> {
        self.amounts.get(&currency)?.unit.map(|minor| Money { minor, currency })
    }
}

/// A plan, with everything that pages and checkout need to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The Stripe product.
    pub product_id: String,
    /// How links and the API call it.
    pub slug: String,
    /// Its English name.
    pub name: String,
    /// The English sentence under it.
    pub description: Option<String>,
    /// English words for the pricing page.
    pub marketing_features: Vec<String>,
    /// May be sold. A plan that is not stays what its subscribers have.
    pub active: bool,
    /// Everything that its metadata says.
    pub facts: ProductFacts,
    /// Its recurring prices, those that are no longer sold too.
    pub prices: Vec<Price>,
}

impl Plan {
    /// The name in that language.
    pub fn name(&self, language: Language) -> &str {
        self.words(language).and_then(|words| words.name.as_deref()).unwrap_or(&self.name)
    }

    /// The sentence under the name, in that language.
    pub fn description(&self, language: Language) -> Option<&str> {
        self.words(language).and_then(|words| words.description.as_deref()).or(self.description.as_deref())
    }

    /// The words for the pricing page, in that language.
    pub fn marketing_features(&self, language: Language) -> &[String] {
        self.words(language)
            .map(|words| words.marketing_features.as_slice())
            .filter(|words| !words.is_empty())
            .unwrap_or(&self.marketing_features)
    }

    fn words(&self, language: Language) -> Option<&policy::Translation> {
        self.facts.translations.get(language.code())
    }

    /// Whether that is its slug or its id.
    pub fn is_called(&self, name: &str) -> bool {
        self.slug == name || self.product_id == name
    }

    /// Whether that tenant, or a visitor, may see and buy it. `ids` are the tenant's: ours and the host's.
    pub fn is_for_sale_to(&self, ids: &[&str]) -> bool {
        self.active
            && (!self.facts.hidden || self.facts.tenants.iter().any(|tenant| ids.contains(&tenant.as_str())))
    }

    /// The price to sell for one interval, in a currency that it has.
    pub fn price(&self, interval: Interval, currency: Currency) -> Option<&Price> {
        self.prices.iter().find(|price| {
            price.active
                && !price.metered
                && price.interval == interval
                && price.interval_count == 1
                && price.amount(currency).is_some()
        })
    }

    /// Per cent saved by paying for a year at once instead of twelve months, rounded to the nearest; `None` if nothing is.
    pub fn saving(&self, currency: Currency) -> Option<i64> {
        let months = self.price(Interval::Month, currency)?.amount(currency)?.minor.checked_mul(12)?;
        let year = self.price(Interval::Year, currency)?.amount(currency)?.minor;
        let saved = months.checked_sub(year).filter(|saved| *saved > 0)?;
        let percent = (i128::from(saved) * 200 + i128::from(months)) / (i128::from(months) * 2);
        i64::try_from(percent).ok().filter(|percent| *percent > 0)
    }
}

/// Something that is billed after use, beside every plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metered {
    /// The Stripe product.
    pub product_id: String,
    /// The metric that it bills.
    pub metric: String,
    /// Its prices.
    pub prices: Vec<Price>,
}

impl Metered {
    /// The price that goes with a plan's price of that interval: Stripe bills all items of a subscription together.
    pub fn price(&self, interval: Interval, currency: Currency) -> Option<&Price> {
        self.prices.iter().find(|price| {
            price.active
                && price.metered
                && price.interval == interval
                && price.amounts.contains_key(&currency)
        })
    }
}

/// Everything that is, or was, for sale.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The plans, in the order of the pages.
    pub plans: Vec<Plan>,
    /// What is billed after use.
    pub metered: Vec<Metered>,
}

impl Offer {
    /// The plan of that slug or id, if that tenant may buy it.
    pub fn plan_for_sale(&self, name: &str, ids: &[&str]) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.is_called(name) && plan.is_for_sale_to(ids))
    }

    /// The plan that a price belongs to.
    pub fn plan_of_price(&self, price: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.prices.iter().any(|own| own.id == price))
    }
}
