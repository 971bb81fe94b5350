//! The catalogue file: metrics, features and policy, and what `setup` creates in Stripe.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::product::{Limit, MAX_TRIAL_DAYS, ProductFacts, written_limits};
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

/// The longest that anything is announced ahead, in days: shorter than any month.
const MAX_NOTICE_DAYS: u16 = 27;

/// The longest that a missing payment may be waited for, in days.
const MAX_DUNNING_DAYS: u16 = 365;

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

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file cannot be read.
    #[error("the catalogue {path} cannot be read: {source}")]
    File {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no TOML, or a field has the wrong form; the message names line and field.
    #[error("the catalogue is not well-formed: {0}")]
    Syntax(#[from] toml::de::Error),
    /// Something in it contradicts something else.
    #[error("the catalogue has a mistake at {at}: {problem}")]
    Invalid {
        /// Path of the field.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
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

    fn check(&self) -> Result<(), CatalogError> {
        unique("metrics", self.metrics.iter().map(|metric| metric.id.as_str()))?;
        unique("features", self.features.iter().map(|feature| feature.id.as_str()))?;
        unique("plans", self.plans.iter().map(|plan| plan.slug.as_str()))?;
        unique("coupons", self.coupons.iter().map(|coupon| coupon.code.as_str()))?;
        if let Some(metric) = self.free.limits.keys().find(|metric| self.metric(metric).is_none()) {
            return invalid("free.limits", format!("there is no metric {metric:?}"));
        }
        self.plans.iter().try_for_each(|plan| self.check_plan(plan))?;
        self.metered.iter().try_for_each(|metered| self.check_metered(metered))?;
        for coupon in &self.coupons {
            if !(1..=100).contains(&coupon.percent_off) {
                return invalid(format!("coupons.{}.percent_off", coupon.code), "must be 1 to 100");
            }
        }
        self.check_dunning()
    }

    fn check_dunning(&self) -> Result<(), CatalogError> {
        let Dunning { reminder, urgent, restrict, last, cancel } = self.dunning;
        let steps = [
            ("reminder", reminder),
            ("urgent", urgent),
            ("restrict", restrict),
            ("final", last),
            ("cancel", cancel),
        ];
        for pair in steps.windows(2) {
            if let [(before, earlier), (name, later)] = pair
                && later <= earlier
            {
                return invalid(format!("dunning.{name}"), format!("must be later than {before}"));
            }
        }
        if cancel > MAX_DUNNING_DAYS {
            return invalid("dunning.cancel", format!("must be at most {MAX_DUNNING_DAYS}"));
        }
        for (name, days) in [("trial", self.notices.trial), ("renewal", self.notices.renewal)] {
            if days > MAX_NOTICE_DAYS {
                return invalid(format!("notices.{name}"), format!("must be at most {MAX_NOTICE_DAYS}"));
            }
        }
        Ok(())
    }

    fn check_plan(&self, plan: &Plan) -> Result<(), CatalogError> {
        let at = |field: &str| format!("plans.{}.{field}", plan.slug);
        if let Some(metric) = plan.limits.keys().find(|metric| self.metric(metric).is_none()) {
            return invalid(at("limits"), format!("there is no metric {metric:?}"));
        }
        if let Some(id) =
            plan.features.iter().find(|id| self.features.iter().all(|feature| feature.id != **id))
        {
            return invalid(at("features"), format!("there is no feature {id:?}"));
        }
        if plan.trial_days > MAX_TRIAL_DAYS {
            return invalid(at("trial_days"), format!("must be at most {MAX_TRIAL_DAYS}"));
        }
        let prices: Vec<_> = [&plan.prices.month, &plan.prices.year].into_iter().flatten().collect();
        if prices.is_empty() {
            return invalid(at("prices"), "has neither month nor year");
        }
        for amounts in prices {
            if !amounts.contains_key(&self.currency) {
                return invalid(at("prices"), format!("has no amount in {}", self.currency));
            }
            if amounts.values().any(|amount| *amount < 0) {
                return invalid(at("prices"), "an amount is below zero");
            }
            if let Some((currency, _)) =
                amounts.iter().find(|(currency, amount)| *amount % currency.step() != 0)
            {
                let step = currency.step();
                let problem =
                    format!("an amount in {currency} must be a multiple of {step}: others cannot be charged");
                return invalid(at("prices"), problem);
            }
        }
        Ok(())
    }

    fn check_metered(&self, metered: &Metered) -> Result<(), CatalogError> {
        let at = |field: &str| format!("metered.{}.{field}", metered.metric);
        match self.metric(&metered.metric) {
            None => return invalid(at("metric"), "there is no such metric"),
            Some(metric) if metric.meter.is_none() => {
                return invalid(at("metric"), "the metric names no meter");
            }
            Some(_) => {}
        }
        if !metered.unit_amount_decimal.contains_key(&self.currency) {
            return invalid(at("unit_amount_decimal"), format!("has no amount in {}", self.currency));
        }
        if metered.shown_per == 0 {
            return invalid(at("shown_per"), "must be at least 1");
        }
        Ok(())
    }
}

fn translations(spanish: Option<&Translation>) -> BTreeMap<String, Translation> {
    spanish.map(|words| ("es".to_owned(), words.clone())).into_iter().collect()
}

fn invalid<T>(at: impl Into<String>, problem: impl Into<String>) -> Result<T, CatalogError> {
    Err(CatalogError::Invalid { at: at.into(), problem: problem.into() })
}

fn unique<'a>(list: &str, ids: impl Iterator<Item = &'a str>) -> Result<(), CatalogError> {
    let mut seen = BTreeSet::new();
    for id in ids {
        let simple = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if id.is_empty() || !id.chars().all(simple) {
            return invalid(list, format!("{id:?} is not letters, digits, - and _"));
        }
        if !seen.insert(id) {
            return invalid(list, format!("{id:?} is there twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_that_no_card_can_be_charged_is_a_mistake() {
        let with = |more: &str| {
            let text = EMBEDDED.replacen("eur = 2900 }", &format!("eur = 2900, {more} }}"), 1);
            Catalog::parse(&text).map(|_| ()).map_err(|error| error.to_string())
        };
        for fine in ["kwd = 5120", "ugx = 500", "isk = 99900", "jpy = 1", "usd = 2999"] {
            assert_eq!(with(fine), Ok(()), "{fine}");
        }
        for (wrong, step) in [("kwd = 5124", "10"), ("ugx = 550", "100"), ("isk = 1", "100")] {
            let message = with(wrong).expect_err(wrong);
            assert!(message.contains(&format!("multiple of {step}")), "{message}");
        }
    }
}
