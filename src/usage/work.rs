//! Steps of background work: what was used goes to Stripe's meters, their error reports are read, both sides are compared,
//! old keys are forgotten.

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::meters::{self, ErrorReport, TRIES};
use super::period::{Cycle, Window};
use super::store::{self, Claimed, Comparison, Metered};
use super::{DAY, OLDEST};
use crate::clock::{Clock, from_seconds};
use crate::db::{self, Db};
use crate::stripe::calls::meters as calls;
use crate::stripe::{Budget, CustomerId, EventId, Key, MeterId, Stripe};

/// Parts that are sent at once in one step.
const AT_ONCE: i64 = 16;
/// How long a part is on its way before another worker may take it up, in seconds: longer than a call's budget.
const ON_ITS_WAY: i64 = 120;
/// How long keys are kept, in seconds: longer than an event may be late.
const KEEP_KEYS: i64 = OLDEST + 5 * DAY;
/// Keys forgotten in one transaction.
const FORGET: i64 = 5_000;

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
    let read = take_reports(db, stripe, clock.now()).await?;
    Ok(read + send(db, stripe, clock).await?)
}

async fn send(db: &Db, stripe: &Stripe, clock: &Clock) -> Result<usize, Error> {
    let now = clock.now().as_second();
    if !store::is_due(&mut db.read().await?, now).await? {
        return Ok(0);
    }
    let mut tx = db.write().await?;
    let mut parts = Vec::new();
    for due in store::due(&mut tx, now, AT_ONCE).await? {
        parts.push(store::claim(&mut tx, due, now + ON_ITS_WAY).await?);
    }
    tx.commit().await?;
    let done = parts.len();
    let mut sending = JoinSet::new();
    for part in parts {
        sending.spawn(send_one(db.clone(), stripe.clone(), clock.clone(), part));
    }
    for result in sending.join_all().await {
        result?;
    }
    Ok(done)
}

async fn send_one(db: Db, stripe: Stripe, clock: Clock, part: Claimed) -> Result<(), Error> {
    let fate = report(&stripe, &part, clock.now()).await;
    let now = clock.now().as_second();
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
    Ok(())
}

/// Why a part was not taken.
struct Failed {
    why: String,
    /// Whether it may well be taken later.
    passes: bool,
}

async fn report(stripe: &Stripe, part: &Claimed, now: Timestamp) -> Result<(), Failed> {
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
    match calls::report(stripe, &used, &key, Budget::work()).await {
        Ok(_) => Ok(()),
        Err(error) if is_known(&error) => Ok(()),
        Err(error) => Err(Failed { passes: error.is_safe_to_retry(), why: error.to_string() }),
    }
}

/// Stripe has counted it before: an earlier try arrived, and its answer did not.
fn is_known(error: &crate::stripe::Error) -> bool {
    match error {
        crate::stripe::Error::Refused(refusal) => {
            refusal.code.as_deref() == Some("duplicate_meter_event")
                || refusal.param.as_deref() == Some("identifier")
        }
        _ => false,
    }
}

/// Reads error reports that came into the inbox; how many were new.
async fn take_reports(db: &Db, stripe: &Stripe, now: Timestamp) -> Result<usize, Error> {
    let since = now.as_second().saturating_sub(30 * DAY);
    let unread = store::unread_reports(&mut db.read().await?, since).await?;
    let mut taken = 0;
    for (event, payload) in unread {
        let mut report = match ErrorReport::read(payload.as_bytes()) {
            Some(report) => report,
            None => ErrorReport { event: event.clone(), ..ErrorReport::default() },
        };
        if report.is_thin() {
            // A thin event names its meter only; what it is about is asked for.
            match whole_report(stripe, &event).await {
                Ok(whole) => report = whole.unwrap_or(report),
                Err(error) if error.is_safe_to_retry() => {
                    tracing::debug!(event, %error, "the meter error report is fetched later");
                    continue;
                }
                Err(error) => tracing::warn!(event, %error, "the meter error report cannot be fetched"),
            }
        }
        tracing::warn!(
            event,
            meter = report.meter,
            errors = report.count,
            "Stripe could not count some usage"
        );
        let mut tx = db.write().await?;
        store::keep_report(&mut tx, &report, now.as_second()).await?;
        tx.commit().await?;
        taken += 1;
    }
    Ok(taken)
}

async fn whole_report(stripe: &Stripe, event: &str) -> crate::stripe::Result<Option<ErrorReport>> {
    let Ok(id) = event.parse::<EventId>() else { return Ok(None) };
    let whole = calls::error_report(stripe, &id, Budget::work()).await?;
    Ok(ErrorReport::read_value(&whole.value))
}

/// Once a day, in one process of several: forgets old keys, and holds what we told Stripe against what Stripe counted, for the
/// current period of each tenant and the one before; how many comparisons were made.
///
/// # Errors
/// The database or Stripe did not answer: the rest follows a day later.
pub async fn daily(db: &Db, stripe: &Stripe, clock: &Clock, holder: &str) -> Result<usize, Error> {
    let now = clock.now();
    let mut tx = db.write().await?;
    if !store::lease(&mut tx, holder, now.as_second(), now.as_second() + DAY).await? {
        return Ok(0);
    }
    tx.commit().await?;
    forget(db, now).await?;
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

/// Holds what we told Stripe against what Stripe counted; how many comparisons were made.
///
/// # Errors
/// The database or Stripe did not answer.
pub async fn compare(db: &Db, stripe: &Stripe, now: Timestamp) -> Result<usize, Error> {
    let (mut after, mut made) = ((String::new(), String::new()), 0);
    loop {
        let page = compare_page(db, stripe, now, &after, 100).await?;
        made += page.made;
        match page.next {
            Some(next) => after = next,
            None => return Ok(made),
        }
    }
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
    let since = now.as_second().saturating_sub(OLDEST);
    let some = store::metered(&mut db.read().await?, since, (&after.0, &after.1), most).await?;
    let mut page = Compared::default();
    let Some(last) = some.last() else { return Ok(page) };
    page.next = Some((last.tenant_id.clone(), last.metric.clone()));
    let known = calls::list(stripe, Budget::work()).await?.value;
    for metered in some {
        let Some(meter) = known.iter().find(|meter| meter.event_name == metered.meter) else { continue };
        let seen = compare_one(db, stripe, &metered, &meter.id, now).await?;
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

async fn compare_one(
    db: &Db,
    stripe: &Stripe,
    metered: &Metered,
    meter: &MeterId,
    now: Timestamp,
) -> Result<Vec<Comparison>, Error> {
    let Ok(customer) = metered.customer_id.parse::<CustomerId>() else { return Ok(Vec::new()) };
    let Some(cycle) = store::cycle(&mut db.read().await?, &metered.tenant_id).await? else {
        return Ok(Vec::new());
    };
    let mut made = Vec::new();
    for period in billed_periods(&cycle, now) {
        // Stripe sums whole minutes; ours are the hours that begin in the same ones.
        let (start, end) = (minute(period.start), minute(period.end.min(now)));
        if start >= end {
            continue;
        }
        let ours =
            store::sent_between(&mut db.read().await?, &metered.tenant_id, &metered.metric, start, end)
                .await?;
        let Some(ours) = ours else { continue };
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

/// The current period and the one before, those of them that Stripe bills.
fn billed_periods(cycle: &Cycle, now: Timestamp) -> Vec<Window> {
    let current = cycle.window(now);
    let before = cycle.window(from_seconds(current.start.as_second() - 1));
    let since = match *cycle {
        Cycle::Subscription { since, .. } => Some(since),
        Cycle::Calendar { .. } => None,
    };
    [before, current].into_iter().filter(|period| since.is_some_and(|since| period.start >= since)).collect()
}

fn minute(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60) * 60
}
