//! The outbox: rows of `mails`.

use jiff::Timestamp;

use super::New;
use crate::db::{Result, Tx, sql};
use crate::id;

/// Stages a mail in the transaction of the change that it tells of; whether it is new. A second one of the same kind and
/// cause is left out.
///
/// # Errors
/// The database did not take it.
pub async fn stage(tx: &mut Tx, mail: &New, now: Timestamp) -> Result<bool> {
    let staged = tx
        .query(sql!(
            "insert into mails (id, cause, kind, tenant_id, user_id, data, state, due_at, created_at)"
            " values ($1, $2, $3, $4, $5, $6, 'waiting', $7, $7) on conflict (cause) do nothing"
        ))
        .bind(id::random("mail"))
        .bind(format!("{}:{}", mail.kind.as_str(), mail.cause))
        .bind(mail.kind)
        .bind(mail.tenant.as_deref())
        .bind(mail.user.as_deref())
        .bind(mail.data.to_string())
        .bind(now.as_second())
        .run()
        .await?;
    Ok(staged > 0)
}
