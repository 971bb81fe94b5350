//! A parked part, tried again because staff say so: within a day Stripe knows it by its name and counts it once; after that,
//! somebody has to look whether Stripe has it.

use jiff::Timestamp;

use super::compare::minute;
use crate::audit::{self, Actor, Entry};
use crate::clock::from_seconds;
use crate::db::{self, Db};
use crate::stripe::calls::meters as calls;
use crate::stripe::{self, Budget, CustomerId, Stripe};
use crate::usage::meters::{KNOWN_FOR, reported_at, whole};
use crate::usage::store::{self, Stuck};

/// Which part, and whether it is to be reported whatever Stripe has.
#[derive(Clone, Debug)]
pub(in crate::usage) struct Wish<'a> {
    pub(in crate::usage) tenant: &'a str,
    pub(in crate::usage) metric: &'a str,
    pub(in crate::usage) window: i64,
    pub(in crate::usage) is_confirmed: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(in crate::usage) enum Retried {
    /// Nothing is parked there.
    Gone,
    /// It is tried again.
    Again,
    /// Stripe has had it all the time: it is noted as reported.
    Arrived,
    /// Somebody has to decide: what Stripe has of that hour, where it says so.
    Unclear(Stuck, Option<i64>),
}

/// Has a parked part tried again, or finds that Stripe has it.
///
/// # Errors
/// The database did not answer.
pub(in crate::usage) async fn retry(
    db: &Db,
    stripe: &Stripe,
    now: Timestamp,
    actor: Actor,
    wish: Wish<'_>,
) -> Result<Retried, db::Error> {
    let found = store::stuck(&mut db.read().await?, wish.tenant, wish.metric, wish.window).await?;
    let Some(stuck) = found else { return Ok(Retried::Gone) };
    let may_have_arrived = stuck.claimed > stuck.sent;
    let is_forgotten = now.as_second().saturating_sub(stuck.claimed_at) > KNOWN_FOR;
    let mut has_arrived = false;
    if may_have_arrived && is_forgotten && !wish.is_confirmed {
        let theirs = counted(stripe, &stuck, now).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot see whether Stripe has a parked report");
            None
        });
        match theirs {
            Some(theirs) if theirs == stuck.claimed => has_arrived = true,
            Some(theirs) if theirs == stuck.sent => {}
            theirs => return Ok(Retried::Unclear(stuck, theirs)),
        }
    }
    let mut tx = db.write().await?;
    let (action, done) = if has_arrived {
        ("usage.report_found", store::mark_arrived(&mut tx, &stuck, now.as_second()).await?)
    } else {
        let done = store::unpark(&mut tx, wish.tenant, wish.metric, wish.window, now.as_second()).await?;
        ("usage.report_retried", done)
    };
    if done == 0 {
        return Ok(Retried::Gone);
    }
    let entry = Entry::new(actor, action, now).tenant(wish.tenant.to_owned());
    audit::record(&mut tx, &entry.object(format!("{}:{}", wish.metric, wish.window))).await?;
    tx.commit().await?;
    Ok(if has_arrived { Retried::Arrived } else { Retried::Again })
}

/// What Stripe has of the part's hour; none where that cannot be told.
async fn counted(stripe: &Stripe, stuck: &Stuck, now: Timestamp) -> stripe::Result<Option<i64>> {
    let customer = stuck.customer_id.as_deref().and_then(|id| id.parse::<CustomerId>().ok());
    // What is almost too old was reported for another time, and is among what belongs there.
    if reported_at(stuck.window_start, now.as_second()) != stuck.window_start {
        return Ok(None);
    }
    let known = calls::list(stripe, Budget::page()).await?.value;
    let meter = known.into_iter().find(|meter| meter.event_name == stuck.meter);
    let Some((customer, meter)) = customer.zip(meter) else { return Ok(None) };
    let start = minute(from_seconds(stuck.window_start));
    let counted =
        calls::counted(stripe, &meter.id, &customer, start, start + 60, Budget::page()).await?.value;
    Ok(Some(counted.data.iter().filter_map(|summary| whole(&summary.aggregated_value)).sum()))
}
