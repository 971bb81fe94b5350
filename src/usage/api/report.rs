//! Reports of use: one event, or many.

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::caller::WriteUsage;
use crate::api::fields::{integer, moment, text};
use crate::api::{Draft, Fields, For, Input};
use crate::app::App;
use crate::error::{FieldError, Result};
use crate::usage::{Answer, Event, Fault, LONGEST_KEY, MOST, MOST_EVENTS, Outcome, Report};

/// Something that was used.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the description of the body")]
struct UsageEvent {
    /// The metric.
    #[schema(min_length = 1, max_length = 100, example = "messages")]
    metric_type: String,
    /// For a counter: how much more.
    #[schema(minimum = 1, maximum = 9007199254740991i64, example = 1)]
    quantity: Option<i64>,
    /// For a gauge: the level.
    #[schema(minimum = 0, maximum = 9007199254740991i64)]
    value: Option<i64>,
    /// Your own name for it, kept for at least 35 days: an event is counted once under it.
    #[schema(min_length = 1, max_length = 100, example = "message-8f14e45f")]
    idempotency_key: String,
    /// When it happened: at most 35 days ago and 5 minutes ahead [default: now].
    #[schema(format = DateTime)]
    occurred_at: Option<String>,
}

/// Up to 1,000 events, taken in their order.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the description of the body")]
struct UsageEvents {
    #[schema(min_items = 1, max_items = 1000)]
    events: Vec<UsageEvent>,
}

/// One event, or many.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the description of the body")]
enum UsageReport {
    One(UsageEvent),
    Many(UsageEvents),
}

pub(super) enum Reported {
    One(Report),
    Many(Vec<Report>),
}

impl Input for Reported {
    const LIMIT: usize = 1024 * 1024;

    fn read(fields: &mut Fields) -> Option<Self> {
        match fields.list("events", 1..=MOST_EVENTS, event)? {
            Some(events) => Some(Self::Many(events)),
            None => event(fields).map(Self::One),
        }
    }
}

fn event(fields: &mut Fields) -> Option<Report> {
    let metric = fields.required("metric_type", text(1, 100));
    let quantity = fields.optional("quantity", integer(1, MOST));
    let value = fields.optional("value", integer(0, MOST));
    let key = fields.required("idempotency_key", text(1, LONGEST_KEY));
    let occurred_at = fields.optional("occurred_at", moment);
    Some(Report {
        metric: metric.unwrap_or_default(),
        quantity: quantity.flatten(),
        value: value.flatten(),
        idempotency_key: key.unwrap_or_default(),
        occurred_at: occurred_at.flatten(),
    })
}

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageAnswer {
    #[schema(example = "messages")]
    metric_type: String,
    #[schema(example = "message-8f14e45f")]
    idempotency_key: String,
    /// `recorded`; `duplicate`: counted before under this key; `refused`: not counted, and not later under this key;
    /// `conflict`: the key was used for something else.
    #[schema(example = "recorded")]
    status: &'static str,
    /// Whether it is counted, now or before.
    allowed: bool,
    /// Why it was refused: `limit_reached`, `not_in_plan`, `too_large`.
    reason: Option<&'static str>,
    /// Where the metric stands after it; for a repeated key, where it stood after the first time.
    #[schema(example = 4201)]
    current_value: i64,
    /// What is left; null: unlimited.
    #[schema(example = 5799)]
    remaining: Option<i64>,
    /// Null: unlimited.
    #[schema(example = 10000)]
    limit_value: Option<i64>,
    is_hard_limit: bool,
    /// When the counter starts again at zero; null for a gauge.
    #[schema(value_type = Option<String>, format = DateTime)]
    reset_at: Option<Timestamp>,
}

/// What became of each event.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageAnswers {
    /// In the order of the events.
    data: Vec<UsageAnswer>,
}

/// What became of one event, or of many.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum UsageReported {
    One(UsageAnswer),
    Many(UsageAnswers),
}

/// Report use.
///
/// Durable when answered. A hard limit is never passed, whatever comes at once: what would pass it is `refused`. A soft limit
/// is passed and reported. The whole report is refused with 400 where one of its events cannot be read; `details` names each
/// field, such as `events[3].metric_type`.
#[utoipa::path(
    post, path = "/usage/increment", tag = "usage", operation_id = "report_usage", request_body = UsageReport,
    security(("key" = ["usage:write"])),
    responses((
        status = 200,
        description = "What became of each event: of one, the answer itself; of `events`, all in `data`.",
        body = UsageReported,
    ))
)]
pub(super) async fn increment(
    State(app): State<App>,
    reporter: For<WriteUsage>,
    mut draft: Draft<Reported>,
) -> Result<axum::Json<UsageReported>> {
    let (reports, is_one) = match std::mem::replace(&mut draft.value, Reported::Many(Vec::new())) {
        Reported::One(report) => (vec![report], true),
        Reported::Many(reports) => (reports, false),
    };
    let now = app.clock.now();
    let mut wrong = Vec::new();
    let mut events = Vec::with_capacity(reports.len());
    let mut names = Vec::with_capacity(reports.len());
    for (index, report) in reports.into_iter().enumerate() {
        names.push((report.metric.clone(), report.idempotency_key.clone()));
        match Event::check(&reporter.tenant.id, &app.catalog, report, now) {
            Ok(event) => events.push(event),
            Err((first, others)) => {
                let at = if is_one { String::new() } else { format!("events[{index}].") };
                let named = |fault: Fault| FieldError::new(format!("{at}{}", fault.field()), fault.key());
                wrong.extend([first].into_iter().chain(others).map(named));
            }
        }
    }
    if draft.is_wrong() || !wrong.is_empty() {
        return Err(draft.refused(wrong));
    }
    let answers = app.usage.record(events).await?;
    let mut data: Vec<UsageAnswer> = names.into_iter().zip(answers).map(answered).collect();
    let one = if is_one { data.pop() } else { None };
    Ok(axum::Json(one.map_or(UsageReported::Many(UsageAnswers { data }), UsageReported::One)))
}

fn answered(((metric_type, idempotency_key), answer): ((String, String), Answer)) -> UsageAnswer {
    let Answer { outcome, standing } = answer;
    UsageAnswer {
        metric_type,
        idempotency_key,
        status: outcome.as_str(),
        allowed: matches!(outcome, Outcome::Recorded | Outcome::Duplicate),
        reason: match outcome {
            Outcome::Refused(refusal) => Some(refusal.as_str()),
            _ => None,
        },
        current_value: standing.used,
        remaining: standing.remaining(),
        limit_value: standing.limit.limit,
        is_hard_limit: standing.limit.hard,
        reset_at: standing.reset_at,
    }
}
