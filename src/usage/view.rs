//! Use in words: what a card, a chart and a table say about a metric.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::chart::{Chart, Column, chart};
use super::forecast::Forecast;
use super::period::Window;
use super::price::{Scheme, Step, Tariff};
use super::{MetricUse, Standing};
use crate::catalog::policy::{Catalog, Metric, MetricKind};
use crate::clock::{day_of, start_of_day};
use crate::i18n::Language;
use crate::money::Money;
use crate::web::Page;

/// A metric on the page.
#[derive(Clone, Debug)]
pub struct Card {
    /// The metric's id, for links; none where there is nothing to see behind it.
    pub link: Option<String>,
    /// What it is called.
    pub name: String,
    /// How much is used, or what the ceiling is.
    pub figure: String,
    /// Of how much.
    pub of: String,
    /// How much of the limit, in hundredths of a per cent up to 10,000; none: no meter.
    pub share: Option<i64>,
    /// The same in words.
    pub percent: String,
    /// How bad it is: tone and the key of the words.
    pub badge: Option<(&'static str, &'static str)>,
    /// Labels and values.
    pub facts: Vec<(String, String)>,
    /// What the price is made of, where it has steps.
    pub steps: Vec<String>,
    /// What follows from it: the forecast, in a sentence.
    pub outlook: Option<String>,
}

impl Card {
    /// A metric in the words of the page.
    pub fn new(page: &Page, catalog: &Catalog, used: &MetricUse, window: Window) -> Option<Self> {
        let metric = catalog.metric(&used.metric)?;
        let limit = used.standing.limit.limit;
        let is_rate = used.kind == MetricKind::Rate;
        let number = |number: i64| page.number(number);
        let of = match limit {
            _ if is_rate => page.t("usage-rate"),
            _ if used.is_excluded() => page.t("usage-not-included"),
            None if used.tariff.is_some() => page.t("usage-billed"),
            None => page.t("usage-unlimited"),
            Some(limit) => page.ta("usage-of", [("limit", number(limit))]),
        };
        let figure = match (is_rate, limit) {
            (true, None) => page.t("usage-unlimited"),
            (true, Some(limit)) => number(limit),
            (false, _) => number(used.standing.used),
        };
        let share = used.standing.share().filter(|_| !is_rate);
        Some(Self {
            link: (!is_rate).then(|| used.metric.clone()),
            name: name(page.language(), metric),
            figure,
            of,
            share: share.map(|share| share.min(10_000)),
            percent: share.map(|share| page.percent(share / 100 * 100)).unwrap_or_default(),
            badge: if is_rate { None } else { badge(used) },
            facts: facts(page, catalog, used),
            steps: used.tariff.as_ref().map(|tariff| steps(page, tariff)).unwrap_or_default(),
            outlook: used.forecast.as_ref().map(|forecast| outlook(page, used, forecast, window)),
        })
    }
}

/// A metric in one line, for the overview.
#[derive(Clone, Debug)]
pub struct Brief {
    /// The metric's id, for the link.
    pub link: String,
    /// What it is called.
    pub name: String,
    /// “420 of 1,000”.
    pub words: String,
    /// How much of the limit, in hundredths of a per cent up to 10,000.
    pub share: i64,
}

/// The metrics nearest to their limits, the nearest first; what is not limited needs no watching.
pub fn briefs(page: &Page, catalog: &Catalog, standings: &[(String, Standing)], most: usize) -> Vec<Brief> {
    let limited = standings.iter().filter_map(|(id, standing)| {
        let (share, limit) = (standing.share()?, standing.limit.limit.filter(|limit| *limit > 0)?);
        let (used, of) = (page.number(standing.used), page.ta("usage-of", [("limit", page.number(limit))]));
        Some(Brief {
            link: id.clone(),
            name: name(page.language(), catalog.metric(id)?),
            words: format!("{used} {of}"),
            share: share.min(10_000),
        })
    });
    let mut briefs: Vec<Brief> = limited.collect();
    briefs.sort_by_key(|brief| std::cmp::Reverse(brief.share));
    briefs.truncate(most);
    briefs
}

/// What a metric is called.
pub fn name(language: Language, metric: &Metric) -> String {
    match language {
        Language::En => metric.name.en.clone(),
        Language::Es => metric.name.es.clone(),
    }
}

fn badge(used: &MetricUse) -> Option<(&'static str, &'static str)> {
    let share = used.standing.share()?;
    match share {
        _ if used.standing.is_over() => Some(("danger", "usage-over")),
        10_000.. => Some(("danger", "usage-reached")),
        8_000.. => Some(("warning", "usage-near")),
        _ => None,
    }
}

fn facts(page: &Page, catalog: &Catalog, used: &MetricUse) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut tell = |key: &str, value: String| facts.push((page.t(key), value));
    let standing = &used.standing;
    if used.kind != MetricKind::Rate && !used.is_excluded() {
        if standing.is_over() {
            let over = standing.used.saturating_sub(standing.limit.limit.unwrap_or(0));
            tell("usage-beyond", page.number(over));
        } else if let Some(left) = standing.remaining() {
            tell("usage-left", page.number(left));
        }
        if let Some(reset_at) = standing.reset_at {
            tell("usage-resets", page.date(reset_at));
        }
    }
    if let Some(tariff) = &used.tariff {
        tell("usage-price", price(page, catalog, &used.metric, tariff));
        let key = if used.included() > 0 { "usage-cost-beyond" } else { "usage-cost" };
        if let Some(cost) = used.overage_cost {
            tell(key, page.money(cost));
        }
        if let Some([expected, low, high]) = used.projected_cost {
            tell("usage-cost-expected", range(page, expected, low, high));
        }
    }
    facts
}

/// What a unit costs, or so many of them that the price is one that people can read.
pub fn price(page: &Page, catalog: &Catalog, metric: &str, tariff: &Tariff) -> String {
    let Scheme::Unit(unit) = &tariff.scheme else { return page.t("usage-price-steps") };
    let per = catalog
        .metered
        .iter()
        .find(|metered| metered.metric == metric)
        .map_or(1, |metered| metered.shown_per);
    let amount = page.language().unit_price(&unit.text(), per, tariff.currency).unwrap_or_default();
    let per = page.number(i64::try_from(per).unwrap_or(1));
    page.ta("usage-price-per", [("price", amount), ("units", per)])
}

fn steps(page: &Page, tariff: &Tariff) -> Vec<String> {
    let (Scheme::Graduated(list) | Scheme::Volume(list)) = &tariff.scheme else { return Vec::new() };
    let mut first = 1;
    list.iter()
        .map(|step| {
            let words = step_in_words(page, tariff, step, first);
            first = step.up_to.map_or(first, |last| last.saturating_add(1));
            words
        })
        .collect()
}

fn step_in_words(page: &Page, tariff: &Tariff, step: &Step, first: i64) -> String {
    let amount = |decimal: super::price::Decimal| {
        page.language().unit_price(&decimal.text(), 1, tariff.currency).unwrap_or_default()
    };
    let units = match step.up_to {
        Some(last) => page.ta("usage-step-to", [("first", page.number(first)), ("last", page.number(last))]),
        None => page.ta("usage-step-from", [("first", page.number(first))]),
    };
    let each = amount(step.unit);
    if step.flat == super::price::Decimal::ZERO {
        page.ta("usage-step", [("units", units), ("price", each)])
    } else {
        page.ta("usage-step-flat", [("units", units), ("price", each), ("flat", amount(step.flat))])
    }
}

fn range(page: &Page, expected: Money, low: Money, high: Money) -> String {
    if low == high {
        return page.money(expected);
    }
    let money = |amount: Money| page.money(amount);
    page.ta("usage-range", [("expected", money(expected)), ("low", money(low)), ("high", money(high))])
}

fn outlook(page: &Page, used: &MetricUse, forecast: &Forecast, window: Window) -> String {
    let end = page.date(window.end);
    let number = |number: i64| page.number(number);
    let mut words = if forecast.low == forecast.high {
        page.ta("usage-outlook-exact", [("expected", number(forecast.expected)), ("end", end)])
    } else {
        let (low, high) = (number(forecast.low), number(forecast.high));
        let expected = number(forecast.expected);
        page.ta("usage-outlook", [("expected", expected), ("end", end), ("low", low), ("high", high)])
    };
    if let Some(at) = forecast.reaches_limit_at {
        let key = if used.standing.limit.hard { "usage-outlook-stops" } else { "usage-outlook-passes" };
        words.push(' ');
        words.push_str(&page.ta(key, [("day", page.date(at))]));
    }
    words
}

/// The days of a period, drawn and in words.
#[derive(Clone, Debug)]
pub struct DayChart {
    /// The bars.
    pub chart: Chart,
    /// What the upper side stands for.
    pub top: String,
    /// The first day.
    pub first: String,
    /// The last day.
    pub last: String,
    /// All of it in a sentence.
    pub summary: String,
    /// Whether some of it is expected.
    pub has_forecast: bool,
    /// Day, what was used and what is expected: for the table, the newest first.
    pub rows: Vec<(String, String, String)>,
}

/// What the days of a chart are made of.
#[derive(Clone, Copy, Debug)]
pub struct Days<'a> {
    /// The period.
    pub shown: Window,
    /// Number and quantity, in order; days without use may be absent.
    pub days: &'a [(i64, i64)],
    /// What a gauge stood at before.
    pub before: Option<i64>,
    /// Whether a day without news is as the one before.
    pub is_gauge: bool,
    /// What is expected of the days to come.
    pub forecast: Option<&'a Forecast>,
    /// When this is.
    pub now: Timestamp,
}

impl DayChart {
    /// The chart of a period.
    pub fn new(page: &Page, days: &Days<'_>) -> Self {
        let columns = columns(days);
        let today = day_of(days.now);
        let day = |number: i64| page.language().date(start_of_day(number), &TimeZone::UTC);
        let short = |number: i64| page.language().day(start_of_day(number), &TimeZone::UTC);
        let drawn = chart(&columns);
        let rows = columns.iter().rev().filter(|column| column.day <= today || column.expected > 0);
        let rows = rows.map(|column| {
            let used = if column.day <= today { page.number(column.used) } else { "–".to_owned() };
            let expected = if column.expected > 0 { page.number(column.expected) } else { "–".to_owned() };
            (day(column.day), used, expected)
        });
        Self {
            top: page.number(drawn.top),
            first: columns.first().map(|column| short(column.day)).unwrap_or_default(),
            last: columns.last().map(|column| short(column.day)).unwrap_or_default(),
            summary: summary(page, days, &columns, day),
            has_forecast: columns.iter().any(|column| column.expected > 0),
            rows: rows.collect(),
            chart: drawn,
        }
    }
}

fn columns(days: &Days<'_>) -> Vec<Column> {
    let (first, today) = (day_of(days.shown.start), day_of(days.now));
    let last = day_of(crate::clock::from_seconds(days.shown.end.as_second() - 1));
    let mut level = days.before.unwrap_or(0);
    (first..=last)
        .map(|day| {
            let known = days.days.iter().find(|(number, _)| *number == day).map(|(_, quantity)| *quantity);
            level = known.unwrap_or(level);
            let used = if days.is_gauge && day <= today { level } else { known.unwrap_or(0) };
            let forecast = days.forecast.iter().flat_map(|forecast| &forecast.days);
            let expected = forecast.filter(|(number, _)| *number == day).map(|(_, more)| *more).sum();
            Column { day, used, expected }
        })
        .collect()
}

fn summary(page: &Page, days: &Days<'_>, columns: &[Column], day: impl Fn(i64) -> String) -> String {
    let today = day_of(days.now);
    let past: Vec<&Column> = columns.iter().filter(|column| column.day <= today).collect();
    let Some(most) = past.iter().max_by_key(|column| column.used).filter(|most| most.used > 0) else {
        return page.t("usage-chart-nothing");
    };
    let total = past.iter().map(|column| column.used).fold(0_i64, i64::saturating_add);
    let args = [
        ("from", past.first().map(|column| day(column.day)).unwrap_or_default()),
        ("to", past.last().map(|column| day(column.day)).unwrap_or_default()),
        ("most", page.number(most.used)),
        ("day", day(most.day)),
        ("total", page.number(total)),
    ];
    page.ta(if days.is_gauge { "usage-chart-level" } else { "usage-chart-sum" }, args)
}
