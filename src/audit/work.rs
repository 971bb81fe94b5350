//! One step of sealing, and keeping how many lines of the log were changed.

use std::sync::OnceLock;

use super::{redact, store};
use crate::db::{Db, Result};
use crate::id;

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

/// Keeps how many lines of this process's log a card number was taken out of since the last time, under the present day (`wall` is
/// the world's time, unix seconds). Without any, nothing is written.
///
/// # Errors
/// The database did not answer: they are kept with the next call.
pub async fn keep_redacted(db: &Db, wall: i64) -> Result<()> {
    static PROCESS: OnceLock<String> = OnceLock::new();
    let lines = redact::take_count();
    if lines == 0 {
        return Ok(());
    }
    let process = PROCESS.get_or_init(id::random_text);
    let kept = keep(db, wall.div_euclid(86_400), process, i64::try_from(lines).unwrap_or(i64::MAX)).await;
    if kept.is_err() {
        redact::give_back(lines);
    }
    kept
}

async fn keep(db: &Db, day: i64, process: &str, lines: i64) -> Result<()> {
    let mut tx = db.write().await?;
    store::add_redacted(&mut tx, day, process, lines).await?;
    tx.commit().await
}
