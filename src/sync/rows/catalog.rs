//! Rows of the catalogue.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::catalog::product::ProductFacts;
use crate::money::Currency;
use crate::stripe::snapshot::{Price, Product};

/// A row of `products`.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ProductRow {
    /// Stripe's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Words for the pricing page.
    pub description: Option<String>,
    /// Whether it is for sale.
    pub active: bool,
    /// Whether it is of live mode.
    pub livemode: bool,
    /// The plan's slug; none: it is no plan.
    pub plan: Option<String>,
    /// The metric that it bills; none: it bills none.
    pub metric: Option<String>,
    /// Its place on the pricing page.
    pub position: i64,
    /// Whether it is shown as the most popular.
    pub highlighted: bool,
    /// Whether it is shown to `tenants` only.
    pub hidden: bool,
    /// JSON: to whom it is shown.
    pub tenants: String,
    /// Days of a first trial.
    pub trial_days: i64,
    /// Whether the quantity is the number of seats.
    pub per_seat: bool,
    /// JSON: ids of features.
    pub features: String,
    /// JSON: words for the pricing page.
    pub marketing_features: String,
    /// JSON.
    pub translations: String,
    /// JSON.
    pub limits: String,
    /// Up to when it is known, unix seconds of Stripe's.
    pub seen_at: i64,
}

impl ProductRow {
    /// The row for a snapshot.
    pub fn new(product: &Product, seen_at: i64) -> Self {
        let facts = ProductFacts::from_metadata(&product.metadata);
        let words: Vec<_> =
            product.marketing_features.iter().filter_map(|feature| feature.name.as_deref()).collect();
        Self {
            id: product.id.to_string(),
            name: product.name.clone(),
            description: product.description.clone(),
            active: product.active && !product.deleted,
            livemode: product.livemode,
            position: facts.position,
            highlighted: facts.highlighted,
            hidden: facts.hidden,
            tenants: json!(facts.tenants).to_string(),
            trial_days: i64::from(facts.trial_days),
            per_seat: facts.per_seat,
            features: json!(facts.features).to_string(),
            marketing_features: json!(words).to_string(),
            translations: json!(facts.translations).to_string(),
            limits: json!(facts.limits).to_string(),
            plan: facts.plan,
            metric: facts.metric,
            seen_at,
        }
    }
}

/// A row of `prices`. Amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PriceRow {
    /// Stripe's id.
    pub id: String,
    /// Of what.
    pub product_id: String,
    /// The name by which the catalogue finds it.
    pub lookup_key: Option<String>,
    /// Whether it is for sale.
    pub active: bool,
    /// Whether it is of live mode.
    pub livemode: bool,
    /// The main currency.
    pub currency: Currency,
    /// What one costs; none where tiers or a fraction decide.
    pub unit_amount: Option<i64>,
    /// The same, with fractions.
    pub unit_amount_decimal: Option<String>,
    /// `day`, `week`, `month`, `year`; none: it is paid once.
    pub recurring_interval: Option<String>,
    /// So many of them.
    pub interval_count: i64,
    /// `licensed` or `metered`.
    pub usage_type: Option<String>,
    /// What counts the use.
    pub meter_id: Option<String>,
    /// `inclusive`, `exclusive`, `unspecified`.
    pub tax_behavior: Option<String>,
    /// `graduated` or `volume`.
    pub tiers_mode: Option<String>,
    /// JSON.
    pub tiers: Option<String>,
    /// JSON.
    pub currency_options: String,
    /// Up to when it is known, unix seconds of Stripe's.
    pub seen_at: i64,
}

impl PriceRow {
    /// The row for a snapshot, with tiers and currency options expanded.
    pub fn new(price: &Price, seen_at: i64) -> Self {
        let recurring = price.recurring.as_ref();
        let options: BTreeMap<&str, Value> = price
            .currency_options
            .iter()
            .flatten()
            .map(|(currency, option)| (currency.code(), json!(option)))
            .collect();
        Self {
            id: price.id.to_string(),
            product_id: price.product.to_string(),
            lookup_key: price.lookup_key.clone(),
            active: price.active,
            livemode: price.livemode,
            currency: price.currency,
            unit_amount: price.unit_amount,
            unit_amount_decimal: price.unit_amount_decimal.clone(),
            recurring_interval: recurring.map(|r| r.interval.clone()),
            interval_count: recurring.map_or(1, |r| r.interval_count),
            usage_type: recurring.map(|r| r.usage_type.clone()),
            meter_id: recurring.and_then(|r| r.meter.as_ref()).map(ToString::to_string),
            tax_behavior: price.tax_behavior.clone(),
            tiers_mode: price.tiers_mode.clone(),
            tiers: price.tiers.as_ref().map(|tiers| json!(tiers).to_string()),
            currency_options: json!(options).to_string(),
            seen_at,
        }
    }
}
