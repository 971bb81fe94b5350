//! The rows of alarms.

use serde_json::json;

use super::{Alarm, Kind};
use crate::db::{Result, Tx, sql};

/// An alarm that is on.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Raised {
    /// What makes it one: see [`Alarm::cause`].
    pub cause: String,
    /// Which; a word of [`Kind::as_str`], or one of a newer program.
    pub kind: String,
    /// In words, for the log.
    pub detail: String,
    /// Since when; unix seconds.
    pub since: i64,
}

/// Raises an alarm; whether it was off until now.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn raise(tx: &mut Tx, alarm: &Alarm, now: i64) -> Result<bool> {
    let data = json!(alarm.facts).to_string();
    let new = tx
        .query(sql!(
            "insert into alarms (cause, kind, detail, data, since, seen_at) values ($1, $2, $3, $4, $5, $5)"
            " on conflict (cause) do nothing"
        ))
        .bind(alarm.cause())
        .bind(alarm.kind.as_str())
        .bind(alarm.detail.as_str())
        .bind(data.as_str())
        .bind(now)
        .run()
        .await?;
    if new == 0 {
        tx.query(sql!("update alarms set detail = $2, data = $3, seen_at = $4 where cause = $1"))
            .bind(alarm.cause())
            .bind(alarm.detail.as_str())
            .bind(data.as_str())
            .bind(now)
            .run()
            .await?;
    }
    Ok(new == 1)
}

/// Takes an alarm back; whether it was on.
///
/// # Errors
/// See [`raise`].
pub async fn clear(tx: &mut Tx, cause: &str) -> Result<bool> {
    let gone = tx.query(sql!("delete from alarms where cause = $1")).bind(cause).run().await?;
    Ok(gone == 1)
}

/// The alarms that are on, the oldest first.
///
/// # Errors
/// See [`raise`].
pub async fn raised(tx: &mut Tx) -> Result<Vec<Raised>> {
    tx.query(sql!("select cause, kind, detail, since from alarms order by since, cause")).all().await
}

/// The kinds of the alarms that are on, the one that is on for longest first, without those of a newer program.
///
/// # Errors
/// See [`raise`].
pub async fn kinds(tx: &mut Tx) -> Result<Vec<Kind>> {
    let rows: Vec<(String,)> =
        tx.query(sql!("select kind from alarms group by kind order by min(since), kind")).all().await?;
    Ok(rows.into_iter().filter_map(|(kind,)| kind.parse().ok()).collect())
}

/// The staff to tell where no address is named for it, twenty at most.
///
/// # Errors
/// See [`raise`].
pub async fn staff(tx: &mut Tx) -> Result<Vec<String>> {
    let rows: Vec<(String,)> =
        tx.query(sql!("select id from users where staff order by created_at, id limit 20")).all().await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}
