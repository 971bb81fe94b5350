//! Carrying a run out: one step at a time, each of which asks Stripe first and then writes in one transaction.

pub mod cards;
pub mod checks;
mod look;
pub mod repair;
mod sieve;

use jiff::ToSpan as _;
use jiff::tz::TimeZone;

use super::store::{self, Cursor, LEASE, Run};
use super::{RunState, Stage};
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::clock::Clock;
use crate::db::{self, Db, Tx};
use crate::stripe::{self, Stripe};
use crate::sync;

/// Tries of one step before a run is given up.
const TRIES: i64 = 8;

/// The hour of the night, UTC, at which both sides are held against each other.
const NIGHT: i8 = 2;

/// The name of the nightly lease.
const NIGHTLY: &str = "reconciliation";

/// What a run works with. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Means {
    /// The rows.
    pub db: Db,
    /// The way to Stripe.
    pub stripe: Stripe,
    /// Both times.
    pub clock: Clock,
}

impl From<&App> for Means {
    fn from(app: &App) -> Self {
        Self { db: app.db.clone(), stripe: app.stripe.at_half_rate(), clock: app.clock.clone() }
    }
}

impl Means {
    fn wall(&self) -> i64 {
        self.clock.wall().as_second()
    }
}

/// Why a step could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] db::Error),
    /// Stripe did not answer.
    #[error(transparent)]
    Stripe(#[from] stripe::Error),
    /// Rows could not be brought to what Stripe says.
    #[error(transparent)]
    Sync(#[from] sync::Error),
    /// Use could not be compared.
    #[error(transparent)]
    Usage(#[from] crate::usage::work::Error),
    /// The step took longer than its lease, and another worker has taken the run up.
    #[error("another worker has taken the run up")]
    Lost,
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Db(error) | Error::Usage(crate::usage::work::Error::Db(error)) => error.into(),
            Error::Stripe(error) | Error::Usage(crate::usage::work::Error::Stripe(error)) => error.into(),
            Error::Sync(error) => error.into(),
            Error::Lost => Self::StripeUnavailable { request_id: None },
        }
    }
}

impl Error {
    /// Whether the same may well succeed later, with nothing changed.
    fn is_passing(&self) -> bool {
        match self {
            Self::Db(error) => error.is_unavailable(),
            Self::Stripe(error) | Self::Usage(crate::usage::work::Error::Stripe(error)) => {
                error.is_safe_to_retry()
            }
            Self::Usage(crate::usage::work::Error::Db(error)) => error.is_unavailable(),
            Self::Sync(error) => error.is_passing(),
            Self::Lost => true,
        }
    }
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something was done: the next step can be taken at once.
    Done,
    /// Nothing to do before that time of the world, unix seconds.
    Until(i64),
    /// No run is under way that this worker could take up.
    Nothing,
}

/// Begins a run, with its entry in the audit; none where one is under way.
///
/// # Errors
/// The database did not take it.
pub async fn begin(
    tx: &mut Tx,
    clock: &Clock,
    repairs: bool,
    actor: &Actor,
    address: Option<&str>,
    holder: Option<&str>,
) -> db::Result<Option<String>> {
    let begun = store::begin(tx, repairs, actor, clock.wall().as_second(), holder).await?;
    if let Some(run) = &begun {
        let mut entry = Entry::new(actor.clone(), "reconciliation.started", clock.now())
            .object(run.as_str())
            .change(None, Some(serde_json::json!({ "repairs": repairs })));
        entry.address = address.map(str::to_owned);
        audit::record(tx, &entry).await?;
    }
    Ok(begun)
}

/// Takes one step of the run that is under way.
///
/// # Errors
/// The database did not answer, or another worker has the run by now. What Stripe does not say is asked again later; a run that
/// gets nowhere ends as failed.
pub async fn step(means: &Means, holder: &str) -> Result<Step, Error> {
    let wall = means.wall();
    let mut tx = means.db.read().await?;
    if !store::is_due(&mut tx, wall).await? {
        match store::held(&mut tx, holder).await? {
            None => return Ok(Step::Nothing),
            Some(at) if at > wall => return Ok(Step::Until(at)),
            Some(_) => {}
        }
    }
    drop(tx);
    let mut tx = means.db.write().await?;
    let taken = store::take(&mut tx, holder, wall).await?;
    tx.commit().await?;
    let Some(mut run) = taken else { return Ok(Step::Nothing) };
    let done = match run.stage {
        Stage::Customers => sieve::customers(means, &mut run, holder).await,
        Stage::Subscriptions => sieve::subscriptions(means, &mut run, holder).await,
        Stage::Invoices => sieve::invoices(means, &mut run, holder).await,
        Stage::Charges => sieve::charges(means, &mut run, holder).await,
        Stage::Absent => sieve::absent(means, &mut run, holder).await,
        Stage::Usage => sieve::usage(means, &mut run, holder).await,
        Stage::Suspects => look::suspects(means, &mut run, holder).await,
        Stage::Repairs => repair::step(means, &mut run, holder).await,
    };
    match done {
        Ok(step) => Ok(step),
        Err(Error::Lost) => Err(Error::Lost),
        Err(error) => failed(means, run, holder, &error).await,
    }
}

/// Puts a step off that failed, or ends the run.
async fn failed(means: &Means, mut run: Run, holder: &str, error: &Error) -> Result<Step, Error> {
    run.attempts += 1;
    run.error = Some(error.to_string());
    let wall = means.wall();
    let due_at = wall + crate::webhooks::wait(run.attempts - 1).min(120);
    tracing::warn!(run = run.id, stage = run.stage.as_str(), attempts = run.attempts, %error, "a step of reconciliation failed");
    let mut tx = means.db.write().await?;
    if !error.is_passing() || run.attempts >= TRIES {
        run.state = RunState::Failed;
        run.finished_at = Some(wall);
        finish(&mut tx, means, &run).await?;
    }
    // The holder keeps it, so that a command that waits is not overtaken.
    let kept = store::save(&mut tx, &run, holder, due_at, Some(due_at + LEASE)).await?;
    tx.commit().await?;
    match (kept, run.state) {
        (false, _) => Err(Error::Lost),
        (true, RunState::Running) => Ok(Step::Until(due_at)),
        (true, _) => Ok(Step::Done),
    }
}

/// Writes where a run stands, and that it can go on at once.
async fn save(mut tx: Tx, means: &Means, run: &mut Run, holder: &str) -> Result<Step, Error> {
    let wall = means.wall();
    (run.attempts, run.error) = (0, None);
    if !store::save(&mut tx, run, holder, wall, Some(wall + LEASE)).await? {
        return Err(Error::Lost);
    }
    tx.commit().await?;
    Ok(Step::Done)
}

/// The run's present stage is over: what comes next, in the transaction that ended it.
async fn advance(mut tx: Tx, means: &Means, run: &mut Run, holder: &str) -> Result<Step, Error> {
    run.cursor = Cursor::default();
    if run.stage == Stage::Suspects {
        run.progress.seconds = Some((means.wall() - run.started_at).max(0));
    }
    match run.stage.next().filter(|next| *next != Stage::Repairs || run.repairs) {
        Some(next) => run.stage = next,
        None => {
            run.state = RunState::Done;
            run.finished_at = Some(means.wall());
            finish(&mut tx, means, run).await?;
        }
    }
    save(tx, means, run, holder).await
}

/// The end of a run in the audit.
async fn finish(tx: &mut Tx, means: &Means, run: &Run) -> db::Result<()> {
    let counts = store::count(tx, &run.id).await?;
    let open: i64 = counts.iter().filter(|one| one.state == super::State::Open).map(|one| one.count).sum();
    let repaired: i64 =
        counts.iter().filter(|one| one.state == super::State::Repaired).map(|one| one.count).sum();
    tracing::info!(run = run.id, state = run.state.as_str(), open, repaired, "reconciliation ended");
    let after = serde_json::json!({ "state": run.state, "open": open, "repaired": repaired });
    let entry = Entry::new(run.actor.clone(), "reconciliation.ended", means.clock.now())
        .object(run.id.as_str())
        .change(None, Some(after));
    audit::record(tx, &entry).await?;
    Ok(())
}

/// Begins the nightly run when its time has come, in one process of several; whether it did. It looks and changes nothing: what it
/// finds is for the staff to see in the morning.
///
/// # Errors
/// The database did not answer.
pub async fn nightly(means: &Means) -> db::Result<bool> {
    let wall = means.clock.wall();
    if !store::may_be_night(&mut means.db.read().await?, NIGHTLY, wall.as_second()).await? {
        return Ok(false);
    }
    let mut tx = means.db.write().await?;
    let is_night = store::is_night(&mut tx, NIGHTLY, wall.as_second(), next_night(wall).as_second()).await?;
    let begun = is_night
        && begin(&mut tx, &means.clock, false, &Actor::Job("reconciliation"), None, None).await?.is_some();
    tx.commit().await?;
    Ok(begun)
}

/// The next hour of the night.
fn next_night(wall: jiff::Timestamp) -> jiff::Timestamp {
    let now = wall.to_zoned(TimeZone::UTC);
    let today = now.date().at(NIGHT, 0, 0, 0).to_zoned(TimeZone::UTC).map(|at| at.timestamp());
    match today {
        Ok(at) if at > wall => at,
        Ok(at) => at.saturating_add(24.hours()).unwrap_or(jiff::Timestamp::MAX),
        Err(_) => jiff::Timestamp::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_night_is_today_before_two_and_tomorrow_from_then_on() {
        let night = |now: &str| next_night(now.parse().expect("a time")).to_string();
        assert_eq!(night("2026-11-21T01:59:59Z"), "2026-11-21T02:00:00Z");
        assert_eq!(night("2026-11-21T02:00:00Z"), "2026-11-22T02:00:00Z");
        assert_eq!(night("2026-12-31T23:00:00Z"), "2027-01-01T02:00:00Z");
    }
}
