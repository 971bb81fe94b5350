//! The dashboard: figures of each currency with their charts, and how Stripe's events are doing.

use askama::Template;
use axum::extract::State;
use jiff::tz::TimeZone;

use super::drawing::{self, Drawing, Months};
use super::{begin, words};
use crate::app::App;
use crate::auth::Staff;
use crate::clock::from_seconds;
use crate::error::Result;
use crate::money::Money;
use crate::staff::figures::{Book, Figures, Month, MonthOf, month_at, share};
use crate::staff::health::{Failures, Standing, age, every_day, standing};
use crate::staff::mrr::Kind;
use crate::staff::store::{self, Health};
use crate::web::{Html, Page};
use crate::webhooks;
use crate::webhooks::health::EventDay;

/// Months that the dashboard shows, the present one included.
const SHOWN: i64 = 12;

/// Days of events that the dashboard shows, the present one included.
const DAYS: i64 = 30;

/// A currency, ready for the page.
struct Shown {
    book: Book,
    now: MonthOf,
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
    /// The latest days' events as a chart, and the days that had some.
    coming: Drawing,
    days: Vec<EventDay>,
    failures: Vec<Failures>,
    standing: Standing,
    kinds: [Kind; 5],
}

impl Dashboard {
    fn day(&self, day: &EventDay) -> String {
        drawing::day_name(&self.page, day.day)
    }

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

pub(super) fn month_name(page: &Page, month: Month) -> String {
    page.language().month(begin(month), &TimeZone::UTC)
}

/// The dashboard: three queries, and one more where events failed.
pub(super) async fn show(page: Page, State(app): State<App>, _: Staff) -> Result<Html<Dashboard>> {
    let now = month_at(page.now().as_second());
    let wall = app.clock.wall().as_second();
    let mut tx = app.db.read().await?;
    let facts = store::figures(&mut tx, now - SHOWN + 1).await?;
    let health = store::health(&mut tx, wall).await?;
    let days = webhooks::store::days(&mut tx, wall, DAYS - 1).await?;
    let failures = if health.parked > 0 { store::failures(&mut tx).await? } else { Vec::new() };
    drop(tx);

    let standing = standing(health.last, health.parked, &page.alarms(), wall);
    let figures = Figures::new(&facts, now, SHOWN);
    let all = figures.statuses.values().sum();
    let shown = figures.books.into_iter().map(|book| Shown::new(&page, book)).collect();
    let statuses = figures.statuses.into_iter().collect();
    let coming = drawing::events(&page, &every_day(&days, DAYS, wall));
    Ok(Html(Dashboard {
        page,
        wall,
        statuses,
        all,
        shown,
        health,
        coming,
        days,
        failures,
        standing,
        kinds: Kind::ALL,
    }))
}

impl Shown {
    fn new(page: &Page, book: Book) -> Self {
        let months = Months { page, book: &book };
        let revenue = vec![months.worth(), months.movements()];
        let payments = vec![months.payments(), months.recovered()];
        Self { now: book.now(), revenue, payments, book }
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
