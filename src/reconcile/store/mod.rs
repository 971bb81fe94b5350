//! Runs, suspects, findings, reports: what reconciliation keeps of its own. Rows that mirror Stripe are read here and written
//! by `sync` alone.

pub mod cards;
pub mod checks;
mod findings;
mod sieve;

pub use findings::{
    Counts, Filter, FindingRow, confirm, count, drop_checking, finding, keep, list, next_repair, settle,
    unrepaired,
};
pub use sieve::{
    Table, Window, absent, add_suspects, count_rows, customers, drop_suspect, due_suspects, live_twice,
    mark_listed, method_is_due, next_due, plan_products, postpone, suspect_rows, suspects_among,
    tenant_exists, tenant_has_customer, waits_for_work,
};

use serde::{Deserialize, Serialize};

use super::{Progress, RunState, Stage};
use crate::audit::Actor;
use crate::db::{Result, Tx, sql};
use crate::id;

/// How long a step may take before another worker takes the run up, in seconds: longer than a step's budget.
pub const LEASE: i64 = 180;

/// Where a stage goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// The last object of the page before.
    pub after: Option<String>,
    /// The same for what has two names: the metric beside the tenant.
    pub beside: Option<String>,
    /// When the oldest object so far was made: rows newer than it were counted. Unix seconds.
    pub counted_to: Option<i64>,
    /// Objects of exactly that second that have a row.
    pub carried: i64,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Ours.
    pub id: String,
    /// Whether it puts right what it finds.
    pub repairs: bool,
    /// Who started it.
    pub actor: Actor,
    /// Where it stands.
    pub state: RunState,
    /// What it is at.
    pub stage: Stage,
    /// Where that goes on.
    pub cursor: Cursor,
    /// What was looked at.
    pub progress: Progress,
    /// Tries of the present step that failed.
    pub attempts: i64,
    /// Why the last step, or the run, failed.
    pub error: Option<String>,
    /// The world's time, unix seconds.
    pub started_at: i64,
    /// The world's time, unix seconds.
    pub finished_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct RunRow {
    id: String,
    repairs: bool,
    actor_kind: String,
    actor_id: Option<String>,
    state: RunState,
    stage: Stage,
    cursor: String,
    progress: String,
    attempts: i64,
    error: Option<String>,
    started_at: i64,
    finished_at: Option<i64>,
}

impl From<RunRow> for Run {
    fn from(row: RunRow) -> Self {
        let actor = match (row.actor_kind.as_str(), row.actor_id) {
            ("user", Some(user)) => Actor::User(user),
            ("command", _) => Actor::Command,
            _ => Actor::Job("reconciliation"),
        };
        Self {
            actor,
            id: row.id,
            repairs: row.repairs,
            state: row.state,
            stage: row.stage,
            cursor: serde_json::from_str(&row.cursor).unwrap_or_default(),
            progress: serde_json::from_str(&row.progress).unwrap_or_default(),
            attempts: row.attempts,
            error: row.error,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

macro_rules! run_columns {
    () => {
        "id, repairs, actor_kind, actor_id, state, stage, cursor, progress, attempts, error, started_at, finished_at"
    };
}

/// Who started a run, as its row has it.
fn columns(actor: &Actor) -> (&'static str, Option<&str>) {
    match actor {
        Actor::User(user) => ("user", Some(user.as_str())),
        Actor::Command => ("command", None),
        _ => ("job", None),
    }
}

/// Begins a run; none where one is under way. With a holder, nobody else takes it up.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn begin(
    tx: &mut Tx,
    repairs: bool,
    actor: &Actor,
    wall: i64,
    holder: Option<&str>,
) -> Result<Option<String>> {
    let id = id::random("rec");
    let (kind, who) = columns(actor);
    let begun = tx
        .query(sql!(
            "insert into reconciliation_runs (id, repairs, actor_kind, actor_id, state, stage, due_at, lease_holder,"
            " lease_until, started_at) values ($1, $2, $3, $4, 'running', 'customers', $5, $6, $7, $5) on conflict do nothing"
        ))
        .bind(&id)
        .bind(repairs)
        .bind(kind)
        .bind(who)
        .bind(wall)
        .bind(holder)
        .bind(holder.map_or(0, |_| wall + LEASE))
        .run()
        .await?;
    if begun == 0 {
        return Ok(None);
    }
    // The catalogue is small: it is looked at like a suspect, twice where something is off.
    add_suspects(tx, &id, &["catalogue"], wall).await?;
    Ok(Some(id))
}

/// Whether a run is under way that could be taken up now: without a lock, for a loop that looks often.
///
/// # Errors
/// See [`begin`].
pub async fn is_due(tx: &mut Tx, wall: i64) -> Result<bool> {
    let found: Option<(String,)> = tx
        .query(sql!(
            "select id from reconciliation_runs where state = 'running' and due_at <= $1 and lease_until <= $1"
        ))
        .bind(wall)
        .optional()
        .await?;
    Ok(found.is_some())
}

/// Takes up the run that is under way and due, where nobody else has it.
///
/// # Errors
/// See [`begin`].
pub async fn take(tx: &mut Tx, holder: &str, wall: i64) -> Result<Option<Run>> {
    let row: Option<RunRow> = tx
        .query(sql!(
            "update reconciliation_runs set lease_holder = $1, lease_until = $3 where state = 'running' and due_at <= $2"
            " and (lease_until <= $2 or lease_holder = $1) returning " run_columns!()
        ))
        .bind(holder)
        .bind(wall)
        .bind(wall + LEASE)
        .optional()
        .await?;
    Ok(row.map(Run::from))
}

/// Writes where a run stands, in the transaction of what its step did; whether it is still this holder's. `keep` holds it for the
/// next step; otherwise whoever comes first goes on.
///
/// # Errors
/// See [`begin`].
pub async fn save(tx: &mut Tx, run: &Run, holder: &str, due_at: i64, keep: Option<i64>) -> Result<bool> {
    let json = |value: serde_json::Result<String>| value.unwrap_or_else(|_| "{}".to_owned());
    let saved = tx
        .query(sql!(
            "update reconciliation_runs set state = $3, stage = $4, cursor = $5, progress = $6, attempts = $7, error = $8,"
            " finished_at = $9, due_at = $10, lease_until = $11 where id = $1 and lease_holder = $2 and state = 'running'"
        ))
        .bind(&run.id)
        .bind(holder)
        .bind(run.state)
        .bind(run.stage)
        .bind(json(serde_json::to_string(&run.cursor)))
        .bind(json(serde_json::to_string(&run.progress)))
        .bind(run.attempts)
        .bind(run.error.as_deref())
        .bind(run.finished_at)
        .bind(due_at)
        .bind(keep.unwrap_or(0))
        .run()
        .await?;
    Ok(saved == 1)
}

/// Ends a run whose worker is gone: nobody has held it for as long as a lease lasts.
///
/// # Errors
/// See [`begin`].
pub async fn give_up_abandoned(tx: &mut Tx, wall: i64) -> Result<u64> {
    tx.query(sql!(
        "update reconciliation_runs set state = 'failed', error = 'abandoned by the program that had begun it',"
        " finished_at = $1 where state = 'running' and lease_until <= $1 and due_at <= $2"
    ))
    .bind(wall)
    .bind(wall - LEASE)
    .run()
    .await
}

/// Has a finished run put right what it found, for whom now asks: repairs that did not work are tried again. Whether it can: it is
/// through, and no other is under way.
///
/// # Errors
/// See [`begin`].
pub async fn reopen(tx: &mut Tx, id: &str, actor: &Actor, wall: i64) -> Result<bool> {
    let (kind, who) = columns(actor);
    let reopened = tx
        .query(sql!(
            "update reconciliation_runs set repairs = true, state = 'running', stage = 'repairs', cursor = '{}', attempts = 0,"
            " error = null, due_at = $2, lease_until = 0, finished_at = null, actor_kind = $3, actor_id = $4"
            " where id = $1 and state = 'done' and not exists (select 1 from reconciliation_runs r where r.state = 'running')"
        ))
        .bind(id)
        .bind(wall)
        .bind(kind)
        .bind(who)
        .run()
        .await?;
    if reopened == 1 {
        findings::try_again(tx, id).await?;
    }
    Ok(reopened == 1)
}

/// One run.
///
/// # Errors
/// See [`begin`].
pub async fn run(tx: &mut Tx, id: &str) -> Result<Option<Run>> {
    let row: Option<RunRow> = tx
        .query(sql!("select " run_columns!() " from reconciliation_runs where id = $1"))
        .bind(id)
        .optional()
        .await?;
    Ok(row.map(Run::from))
}

/// The latest run that is through and was started since.
///
/// # Errors
/// See [`begin`].
pub async fn latest_done(tx: &mut Tx, since: i64) -> Result<Option<Run>> {
    let row: Option<RunRow> = tx
        .query(sql!(
            "select " run_columns!() " from reconciliation_runs where state = 'done' and started_at >= $1"
            " order by started_at desc, id desc limit 1"
        ))
        .bind(since)
        .optional()
        .await?;
    Ok(row.map(Run::from))
}

/// A run with how much of what it found is left.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The run.
    pub run: Run,
    /// Findings that are still open.
    pub open: i64,
    /// Findings that were put right.
    pub repaired: i64,
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    run: RunRow,
    open: i64,
    repaired: i64,
}

/// Runs, the latest first, those before `after` (start and id).
///
/// # Errors
/// See [`begin`].
pub async fn runs(tx: &mut Tx, after: Option<(i64, &str)>, limit: i64) -> Result<Vec<Listed>> {
    let (at, id) = after.unwrap_or((i64::MAX, ""));
    let rows: Vec<ListedRow> = tx
        .query(sql!(
            "select " run_columns!() ","
            " (select count(*) from reconciliation_findings f where f.run_id = r.id and f.state = 'open') as open,"
            " (select count(*) from reconciliation_findings f where f.run_id = r.id and f.state = 'repaired') as repaired"
            " from reconciliation_runs r where started_at < $1 or (started_at = $1 and id < $2)"
            " order by started_at desc, id desc limit $3"
        ))
        .bind(at)
        .bind(id)
        .bind(limit)
        .all()
        .await?;
    let listed =
        rows.into_iter().map(|row| Listed { run: row.run.into(), open: row.open, repaired: row.repaired });
    Ok(listed.collect())
}

/// Whether it may be time for something that is due once each night: without a lock, for a loop that looks often.
///
/// # Errors
/// See [`begin`].
pub async fn may_be_night(tx: &mut Tx, name: &str, wall: i64) -> Result<bool> {
    let until: Option<(i64,)> =
        tx.query(sql!("select until from leases where name = $1")).bind(name).optional().await?;
    Ok(until.is_none_or(|(until,)| until <= wall))
}

/// Whether it is time for something that is due once each night, in one process of several: the first call fixes the night.
///
/// # Errors
/// See [`begin`].
pub async fn is_night(tx: &mut Tx, name: &str, wall: i64, next: i64) -> Result<bool> {
    tx.query(sql!(
        "insert into leases (name, holder, until) values ($1, '', $2) on conflict (name) do nothing"
    ))
    .bind(name)
    .bind(next)
    .run()
    .await?;
    let come = tx
        .query(sql!("update leases set until = $3 where name = $1 and until <= $2"))
        .bind(name)
        .bind(wall)
        .bind(next)
        .run()
        .await?;
    Ok(come == 1)
}

/// When the run that is under way goes on, where this holder has it. The world's time, unix seconds.
///
/// # Errors
/// See [`begin`].
pub async fn held(tx: &mut Tx, holder: &str) -> Result<Option<i64>> {
    let found: Option<(i64,)> = tx
        .query(sql!("select due_at from reconciliation_runs where state = 'running' and lease_holder = $1"))
        .bind(holder)
        .optional()
        .await?;
    Ok(found.map(|(due,)| due))
}
