//! What Stripe could not count: its events are read, and asked for whole.

use jiff::Timestamp;

use super::Error;
use crate::db::{self, Db};
use crate::stripe::calls::meters as calls;
use crate::stripe::{self, Budget, EventId, Stripe};
use crate::usage::DAY;
use crate::usage::meters::{ErrorReport, wait};
use crate::usage::store;

/// Reports that are asked for in one step.
const AT_ONCE: i64 = 50;

/// Reads reports that came into the inbox, and asks Stripe what thin ones are about; how much was done.
///
/// # Errors
/// The database did not answer. What Stripe does not tell is asked again later.
pub(super) async fn take(db: &Db, stripe: &Stripe, now: Timestamp) -> Result<usize, Error> {
    Ok(read(db, now).await? + fetch(db, stripe, now).await?)
}

/// Keeps what the events say by themselves: staff see at once that something was not counted.
async fn read(db: &Db, now: Timestamp) -> Result<usize, db::Error> {
    let now = now.as_second();
    let unread = store::unread_reports(&mut db.read().await?, now.saturating_sub(30 * DAY)).await?;
    if unread.is_empty() {
        return Ok(0);
    }
    let mut tx = db.write().await?;
    for (event, payload) in &unread {
        let report = ErrorReport::read(payload.as_bytes())
            .unwrap_or_else(|| ErrorReport { event: event.clone(), ..ErrorReport::default() });
        tracing::warn!(event, meter = report.meter, "Stripe could not count some usage");
        store::keep_report(&mut tx, &report, now, report.is_thin().then_some(now)).await?;
    }
    tx.commit().await?;
    Ok(unread.len())
}

async fn fetch(db: &Db, stripe: &Stripe, now: Timestamp) -> Result<usize, Error> {
    let now = now.as_second();
    let waiting = store::unfetched(&mut db.read().await?, now, AT_ONCE).await?;
    let (mut fetched, mut is_down) = (0, false);
    for (event, attempts) in waiting {
        // While Stripe is down, the rest need not find that out one by one.
        let answer = if is_down { None } else { Some(whole_report(stripe, &event).await) };
        let mut tx = db.write().await?;
        match answer {
            Some(Ok(Some(whole))) => {
                store::keep_report(&mut tx, &whole, now, None).await?;
                fetched += 1;
            }
            Some(Err(error)) if !error.is_safe_to_retry() => {
                tracing::warn!(event, %error, "the report about a meter cannot be asked for");
                store::put_off_report(&mut tx, &event, None).await?;
            }
            Some(Ok(None)) => drop(store::put_off_report(&mut tx, &event, None).await?),
            Some(Err(_)) | None => {
                is_down = true;
                store::put_off_report(&mut tx, &event, Some(now + wait(attempts))).await?;
            }
        }
        tx.commit().await?;
    }
    Ok(fetched)
}

async fn whole_report(stripe: &Stripe, event: &str) -> stripe::Result<Option<ErrorReport>> {
    let Ok(id) = event.parse::<EventId>() else { return Ok(None) };
    let whole = calls::error_report(stripe, &id, Budget::work()).await?;
    Ok(ErrorReport::read_value(&whole.value))
}
