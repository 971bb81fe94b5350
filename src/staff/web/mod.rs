//! The staff's own pages: the dashboard with its files, the tenants, and acting for a member.

mod behalf;
mod dashboard;
mod drawing;
mod tenant;
mod tenants;
mod words;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::figures::{Book, Figures, Month, MonthOf, first_day, month_at};
use super::mrr::{Kind, MONTHS};
use super::store;
use crate::app::App;
use crate::auth::Staff;
use crate::clock::{date_of, from_seconds};
use crate::error::Result;
use crate::money::Money;
use crate::web::{Csv, Page};
use crate::webhooks;

/// Months of the file: ten years.
const EXPORTED: i64 = 120;
/// Days of the file of events: ten years.
const DAYS_EXPORTED: i64 = 3_660;
/// Changes that an export reads at once, and the most that it holds.
const STEP: usize = 1_000;
const MOST: usize = 50_000;

/// The routes of the staff's own pages.
pub fn router() -> Router<App> {
    Router::new()
        .route("/staff", get(dashboard::show))
        .route("/staff/figures.csv", get(figures_csv))
        .route("/staff/health.csv", get(health_csv))
        .route("/staff/event-days.csv", get(event_days_csv))
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

fn begin(month: Month) -> Timestamp {
    first_day(month).to_zoned(TimeZone::UTC).map(|day| day.timestamp()).unwrap_or_default()
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

/// How Stripe's events are doing: a measure in each line, and of shares what they are a share of.
async fn health_csv(State(app): State<App>, _: Staff) -> Result<Response> {
    let wall = app.clock.wall().as_second();
    let mut tx = app.db.read().await?;
    let health = store::health(&mut tx, wall).await?;
    let failures = store::failures(&mut tx).await?;
    drop(tx);
    let mut csv = Csv::new(&["measure", "type", "value", "of"]);
    if let Some(last) = health.last {
        csv.text("last_event_at").text("").text(&from_seconds(last).to_string()).text("").end_row();
        csv.text("last_event_age_seconds").text("").number((wall - last).max(0)).text("").end_row();
    }
    for (measure, count) in
        [("backlog", health.backlog), ("strays", health.strays), ("parked", health.parked)]
    {
        csv.text(measure).text("").number(count).text("").end_row();
    }
    csv.text("delivered").text("").number(health.delivered).number(health.needed).end_row();
    csv.text("processed").text("").number(health.processed).number(health.tried).end_row();
    for failure in failures {
        csv.text("parked_of_type").text(&failure.kind).number(failure.count).number(health.parked).end_row();
    }
    Ok(csv.file("webhook-health"))
}

/// Events by the day on which they came: what Stripe brought, and what had to be fetched.
async fn event_days_csv(State(app): State<App>, _: Staff) -> Result<Response> {
    let wall = app.clock.wall().as_second();
    let days = webhooks::store::days(&mut app.db.read().await?, wall, DAYS_EXPORTED).await?;
    let mut csv = Csv::new(&["day", "delivered", "fetched"]);
    for day in days {
        csv.text(&date_of(day.day).to_string()).number(day.delivered).number(day.fetched).end_row();
    }
    Ok(csv.file("event-days"))
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
