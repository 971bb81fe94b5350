//! Products, prices, coupons and promotion codes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::read::{self, Expandable};
use crate::money::Currency;
use crate::stripe::{CouponId, MeterId, PriceId, ProductId, PromotionCodeId};

/// Something that is sold. One that is gone has its id and `deleted` alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Product {
    /// Stripe's id.
    pub id: ProductId,
    /// Whether it is gone for good.
    #[serde(default)]
    pub deleted: bool,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Words for the pricing page.
    pub description: Option<String>,
    /// Whether it is for sale.
    #[serde(default)]
    pub active: bool,
    /// Whether it is of live mode.
    #[serde(default)]
    pub livemode: bool,
    /// Where the portal keeps plan, limits and features.
    #[serde(default, deserialize_with = "read::nullable")]
    pub metadata: BTreeMap<String, String>,
    /// Features as Stripe's own pricing table shows them.
    #[serde(default, deserialize_with = "read::nullable")]
    pub marketing_features: Vec<MarketingFeature>,
    /// What one of it is called on invoices, such as `seat`.
    pub unit_label: Option<String>,
    /// The latest change, unix seconds.
    pub updated: Option<i64>,
}

/// A feature in words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct MarketingFeature {
    /// The words.
    pub name: Option<String>,
}

/// What something costs. One that is gone (only unused ones can be) has its id and `deleted` alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Price {
    /// Stripe's id.
    pub id: PriceId,
    /// Of what.
    #[serde(deserialize_with = "read::id")]
    pub product: ProductId,
    /// The name by which the catalogue finds it.
    pub lookup_key: Option<String>,
    /// Whether it is for sale.
    #[serde(default)]
    pub active: bool,
    /// Whether it is of live mode.
    #[serde(default)]
    pub livemode: bool,
    /// The main currency.
    pub currency: Currency,
    /// Minor units; none where tiers, or a fraction of the minor unit, decide.
    pub unit_amount: Option<i64>,
    /// Minor units as a decimal number with up to 12 places.
    pub unit_amount_decimal: Option<String>,
    /// `per_unit` or `tiered`.
    pub billing_scheme: Option<String>,
    /// Where it comes again; none: it is paid once.
    pub recurring: Option<Recurring>,
    /// `inclusive`, `exclusive`, `unspecified`.
    pub tax_behavior: Option<String>,
    /// `graduated` or `volume`.
    pub tiers_mode: Option<String>,
    /// The steps, where they were expanded.
    pub tiers: Option<Vec<Tier>>,
    /// Amounts in other currencies, where they were expanded; the main one is among them.
    pub currency_options: Option<BTreeMap<Currency, CurrencyOption>>,
    /// Ours.
    #[serde(default, deserialize_with = "read::nullable")]
    pub metadata: BTreeMap<String, String>,
}

/// How often a price comes again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Recurring {
    /// `day`, `week`, `month`, `year`.
    pub interval: String,
    /// So many of them.
    pub interval_count: i64,
    /// `licensed`, where a quantity is paid ahead, or `metered`.
    pub usage_type: String,
    /// What counts the use.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub meter: Option<MeterId>,
}

/// A step of a price. Amounts in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// The last unit it holds for; none: without end.
    pub up_to: Option<i64>,
    /// Of each unit in it.
    pub unit_amount: Option<i64>,
    /// The same, with fractions.
    pub unit_amount_decimal: Option<String>,
    /// Once for reaching it.
    pub flat_amount: Option<i64>,
    /// The same, with fractions.
    pub flat_amount_decimal: Option<String>,
}

/// A price in another currency. Amounts in its minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrencyOption {
    /// Of each unit.
    pub unit_amount: Option<i64>,
    /// The same, with fractions.
    pub unit_amount_decimal: Option<String>,
    /// `inclusive`, `exclusive`, `unspecified`.
    pub tax_behavior: Option<String>,
    /// The steps, where there are some and they were expanded.
    pub tiers: Option<Vec<Tier>>,
}

/// A discount that can be given. Some are given by their word itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Coupon {
    /// Stripe's id, or its maker's word.
    pub id: CouponId,
    /// Its name on invoices.
    pub name: Option<String>,
    /// Whether it can still be given.
    #[serde(default)]
    pub valid: bool,
    /// Hundredths. A number with a fraction in Stripe's JSON; kept as text, for showing.
    #[serde(default, deserialize_with = "percent")]
    pub percent_off: Option<String>,
    /// Minor units.
    pub amount_off: Option<i64>,
    /// Of `amount_off`.
    pub currency: Option<Currency>,
    /// `once`, `repeating`, `forever`.
    pub duration: Option<String>,
    /// Where it repeats.
    pub duration_in_months: Option<i64>,
    /// Ours.
    #[serde(default, deserialize_with = "read::nullable")]
    pub metadata: BTreeMap<String, String>,
}

fn percent<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<serde_json::Number>::deserialize(deserializer)?.map(|number| {
        let text = number.to_string();
        text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
    }))
}

/// A word that a customer types for a coupon.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PromotionCode {
    /// Stripe's id.
    pub id: PromotionCodeId,
    /// The word.
    pub code: String,
    /// Whether it can still be used.
    #[serde(default)]
    pub active: bool,
    /// What it gives.
    pub promotion: Promotion,
}

/// What a promotion code gives.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Promotion {
    /// The coupon.
    pub coupon: Option<Expandable<CouponId, Coupon>>,
}
