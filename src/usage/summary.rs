//! Where a tenant stands with every metric: what pages and the API show.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::forecast::{Forecast, Known, LOOK_BACK, forecast};
use super::period::Window;
use super::price::Tariff;
use super::{Standing, Terms};
use crate::catalog::policy::{Catalog, Metric, MetricKind};
use crate::clock::{day_of, start_of_day};
use crate::money::Money;

/// What was used of a metric on a day, or its level at the end of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayUse {
    /// The metric's id.
    pub metric: String,
    /// Days since 1970-01-01, in UTC.
    pub day: i64,
    /// How much.
    pub quantity: i64,
}

/// A row of the days, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayRow {
    /// The metric's id.
    pub metric: String,
    /// Days since 1970-01-01, in UTC.
    pub day: i64,
    /// The period that it counts for, unix seconds.
    pub period_start: i64,
    /// How much.
    pub quantity: i64,
}

/// What is known of a tenant when it is asked where it stands.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Its limits and periods.
    pub terms: Terms,
    /// What its subscription bills after use, by metric.
    pub tariffs: BTreeMap<String, Tariff>,
    /// Days of counters, of the last eight weeks and of the current period.
    pub days: Vec<DayRow>,
    /// Levels of gauges.
    pub levels: BTreeMap<String, i64>,
    /// What was used before the current period of what is billed together with it: the months of a year that are over.
    pub earlier: BTreeMap<String, i64>,
}

/// A metric and all that follows from its use.
#[derive(Clone, Debug)]
pub struct MetricUse {
    /// The metric's id.
    pub metric: String,
    /// What its number means.
    pub kind: MetricKind,
    /// Where it stands.
    pub standing: Standing,
    /// What it costs, if Stripe bills it.
    pub tariff: Option<Tariff>,
    /// Units beyond what the plan includes.
    pub overage_units: i64,
    /// What they cost so far; none: they cost nothing, or the price has no amount.
    pub overage_cost: Option<Money>,
    /// What is expected at the end of the period; counters only.
    pub forecast: Option<Forecast>,
    /// What the units beyond will have cost at the end: expected, low, high.
    pub projected_cost: Option<[Money; 3]>,
}

/// Where a tenant stands.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The current period.
    pub window: Window,
    /// Whether there is a subscription; if not, limits are those of the free plan.
    pub is_subscribed: bool,
    /// Every metric, in the order of the catalogue. A rate has a limit and no use.
    pub metrics: Vec<MetricUse>,
}

impl Summary {
    /// Puts the facts together.
    pub fn new(catalog: &Catalog, facts: &Facts, now: Timestamp) -> Self {
        let window = facts.terms.window(now);
        let metrics = catalog.metrics.iter().map(|metric| use_of(catalog, facts, metric, window, now));
        Self { window, is_subscribed: facts.terms.is_subscribed(), metrics: metrics.collect() }
    }

    /// One metric.
    pub fn metric(&self, id: &str) -> Option<&MetricUse> {
        self.metrics.iter().find(|metric| metric.metric == id)
    }

    /// Whether nothing was used of anything.
    pub fn is_empty(&self) -> bool {
        self.metrics.iter().all(|metric| metric.standing.used == 0)
    }
}

impl MetricUse {
    /// Whether the plan has nothing of it.
    pub fn is_excluded(&self) -> bool {
        self.standing.limit.limit == Some(0) && self.standing.limit.hard && self.tariff.is_none()
    }

    /// Units beyond what the plan includes, were so much used.
    pub fn beyond(&self, used: i64) -> i64 {
        units_beyond(self.tariff.is_some(), self.standing.limit.limit, used)
    }

    /// What the plan includes of something that is billed after use: nothing where it names no limit.
    pub fn included(&self) -> i64 {
        self.standing.limit.limit.unwrap_or(0)
    }
}

/// Nothing is beyond where there is no limit, unless all of it is billed.
fn units_beyond(is_billed: bool, limit: Option<i64>, used: i64) -> i64 {
    match limit {
        None if !is_billed => 0,
        limit => used.saturating_sub(limit.unwrap_or(0)).max(0),
    }
}

fn use_of(catalog: &Catalog, facts: &Facts, metric: &Metric, window: Window, now: Timestamp) -> MetricUse {
    let limit = facts.terms.limit(catalog, &metric.id);
    let days: Vec<&DayRow> = facts.days.iter().filter(|row| row.metric == metric.id).collect();
    let start = window.start.as_second();
    let used = match metric.kind {
        // The days of a period add up to its total.
        MetricKind::Counter => {
            days.iter().filter(|row| row.period_start == start).map(|row| row.quantity).sum()
        }
        MetricKind::Gauge => facts.levels.get(&metric.id).copied().unwrap_or(0),
        MetricKind::Rate => 0,
    };
    let is_counter = metric.kind == MetricKind::Counter;
    let standing = Standing { used, limit, reset_at: is_counter.then_some(window.end) };
    let tariff = facts.tariffs.get(&metric.id).filter(|_| is_counter && facts.terms.is_subscribed()).cloned();
    let included = limit.limit.unwrap_or(0);
    let earlier = facts.earlier.get(&metric.id).copied().unwrap_or(0);
    // Stripe bills no use of a trial; the price is shown all the same.
    let beyond = |used: i64| match tariff.as_ref()? {
        tariff if facts.terms.is_trial() => Some(Money::zero(tariff.currency)),
        tariff => tariff.beyond(earlier, included, used),
    };
    let (past, since) = complete_days(&days, now);
    let known = Known { past: &past, window, used, since, limit: limit.limit, now };
    let forecast = if is_counter && !days.is_empty() { forecast(&known) } else { None };
    let projected_cost = forecast
        .as_ref()
        .and_then(|seen| Some([beyond(seen.expected)?, beyond(seen.low)?, beyond(seen.high)?]));
    let overage_units = units_beyond(tariff.is_some(), limit.limit, used);
    let overage_cost = beyond(used);
    let (metric, kind) = (metric.id.clone(), metric.kind);
    MetricUse { metric, kind, standing, tariff, overage_units, overage_cost, forecast, projected_cost }
}

/// The complete days before today, without a gap, and since when there was anything. The first day on which something was
/// used is hardly ever whole: it is left out, unless it is where the looking back ends.
fn complete_days(days: &[&DayRow], now: Timestamp) -> (Vec<i64>, Timestamp) {
    let today = day_of(now);
    let oldest = today - LOOK_BACK;
    let first = days.iter().filter(|row| row.quantity > 0).map(|row| row.day).min().unwrap_or(today);
    let from = if first <= oldest { oldest } else { first + 1 };
    let mut past = vec![0_i64; usize::try_from(today - from).unwrap_or(0)];
    for row in days {
        let index = usize::try_from(row.day - from).ok();
        if let Some(day) = index.and_then(|index| past.get_mut(index)) {
            *day = day.saturating_add(row.quantity);
        }
    }
    (past, start_of_day(first))
}

/// Days as one number each: rows of a counter on one day add up, of a gauge the later period's level holds. Rows come in the
/// order of metric, day and period.
pub fn merged(catalog: &Catalog, rows: Vec<DayRow>) -> Vec<DayUse> {
    let mut days: Vec<DayUse> = Vec::with_capacity(rows.len());
    for row in rows {
        match days.last_mut().filter(|last| last.day == row.day && last.metric == row.metric) {
            Some(last) => {
                let is_gauge =
                    catalog.metric(&row.metric).is_some_and(|metric| metric.kind == MetricKind::Gauge);
                last.quantity =
                    if is_gauge { row.quantity } else { last.quantity.saturating_add(row.quantity) };
            }
            None => days.push(DayUse { metric: row.metric, day: row.day, quantity: row.quantity }),
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;
    use crate::usage::price::{Decimal, Scheme, Step};

    fn row(metric: &str, day: i64, period_start: i64, quantity: i64) -> DayRow {
        DayRow { metric: metric.into(), day, period_start, quantity }
    }

    fn facts(days: Vec<DayRow>) -> Facts {
        Facts { days, ..Facts::default() }
    }

    #[test]
    fn the_first_day_is_left_out_and_gaps_count_as_nothing() {
        let now = start_of_day(20_000) + jiff::Span::new().hours(6);
        let rows =
            [row("messages", 19_995, 0, 3), row("messages", 19_997, 0, 4), row("messages", 20_000, 0, 9)];
        let (past, since) = complete_days(&rows.iter().collect::<Vec<_>>(), now);
        assert_eq!((past, since), (vec![0, 4, 0, 0], start_of_day(19_995)));
        let old = row("messages", 20_000 - LOOK_BACK, 0, 7);
        assert_eq!(complete_days(&[&old], now).0.len(), 56);
        assert_eq!(complete_days(&[], now).0, [0; 0]);
    }

    #[test]
    fn a_day_that_belongs_to_two_periods_counts_for_each_its_own_part() {
        let catalog = Catalog::load(None).expect("the embedded catalogue");
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().expect("a time");
        let start = "2026-11-01T00:00:00Z".parse::<Timestamp>().expect("a time").as_second();
        let day = day_of(now);
        let facts = facts(vec![row("messages", day - 1, start - 5, 3), row("messages", day - 1, start, 4)]);
        let summary = Summary::new(&catalog, &facts, now);
        let messages = summary.metric("messages").expect("the metric");
        assert_eq!(messages.standing.used, 4);
        assert_eq!(merged(&catalog, facts.days)[0].quantity, 7);
        let levels = vec![row("users", 1, 0, 3), row("users", 1, 5, 2), row("users", 2, 5, 1)];
        let days: Vec<_> = merged(&catalog, levels).iter().map(|day| day.quantity).collect();
        assert_eq!(days, [2, 1]);
    }

    #[test]
    fn what_is_beyond_the_limit_costs_what_its_steps_say() {
        let tariff = Tariff {
            currency: Currency::EUR,
            scheme: Scheme::Graduated(vec![
                Step { up_to: Some(10), unit: Decimal::ZERO, flat: Decimal::ZERO },
                Step { up_to: None, unit: Decimal::whole(5), flat: Decimal::ZERO },
            ]),
        };
        assert_eq!(tariff.beyond(0, 10, 12), Some(Money::new(10, Currency::EUR)));
        assert_eq!(tariff.beyond(0, 0, 12), Some(Money::new(10, Currency::EUR)));
    }
}
