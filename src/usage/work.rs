//! Steps of background work: what was used goes to Stripe's meters, their error reports are read, both sides are compared,
//! levels are held against their limits, old keys are forgotten.

mod compare;
mod levels;
mod missing;
mod reports;
mod retry;

pub use compare::{Compared, Difference, compare, compare_metric, compare_page};
pub use missing::{Missing, send_missing};
pub(super) use retry::{Retried, Wish, retry};

use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::meters::{self, TRIES};
use super::store::{self, Claimed, Due};
use super::{DAY, OLDEST};
use crate::catalog::policy::Catalog;
use crate::clock::Clock;
use crate::db::{self, Db, Tx};
use crate::stripe::calls::meters as calls;
use crate::stripe::{Budget, CustomerId, Key, Stripe};
use crate::tenants::TenantId;

/// Parts that are sent at once in one step.
const AT_ONCE: i64 = 16;
/// How long a part is on its way before another worker may take it up, in seconds: longer than a call's budget.
const ON_ITS_WAY: i64 = 120;
/// How long somebody who waits for a page waits for the last reports.
const FLUSH: Duration = Duration::from_secs(3);
/// How long keys are kept, in seconds: longer than an event may be late.
const KEEP_KEYS: i64 = OLDEST + 5 * DAY;
/// Keys forgotten in one transaction.
const FORGET: i64 = 5_000;
/// When the daily look that broke off is taken up again, in seconds.
const SOON: i64 = 3_600;

/// Why a step could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] db::Error),
    /// Stripe did not answer.
    #[error(transparent)]
    Stripe(#[from] crate::stripe::Error),
}

/// Sends what is due to Stripe's meters and reads new error reports; how much was done.
///
/// # Errors
/// The database did not answer. What Stripe does not take is put off, or parked, and told there.
pub async fn step(db: &Db, stripe: &Stripe, clock: &Clock) -> Result<usize, Error> {
    let read = reports::take(db, stripe, clock.now()).await?;
    Ok(read + send(db, stripe, clock).await?)
}

async fn send(db: &Db, stripe: &Stripe, clock: &Clock) -> Result<usize, Error> {
    let now = clock.now().as_second();
    if !store::is_due(&mut db.read().await?, now).await? {
        return Ok(0);
    }
    let mut tx = db.write().await?;
    let due = store::due(&mut tx, now, AT_ONCE).await?;
    Ok(send_these(db, stripe, clock, tx, due, Budget::work()).await?.len())
}

/// Sends at once what a tenant used and Stripe does not know yet, also what still gathers: for a moment after which Stripe bills
/// no more of it, because the subscription ends or its period does. It takes three seconds of the budget at most, for what is to
/// follow needs the rest; what Stripe does not take by then is put off as always.
///
/// # Errors
/// The database did not answer.
pub async fn flush(
    db: &Db,
    stripe: &Stripe,
    clock: &Clock,
    tenant: &TenantId,
    budget: Budget,
) -> db::Result<()> {
    let budget = budget.at_most(FLUSH);
    loop {
        let mut tx = db.write().await?;
        let waiting = store::waiting(&mut tx, tenant.as_str(), clock.now().as_second(), AT_ONCE).await?;
        let taken = send_these(db, stripe, clock, tx, waiting, budget).await?;
        if taken.is_empty() || taken.contains(&false) {
            return Ok(());
        }
    }
}

/// Claims these rows and sends their parts at the same time; which of them Stripe took.
async fn send_these(
    db: &Db,
    stripe: &Stripe,
    clock: &Clock,
    mut tx: Tx,
    rows: Vec<Due>,
    budget: Budget,
) -> db::Result<Vec<bool>> {
    let now = clock.now().as_second();
    let mut sending = JoinSet::new();
    let mut parts = Vec::new();
    for row in rows {
        parts.push(store::claim(&mut tx, row, now, now + ON_ITS_WAY).await?);
    }
    tx.commit().await?;
    for part in parts {
        sending.spawn(send_one(db.clone(), stripe.clone(), clock.clone(), part, budget));
    }
    sending.join_all().await.into_iter().collect()
}

/// Sends a part and notes what came of it; whether Stripe took it.
async fn send_one(db: Db, stripe: Stripe, clock: Clock, part: Claimed, budget: Budget) -> db::Result<bool> {
    let fate = report(&stripe, &part, clock.now(), budget).await;
    let now = clock.now().as_second();
    let is_taken = fate.is_ok();
    let mut tx = db.write().await?;
    match fate {
        Ok(()) => store::mark_sent(&mut tx, &part.row, now + store::GATHER).await?,
        Err(Failed { why, passes }) => {
            let again = passes && part.row.attempts + 1 < TRIES;
            let next = again.then(|| now + meters::wait(part.row.attempts));
            tracing::warn!(
                tenant = part.row.tenant_id,
                metric = part.row.metric,
                identifier = part.identifier,
                error = why,
                parked = !again,
                "usage could not be reported to Stripe"
            );
            store::put_off(&mut tx, &part.row, &why, next).await?
        }
    };
    tx.commit().await?;
    Ok(is_taken)
}

/// Why a part was not taken.
struct Failed {
    why: String,
    /// Whether it may well be taken later.
    passes: bool,
}

async fn report(stripe: &Stripe, part: &Claimed, now: Timestamp, budget: Budget) -> Result<(), Failed> {
    let stop = |why: &str| Failed { why: why.to_owned(), passes: false };
    let window_start = part.row.window_start;
    if meters::is_too_old(window_start, now.as_second()) {
        return Err(stop("older than the 35 days that Stripe takes"));
    }
    let customer: CustomerId = part
        .customer
        .as_deref()
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| stop("the tenant has no customer at Stripe"))?;
    let used = calls::Use {
        event_name: part.meter.clone(),
        customer,
        value: part.value,
        identifier: part.identifier.clone(),
        timestamp: meters::reported_at(window_start, now.as_second()),
    };
    // The identifier makes the part one, for as long as an idempotency key would. The key is a new one with each try: under an
    // old one Stripe repeats its first answer, and would repeat a fault of its own for a day.
    let key = Key::random();
    match calls::report(stripe, &used, &key, budget).await {
        Ok(_) => Ok(()),
        Err(error) if is_known(&error) => Ok(()),
        Err(error) => Err(Failed { passes: error.is_safe_to_retry(), why: error.to_string() }),
    }
}

/// Stripe has counted it before: an earlier try arrived, and its answer did not. Version 1 of the API gives that refusal no code
/// of its own; its words are told apart from those about a name that is wrong.
fn is_known(error: &crate::stripe::Error) -> bool {
    let crate::stripe::Error::Refused(refusal) = error else { return false };
    let says = refusal.message.as_deref().unwrap_or_default();
    refusal.code.as_deref() == Some("duplicate_meter_event")
        || says.contains("event already exists with identifier")
}

/// Once a day, in one process of several: forgets old keys, tells of levels that are near their limits, and holds what we told
/// Stripe against what Stripe counted, for the current period of each tenant and the one before; how many comparisons were
/// made. What broke off is taken up again an hour later.
///
/// # Errors
/// The database or Stripe did not answer.
pub async fn daily(
    db: &Db,
    stripe: &Stripe,
    catalog: &Catalog,
    clock: &Clock,
    holder: &str,
) -> Result<usize, Error> {
    let now = clock.now();
    let mut tx = db.write().await?;
    if !store::lease(&mut tx, holder, now.as_second(), now.as_second() + DAY).await? {
        return Ok(0);
    }
    tx.commit().await?;
    let made = look(db, stripe, catalog, now).await;
    if made.is_err() {
        let mut tx = db.write().await?;
        store::shorten_lease(&mut tx, holder, now.as_second() + SOON).await?;
        tx.commit().await?;
    }
    made
}

async fn look(db: &Db, stripe: &Stripe, catalog: &Catalog, now: Timestamp) -> Result<usize, Error> {
    forget(db, now).await?;
    levels::tell(db, catalog, now).await?;
    compare(db, stripe, now).await
}

/// Forgets the keys of events that nobody may repeat any more.
///
/// # Errors
/// The database did not answer.
pub async fn forget(db: &Db, now: Timestamp) -> Result<u64, db::Error> {
    let before = now.as_second().saturating_sub(KEEP_KEYS);
    let mut forgotten = 0;
    loop {
        let mut tx = db.write().await?;
        let some = store::forget(&mut tx, before, FORGET).await?;
        tx.commit().await?;
        forgotten += some;
        if some < FORGET.unsigned_abs() {
            return Ok(forgotten);
        }
    }
}
