//! The charts of the dashboard, with their words.

use jiff::tz::TimeZone;

use super::dashboard::month_name;
use crate::clock::start_of_day;
use crate::staff::chart::{MIDDLE, mirrored};
use crate::staff::figures::{Book, Month, MonthOf};
use crate::usage::chart::{Bar, Column, HEIGHT, chart};
use crate::web::Page;
use crate::webhooks::health::EventDay;

/// A chart, ready for the page.
pub(super) struct Drawing {
    /// Of its place in the page.
    pub(super) id: String,
    /// What it shows.
    pub(super) title: String,
    /// In words, for who does not see it.
    pub(super) summary: String,
    /// What its upper side stands for.
    pub(super) top: String,
    /// What it begins and ends with.
    pub(super) ends: (String, String),
    /// Where lines help to read it.
    pub(super) lines: Vec<i64>,
    /// Where bars begin.
    pub(super) base: i64,
    /// Filled bars, and outlined ones.
    pub(super) bars: [Vec<Bar>; 2],
    /// What the two are, where there are two.
    pub(super) legend: Option<[&'static str; 2]>,
}

impl Drawing {
    /// Whether there is nothing to draw: its words say so.
    pub(super) fn is_empty(&self) -> bool {
        self.bars.iter().all(Vec::is_empty)
    }
}

/// The bars of a chart, and what its upper side stands for.
struct Bars {
    bars: [Vec<Bar>; 2],
    top: i64,
    lines: Vec<i64>,
    base: i64,
}

impl Bars {
    /// That stand on its lower side.
    fn standing(columns: &[Column]) -> Self {
        let drawn = chart(columns);
        Self { bars: [drawn.used, drawn.expected], top: drawn.top, lines: drawn.lines.to_vec(), base: HEIGHT }
    }

    /// Of what came, above a line, and of what went, below it. Both are positive.
    fn mirrored(pairs: &[(i64, i64)]) -> Self {
        let drawn = mirrored(pairs);
        Self { bars: [drawn.up, drawn.down], top: drawn.top, lines: vec![0, HEIGHT], base: MIDDLE }
    }
}

/// Both sums of pairs.
fn sums(pairs: &[(i64, i64)]) -> (i64, i64) {
    pairs
        .iter()
        .fold((0_i64, 0_i64), |(one, other), pair| (one.saturating_add(pair.0), other.saturating_add(pair.1)))
}

/// The months of a currency.
pub(super) struct Months<'a> {
    pub(super) page: &'a Page,
    pub(super) book: &'a Book,
}

impl Months<'_> {
    fn drawing(
        &self,
        [id, title]: [&str; 2],
        summary: String,
        bars: Bars,
        legend: Option<[&'static str; 2]>,
    ) -> Drawing {
        let code = self.book.currency.code().to_ascii_uppercase();
        Drawing {
            id: format!("{id}-{code}"),
            title: self.page.ta(title, [("currency", code.as_str())]),
            summary,
            top: self.page.money_short(self.book.money(bars.top)),
            ends: self.ends(),
            lines: bars.lines,
            base: bars.base,
            bars: bars.bars,
            legend,
        }
    }

    fn ends(&self) -> (String, String) {
        let name = |at: Option<&(Month, MonthOf)>| {
            at.map(|(month, _)| month_name(self.page, *month)).unwrap_or_default()
        };
        (name(self.book.months.first()), name(self.book.months.last()))
    }

    fn pairs(&self, of: impl Fn(&MonthOf) -> (i64, i64)) -> Vec<(i64, i64)> {
        self.book.months.iter().map(|(_, month)| of(month)).collect()
    }

    /// The words under a chart of two sums of money.
    fn words(&self, key: &str, pairs: &[(i64, i64)]) -> String {
        let (one, other) = sums(pairs);
        let money = |minor| self.page.money(self.book.money(minor));
        self.page.ta(key, [("one", money(one)), ("other", money(other))])
    }

    /// What it was worth at the end of each month.
    pub(super) fn worth(&self) -> Drawing {
        let Self { page, book } = self;
        let column = |(month, of): &(Month, MonthOf)| Column {
            day: *month,
            used: book.monthly(of.closing).minor.max(0),
            expected: 0,
        };
        let columns: Vec<Column> = book.months.iter().map(column).collect();
        let first = book.months.first().map_or(0, |(_, month)| month.closing);
        let (from, to) = self.ends();
        let args = [
            ("from", from),
            ("first", page.money(book.monthly(first))),
            ("to", to),
            ("last", page.money(book.monthly(book.now().closing))),
        ];
        let summary = page.ta("staff-chart-summary", args);
        self.drawing(["chart-of", "staff-chart-title"], summary, Bars::standing(&columns), None)
    }

    /// What was gained and lost in each month.
    pub(super) fn movements(&self) -> Drawing {
        let pairs = self.pairs(|of| {
            let gained: i64 = of.moved.values().filter(|value| **value > 0).sum();
            let lost: i64 = of.moved.values().filter(|value| **value < 0).sum();
            (self.book.monthly(gained).minor, self.book.monthly(-lost).minor)
        });
        let summary = self.words("staff-movements-summary", &pairs);
        let legend = Some(["staff-gained", "staff-lost"]);
        self.drawing(["movements-of", "staff-movements-title"], summary, Bars::mirrored(&pairs), legend)
    }

    /// Payments that came in each month, and above them those that failed.
    pub(super) fn payments(&self) -> Drawing {
        let column =
            |(month, of): &(Month, MonthOf)| Column { day: *month, used: of.paid.1, expected: of.failed.1 };
        let columns: Vec<Column> = self.book.months.iter().map(column).collect();
        let pairs = self.pairs(|of| (of.paid.1, of.failed.1));
        let summary = self.words("staff-payments-summary", &pairs);
        let legend = Some(["staff-paid", "staff-failed"]);
        self.drawing(["payments-of", "staff-payments-title"], summary, Bars::standing(&columns), legend)
    }

    /// Payments that came after all in each month, and what went back.
    pub(super) fn recovered(&self) -> Drawing {
        let pairs = self.pairs(|of| (of.recovered.1, of.refunded.1));
        let summary = self.words("staff-recovered-summary", &pairs);
        let legend = Some(["staff-recovered", "staff-refunds"]);
        self.drawing(["recovered-of", "staff-recovered-title"], summary, Bars::mirrored(&pairs), legend)
    }
}

/// Stripe's events day by day: those that it brought, and below them those that had to be fetched.
pub(super) fn events(page: &Page, days: &[EventDay]) -> Drawing {
    let pairs: Vec<_> = days.iter().map(|day| (day.delivered, day.fetched)).collect();
    let bars = Bars::mirrored(&pairs);
    let (delivered, fetched) = sums(&pairs);
    let name = |day: Option<&EventDay>| day.map(|day| day_name(page, day.day)).unwrap_or_default();
    let args = [("delivered", page.number(delivered)), ("fetched", page.number(fetched))];
    Drawing {
        id: "events-by-day".to_owned(),
        title: page.t("staff-events-days"),
        summary: page.ta("staff-events-days-summary", args),
        top: page.number(bars.top),
        ends: (name(days.first()), name(days.last())),
        lines: bars.lines,
        base: bars.base,
        bars: bars.bars,
        legend: Some(["staff-events-brought", "staff-events-fetched"]),
    }
}

/// A day by its number since 1970, UTC.
pub(super) fn day_name(page: &Page, day: i64) -> String {
    page.language().date(start_of_day(day), &TimeZone::UTC)
}
