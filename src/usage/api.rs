//! `/usage`: where a tenant stands, its days, reports of use, and the question before it.

mod report;

use axum::extract::State;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::period::Window;
use super::{MOST, MetricUse, Standing, store};
use crate::api::caller::{CheckUsage, ReadUsage};
use crate::api::fields::{day, integer, text};
use crate::api::view::{Amount, percent};
use crate::api::{Draft, Fields, For, Input, Query};
use crate::app::App;
use crate::catalog::policy::{Catalog, MetricKind};
use crate::clock::{date_of, day_of};
use crate::error::{Error, FieldError, Result};

/// Days of history that are answered at once.
const MOST_DAYS: i64 = 366;
/// Days of history where no first day is asked for.
const DAYS: i64 = 30;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(usage))
        .routes(routes!(history))
        .routes(routes!(report::increment))
        .routes(routes!(check))
}

/// Where a tenant stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
struct Summary {
    current_period: Period,
    /// Every metric that is counted here, in the order of the catalogue.
    metrics: Vec<Metric>,
    /// What counters will have come to at the end of the period, from a day of use on.
    projected_overage: Vec<Projection>,
}

/// The period that counters add up in: a month of the subscription, or of the calendar (UTC) without one.
#[derive(Debug, Serialize, ToSchema)]
struct Period {
    #[schema(value_type = String, format = DateTime)]
    start: Timestamp,
    /// When counters start again at zero.
    #[schema(value_type = String, format = DateTime)]
    end: Timestamp,
}

impl From<Window> for Period {
    fn from(window: Window) -> Self {
        Self { start: window.start, end: window.end }
    }
}

/// A metric and all that follows from its use.
#[derive(Debug, Serialize, ToSchema)]
struct Metric {
    #[schema(example = "messages")]
    metric_type: String,
    /// `counter`: adds up in a period; `gauge`: a level that is set.
    #[schema(example = "counter")]
    kind: &'static str,
    /// The sum of the period, or the level.
    #[schema(example = 4200)]
    current_value: i64,
    /// The sum of the period; null for a gauge.
    #[schema(example = 4200)]
    monthly_total: Option<i64>,
    /// Null: unlimited.
    #[schema(example = 10000)]
    limit_value: Option<i64>,
    /// Per cent of the limit, above 100 where a soft one was passed; null without a limit.
    #[schema(example = 42.0)]
    percentage_used: Option<f64>,
    /// Whether the limit can never be passed; a soft one is passed and reported.
    is_hard_limit: bool,
    /// Units beyond what the plan includes.
    overage_units: i64,
    /// What they cost so far; null where nothing is billed for them.
    overage_cost: Option<Amount>,
}

/// What a counter will have come to at the end of the period, at the pace so far.
#[derive(Debug, Serialize, ToSchema)]
struct Projection {
    #[schema(example = "messages")]
    metric_type: String,
    #[schema(example = 11800)]
    projected_value: i64,
    /// Nine periods of ten end between `low` and `high`.
    #[schema(example = 11000)]
    low: i64,
    #[schema(example = 12600)]
    high: i64,
    /// When the limit will be reached; null where it will not be in this period, or is already.
    #[schema(value_type = Option<String>, format = DateTime)]
    reaches_limit_at: Option<Timestamp>,
    /// Units beyond what the plan includes by then.
    #[schema(example = 1800)]
    overage_units: i64,
    /// What they will have cost; null where nothing is billed for them.
    overage_cost: Option<Amount>,
}

fn metric(used: &MetricUse) -> Metric {
    let Standing { used: value, limit, .. } = used.standing;
    let is_counter = used.kind == MetricKind::Counter;
    Metric {
        metric_type: used.metric.clone(),
        kind: if is_counter { "counter" } else { "gauge" },
        current_value: value,
        monthly_total: is_counter.then_some(value),
        limit_value: limit.limit,
        percentage_used: percent(used.standing.share()),
        is_hard_limit: limit.hard,
        overage_units: used.overage_units,
        overage_cost: used.overage_cost.map(Amount::from),
    }
}

fn projection(used: &MetricUse) -> Option<Projection> {
    let forecast = used.forecast.as_ref()?;
    Some(Projection {
        metric_type: used.metric.clone(),
        projected_value: forecast.expected,
        low: forecast.low,
        high: forecast.high,
        reaches_limit_at: forecast.reaches_limit_at,
        overage_units: used.beyond(forecast.expected),
        overage_cost: used.projected_cost.map(|[expected, ..]| Amount::from(expected)),
    })
}

/// Show where the tenant stands with every metric.
///
/// Rates, such as requests per minute, are kept by the host application itself and are in `GET /plans` alone.
#[utoipa::path(
    get, path = "/usage", tag = "usage", operation_id = "get_usage",
    security(("key" = ["usage:read"]), ("token" = ["owner", "admin", "supervisor"])),
    responses((status = 200, description = "The current period and its forecast.", body = Summary))
)]
async fn usage(State(app): State<App>, reader: For<ReadUsage>) -> Result<axum::Json<Summary>> {
    let mut tx = app.db.read().await?;
    let summary = store::summary(&mut tx, &reader.tenant.id, &app.catalog, app.clock.now()).await?;
    let summary = summary.ok_or(Error::NotFound)?;
    let counted = || summary.metrics.iter().filter(|used| used.kind != MetricKind::Rate);
    Ok(axum::Json(Summary {
        current_period: summary.window.into(),
        metrics: counted().map(metric).collect(),
        projected_overage: counted().filter_map(projection).collect(),
    }))
}

/// Which days.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the description of the query")]
struct HistoryQuery {
    /// One metric [default: all].
    #[param(required = false, min_length = 1, max_length = 100, example = "messages")]
    metric_type: Option<String>,
    /// The first day, in UTC [default: 29 days before the last].
    #[param(required = false, format = Date, example = "2026-11-01")]
    from_date: Option<String>,
    /// The last day, in UTC; at most 366 days from the first [default: today].
    #[param(required = false, format = Date, example = "2026-11-30")]
    to_date: Option<String>,
}

struct Asked {
    metric: Option<String>,
    from: Option<Date>,
    to: Option<Date>,
}

impl Input for Asked {
    fn read(fields: &mut Fields) -> Option<Self> {
        let metric = fields.optional("metric_type", text(1, 100));
        let from = fields.optional("from_date", day);
        let to = fields.optional("to_date", day);
        Some(Self { metric: metric?, from: from?, to: to? })
    }
}

impl Asked {
    /// The first and the last day, by number.
    fn days(&self, now: Timestamp) -> Result<(i64, i64), FieldError> {
        let number = |date: Date| TimeZone::UTC.to_timestamp(date.into()).map(day_of).ok();
        let to = self.to.map_or_else(|| Some(day_of(now)), number);
        let to = to.ok_or_else(|| FieldError::new("to_date", "api-field-day"))?;
        let from = self.from.map_or(Some(to - DAYS + 1), number);
        let from = from.ok_or_else(|| FieldError::new("from_date", "api-field-day"))?;
        match to - from {
            ..0 => Err(FieldError::new("to_date", "api-field-span")),
            0..MOST_DAYS => Ok((from, to)),
            _ => Err(FieldError::new("from_date", "usage-too-long").with("most", MOST_DAYS)),
        }
    }
}

/// Use by day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageHistory)]
struct History {
    /// In the order of metrics and days. A day without use is not there.
    data: Vec<Day>,
}

/// A day of a metric.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageDay)]
struct Day {
    #[schema(example = "messages")]
    metric_type: String,
    /// In UTC.
    #[schema(format = Date, example = "2026-11-21")]
    date: String,
    /// How much was used, or a gauge's level at the end of the day.
    quantity: i64,
}

/// Show the use of each day.
#[utoipa::path(
    get, path = "/usage/history", tag = "usage", operation_id = "get_usage_history", params(HistoryQuery),
    security(("key" = ["usage:read"]), ("token" = ["owner", "admin", "supervisor"])),
    responses((status = 200, description = "The days.", body = History))
)]
async fn history(
    State(app): State<App>,
    reader: For<ReadUsage>,
    Query(asked): Query<Asked>,
) -> Result<axum::Json<History>> {
    let metric = asked.metric.as_deref().map_or(Ok(()), |id| known(&app.catalog, id).map(drop));
    let (from, to) = match (metric, asked.days(app.clock.now())) {
        (Ok(()), Ok(days)) => days,
        (metric, days) => {
            return Err(Error::Invalid(metric.err().into_iter().chain(days.err()).collect()));
        }
    };
    let mut tx = app.db.read().await?;
    let (tenant, metric) = (&reader.tenant.id, asked.metric.as_deref());
    let days = store::history(&mut tx, tenant, &app.catalog, metric, from, to).await?;
    let shown = days.into_iter().map(|day| Day {
        metric_type: day.metric,
        date: date_of(day.day).to_string(),
        quantity: day.quantity,
    });
    Ok(axum::Json(History { data: shown.collect() }))
}

/// The metric's kind, if the catalogue has it.
fn known(catalog: &Catalog, id: &str) -> Result<MetricKind, FieldError> {
    let metric = catalog.metric(id).ok_or_else(|| FieldError::new("metric_type", "usage-no-metric"))?;
    Ok(metric.kind)
}

/// What somebody is about to use.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the description of the body")]
struct CheckUsageOf {
    /// The metric.
    #[schema(min_length = 1, max_length = 100, example = "messages")]
    metric_type: String,
    /// How much more; for a gauge, how much would be added to the level.
    #[schema(minimum = 1, maximum = 9007199254740991i64, default = 1)]
    quantity: Option<i64>,
}

struct Question {
    metric: String,
    quantity: i64,
}

impl Input for Question {
    fn read(fields: &mut Fields) -> Option<Self> {
        let metric = fields.required("metric_type", text(1, 100));
        let quantity = fields.or("quantity", 1, integer(1, MOST));
        Some(Self { metric: metric.unwrap_or_default(), quantity: quantity.unwrap_or(1) })
    }
}

/// Whether there is room for so much more.
#[derive(Debug, Serialize, ToSchema)]
struct UsageCheck {
    #[schema(example = "messages")]
    metric_type: String,
    /// Whether a report of it would be counted now.
    allowed: bool,
    /// Why not: `limit_reached`, `not_in_plan`, `too_large`; null where it is allowed.
    reason: Option<&'static str>,
    #[schema(example = 4200)]
    current_value: i64,
    /// What is left; null: unlimited.
    #[schema(example = 5800)]
    remaining: Option<i64>,
    /// Null: unlimited.
    #[schema(example = 10000)]
    limit_value: Option<i64>,
    /// Whether the limit can never be passed.
    is_hard_limit: bool,
    /// When the counter starts again at zero; null for a gauge.
    #[schema(value_type = Option<String>, format = DateTime)]
    reset_at: Option<Timestamp>,
    /// Where to get more: the pricing page; null where it is allowed.
    #[schema(example = "https://billing.example.com/plans")]
    upgrade_url: Option<String>,
}

/// Ask whether there is room for more.
///
/// Records nothing and reads one row: made to be asked before every use. Only `POST /usage/increment` counts, and keeps the
/// limit whatever was answered here. Whether a tenant that does not pay may go on is `GET /access`.
#[utoipa::path(
    post, path = "/usage/check", tag = "usage", operation_id = "check_usage", request_body = CheckUsageOf,
    security(("key" = ["usage:read"]), ("token" = ["owner", "admin", "supervisor", "operator"])),
    responses((status = 200, description = "The answer.", body = UsageCheck))
)]
async fn check(
    State(app): State<App>,
    asker: For<CheckUsage>,
    draft: Draft<Question>,
) -> Result<axum::Json<UsageCheck>> {
    let wrong = known(&app.catalog, &draft.value.metric).err();
    if draft.is_wrong() || wrong.is_some() {
        return Err(draft.refused(wrong));
    }
    let Question { metric, quantity } = draft.value;
    let mut tx = app.db.read().await?;
    let found =
        store::check(&mut tx, &asker.tenant.id, &app.catalog, &metric, quantity, app.clock.now()).await?;
    let found = found.ok_or(Error::NotFound)?;
    let standing = found.standing;
    Ok(axum::Json(UsageCheck {
        metric_type: metric,
        allowed: found.refusal.is_none(),
        reason: found.refusal.map(super::Refusal::as_str),
        current_value: standing.used,
        remaining: standing.remaining(),
        limit_value: standing.limit.limit,
        is_hard_limit: standing.limit.hard,
        reset_at: standing.reset_at,
        upgrade_url: found.refusal.map(|_| app.config.site.link("/plans")),
    }))
}
