//! What tenants use: metrics, the gate that counts and refuses, totals, history, forecast, and the way out to Stripe's meters.
//!
//! Owns every number of use. A **counter** adds up in a period and starts again at zero; a **gauge** is a level that is set.
//! Metrics stand in the catalogue file, limits in the plan that the tenant's subscription is for, and in the catalogue's
//! `[free]` table for who has none; a metric that neither names is not included: a hard limit of nothing, except that what
//! Stripe bills by a meter is unlimited for subscribers. Never here: whether a tenant that does not pay may still do things,
//! which is `access`; and no amount of money that is not computed from a price of Stripe's.
//!
//! # What the JSON API goes by
//!
//! ```text
//! Event::new(&TenantId, &Catalog, Report { … }, now)          -> Result<Event, Fault>
//! app.usage.record(Vec<Event>).await                          -> db::Result<Vec<Answer>>      one answer each, in order
//! usage::store::check(&mut tx, &tenant, &catalog, metric, quantity, now).await
//!                                                             -> db::Result<Option<Check>>    records nothing; None: no such tenant
//! usage::store::summary(&mut tx, &tenant, &catalog, now).await -> db::Result<Option<Summary>>  meters, forecast, cost
//! usage::store::history(&mut tx, &tenant, metric, from, to).await -> db::Result<Vec<DayUse>>   newest last
//! ```

pub mod api;
pub mod chart;
pub mod forecast;
mod gate;
mod ledger;
pub mod meters;
pub mod period;
pub mod price;
pub mod store;
pub mod summary;
pub mod terms;
pub mod view;
pub mod web;
pub mod work;

use jiff::Timestamp;

use crate::catalog::policy::{Catalog, MetricKind};
use crate::catalog::product::Limit;
use crate::clock::DAY;
use crate::tenants::TenantId;

pub use gate::Gate;
pub use summary::{DayUse, MetricUse, Summary};
pub use terms::Terms;

/// The most that one event may add: the largest integer that every JSON reader keeps exactly, 2^53 − 1.
pub const MOST: i64 = (1 << 53) - 1;
/// How far back an event may have happened, in seconds. Stripe's meters take no older ones.
pub const OLDEST: i64 = 35 * DAY;
/// How far ahead of our clock the reporter's may be, in seconds. Stripe's meters take no later ones.
pub const AHEAD: i64 = 300;
/// The longest idempotency key, in characters.
pub const LONGEST_KEY: usize = 100;
/// The most events of one report.
pub const MOST_EVENTS: usize = 1_000;

/// An event as it came, unchecked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The metric's id.
    pub metric: String,
    /// For a counter: how much more, 1 to [`MOST`].
    pub quantity: Option<i64>,
    /// For a gauge: the level, 0 to [`MOST`].
    pub value: Option<i64>,
    /// The reporter's own name for it, 1 to [`LONGEST_KEY`] printable characters.
    pub idempotency_key: String,
    /// When it happened; none is now. At most [`OLDEST`] ago and [`AHEAD`] ahead.
    pub occurred_at: Option<Timestamp>,
}

/// Why an event cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The catalogue has no such metric.
    #[error("there is no such metric")]
    Metric,
    /// A ceiling that the host application keeps by itself.
    #[error("this metric is a rate: it is not counted here")]
    Rate,
    /// A counter needs a quantity within bounds, and no value.
    #[error("quantity must be an integer from 1 to 9007199254740991, without a value")]
    Quantity,
    /// A gauge needs a value within bounds, and no quantity.
    #[error("value must be an integer from 0 to 9007199254740991, without a quantity")]
    Value,
    /// The key is empty, too long, or holds control characters.
    #[error("idempotency_key must be 1 to 100 characters, none of them a control character")]
    Key,
    /// It happened too long ago.
    #[error("occurred_at must not be more than 35 days ago")]
    TooOld,
    /// It is said to happen later than clocks may differ.
    #[error("occurred_at must not be more than 5 minutes ahead")]
    Ahead,
}

impl Fault {
    /// The field of the report that it is about.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Metric | Self::Rate => "metric_type",
            Self::Quantity => "quantity",
            Self::Value => "value",
            Self::Key => "idempotency_key",
            Self::TooOld | Self::Ahead => "occurred_at",
        }
    }
}

impl Fault {
    /// The key of the text that says it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Metric => "usage-no-metric",
            Self::Rate => "usage-not-counted",
            Self::Quantity => "usage-wrong-quantity",
            Self::Value => "usage-wrong-value",
            Self::Key => "usage-wrong-key",
            Self::TooOld => "usage-too-old",
            Self::Ahead => "usage-ahead",
        }
    }
}

/// What happens to the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A counter goes up.
    Add(i64),
    /// A gauge is set.
    Set(i64),
}

impl Change {
    /// The number of the report.
    pub const fn amount(self) -> i64 {
        match self {
            Self::Add(amount) | Self::Set(amount) => amount,
        }
    }
}

/// An event, checked and ready for the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub(crate) tenant: TenantId,
    pub(crate) metric: String,
    pub(crate) change: Change,
    pub(crate) key: String,
    /// The time that the reporter named.
    pub(crate) asked_at: Option<i64>,
    /// When it happened, unix seconds.
    pub(crate) at: i64,
    /// When we heard of it, unix seconds.
    pub(crate) now: i64,
}

impl Event {
    /// Checks a report.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn new(tenant: &TenantId, catalog: &Catalog, report: Report, now: Timestamp) -> Result<Self, Fault> {
        Self::check(tenant, catalog, report, now).map_err(|(first, _)| first)
    }

    /// Checks a report, and goes on when something is wrong.
    ///
    /// # Errors
    /// The first thing that is wrong with it, and what else is.
    pub fn check(
        tenant: &TenantId,
        catalog: &Catalog,
        report: Report,
        now: Timestamp,
    ) -> Result<Self, (Fault, Vec<Fault>)> {
        let now = now.as_second();
        let asked_at = report.occurred_at.map(Timestamp::as_second);
        let at = asked_at.unwrap_or(now);
        let key = report.idempotency_key.clone();
        let is_key = (1..=LONGEST_KEY).contains(&key.chars().count()) && !key.chars().any(char::is_control);
        let others = [
            (!is_key, Fault::Key),
            (at < now.saturating_sub(OLDEST), Fault::TooOld),
            (at > now.saturating_add(AHEAD), Fault::Ahead),
        ];
        let mut others = others.into_iter().filter_map(|(is_so, fault)| is_so.then_some(fault));
        match (change(catalog, &report), others.next()) {
            (Ok(change), None) => {
                Ok(Self { tenant: tenant.clone(), metric: report.metric, change, key, asked_at, at, now })
            }
            (Ok(_), Some(first)) => Err((first, others.collect())),
            (Err(first), next) => Err((first, next.into_iter().chain(others).collect())),
        }
    }
}

/// What a report does to its number.
fn change(catalog: &Catalog, report: &Report) -> Result<Change, Fault> {
    let metric = catalog.metric(&report.metric).ok_or(Fault::Metric)?;
    match (metric.kind, report.quantity, report.value) {
        (MetricKind::Rate, ..) => Err(Fault::Rate),
        (MetricKind::Counter, Some(quantity @ 1..=MOST), None) => Ok(Change::Add(quantity)),
        (MetricKind::Counter, ..) => Err(Fault::Quantity),
        (MetricKind::Gauge, None, Some(value @ 0..=MOST)) => Ok(Change::Set(value)),
        (MetricKind::Gauge, ..) => Err(Fault::Value),
    }
}

/// Why an event was not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A hard limit would be passed.
    LimitReached,
    /// The plan does not include the metric.
    NotInPlan,
    /// The sum would be larger than can be kept, 2^63 − 1.
    TooLarge,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was counted.
    Recorded,
    /// It had been counted before, under the same key; nothing changed.
    Duplicate,
    /// It was not counted, and will not be under this key: try again later under another.
    Refused(Refusal),
    /// The key had been used for something else; nothing changed.
    Conflict,
}

impl Outcome {
    /// As the API says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Duplicate => "duplicate",
            Self::Refused(_) => "refused",
            Self::Conflict => "conflict",
        }
    }
}

impl Refusal {
    /// As the API says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LimitReached => "limit_reached",
            Self::NotInPlan => "not_in_plan",
            Self::TooLarge => "too_large",
        }
    }
}

/// How much of a limit is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The sum of the period, or the level.
    pub used: i64,
    /// How much there is.
    pub limit: Limit,
    /// When a counter starts again at zero; none for a gauge.
    pub reset_at: Option<Timestamp>,
}

impl Standing {
    /// What is left; none is unlimited.
    pub fn remaining(&self) -> Option<i64> {
        self.limit.limit.map(|limit| limit.saturating_sub(self.used).max(0))
    }

    /// Whether more is used than the limit says: a soft one was passed, or the plan became smaller.
    pub fn is_over(&self) -> bool {
        self.limit.limit.is_some_and(|limit| self.used > limit)
    }

    /// Hundredths of a per cent of the limit, rounded down; none where there is no limit or nothing is included.
    pub fn share(&self) -> Option<i64> {
        let limit = self.limit.limit.filter(|limit| *limit > 0)?;
        i64::try_from(i128::from(self.used) * 10_000 / i128::from(limit)).ok()
    }
}

/// The gate's answer to an event. For a repeated key: the standing of the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What became of it.
    pub outcome: Outcome,
    /// Where the metric stands.
    pub standing: Standing,
}

/// Whether so much more would be allowed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Why not; none is allowed.
    pub refusal: Option<Refusal>,
    /// Where the metric stands.
    pub standing: Standing,
}

/// Whether so much of a metric may be added to what there is; the one rule of the gate and of every check before it.
///
/// For a gauge, `after` is the new level: a lower one is always taken, whatever the limit has become.
pub fn judge(before: i64, after: Option<i64>, limit: Limit) -> Option<Refusal> {
    let Some(after) = after else { return Some(Refusal::TooLarge) };
    match limit.limit {
        Some(most) if limit.hard && after > most && after > before => {
            Some(if most == 0 { Refusal::NotInPlan } else { Refusal::LimitReached })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(report: Report) -> Result<Event, Fault> {
        let catalog = Catalog::load(None).expect("the embedded catalogue");
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        Event::new(&"ten_1".parse().expect("an id"), &catalog, report, now)
    }

    fn report(metric: &str, quantity: Option<i64>, value: Option<i64>) -> Report {
        Report { metric: metric.into(), quantity, value, idempotency_key: "k".into(), occurred_at: None }
    }

    #[test]
    fn a_counter_takes_a_quantity_and_a_gauge_a_level_within_bounds() {
        assert!(event(report("messages", Some(1), None)).is_ok());
        assert!(event(report("messages", Some(MOST), None)).is_ok());
        assert!(event(report("users", None, Some(0))).is_ok());
        for quantity in [None, Some(0), Some(-1), Some(MOST + 1), Some(i64::MAX), Some(i64::MIN)] {
            assert_eq!(event(report("messages", quantity, None)), Err(Fault::Quantity), "{quantity:?}");
        }
        assert_eq!(event(report("messages", Some(1), Some(1))), Err(Fault::Quantity));
        for value in [None, Some(-1), Some(MOST + 1)] {
            assert_eq!(event(report("users", None, value)), Err(Fault::Value), "{value:?}");
        }
        assert_eq!(event(report("users", Some(1), None)), Err(Fault::Value));
        assert_eq!(event(report("api_requests_per_minute", Some(1), None)), Err(Fault::Rate));
        assert_eq!(event(report("nothing", Some(1), None)), Err(Fault::Metric));
    }

    #[test]
    fn a_key_is_one_line_of_at_most_a_hundred_characters() {
        let keyed = |key: &str| {
            event(Report { idempotency_key: key.into(), ..report("messages", Some(1), None) }).err()
        };
        for key in ["k", &"x".repeat(100), &"ñ".repeat(100), "msg 7 / ü"] {
            assert_eq!(keyed(key), None, "{key}");
        }
        for key in ["", &"x".repeat(101), "a\nb", "a\0"] {
            assert_eq!(keyed(key), Some(Fault::Key), "{key:?}");
        }
    }

    #[test]
    fn an_event_may_be_so_late_and_so_early() {
        let at = |seconds: i64| {
            let occurred_at = Timestamp::from_second(1_800_000_000 + seconds).ok();
            event(Report { occurred_at, ..report("messages", Some(1), None) }).err()
        };
        assert_eq!((at(-OLDEST), at(AHEAD)), (None, None));
        assert_eq!((at(-OLDEST - 1), at(AHEAD + 1)), (Some(Fault::TooOld), Some(Fault::Ahead)));
    }

    #[test]
    fn a_hard_limit_is_never_passed_and_a_level_may_always_go_down() {
        let hard = |most| Limit { limit: Some(most), hard: true };
        assert_eq!(judge(9, Some(10), hard(10)), None);
        assert_eq!(judge(9, Some(11), hard(10)), Some(Refusal::LimitReached));
        assert_eq!(judge(0, Some(1), hard(0)), Some(Refusal::NotInPlan));
        assert_eq!(judge(9, Some(11), Limit { limit: Some(10), hard: false }), None);
        assert_eq!(judge(9, Some(i64::MAX), Limit::UNLIMITED), None);
        assert_eq!(judge(9, None, Limit::UNLIMITED), Some(Refusal::TooLarge));
        assert_eq!(judge(5, Some(4), hard(1)), None);
        assert_eq!(judge(5, Some(5), hard(1)), None);
        assert_eq!(judge(5, Some(6), hard(1)), Some(Refusal::LimitReached));
    }

    #[test]
    fn a_share_is_told_only_of_what_has_an_end() {
        let standing = |used, limit| Standing { used, limit, reset_at: None };
        let soft = |most| Limit { limit: Some(most), hard: false };
        assert_eq!(standing(1, soft(3)).share(), Some(3333));
        assert_eq!(standing(MOST, soft(1)).share(), i64::try_from(i128::from(MOST) * 10_000).ok());
        assert_eq!(standing(4, soft(3)).remaining(), Some(0));
        assert!(standing(4, soft(3)).is_over() && !standing(3, soft(3)).is_over());
        assert_eq!(standing(4, Limit::UNLIMITED).share(), None);
        assert_eq!(standing(4, soft(0)).share(), None);
    }
}
