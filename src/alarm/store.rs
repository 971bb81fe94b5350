//! The rows of alarms.

use crate::alarm::Alarm;
use crate::db::{Result, Tx, sql};

/// An alarm that is on.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Raised {
    /// Which; a word of [`Alarm::as_str`], or one of a newer program.
    pub name: String,
    /// In words, for the log.
    pub detail: String,
    /// Since when; unix seconds.
    pub since: i64,
}

/// Raises an alarm; whether it was off until now.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn raise(tx: &mut Tx, alarm: Alarm, detail: &str, now: i64) -> Result<bool> {
    let new = tx
        .query(sql!(
            "insert into alarms (name, detail, since, seen_at) values ($1, $2, $3, $3) on conflict (name) do nothing"
        ))
        .bind(alarm.as_str())
        .bind(detail)
        .bind(now)
        .run()
        .await?;
    if new == 0 {
        tx.query(sql!("update alarms set detail = $2, seen_at = $3 where name = $1"))
            .bind(alarm.as_str())
            .bind(detail)
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
pub async fn clear(tx: &mut Tx, alarm: Alarm) -> Result<bool> {
    let gone = tx.query(sql!("delete from alarms where name = $1")).bind(alarm.as_str()).run().await?;
    Ok(gone == 1)
}

/// The alarms that are on, the oldest first.
///
/// # Errors
/// See [`raise`].
pub async fn raised(tx: &mut Tx) -> Result<Vec<Raised>> {
    tx.query(sql!("select name, detail, since from alarms order by since, name")).all().await
}
