//! Closing payment pages that nobody must pay on any more. No transaction is open while Stripe is asked.

use super::{start, store};
use crate::app::App;
use crate::db::Result;
use crate::stripe::Budget;

/// Seconds until a page that could not be closed is tried again.
const AGAIN: i64 = 60;

/// One step: closes one page; whether there was one that could be. Where somebody paid on it in the meantime, what was bought is
/// taken in, and staff are told of two subscriptions.
///
/// # Errors
/// The database did not answer. What Stripe did not do is tried again later.
pub async fn step(app: &App) -> Result<bool> {
    let wall = app.clock.wall().as_second();
    if !store::is_closing(&mut app.db.read().await?, wall).await? {
        return Ok(false);
    }
    let mut tx = app.db.write().await?;
    let session = store::claim_closing(&mut tx, wall, wall + AGAIN).await?;
    tx.commit().await?;
    let Some(session) = session else { return Ok(false) };
    match start::close(app, &session, Budget::work()).await {
        Ok(()) => Ok(true),
        Err(error) => {
            tracing::warn!(session = session.id, %error, "a payment page stays open; closing it again later");
            Ok(false)
        }
    }
}
