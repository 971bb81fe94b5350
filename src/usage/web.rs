//! The pages of usage: all metrics, one metric, its days as a file; and what staff see of the way to Stripe's meters.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;

use super::meters::Sample;
use super::period::Window;
use super::store::{self, Comparison, Parked, PeriodUse, Report, Stuck};
use super::view::{Card, DayChart, Days, name};
use super::work::{self, Retried, Wish};
use super::{DAY, Summary};
use crate::app::App;
use crate::audit::Actor;
use crate::auth::{Reader, Staff};
use crate::catalog::policy::MetricKind;
use crate::clock::{date_of, day_of, from_seconds};
use crate::error::{Error, Result};
use crate::web::{Csv, Flash, Form, Html, Page, redirect};

/// Days of the file: three years.
const EXPORT_DAYS: i64 = 3 * 366;
/// How far back a period may be asked for, in seconds: ten years.
const OLDEST_PERIOD: i64 = 3_653 * DAY;

/// The routes of usage.
pub fn router() -> Router<App> {
    Router::new()
        .route("/usage", get(list))
        .route("/usage/days.csv", get(export))
        .route("/usage/{metric}", get(detail))
        .route("/staff/usage", get(staff))
        .route("/staff/usage/retry", post(retry))
}

#[derive(Template)]
#[template(path = "usage/list.html")]
struct List {
    page: Page,
    window: Window,
    is_subscribed: bool,
    is_empty: bool,
    cards: Vec<Card>,
}

async fn list(page: Page, State(app): State<App>, reader: Reader) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let summary = store::summary(&mut tx, &reader.tenant.id, &app.catalog, page.now()).await?;
    drop(tx);

    let summary = summary.ok_or(Error::NotFound)?;
    let cards =
        summary.metrics.iter().filter_map(|used| Card::new(&page, &app.catalog, used, summary.window));
    Ok(Html(List {
        cards: cards.collect(),
        window: summary.window,
        is_subscribed: summary.is_subscribed,
        is_empty: summary.is_empty(),
        page,
    })
    .into_response())
}

#[derive(Template)]
#[template(path = "usage/detail.html")]
struct DetailPage {
    page: Page,
    metric: String,
    card: Card,
    is_gauge: bool,
    is_current: bool,
    shown: Window,
    days: DayChart,
    periods: Vec<PeriodUse>,
}

#[derive(Deserialize)]
struct Asked {
    /// A moment of the period that is asked for, unix seconds.
    period: Option<i64>,
}

async fn detail(
    page: Page,
    State(app): State<App>,
    reader: Reader,
    Path(metric): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let kind = app.catalog.metric(&metric).map(|metric| metric.kind).filter(|kind| *kind != MetricKind::Rate);
    let kind = kind.ok_or(Error::NotFound)?;
    let now = page.now();
    let at = moment(asked.period, now)?;
    let mut tx = app.db.read().await?;
    let found = store::periods(&mut tx, &reader.tenant.id, &app.catalog, &metric, at, now).await?;
    drop(tx);

    let found = found.ok_or(Error::NotFound)?;
    let Summary { window, .. } = found.summary;
    let used = found.summary.metric(&metric).ok_or(Error::NotFound)?;
    let is_current = found.shown == window;
    let days = Days {
        shown: found.shown,
        days: &found.days,
        before: found.before,
        is_gauge: kind == MetricKind::Gauge,
        forecast: used.forecast.as_ref().filter(|_| is_current),
        now,
    };
    Ok(Html(DetailPage {
        card: Card::new(&page, &app.catalog, used, window).ok_or(Error::NotFound)?,
        is_gauge: days.is_gauge,
        is_current,
        shown: found.shown,
        days: DayChart::new(&page, &days),
        periods: found.periods,
        metric,
        page,
    })
    .into_response())
}

fn moment(asked: Option<i64>, now: Timestamp) -> Result<Timestamp> {
    match asked {
        None => Ok(now),
        Some(at) if (now.as_second() - OLDEST_PERIOD..=now.as_second()).contains(&at) => Ok(from_seconds(at)),
        Some(_) => Err(Error::NotFound),
    }
}

#[derive(Deserialize)]
struct Wanted {
    /// One metric; none is all.
    metric: Option<String>,
}

async fn export(
    page: Page,
    State(app): State<App>,
    reader: Reader,
    Query(wanted): Query<Wanted>,
) -> Result<Response> {
    let wanted = wanted.metric.filter(|metric| !metric.is_empty());
    if wanted.as_ref().is_some_and(|metric| app.catalog.metric(metric).is_none()) {
        return Err(Error::NotFound);
    }
    let today = day_of(page.now());
    let mut tx = app.db.read().await?;
    let (tenant, from) = (&reader.tenant.id, today - EXPORT_DAYS);
    let days = store::history(&mut tx, tenant, &app.catalog, wanted.as_deref(), from, today + 1).await?;
    drop(tx);

    let mut csv = Csv::new(&["metric", "name", "day", "quantity"]);
    for day in days {
        let words = app.catalog.metric(&day.metric).map(|metric| name(page.language(), metric));
        csv.text(&day.metric)
            .text(&words.unwrap_or_default())
            .text(&date_of(day.day).to_string())
            .number(day.quantity)
            .end_row();
    }
    Ok(csv.file("usage"))
}

#[derive(Template)]
#[template(path = "usage/staff.html")]
struct StaffPage {
    page: Page,
    parked: Vec<Parked>,
    reports: Vec<(Report, Vec<Sample>)>,
    /// Those that differ, and the names of whose they are.
    differences: Vec<(Comparison, String)>,
    compared: i64,
}

impl StaffPage {
    fn time(&self, seconds: &i64) -> String {
        self.page.date_time(from_seconds(*seconds))
    }
}

/// What staff see at once of each list.
const SHOWN: i64 = 100;

async fn staff(page: Page, State(app): State<App>, _staff: Staff) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let parked = store::parked(&mut tx, SHOWN).await?;
    let reports = store::reports(&mut tx, 20).await?;
    let since = page.now().as_second() - 2 * DAY;
    let (differences, compared) = store::disagreements(&mut tx, since).await?;
    drop(tx);

    let samples = |report: &Report| serde_json::from_str(&report.details).unwrap_or_default();
    let reports = reports.into_iter().map(|report| (samples(&report), report)).map(|(s, r)| (r, s));
    Ok(Html(StaffPage { parked, reports: reports.collect(), differences, compared, page }).into_response())
}

#[derive(Deserialize)]
struct RetryForm {
    tenant: String,
    metric: String,
    window: i64,
    /// Whether it is to be reported whatever Stripe has.
    #[serde(default)]
    confirm: bool,
}

/// What has to be decided about a part that may have arrived long ago.
#[derive(Template)]
#[template(path = "usage/retry.html")]
struct RetryPage {
    page: Page,
    stuck: Stuck,
    theirs: Option<i64>,
}

impl RetryPage {
    /// How much would be reported.
    fn part(&self) -> i64 {
        self.stuck.claimed - self.stuck.sent
    }
}

async fn retry(
    page: Page,
    State(app): State<App>,
    staff: Staff,
    Form(form): Form<RetryForm>,
) -> Result<Response> {
    let actor = Actor::User(staff.user.id.as_str().to_owned());
    let RetryForm { tenant, metric, window, confirm } = &form;
    let wish = Wish { tenant, metric, window: *window, is_confirmed: *confirm };
    let flash = match work::retry(&app.db, &app.stripe, app.clock.now(), actor, wish).await? {
        Retried::Gone => return Err(Error::NotFound),
        Retried::Unclear(stuck, theirs) => return Ok(Html(RetryPage { page, stuck, theirs }).into_response()),
        Retried::Again => Flash::success("usage-retried"),
        Retried::Arrived => Flash::success("usage-retry-arrived"),
    };
    app.bell.ring();
    Ok(redirect("/staff/usage").flash(flash).into_response())
}
