//! What the companies of the demo have used: months of it with work days and weekends, growth and chance, always the same.
//!
//! It goes through the gate like any report of the host application, so that limits, thresholds, forecasts and what Stripe bills
//! come out of it and are not put beside it.

use jiff::Timestamp;

use crate::app::App;
use crate::catalog::policy::{Catalog, MetricKind};
use crate::cli::Failure;
use crate::clock::{DAY, from_seconds};
use crate::tenants::TenantId;
use crate::usage::{Event, Report};

/// Per cent of an ordinary day, from Thursday on: the first of January 1970 was one.
const WEEK: [i64; 7] = [112, 98, 46, 38, 108, 118, 122];

/// How much of a metric a company uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    metric: &'static str,
    /// For a counter: on an ordinary day of today. For a gauge: the level of today.
    pace: i64,
}

const fn habit(metric: &'static str, pace: i64) -> Habit {
    Habit { metric, pace }
}

/// On the free plan, with some of it left.
pub(super) const FREE: &[Habit] = &[habit("messages", 3), habit("api_calls", 24), habit("storage_mb", 61)];
/// A healthy customer.
pub(super) const STEADY: &[Habit] = &[
    habit("chatbots", 3),
    habit("messages", 190),
    habit("conversations", 74),
    habit("knowledge_bases", 2),
    habit("users", 4),
    habit("api_calls", 1_900),
    habit("storage_mb", 6_300),
    habit("ai_tokens", 61_000),
];
/// Grows fast: the month's messages are nearly used up before the trial is over.
pub(super) const NEAR: &[Habit] = &[
    habit("chatbots", 4),
    habit("messages", 1_100),
    habit("conversations", 210),
    habit("knowledge_bases", 5),
    habit("users", 5),
    habit("api_calls", 2_600),
    habit("storage_mb", 3_100),
];
/// A small plan whose calls have outgrown it.
pub(super) const OVER: &[Habit] = &[
    habit("chatbots", 1),
    habit("messages", 26),
    habit("conversations", 14),
    habit("users", 1),
    habit("api_calls", 1_180),
    habit("storage_mb", 890),
];
/// Not much.
pub(super) const LIGHT: &[Habit] = &[
    habit("chatbots", 1),
    habit("messages", 17),
    habit("conversations", 6),
    habit("users", 1),
    habit("api_calls", 140),
    habit("storage_mb", 240),
];
/// A large customer without limits.
pub(super) const LARGE: &[Habit] = &[
    habit("chatbots", 14),
    habit("messages", 2_700),
    habit("conversations", 1_150),
    habit("knowledge_bases", 9),
    habit("users", 38),
    habit("api_calls", 14_500),
    habit("storage_mb", 47_000),
    habit("ai_tokens", 410_000),
];

/// The demo's catalogue: the default one, in which calls may go over the limit, so that this too can be seen.
pub(super) fn catalog() -> Result<Catalog, Failure> {
    let mut catalog = Catalog::load(None)?;
    for limit in catalog.plans.iter_mut().filter_map(|plan| plan.limits.get_mut("api_calls")) {
        limit.hard = false;
    }
    Ok(catalog)
}

/// Reports what a company has used on the days whose noon lies between two moments.
pub(super) async fn report(
    app: &App,
    tenant: &TenantId,
    habits: &[Habit],
    since: Timestamp,
    until: Timestamp,
) -> Result<(), Failure> {
    let (now, today) = (app.clock.now(), app.clock.wall().as_second().div_euclid(DAY));
    let noon = |day: i64| day * DAY + DAY / 2;
    let first = since.as_second().div_euclid(DAY);
    let last = until.as_second().div_euclid(DAY);
    let mut events = Vec::new();
    for day in (first..=last).filter(|day| (since.as_second()..until.as_second()).contains(&noon(*day))) {
        for habit in habits {
            let Some(amount) = amount(&app.catalog, habit, day, today) else { continue };
            let report = Report {
                metric: habit.metric.to_owned(),
                quantity: amount.quantity,
                value: amount.value,
                idempotency_key: format!("{}-{day}", habit.metric),
                occurred_at: Some(from_seconds(noon(day))),
            };
            events.push(Event::new(tenant, &app.catalog, report, now)?);
        }
    }
    app.usage.record(events).await?;
    Ok(())
}

struct Amount {
    quantity: Option<i64>,
    value: Option<i64>,
}

/// What a day brings; none for a counter on a day without any.
fn amount(catalog: &Catalog, habit: &Habit, day: i64, today: i64) -> Option<Amount> {
    // A company grows by a third in a hundred days.
    let grown = |pace: i64| pace * (300 - (today - day).clamp(0, 100)) / 300;
    match catalog.metric(habit.metric)?.kind {
        MetricKind::Counter => {
            let weekday = usize::try_from(day.rem_euclid(7)).ok().and_then(|day| WEEK.get(day)).copied()?;
            let chance = 78 + draw(habit, day) % 45;
            let quantity = grown(habit.pace) * weekday * chance / 10_000;
            (quantity > 0).then_some(Amount { quantity: Some(quantity), value: None })
        }
        MetricKind::Gauge => Some(Amount { quantity: None, value: Some(grown(habit.pace).max(1)) }),
        MetricKind::Rate => None,
    }
}

/// A number that looks like chance and is always the same: FNV-1a over what it is for.
fn draw(habit: &Habit, day: i64) -> i64 {
    let (pace, day) = (habit.pace.to_le_bytes(), day.to_le_bytes());
    let bytes = pace.iter().chain(habit.metric.as_bytes()).chain(&day);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::try_from(hash >> 33).unwrap_or_default()
}
