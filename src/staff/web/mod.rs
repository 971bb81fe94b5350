//! The staff's own pages: the dashboard with its files, the tenants, and acting for a member.

mod behalf;
mod tenant;
mod tenants;
mod words;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::figures::{Book, Figures, Month, MonthOf, first_day, month_at, share};
use super::mrr::{Kind, MONTHS};
use super::store::{self, Health};
use crate::app::App;
use crate::auth::Staff;
use crate::clock::from_seconds;
use crate::error::Result;
use crate::money::Money;
use crate::usage::chart::{Chart, Column, chart};
use crate::web::{Csv, Html, Page};

/// Months that the dashboard shows, the present one included.
const SHOWN: i64 = 12;
/// Months of the file: ten years.
const EXPORTED: i64 = 120;
/// Changes that an export reads at once, and the most that it holds.
const STEP: usize = 1_000;
const MOST: usize = 50_000;

/// The routes of the staff's own pages.
pub fn router() -> Router<App> {
    Router::new()
        .route("/staff", get(dashboard))
        .route("/staff/figures.csv", get(figures_csv))
        .route("/staff/subscriptions.csv", get(statuses_csv))
        .route("/staff/mrr-changes.csv", get(changes_csv))
        .route("/staff/tenants", get(tenants::list))
        .route("/staff/tenants/{id}", get(tenant::show))
        .route("/staff/tenants/{id}/timeline", get(tenant::timeline))
        .route("/staff/tenants/{id}/resync", post(tenant::resync))
        .route("/staff/tenants/{id}/plans", post(tenant::plans))
        .route("/staff/tenants/{id}/behalf", post(behalf::begin))
        .route("/staff/behalf", get(behalf::show))
        .route("/staff/behalf/changes", post(behalf::allow))
        .route("/staff/behalf/end", post(behalf::end))
}

/// A currency, ready for the page.
struct Shown {
    book: Book,
    now: MonthOf,
    chart: Chart,
    /// The month that the chart begins with, and the present one.
    ends: (String, String),
    /// In words, for who does not see the chart.
    summary: String,
}

#[derive(Template)]
#[template(path = "staff/dashboard.html")]
struct Dashboard {
    page: Page,
    statuses: Vec<(String, i64)>,
    all: i64,
    shown: Vec<Shown>,
    health: Health,
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

    /// How long ago the last event came.
    fn last_event(&self) -> Option<String> {
        self.health.last.map(|last| self.page.date_time(from_seconds(last)))
    }

    fn delivered(&self) -> String {
        self.rate(share(self.health.delivered, self.health.tried))
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

fn begin(month: Month) -> Timestamp {
    first_day(month).to_zoned(TimeZone::UTC).map(|day| day.timestamp()).unwrap_or_default()
}

async fn dashboard(page: Page, State(app): State<App>, _: Staff) -> Result<Html<Dashboard>> {
    let now = month_at(page.now().as_second());
    let mut tx = app.db.read().await?;
    let facts = store::figures(&mut tx, now - SHOWN + 1).await?;
    let health = store::health(&mut tx).await?;
    drop(tx);

    let figures = Figures::new(&facts, now, SHOWN);
    let all = figures.statuses.values().sum();
    let shown = figures.books.into_iter().map(|book| Shown::new(&page, book)).collect();
    let statuses = figures.statuses.into_iter().collect();
    Ok(Html(Dashboard { page, statuses, all, shown, health, kinds: Kind::ALL }))
}

impl Shown {
    fn new(page: &Page, book: Book) -> Self {
        let column = |(month, of): &(Month, MonthOf)| Column {
            day: *month,
            used: book.monthly(of.closing).minor.max(0),
            expected: 0,
        };
        let columns: Vec<Column> = book.months.iter().map(column).collect();
        let name = |at: Option<&Column>| at.map(|at| month_name(page, at.day)).unwrap_or_default();
        let ends = (name(columns.first()), name(columns.last()));
        let now = book.now();
        let first = book.months.first().map_or(0, |(_, month)| month.closing);
        let summary = page.ta(
            "staff-chart-summary",
            [
                ("from", ends.0.clone()),
                ("first", page.money(book.monthly(first))),
                ("to", ends.1.clone()),
                ("last", page.money(book.monthly(now.closing))),
            ],
        );
        Self { chart: chart(&columns), ends, summary, now, book }
    }

    /// A year of what it is worth now.
    fn arr(&self) -> Money {
        self.book.money(self.now.closing)
    }

    fn mrr(&self) -> Money {
        self.book.monthly(self.now.closing)
    }

    fn top(&self) -> Money {
        self.book.money(self.chart.top)
    }

    fn code(&self) -> String {
        self.book.currency.code().to_ascii_uppercase()
    }
}

/// The columns of the monthly file. Programs read them: they are the same in every language.
const COLUMNS: [&str; 25] = [
    "month",
    "currency",
    "mrr_opening",
    "mrr_new",
    "mrr_reactivated",
    "mrr_expansion",
    "mrr_contraction",
    "mrr_churned",
    "mrr_closing",
    "arr_closing",
    "tenants_opening",
    "new",
    "reactivated",
    "expansions",
    "contractions",
    "churned",
    "tenants_closing",
    "payments",
    "payments_amount",
    "failed_payments",
    "failed_amount",
    "recovered_payments",
    "recovered_amount",
    "refunds",
    "refunds_amount",
];

async fn figures_csv(page: Page, State(app): State<App>, _: Staff) -> Result<Response> {
    let now = month_at(page.now().as_second());
    let facts = store::figures(&mut app.db.read().await?, now - EXPORTED + 1).await?;
    let mut csv = Csv::new(&COLUMNS);
    for book in Figures::new(&facts, now, EXPORTED).books {
        let begun = book.months.iter().position(|(_, month)| *month != MonthOf::default());
        for (month, of) in book.months.iter().skip(begun.unwrap_or(book.months.len())) {
            row(&mut csv, &book, *month, of);
        }
    }
    Ok(csv.file("figures"))
}

fn row(csv: &mut Csv, book: &Book, month: Month, of: &MonthOf) {
    csv.text(&first_day(month).strftime("%Y-%m").to_string())
        .text(&book.currency.code().to_ascii_uppercase());
    csv.money(book.monthly(of.opening));
    for kind in Kind::ALL {
        csv.money(book.monthly(of.by(kind)));
    }
    csv.money(book.monthly(of.closing)).money(book.money(of.closing)).number(of.tenants_opening);
    for kind in Kind::ALL {
        csv.number(of.changes.get(&kind).copied().unwrap_or(0));
    }
    csv.number(of.tenants);
    for (count, amount) in [of.paid, of.failed, of.recovered, of.refunded] {
        csv.number(count).money(book.money(amount));
    }
    csv.end_row();
}

async fn statuses_csv(State(app): State<App>, _: Staff) -> Result<Response> {
    let facts = store::figures(&mut app.db.read().await?, Month::MAX).await?;
    let mut csv = Csv::new(&["status", "subscriptions"]);
    for (status, count) in Figures::new(&facts, 0, 0).statuses {
        csv.text(&status).number(count).end_row();
    }
    Ok(csv.file("subscriptions"))
}

/// Every change behind the movements of the months shown. Amounts are for a year: exact, where a month's may not be.
async fn changes_csv(page: Page, State(app): State<App>, _: Staff) -> Result<Response> {
    let from = begin(month_at(page.now().as_second()) - MONTHS + 1).as_second();
    let mut csv = Csv::new(&[
        "at",
        "tenant",
        "name",
        "subscription",
        "currency",
        "kind",
        "arr_change",
        "arr_of_tenant",
    ]);
    let mut after = (i64::MIN, String::new(), 0);
    for _ in 0..MOST / STEP {
        // Nothing is held between the pages of a long file.
        let mut tx = app.db.read().await?;
        let limit = i64::try_from(STEP).unwrap_or(i64::MAX);
        let rows = store::changes(&mut tx, from, (after.0, &after.1, after.2), limit).await?;
        drop(tx);
        for row in &rows {
            csv.text(&from_seconds(row.at).to_string()).text(&row.tenant_id).text(&row.tenant);
            csv.text(&row.subscription_id).text(&row.currency.code().to_ascii_uppercase()).text(&row.kind);
            csv.money(Money::new(row.delta, row.currency))
                .money(Money::new(row.total, row.currency))
                .end_row();
        }
        match rows.last() {
            Some(last) if rows.len() == STEP => after = (last.at, last.subscription_id.clone(), last.seq),
            _ => break,
        }
    }
    Ok(csv.file("mrr-changes"))
}
