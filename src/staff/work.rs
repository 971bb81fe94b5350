//! One step of background work: differences are added to the totals, and rows from before are counted.

use crate::db::{Db, Result};

use super::store;

/// Differences that one step adds.
const FOLD: i64 = 500;
/// Rows from before that one step counts.
const CATCH_UP: i64 = 200;

/// Adds what is waiting to the totals; how much was done.
///
/// # Errors
/// The database did not answer.
pub async fn step(db: &Db) -> Result<usize> {
    if store::is_idle(&mut db.read().await?).await? {
        return Ok(0);
    }
    let mut tx = db.write().await?;
    let done = store::catch_up(&mut tx, CATCH_UP).await? + store::fold(&mut tx, FOLD).await?;
    tx.commit().await?;
    Ok(done)
}
