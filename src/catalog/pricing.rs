//! What the pricing page shows: which plans, at which price, and what a visitor can do about each.

use super::policy::{Catalog, MetricKind, Words};
use super::{Interval, Offer, Plan};
use crate::i18n::Language;
use crate::money::{Currency, Money};

/// Who looks at the prices.
#[derive(Clone, Copy, Debug)]
pub struct Looker<'a> {
    /// The tenant's ids, ours and the host's; none for a visitor.
    pub ids: &'a [&'a str],
    /// Whether they may buy for their tenant.
    pub may_buy: bool,
    /// Whether they are signed in.
    pub signed_in: bool,
    /// Whether the tenant has had its trial.
    pub trial_used: bool,
    /// What the tenant has now: the product and, where it is known, the price.
    pub current: Option<(&'a str, Option<&'a str>)>,
}

/// What can be done about a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sign in first.
    SignIn,
    /// Buy it, with so many free days first.
    Buy {
        /// 0 is none.
        trial_days: u16,
    },
    /// Change to it.
    Change,
    /// The same plan at the other interval.
    ChangeInterval,
    /// It is what the tenant has.
    Current,
    /// Ask an owner or admin.
    Ask,
    /// It has no price in this currency for this interval.
    Unavailable,
}

/// A plan on the page.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What it costs at the interval that is shown.
    pub price: Option<Money>,
    /// What twelve months cost month by month, where a year at once is shown and costs less.
    pub instead_of: Option<Money>,
    /// Whether the tenant has it.
    pub is_current: bool,
    /// What can be done about it.
    pub action: Action,
}

/// The plans that somebody sees, in order: those for sale to them, and the one that they have.
pub fn shown<'a>(
    offer: &'a Offer,
    looker: &Looker<'_>,
    interval: Interval,
    currency: Currency,
) -> Vec<Shown<'a>> {
    let is_current = |plan: &Plan| looker.current.is_some_and(|(product, _)| product == plan.product_id);
    let plans = offer.plans.iter().filter(|plan| plan.is_for_sale_to(looker.ids) || is_current(plan));
    plans
        .map(|plan| {
            let price = plan.price(interval, currency).and_then(|price| price.amount(currency));
            let months = plan
                .price(Interval::Month, currency)
                .and_then(|month| month.amount(currency)?.times(12).ok());
            let instead_of = months.filter(|months| {
                interval == Interval::Year && price.is_some_and(|price| price.minor < months.minor)
            });
            let is_current = is_current(plan);
            Shown { plan, price, instead_of, is_current, action: action(plan, looker, interval, currency) }
        })
        .collect()
}

fn action(plan: &Plan, looker: &Looker<'_>, interval: Interval, currency: Currency) -> Action {
    let sold_as = plan.price(interval, currency);
    match looker.current {
        Some((product, price)) if product == plan.product_id => {
            let had = plan.prices.iter().find(|own| Some(own.id.as_str()) == price);
            let other_interval = had.is_some_and(|had| had.interval != interval);
            if other_interval && sold_as.is_some() && looker.may_buy {
                Action::ChangeInterval
            } else {
                Action::Current
            }
        }
        _ if sold_as.is_none() => Action::Unavailable,
        _ if !looker.signed_in => Action::SignIn,
        _ if !looker.may_buy => Action::Ask,
        Some(_) => Action::Change,
        None => Action::Buy { trial_days: if looker.trial_used { 0 } else { plan.facts.trial_days } },
    }
}

/// The currencies that a plan on sale has, the default first.
pub fn currencies(offer: &Offer, default: Currency) -> Vec<Currency> {
    let prices =
        offer.plans.iter().flat_map(|plan| &plan.prices).filter(|price| price.active && !price.metered);
    let mut all: Vec<Currency> = prices.flat_map(|price| price.amounts.keys().copied()).collect();
    all.sort_by_key(|currency| (*currency != default, *currency));
    all.dedup();
    all
}

/// The most that a year at once saves on any of the plans, in per cent.
pub fn saving(plans: &[Shown<'_>], currency: Currency) -> Option<i64> {
    plans.iter().filter_map(|shown| shown.plan.saving(currency)).max()
}

/// A cell of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// So many.
    Up(i64),
    /// As many as one likes.
    Unlimited,
    /// It is there.
    Yes,
    /// It is not.
    No,
}

/// A row of the comparison: a metric or a feature, and what each plan has of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// What it is called.
    pub name: String,
    /// A cell for each plan, in the order of the plans.
    pub cells: Vec<Cell>,
}

/// Limits and features of the plans, side by side, in the order of the catalogue. What no plan has or limits is left out.
pub fn comparison(catalog: &Catalog, plans: &[Shown<'_>], language: Language) -> Vec<Compared> {
    let metrics = catalog
        .metrics
        .iter()
        .filter(|metric| metric.meter.is_none() || metric.kind == MetricKind::Rate)
        .map(|metric| {
            let cell =
                |shown: &Shown<'_>| match shown.plan.facts.limits.get(&metric.id).map(|limit| limit.limit) {
                    Some(Some(limit)) => Cell::Up(limit),
                    Some(None) => Cell::Unlimited,
                    None => Cell::No,
                };
            Compared {
                name: words(&metric.name, language).to_owned(),
                cells: plans.iter().map(cell).collect(),
            }
        });
    let features = catalog.features.iter().map(|feature| {
        let cell = |shown: &Shown<'_>| {
            if shown.plan.facts.features.contains(&feature.id) { Cell::Yes } else { Cell::No }
        };
        Compared { name: words(&feature.name, language).to_owned(), cells: plans.iter().map(cell).collect() }
    });
    metrics.chain(features).filter(|row| row.cells.iter().any(|cell| *cell != Cell::No)).collect()
}

/// Words of the catalogue file in a language.
pub fn words(words: &Words, language: Language) -> &str {
    match language {
        Language::En => &words.en,
        Language::Es => &words.es,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Amount, Price};
    use super::*;

    fn price(id: &str, interval: Interval, minor: i64) -> Price {
        let amounts = BTreeMap::from([(Currency::EUR, Amount { unit: Some(minor), decimal: None })]);
        Price {
            id: id.into(),
            interval,
            interval_count: 1,
            metered: false,
            active: true,
            currency: Currency::EUR,
            amounts,
        }
    }

    fn plan(slug: &str, hidden: bool) -> Plan {
        Plan {
            product_id: format!("prod_{slug}"),
            slug: slug.into(),
            name: slug.into(),
            description: None,
            marketing_features: Vec::new(),
            active: true,
            facts: super::super::product::ProductFacts {
                hidden,
                trial_days: 14,
                tenants: vec!["ten_chosen".into()],
                ..Default::default()
            },
            prices: vec![
                price(&format!("{slug}_month"), Interval::Month, 2900),
                price(&format!("{slug}_year"), Interval::Year, 29000),
            ],
        }
    }

    fn offer() -> Offer {
        Offer { plans: vec![plan("starter", false), plan("custom", true)], metered: Vec::new() }
    }

    const VISITOR: Looker<'_> =
        Looker { ids: &[], may_buy: false, signed_in: false, trial_used: false, current: None };

    fn actions(looker: &Looker<'_>, interval: Interval, currency: Currency) -> Vec<(String, Action)> {
        let offer = offer();
        let shown = shown(&offer, looker, interval, currency);
        shown.into_iter().map(|shown| (shown.plan.slug.clone(), shown.action)).collect()
    }

    #[test]
    fn a_hidden_plan_is_shown_to_chosen_tenants_and_to_who_has_it() {
        let slugs = |looker: &Looker<'_>| actions(looker, Interval::Month, Currency::EUR).len();
        assert_eq!(slugs(&VISITOR), 1);
        assert_eq!(slugs(&Looker { ids: &["ten_chosen"], ..VISITOR }), 2);
        assert_eq!(
            slugs(&Looker { ids: &["ten_other"], current: Some(("prod_custom", None)), ..VISITOR }),
            2
        );
    }

    #[test]
    fn each_plan_offers_the_one_thing_that_can_be_done() {
        let first = |looker: &Looker<'_>, interval| actions(looker, interval, Currency::EUR)[0].1;
        let buyer = Looker { may_buy: true, signed_in: true, ..VISITOR };
        let month = Interval::Month;
        assert_eq!(first(&VISITOR, month), Action::SignIn);
        assert_eq!(first(&Looker { may_buy: false, ..buyer }, month), Action::Ask);
        assert_eq!(first(&buyer, month), Action::Buy { trial_days: 14 });
        assert_eq!(first(&Looker { trial_used: true, ..buyer }, month), Action::Buy { trial_days: 0 });
        assert_eq!(first(&Looker { current: Some(("prod_other", None)), ..buyer }, month), Action::Change);
        let here = Looker { current: Some(("prod_starter", Some("starter_month"))), ..buyer };
        assert_eq!(first(&here, month), Action::Current);
        assert_eq!(first(&here, Interval::Year), Action::ChangeInterval);
        assert_eq!(first(&Looker { may_buy: false, ..here }, Interval::Year), Action::Current);
        assert_eq!(actions(&buyer, month, Currency::USD)[0].1, Action::Unavailable);
    }

    #[test]
    fn a_year_is_told_beside_twelve_months() {
        let offer = offer();
        let shown = shown(&offer, &VISITOR, Interval::Year, Currency::EUR);
        assert_eq!(shown[0].price, Some(Money::new(29000, Currency::EUR)));
        assert_eq!(shown[0].instead_of, Some(Money::new(34800, Currency::EUR)));
        assert_eq!(saving(&shown, Currency::EUR), Some(17));
    }
}
