//! The one statement that writes an entry.

use super::Entry;
use crate::db::{Result, Tx, sql};
use crate::id;

/// Adds an entry; a second one with the same cause is left out.
///
/// # Errors
/// The database did not take it.
pub async fn record(tx: &mut Tx, entry: &Entry) -> Result<()> {
    tx.query(sql!(
        "insert into audit_entries"
        " (id, cause, at, tenant_id, actor_kind, actor_id, action, object_id, before, after, address)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (cause) do nothing"
    ))
    .bind(id::random("aud"))
    .bind(entry.cause.as_deref())
    .bind(entry.at.as_second())
    .bind(entry.tenant.as_deref())
    .bind(entry.actor.kind())
    .bind(entry.actor.id())
    .bind(entry.action)
    .bind(entry.object.as_deref())
    .bind(entry.before.as_ref().map(ToString::to_string))
    .bind(entry.after.as_ref().map(ToString::to_string))
    .bind(entry.address.as_deref())
    .run()
    .await?;
    Ok(())
}
