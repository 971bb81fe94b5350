//! One step of sealing.

use super::store;
use crate::db::{Db, Result};

/// Entries sealed by one step: some milliseconds of writing.
const BATCH: i64 = 500;

/// Seals what waits for it, up to a batch; how many.
///
/// # Errors
/// The database did not answer.
pub async fn step(db: &Db) -> Result<u64> {
    if !store::is_waiting(&mut db.read().await?).await? {
        return Ok(0);
    }
    let mut tx = db.write().await?;
    store::lock(&mut tx).await?;
    let sealed = store::seal(&mut tx, BATCH).await?;
    tx.commit().await?;
    Ok(sealed)
}
