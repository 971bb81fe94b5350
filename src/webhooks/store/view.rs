//! The inbox as people look at it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::db::{Result, Tx, sql};

/// An event without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Summary {
    /// Stripe's id.
    pub id: String,
    /// Its type.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// Where it stands.
    pub state: String,
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
}

impl Summary {
    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "id": self.id, "type": self.kind, "state": self.state, "customer": self.customer_id, "object": self.object_id,
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
        "id, type, state, customer_id, object_id, created_at, received_at, processed_at, attempts, error"
    };
}

/// The latest events, of a state and of a customer where these are given.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn list(
    tx: &mut Tx,
    state: Option<&str>,
    customer: Option<&str>,
    limit: i64,
) -> Result<Vec<Summary>> {
    tx.query(sql!(
        "select " summary!() " from webhook_events where (state = $1 or $1 = '') and (customer_id = $2 or $2 = '')"
        " order by received_at desc, created_at desc, id limit $3"
    ))
    .bind(state.unwrap_or_default())
    .bind(customer.unwrap_or_default())
    .bind(limit)
    .all()
    .await
}

/// One event.
///
/// # Errors
/// See [`list`].
pub async fn one(tx: &mut Tx, id: &str) -> Result<Option<Full>> {
    tx.query(sql!("select " summary!() ", payload, conflict from webhook_events where id = $1"))
        .bind(id)
        .optional()
        .await
}

/// Has an event worked on again. Whether there is one.
///
/// # Errors
/// See [`list`].
pub async fn replay(tx: &mut Tx, id: &str, wall: i64) -> Result<u64> {
    tx.query(sql!(
        "update webhook_events set state = 'pending', attempts = 0, due_at = $2, error = null"
        " where id = $1 and type <> 'unreadable'"
    ))
    .bind(id)
    .bind(wall)
    .run()
    .await
}

/// Has all parked events worked on again; how many.
///
/// # Errors
/// See [`list`].
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
/// See [`list`].
pub async fn stats(tx: &mut Tx) -> Result<Stats> {
    let rows: Vec<(String, i64)> =
        tx.query(sql!("select state, count(*) from webhook_events group by state")).all().await?;
    let (conflicts, last_received): (i64, Option<i64>) =
        tx.query(sql!("select count(conflict), max(received_at) from webhook_events")).one().await?;
    let (oldest_pending,): (Option<i64>,) =
        tx.query(sql!("select min(received_at) from webhook_events where state = 'pending'")).one().await?;
    Ok(Stats { counts: rows.into_iter().collect(), conflicts, oldest_pending, last_received })
}
