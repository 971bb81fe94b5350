//! Background work of sign-in: links that were asked for by mail, and forgetting what is over.

use super::Auth;
use super::store::{self, links};
use super::throttle::FORGOTTEN;
use crate::db::Result;

/// Rows deleted by one step.
const SWEPT: i64 = 1_000;

/// How long a link is remembered after it expired, in seconds: who comes with one is told that it is over either way, and the
/// audit can still say whose it was.
const REMEMBERED: i64 = 24 * 60 * 60;

/// One step: makes one link that somebody asked for by mail; whether there was one.
///
/// # Errors
/// When the database does not answer.
pub async fn step(auth: &Auth) -> Result<bool> {
    auth.answer_request().await
}

/// One step: deletes sessions that have ended, links long expired and tries that count no more, a thousand of each at most; how
/// many.
///
/// # Errors
/// When the database does not answer.
pub async fn sweep(auth: &Auth) -> Result<u64> {
    let sessions = auth.sessions.delete_expired().await?;
    let before = auth.clock.wall().as_second() - FORGOTTEN;
    let mut tx = auth.db.write().await?;
    let attempts = store::forget_attempts(&mut tx, before, SWEPT).await?;
    let links = links::forget(&mut tx, auth.clock.wall().as_second() - REMEMBERED, SWEPT).await?;
    tx.commit().await?;
    Ok(sessions + attempts + links)
}
