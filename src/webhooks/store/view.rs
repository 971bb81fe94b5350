//! The inbox as people look at it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::db::{Result, Tx, sql};
use crate::webhooks::{Filter, State};

/// An event without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Summary {
    /// Stripe's id.
    pub id: String,
    /// Its type.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// Where it stands.
    pub state: State,
    /// Whose.
    pub customer_id: Option<String>,
    /// Of what.
    pub object_id: Option<String>,
    /// Stripe's time, unix seconds.
    pub created_at: i64,
    /// When it came, unix seconds.
    pub received_at: i64,
    /// When it was last worked on, unix seconds.
    pub processed_at: Option<i64>,
    /// Tries that failed.
    pub attempts: i64,
    /// Why it stands where it stands.
    pub error: Option<String>,
    /// `delivery`, or `list` where it had to be fetched.
    pub origin: String,
    /// When it is worked on next, unix seconds, where it is pending.
    pub due_at: i64,
    /// Whose customer it is about.
    pub tenant_id: Option<String>,
    /// The tenant's name.
    pub tenant: Option<String>,
}

impl Summary {
    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "id": self.id, "type": self.kind, "state": self.state.as_str(), "origin": self.origin, "customer": self.customer_id, "object": self.object_id,
            "created_at": self.created_at, "received_at": self.received_at, "processed_at": self.processed_at,
            "attempts": self.attempts, "error": self.error,
        })
    }
}

/// An event with its bytes.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Full {
    /// All but its bytes.
    #[sqlx(flatten)]
    pub summary: Summary,
    /// What was signed.
    pub payload: String,
    /// Another payload that came under its id.
    pub conflict: Option<String>,
}

macro_rules! summary {
    () => {
        "e.id, e.type, e.state, e.customer_id, e.object_id, e.created_at, e.received_at, e.processed_at, e.attempts, e.error,\
         e.origin, e.due_at, t.id as tenant_id, t.name as tenant"
    };
}

macro_rules! joined {
    () => {
        " from webhook_events e left join customers c on c.id = e.customer_id left join tenants t on t.id = c.tenant_id "
    };
}

/// What all lists of staff filter by, beside what leads the way.
macro_rules! filtered {
    () => {
        "(cast($1 as text) = '' or e.type = $1) and (cast($2 as text) = '' or e.state = $2) and e.received_at >= $3 and e.received_at < $4 \
         and (e.received_at < $5 or (e.received_at = $5 and e.id < $6)) order by e.received_at desc, e.id desc limit $7"
    };
}

/// One event.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn one(tx: &mut Tx, id: &str) -> Result<Option<Full>> {
    tx.query(sql!("select " summary!() ", e.payload, e.conflict" joined!() "where e.id = $1"))
        .bind(id)
        .optional()
        .await
}

/// Events by a filter, the latest first, beginning after `filter.after`. What filters best leads the way, each by an index of
/// its own: the customer, what is still open, the type, the time.
///
/// # Errors
/// See [`one`].
pub async fn page(tx: &mut Tx, filter: &Filter, limit: i64) -> Result<Vec<Summary>> {
    let is_open = matches!(filter.state, Some(State::Pending | State::Waiting | State::Parked));
    let query = if !filter.whose.is_empty() {
        tx.query(sql!(
            "select " summary!() joined!() "where e.customer_id in (select cast($8 as text) union all select id from customers where tenant_id = $8) and "
            filtered!()
        ))
    } else if is_open {
        tx.query(sql!(
            "select " summary!() joined!() "where e.state in ('pending', 'waiting', 'parked') and e.state = $2 and $8 = '' and "
            filtered!()
        ))
    } else if !filter.kind.is_empty() {
        tx.query(sql!("select " summary!() joined!() "where e.type = $1 and $8 = '' and " filtered!()))
    } else {
        tx.query(sql!("select " summary!() joined!() "where $8 = '' and " filtered!()))
    };
    let (at, id) = filter.after.clone().unwrap_or((i64::MAX, String::new()));
    query
        .bind(filter.kind.as_str())
        .bind(filter.state.map_or("", State::as_str))
        .bind(filter.from.unwrap_or(i64::MIN))
        .bind(filter.until.unwrap_or(i64::MAX))
        .bind(at)
        .bind(id)
        .bind(limit)
        .bind(filter.whose.as_str())
        .all()
        .await
}

/// How many events are parked; counted up to `most`.
///
/// # Errors
/// See [`one`].
pub async fn parked(tx: &mut Tx, most: i64) -> Result<i64> {
    let (count,): (i64,) = tx
        .query(sql!(
            "select count(*) from (select id from webhook_events where state = 'parked' limit $1) as parked"
        ))
        .bind(most)
        .one()
        .await?;
    Ok(count)
}

/// Something that an event led to.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Consequence {
    /// When, unix seconds.
    pub at: i64,
    /// What was done: see `audit::words`.
    pub action: String,
    /// To what.
    pub object_id: Option<String>,
}

/// What an event led to, by the audit: a hundred entries at most, in their order.
///
/// # Errors
/// See [`one`].
pub async fn consequences(tx: &mut Tx, event: &str) -> Result<Vec<Consequence>> {
    tx.query(sql!(
        "select at, action, object_id from audit_entries where actor_kind = 'stripe' and actor_id = $1"
        " order by at, id limit 100"
    ))
    .bind(event)
    .all()
    .await
}

/// Has an event worked on again. Whether there is one that can be: neither what cannot be read nor what is of the other mode.
///
/// # Errors
/// See [`one`].
pub async fn replay(tx: &mut Tx, id: &str, wall: i64) -> Result<u64> {
    tx.query(sql!(
        "update webhook_events set state = 'pending', attempts = 0, due_at = $2, error = null"
        " where id = $1 and type <> 'unreadable' and (state <> 'not_needed' or error is null)"
    ))
    .bind(id)
    .bind(wall)
    .run()
    .await
}

/// Has all parked events worked on again; how many.
///
/// # Errors
/// See [`one`].
pub async fn replay_parked(tx: &mut Tx, wall: i64) -> Result<u64> {
    tx.query(sql!(
        "update webhook_events set state = 'pending', attempts = 0, due_at = $1, error = null"
        " where state = 'parked' and type <> 'unreadable'"
    ))
    .bind(wall)
    .run()
    .await
}

/// The inbox in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events by state.
    pub counts: BTreeMap<String, i64>,
    /// Events under whose id another payload came.
    pub conflicts: i64,
    /// When the oldest came that waits for work, unix seconds.
    pub oldest_pending: Option<i64>,
    /// When the last came, unix seconds.
    pub last_received: Option<i64>,
}

/// Counts the inbox.
///
/// # Errors
/// See [`one`].
pub async fn stats(tx: &mut Tx) -> Result<Stats> {
    let rows: Vec<(String, i64)> =
        tx.query(sql!("select state, count(*) from webhook_events group by state")).all().await?;
    let (conflicts, last_received): (i64, Option<i64>) =
        tx.query(sql!("select count(conflict), max(received_at) from webhook_events")).one().await?;
    let (oldest_pending,): (Option<i64>,) =
        tx.query(sql!("select min(received_at) from webhook_events where state = 'pending'")).one().await?;
    Ok(Stats { counts: rows.into_iter().collect(), conflicts, oldest_pending, last_received })
}
