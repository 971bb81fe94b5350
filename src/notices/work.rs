//! One step: one announcement that is due.

use super::{Kind, store};
use crate::app::App;
use crate::db::Result;

/// Takes one announcement further; whether there was one. A renewal's amount is asked for first, and announced when it is there.
///
/// # Errors
/// The database did not answer.
pub async fn step(app: &App) -> Result<bool> {
    let (now, policy) = (app.clock.now(), &app.catalog.notices);
    if store::due(&mut app.db.read().await?, policy, now, false).await?.is_none() {
        return Ok(false);
    }
    let mut tx = app.db.write().await?;
    let Some(due) = store::due(&mut tx, policy, now, true).await? else { return Ok(false) };
    if !due.ahead().is_worth_it(policy, now) {
        store::told(&mut tx, &due).await?;
    } else if due.kind == Kind::Renewal && due.asked_at.is_none() {
        store::ask(&mut tx, &due, now).await?;
    } else {
        store::announce(&mut tx, &due, now).await?;
        store::told(&mut tx, &due).await?;
    }
    tx.commit().await?;
    Ok(true)
}
