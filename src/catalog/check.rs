//! What makes a catalogue one that can be used.

use std::collections::BTreeSet;

use super::policy::{Catalog, Dunning, Metered, Plan};
use super::product::MAX_TRIAL_DAYS;

/// The longest that anything is announced ahead, in days: shorter than any month.
const MAX_NOTICE_DAYS: u16 = 27;

/// The longest that a missing payment may be waited for, in days.
const MAX_DUNNING_DAYS: u16 = 365;

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
    /// Sees whether all of it fits together.
    ///
    /// # Errors
    /// The first mistake, by its field.
    pub(super) fn check(&self) -> Result<(), CatalogError> {
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
    use super::super::policy::EMBEDDED;
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
