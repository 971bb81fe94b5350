//! Background work of sign-in: forgetting what is over.

use super::Auth;
use super::store;
use super::throttle::FORGOTTEN;
use crate::db::Result;

/// Rows deleted by one step.
const SWEPT: i64 = 1_000;

/// One step: deletes sessions that have ended and tries that count no more, a thousand of each at most; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn sweep(auth: &Auth) -> Result<u64> {
    let sessions = auth.sessions.delete_expired().await?;
    let before = auth.clock.wall().as_second() - FORGOTTEN;
    let mut tx = auth.db.write().await?;
    let attempts = store::forget_attempts(&mut tx, before, SWEPT).await?;
    tx.commit().await?;
    Ok(sessions + attempts)
}
