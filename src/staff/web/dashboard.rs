//! The dashboard: figures of each currency with their charts, and how Stripe's events are doing.

use askama::Template;
use axum::extract::State;
use jiff::tz::TimeZone;

use super::{begin, words};
use crate::app::App;
use crate::auth::Staff;
use crate::clock::from_seconds;
use crate::error::Result;
use crate::money::Money;
use crate::staff::chart::{MIDDLE, mirrored};
use crate::staff::figures::{Book, Figures, Month, MonthOf, month_at, share};
use crate::staff::health::{Failures, Standing, age, standing};
use crate::staff::mrr::Kind;
use crate::staff::store::{self, Health};
use crate::usage::chart::{Bar, Column, HEIGHT, chart};
use crate::web::{Html, Page};

/// Months that the dashboard shows, the present one included.
const SHOWN: i64 = 12;

/// A chart, ready for the page.
struct Drawing {
    /// Of its place in the page, the currency in it.
    id: String,
    /// What it shows.
    title: String,
    /// In words, for who does not see it.
    summary: String,
    /// What its upper side stands for.
    top: String,
    /// Where lines help to read it.
    lines: Vec<i64>,
    /// Where bars begin.
    base: i64,
    /// Filled bars, and outlined ones.
    bars: [Vec<Bar>; 2],
    /// What the two are, where there are two.
    legend: Option<[&'static str; 2]>,
}

/// A currency, ready for the page.
struct Shown {
    book: Book,
    now: MonthOf,
    /// The month that the charts begin with, and the present one.
    ends: (String, String),
    /// Revenue and its movements.
    revenue: Vec<Drawing>,
    /// Payments, and what of them came late or went back.
    payments: Vec<Drawing>,
}

#[derive(Template)]
#[template(path = "staff/dashboard.html")]
pub(super) struct Dashboard {
    page: Page,
    wall: i64,
    statuses: Vec<(String, i64)>,
    all: i64,
    shown: Vec<Shown>,
    health: Health,
    failures: Vec<Failures>,
    standing: Standing,
    kinds: [Kind; 5],
}

impl Dashboard {
    fn month(&self, month: &Month) -> String {
        month_name(&self.page, *month)
    }

    fn status(&self, status: &str) -> String {
        words::status(&self.page, status)
    }

    fn rate(&self, rate: Option<i64>) -> String {
        rate.map_or_else(|| "–".to_owned(), |rate| self.page.percent(rate))
    }

    /// When the last event came, and how long ago that is.
    fn last_event(&self) -> Option<(String, String)> {
        let last = self.health.last?;
        let (key, count) = age((self.wall - last).max(0));
        Some((self.page.ta(key, [("count", count)]), self.page.date_time(from_seconds(last))))
    }

    fn delivered(&self) -> String {
        self.rate(share(self.health.delivered, self.health.needed))
    }

    fn processed(&self) -> String {
        self.rate(share(self.health.processed, self.health.tried))
    }

    fn money(&self, book: &Book, minor: &i64) -> String {
        self.page.money(book.money(*minor))
    }

    /// A month of what is worth so much in a year.
    fn monthly(&self, book: &Book, annual: &i64) -> String {
        self.page.money(book.monthly(*annual))
    }

    fn movement(&self, book: &Book, month: &MonthOf, kind: &Kind) -> String {
        self.page.money(book.monthly(month.by(*kind)))
    }
}

fn month_name(page: &Page, month: Month) -> String {
    page.language().month(begin(month), &TimeZone::UTC)
}

/// The dashboard: three queries.
pub(super) async fn show(page: Page, State(app): State<App>, _: Staff) -> Result<Html<Dashboard>> {
    let now = month_at(page.now().as_second());
    let wall = app.clock.wall().as_second();
    let mut tx = app.db.read().await?;
    let facts = store::figures(&mut tx, now - SHOWN + 1).await?;
    let health = store::health(&mut tx, wall).await?;
    let failures = if health.parked > 0 { store::failures(&mut tx).await? } else { Vec::new() };
    drop(tx);

    let standing = standing(health.last, health.parked, &page.alarms(), wall);
    let figures = Figures::new(&facts, now, SHOWN);
    let all = figures.statuses.values().sum();
    let shown = figures.books.into_iter().map(|book| Shown::new(&page, book)).collect();
    let statuses = figures.statuses.into_iter().collect();
    Ok(Html(Dashboard { page, wall, statuses, all, shown, health, failures, standing, kinds: Kind::ALL }))
}

impl Shown {
    fn new(page: &Page, book: Book) -> Self {
        let name =
            |at: Option<&(Month, MonthOf)>| at.map(|(month, _)| month_name(page, *month)).unwrap_or_default();
        let ends = (name(book.months.first()), name(book.months.last()));
        let revenue = vec![worth(page, &book, &ends), movements(page, &book)];
        let payments = vec![payments(page, &book), recovered(page, &book)];
        Self { now: book.now(), ends, revenue, payments, book }
    }

    /// A year of what it is worth now.
    fn arr(&self) -> Money {
        self.book.money(self.now.closing)
    }

    fn mrr(&self) -> Money {
        self.book.monthly(self.now.closing)
    }

    fn code(&self) -> String {
        self.book.currency.code().to_ascii_uppercase()
    }
}

/// A chart whose bars stand on its lower side.
fn standing_bars(page: &Page, book: &Book, columns: &[Column]) -> Drawing {
    let drawn = chart(columns);
    Drawing {
        id: String::new(),
        title: String::new(),
        summary: String::new(),
        top: page.money_short(book.money(drawn.top)),
        lines: drawn.lines.to_vec(),
        base: HEIGHT,
        bars: [drawn.used, drawn.expected],
        legend: None,
    }
}

/// A chart of what came, above a line, and of what went, below it. Both are positive, in minor units.
fn mirrored_bars(page: &Page, book: &Book, pairs: &[(i64, i64)], legend: [&'static str; 2]) -> Drawing {
    let drawn = mirrored(pairs);
    Drawing {
        id: String::new(),
        title: String::new(),
        summary: String::new(),
        top: page.money_short(book.money(drawn.top)),
        lines: vec![0, HEIGHT],
        base: MIDDLE,
        bars: [drawn.up, drawn.down],
        legend: Some(legend),
    }
}

impl Drawing {
    /// Whether there is nothing to draw: its words say so.
    fn is_empty(&self) -> bool {
        self.bars.iter().all(Vec::is_empty)
    }

    /// With its place, its name and its words.
    fn named(self, page: &Page, book: &Book, [id, title]: [&str; 2], summary: String) -> Self {
        let code = book.currency.code().to_ascii_uppercase();
        let title = page.ta(title, [("currency", code.as_str())]);
        Self { id: format!("{id}-{code}"), title, summary, ..self }
    }
}

/// What it was worth at the end of each month.
fn worth(page: &Page, book: &Book, ends: &(String, String)) -> Drawing {
    let column = |(month, of): &(Month, MonthOf)| Column {
        day: *month,
        used: book.monthly(of.closing).minor.max(0),
        expected: 0,
    };
    let columns: Vec<Column> = book.months.iter().map(column).collect();
    let first = book.months.first().map_or(0, |(_, month)| month.closing);
    let args = [
        ("from", ends.0.clone()),
        ("first", page.money(book.monthly(first))),
        ("to", ends.1.clone()),
        ("last", page.money(book.monthly(book.now().closing))),
    ];
    let summary = page.ta("staff-chart-summary", args);
    standing_bars(page, book, &columns).named(page, book, ["chart-of", "staff-chart-title"], summary)
}

/// What was gained and lost in each month.
fn movements(page: &Page, book: &Book) -> Drawing {
    let moved = |of: &MonthOf| {
        let gained: i64 = of.moved.values().filter(|value| **value > 0).sum();
        let lost: i64 = of.moved.values().filter(|value| **value < 0).sum();
        (book.monthly(gained).minor, book.monthly(-lost).minor)
    };
    let pairs: Vec<_> = book.months.iter().map(|(_, of)| moved(of)).collect();
    let summary = sums(page, book, "staff-movements-summary", &pairs);
    mirrored_bars(page, book, &pairs, ["staff-gained", "staff-lost"]).named(
        page,
        book,
        ["movements-of", "staff-movements-title"],
        summary,
    )
}

/// Payments that came in each month, and above them those that failed.
fn payments(page: &Page, book: &Book) -> Drawing {
    let column =
        |(month, of): &(Month, MonthOf)| Column { day: *month, used: of.paid.1, expected: of.failed.1 };
    let columns: Vec<Column> = book.months.iter().map(column).collect();
    let pairs: Vec<_> = book.months.iter().map(|(_, of)| (of.paid.1, of.failed.1)).collect();
    let summary = sums(page, book, "staff-payments-summary", &pairs);
    let drawn = standing_bars(page, book, &columns);
    Drawing { legend: Some(["staff-paid", "staff-failed"]), ..drawn }.named(
        page,
        book,
        ["payments-of", "staff-payments-title"],
        summary,
    )
}

/// Payments that came after all in each month, and what went back.
fn recovered(page: &Page, book: &Book) -> Drawing {
    let pairs: Vec<_> = book.months.iter().map(|(_, of)| (of.recovered.1, of.refunded.1)).collect();
    let summary = sums(page, book, "staff-recovered-summary", &pairs);
    mirrored_bars(page, book, &pairs, ["staff-recovered", "staff-refunds"]).named(
        page,
        book,
        ["recovered-of", "staff-recovered-title"],
        summary,
    )
}

/// The words under a chart of two sums.
fn sums(page: &Page, book: &Book, key: &str, pairs: &[(i64, i64)]) -> String {
    let (one, other) = pairs.iter().fold((0_i64, 0_i64), |(one, other), pair| {
        (one.saturating_add(pair.0), other.saturating_add(pair.1))
    });
    let args = [("one", page.money(book.money(one))), ("other", page.money(book.money(other)))];
    page.ta(key, args)
}
