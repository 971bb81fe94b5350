//! What we told Stripe, held against what Stripe counted.

use jiff::Timestamp;

use super::Error;
use crate::clock::from_seconds;
use crate::db::Db;
use crate::stripe::calls::meters as calls;
use crate::stripe::{Budget, CustomerId, MeterId, Stripe};
use crate::usage::ledger::HOUR;
use crate::usage::period::Window;
use crate::usage::store::{self, Comparison, Metered};
use crate::usage::{OLDEST, Terms, meters};

/// How long Stripe is given to add up what it was told, in seconds.
const SETTLES: i64 = 3_600;
/// Failures in a row after which Stripe is taken for down.
const PATIENCE: usize = 5;

/// Holds what we told Stripe against what Stripe counted; how many comparisons were made.
///
/// # Errors
/// The database or Stripe did not answer.
pub async fn compare(db: &Db, stripe: &Stripe, now: Timestamp) -> Result<usize, Error> {
    let (mut after, mut made, mut failures) = ((String::new(), String::new()), 0, 0);
    while let Some(batch) = batch(db, stripe, now, &after, 100).await? {
        for (metered, meter) in &batch.metered {
            match compare_one(db, stripe, metered, meter, now).await {
                Ok(seen) => (made, failures) = (made + seen.len(), 0),
                // What one customer meets must not keep the others from being looked at.
                Err(Error::Stripe(error)) => {
                    let (tenant, metric) = (&metered.tenant_id, &metered.metric);
                    tracing::warn!(tenant, metric, %error, "usage cannot be held against Stripe's");
                    failures += 1;
                    if failures >= PATIENCE && error.is_safe_to_retry() {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        after = batch.last;
    }
    Ok(made)
}

/// Some metrics of tenants, with their meters.
struct Batch {
    metered: Vec<(Metered, MeterId)>,
    last: (String, String),
}

/// Up to `most` that have anything to compare, after `(tenant, metric)`; none: there are no more.
async fn batch(
    db: &Db,
    stripe: &Stripe,
    now: Timestamp,
    after: &(String, String),
    most: i64,
) -> Result<Option<Batch>, Error> {
    let since = now.as_second().saturating_sub(OLDEST);
    let metered = store::metered(&mut db.read().await?, since, (&after.0, &after.1), most).await?;
    let Some(last) = metered.last() else { return Ok(None) };
    let last = (last.tenant_id.clone(), last.metric.clone());
    let known = calls::list(stripe, Budget::work()).await?.value;
    let meter =
        |event: &str| known.iter().find(|meter| meter.event_name == event).map(|meter| meter.id.clone());
    let metered =
        metered.into_iter().filter_map(|metered| meter(&metered.meter).map(|meter| (metered, meter)));
    Ok(Some(Batch { metered: metered.collect(), last }))
}

/// What comparing a page of tenants and metrics came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Comparisons that were made.
    pub made: usize,
    /// Tenants and metrics of which both sides differ.
    pub differ: Vec<(String, String)>,
    /// After which tenant and metric the next page begins; none: there is none.
    pub next: Option<(String, String)>,
}

/// The same for up to `most` metrics of tenants, those after `(tenant, metric)`.
///
/// # Errors
/// See [`compare`].
pub async fn compare_page(
    db: &Db,
    stripe: &Stripe,
    now: Timestamp,
    after: &(String, String),
    most: i64,
) -> Result<Compared, Error> {
    let mut page = Compared::default();
    let Some(batch) = batch(db, stripe, now, after, most).await? else { return Ok(page) };
    page.next = Some(batch.last);
    for (metered, meter) in batch.metered {
        let seen = compare_one(db, stripe, &metered, &meter, now).await?;
        page.made += seen.len();
        if seen.iter().any(|seen| seen.ours != seen.theirs) {
            page.differ.push((metered.tenant_id, metered.metric));
        }
    }
    Ok(page)
}

/// A period in which both sides differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Stripe's customer.
    pub customer: String,
    /// When the period began, unix seconds.
    pub period_start: i64,
    /// What Stripe was told.
    pub ours: i64,
    /// What Stripe counted.
    pub theirs: i64,
}

/// Compares one metric of one tenant anew; the periods in which both sides differ.
///
/// # Errors
/// See [`compare`].
pub async fn compare_metric(
    db: &Db,
    stripe: &Stripe,
    now: Timestamp,
    tenant: &str,
    metric: &str,
) -> Result<Vec<Difference>, Error> {
    let Some(metered) = store::metered_one(&mut db.read().await?, tenant, metric).await? else {
        return Ok(Vec::new());
    };
    let known = calls::list(stripe, Budget::work()).await?.value;
    let Some(meter) = known.iter().find(|meter| meter.event_name == metered.meter) else {
        return Ok(Vec::new());
    };
    let seen = compare_one(db, stripe, &metered, &meter.id, now).await?;
    let differ = seen.into_iter().filter(|seen| seen.ours != seen.theirs).map(|seen| Difference {
        customer: metered.customer_id.clone(),
        period_start: seen.period_start,
        ours: seen.ours,
        theirs: seen.theirs,
    });
    Ok(differ.collect())
}

pub(super) async fn compare_one(
    db: &Db,
    stripe: &Stripe,
    metered: &Metered,
    meter: &MeterId,
    now: Timestamp,
) -> Result<Vec<Comparison>, Error> {
    let Ok(customer) = metered.customer_id.parse::<CustomerId>() else { return Ok(Vec::new()) };
    let since = now.as_second().saturating_sub(OLDEST);
    let Some(terms) = store::terms(&mut db.read().await?, &metered.tenant_id, since).await? else {
        return Ok(Vec::new());
    };
    let mut made = Vec::new();
    for period in billed_periods(&terms, now) {
        let Some((start, end, ours)) = at_rest(db, metered, period, now).await? else { continue };
        let counted = calls::counted(stripe, meter, &customer, start, end, Budget::work()).await?.value;
        let theirs = counted.data.iter().filter_map(|summary| meters::whole(&summary.aggregated_value)).sum();
        let seen = Comparison {
            tenant_id: metered.tenant_id.clone(),
            metric: metered.metric.clone(),
            period_start: period.start.as_second(),
            period_end: period.end.as_second(),
            ours,
            theirs,
            compared_at: now.as_second(),
        };
        if ours != theirs {
            tracing::warn!(
                tenant = seen.tenant_id,
                metric = seen.metric,
                ours,
                theirs,
                "usage differs from Stripe's"
            );
        }
        let mut tx = db.write().await?;
        store::keep_comparison(&mut tx, &seen).await?;
        tx.commit().await?;
        made.push(seen);
    }
    Ok(made)
}

/// From when to when both sides of a period can be compared, and what Stripe was told of that time; none while that is nothing.
///
/// Stripe sums whole minutes, and adds up some time after it was told. Up to the end of a period that has long been over, ours
/// are the hours that begin in the same minutes; before that, whole hours up to the first in which something still moves.
async fn at_rest(
    db: &Db,
    metered: &Metered,
    period: Window,
    now: Timestamp,
) -> Result<Option<(i64, i64, i64)>, Error> {
    let (start, end) = (minute(period.start), minute(period.end));
    let (tenant, metric) = (metered.tenant_id.as_str(), metered.metric.as_str());
    let settled = now.as_second().saturating_sub(SETTLES);
    let mut tx = db.read().await?;
    let moving = store::settled_until(&mut tx, tenant, metric, (start, end), settled).await?;
    let bound = moving.into_iter().chain((settled < end).then_some(settled)).min();
    let end = bound.map_or(end, |bound| bound.div_euclid(HOUR) * HOUR);
    if start >= end {
        return Ok(None);
    }
    let ours = store::sent_between(&mut tx, tenant, metric, (start, end)).await?;
    Ok(Some((start, end, ours)))
}

/// The latest period of each subscription and the one before: the present one, and those that ended not long ago.
fn billed_periods(terms: &Terms, now: Timestamp) -> Vec<Window> {
    let oldest = from_seconds(now.as_second().saturating_sub(OLDEST));
    let mut periods = Vec::new();
    for (held, end) in terms.subscriptions().filter(|(_, end)| end.is_none_or(|end| end > oldest)) {
        let last = end.map_or(now, |end| from_seconds(end.as_second() - 1).min(now));
        let current = held.window(last);
        let before = held.window(from_seconds(current.start.as_second() - 1));
        let is_billed = |period: &Window| held.from().is_none_or(|from| period.start >= from);
        periods.extend([before, current].into_iter().filter(is_billed));
    }
    periods
}

pub(super) fn minute(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60) * 60
}
