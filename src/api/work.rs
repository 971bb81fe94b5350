//! Background work of the API: forgetting answers that nobody may ask for again.

use super::repeat::KEPT;
use super::store;
use crate::clock::Clock;
use crate::db::{Db, Result};

/// Rows deleted by one step.
const SWEPT: i64 = 1_000;

/// One step: deletes answers that are older than they are kept, a thousand at most; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn sweep(db: &Db, clock: &Clock) -> Result<u64> {
    let before = clock.wall().as_second() - KEPT;
    let mut tx = db.write().await?;
    let forgotten = store::forget(&mut tx, before, SWEPT).await?;
    tx.commit().await?;
    Ok(forgotten)
}
