//! The catalogue file: metrics, features and policy, and what `setup` creates in Stripe.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

pub use super::check::CatalogError;
use super::product::{Limit, ProductFacts, written_limits};
use crate::money::Currency;

/// The catalogue that is in the binary.
pub const EMBEDDED: &str = include_str!("catalog.toml");

/// Words in each language that the portal speaks.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// English.
    pub en: String,
    /// Spanish.
    pub es: String,
}

/// What a metric's number means.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// Adds up in a billing period and starts again at zero.
    Counter,
    /// A level, such as users or storage.
    Gauge,
    /// A ceiling that the host application enforces by itself, such as requests per minute: shown, never counted here.
    Rate,
}

/// Something that is limited or billed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// How the API calls it.
    pub id: String,
    /// How pages call it.
    pub name: Words,
    /// What its number means.
    pub kind: MetricKind,
    /// The event name of the Stripe meter that bills it.
    #[serde(default)]
    pub meter: Option<String>,
}

/// Something that a plan has or has not.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// How the API calls it.
    pub id: String,
    /// How pages call it.
    pub name: Words,
}

/// What a plan is called in another language than English. What is absent stays as it is in English.
#[derive(Clone, Debug, Default, Deserialize, serde::Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Translation {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The sentence under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The words for the pricing page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marketing_features: Vec<String>,
}

/// An amount in minor units for each currency.
pub type Amounts = BTreeMap<Currency, i64>;

/// What a plan costs for each interval.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanPrices {
    /// A month.
    #[serde(default)]
    pub month: Option<Amounts>,
    /// A year.
    #[serde(default)]
    pub year: Option<Amounts>,
}

/// A plan as `setup` creates it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// How links and the API call it.
    pub slug: String,
    /// How pages and invoices call it.
    pub name: String,
    /// The sentence under the name.
    pub description: String,
    /// Marked "Most popular".
    #[serde(default)]
    pub highlighted: bool,
    /// Shown only to [`Plan::tenants`].
    #[serde(default)]
    pub hidden: bool,
    /// Ids, ours or the host's, of the tenants that see a hidden plan.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// Days that are free for a tenant that never had a trial.
    #[serde(default)]
    pub trial_days: u16,
    /// The price is for one seat.
    #[serde(default)]
    pub per_seat: bool,
    /// What it costs.
    pub prices: PlanPrices,
    /// Ids of its features.
    pub features: Vec<String>,
    /// Words for the pricing page.
    pub marketing_features: Vec<String>,
    /// Limits by metric; a metric that is not named is not in the plan.
    #[serde(deserialize_with = "written_limits")]
    pub limits: BTreeMap<String, Limit>,
    /// Its words in Spanish.
    #[serde(default)]
    pub es: Option<Translation>,
}

/// A metric that is billed after use, with every plan.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metered {
    /// The metric; it must name its meter.
    pub metric: String,
    /// How invoices call it.
    pub name: String,
    /// The price of one unit, in minor units with up to twelve decimals, for each currency.
    pub unit_amount_decimal: BTreeMap<Currency, String>,
    /// Pages show the price for so many units.
    pub shown_per: u64,
    /// Its words in Spanish.
    #[serde(default)]
    pub es: Option<Translation>,
}

/// How long a coupon holds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum CouponDuration {
    /// The first invoice.
    Once,
    /// Every invoice.
    Forever,
}

/// A coupon with a promotion code of the same name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coupon {
    /// What the customer types.
    pub code: String,
    /// Per cent off, 1 to 100.
    pub percent_off: u8,
    /// How long it holds.
    pub duration: CouponDuration,
}

/// What tenants may do by themselves.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Stripe reckons the taxes (Stripe Tax, which must be set up in the account).
    pub automatic_tax: bool,
    /// End a subscription at once, not only at the end of its period.
    pub cancel_now: bool,
    /// Pause the collection of payments.
    pub pause: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { automatic_tax: true, cancel_now: false, pause: false }
    }
}

/// What a tenant without a subscription may use.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Free {
    /// Limits by metric; a metric that is not named is not included.
    #[serde(default, deserialize_with = "written_limits")]
    pub limits: BTreeMap<String, Limit>,
}

/// What happens while a payment is missing, in days after it first failed. Each comes later than the one before.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Dunning {
    /// A mail that says so.
    pub reminder: u16,
    /// A mail that urges.
    pub urgent: u16,
    /// Access becomes read only.
    pub restrict: u16,
    /// The last mail.
    #[serde(rename = "final")]
    pub last: u16,
    /// The subscription ends.
    pub cancel: u16,
}

impl Default for Dunning {
    fn default() -> Self {
        Self { reminder: 0, urgent: 3, restrict: 7, last: 14, cancel: 21 }
    }
}

/// How many days ahead something is announced; 0: it is not.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Notices {
    /// The end of a trial.
    pub trial: u16,
    /// The next invoice.
    pub renewal: u16,
}

impl Default for Notices {
    fn default() -> Self {
        Self { trial: 3, renewal: 7 }
    }
}

/// How prices relate to tax; Stripe's `tax_behavior`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TaxBehavior {
    /// Tax is added to the price.
    #[default]
    Exclusive,
    /// The price contains the tax.
    Inclusive,
}

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// The currency that prices are shown in where nothing else is asked for.
    pub currency: Currency,
    /// Whether prices contain tax.
    #[serde(default)]
    pub tax_behavior: TaxBehavior,
    /// What tenants may do by themselves.
    #[serde(default)]
    pub policy: Policy,
    /// What a tenant without a subscription may use.
    #[serde(default)]
    pub free: Free,
    /// What happens while a payment is missing.
    #[serde(default)]
    pub dunning: Dunning,
    /// What is announced before it happens.
    #[serde(default)]
    pub notices: Notices,
    /// Everything that is limited or billed, in the order of the pages.
    pub metrics: Vec<Metric>,
    /// Everything that a plan has or has not, in the order of the pages.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// The plans, in the order of the pages.
    pub plans: Vec<Plan>,
    /// What is billed after use.
    #[serde(default)]
    pub metered: Vec<Metered>,
    /// Coupons.
    #[serde(default)]
    pub coupons: Vec<Coupon>,
}

impl Catalog {
    /// The catalogue at `path`, or the embedded one.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or contradicts itself.
    pub fn load(path: Option<&Path>) -> Result<Self, CatalogError> {
        match path {
            None => Self::parse(EMBEDDED),
            Some(path) => Self::parse(
                &std::fs::read_to_string(path)
                    .map_err(|source| CatalogError::File { path: path.display().to_string(), source })?,
            ),
        }
    }

    /// A catalogue from its text.
    ///
    /// # Errors
    /// The text is no TOML, or contradicts itself.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let catalog: Self = toml::from_str(text)?;
        catalog.check()?;
        Ok(catalog)
    }

    /// Whether anything is billed by one of Stripe's meters.
    pub fn bills_by_meter(&self) -> bool {
        self.metrics.iter().any(|metric| metric.meter.is_some())
    }

    /// The metric of that id.
    pub fn metric(&self, id: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.id == id)
    }

    /// What the metadata of a plan's product says.
    pub fn facts_of_plan(&self, plan: &Plan) -> ProductFacts {
        let place = self.plans.iter().position(|other| other.slug == plan.slug).unwrap_or_default();
        ProductFacts {
            plan: Some(plan.slug.clone()),
            metric: None,
            position: i64::try_from(place).unwrap_or(i64::MAX),
            highlighted: plan.highlighted,
            hidden: plan.hidden,
            per_seat: plan.per_seat,
            tenants: plan.tenants.clone(),
            trial_days: plan.trial_days,
            features: plan.features.clone(),
            limits: plan.limits.clone(),
            translations: translations(plan.es.as_ref()),
        }
    }

    /// What the metadata of the product of something billed after use says.
    pub fn facts_of_metered(&self, metered: &Metered) -> ProductFacts {
        ProductFacts {
            metric: Some(metered.metric.clone()),
            translations: translations(metered.es.as_ref()),
            ..ProductFacts::default()
        }
    }

    /// The currencies that every price has, the default first.
    pub fn currencies(&self) -> Vec<Currency> {
        let mut all = vec![self.currency];
        for amounts in self.plans.iter().flat_map(|plan| [&plan.prices.month, &plan.prices.year]).flatten() {
            all.extend(amounts.keys().copied());
        }
        let mut seen = BTreeSet::new();
        all.retain(|currency| seen.insert(*currency));
        all
    }
}

fn translations(spanish: Option<&Translation>) -> BTreeMap<String, Translation> {
    spanish.map(|words| ("es".to_owned(), words.clone())).into_iter().collect()
}
