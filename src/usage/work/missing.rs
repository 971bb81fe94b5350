//! Telling Stripe once more of what it has not counted, because a person has asked for it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::compare::compare_one;
use super::{Error, is_known};
use crate::clock::from_seconds;
use crate::db::Db;
use crate::stripe::calls::meters as calls;
use crate::stripe::{Budget, CustomerId, Key, Stripe};
use crate::usage::meters;
use crate::usage::store::{self, Comparison};

/// What came of telling Stripe of what it has not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It was told.
    Sent,
    /// There was nothing to tell.
    None,
    /// It is older than what Stripe takes.
    TooOld,
}

/// Tells Stripe of what it has not counted of a metric of a tenant's in the period that began on `day` (UTC, `2026-11-01`): by how
/// much both sides differ is asked once more. The same difference is sent once, however often it is asked for: Stripe may take
/// minutes to count it.
///
/// # Errors
/// The database or Stripe did not answer.
pub async fn send_missing(
    db: &Db,
    stripe: &Stripe,
    now: Timestamp,
    (tenant, metric): (&str, &str),
    day: &str,
) -> Result<Missing, Error> {
    let Some(metered) = store::metered_one(&mut db.read().await?, tenant, metric).await? else {
        return Ok(Missing::None);
    };
    let known = calls::list(stripe, Budget::work()).await?.value;
    let meter = known.iter().find(|meter| meter.event_name == metered.meter);
    let (Some(meter), Ok(customer)) = (meter, metered.customer_id.parse::<CustomerId>()) else {
        return Ok(Missing::None);
    };
    let seen = compare_one(db, stripe, &metered, &meter.id, now).await?;
    let began = |seen: &&Comparison| day_of(seen.period_start) == day;
    let Some(seen) = seen.iter().find(began).filter(|seen| seen.ours > seen.theirs) else {
        return Ok(Missing::None);
    };
    // As early in the period as Stripe takes it: what is compared begins with the period, and need not reach to its end.
    let timestamp = meters::reported_at(seen.period_start, now.as_second());
    if timestamp >= seen.period_end {
        return Ok(Missing::TooOld);
    }
    let used = calls::Use {
        event_name: metered.meter.clone(),
        customer,
        value: seen.ours - seen.theirs,
        identifier: format!("missing-{tenant}-{metric}-{day}-{}-{}", seen.ours, seen.theirs),
        timestamp,
    };
    match calls::report(stripe, &used, &Key::random(), Budget::work()).await {
        Err(error) if !is_known(&error) => Err(error.into()),
        _ => Ok(Missing::Sent),
    }
}

/// The day of a moment, UTC.
fn day_of(at: i64) -> String {
    from_seconds(at).to_zoned(TimeZone::UTC).date().to_string()
}
