//! Rows of one-time links, and of wishes for them.

use super::super::link::Purpose;
use super::super::{Email, UserId};
use crate::db::{Result, Tx, sql};
use crate::tenants::TenantId;

/// A link that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewLink<'a> {
    pub(crate) id: &'a str,
    pub(crate) digest: &'a str,
    pub(crate) purpose: Purpose,
    pub(crate) user: &'a UserId,
    pub(crate) tenant: Option<&'a TenantId>,
    pub(crate) return_to: Option<&'a str>,
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
}

/// Makes a link.
///
/// # Errors
/// When the database does not take it; so with all functions here.
pub(crate) async fn insert(tx: &mut Tx, link: &NewLink<'_>) -> Result<()> {
    tx.query(sql!(
        "insert into one_time_links (id, digest, purpose, user_id, tenant_id, return_to, created_at, expires_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8)"
    ))
    .bind(link.id)
    .bind(link.digest)
    .bind(link.purpose)
    .bind(link.user)
    .bind(link.tenant)
    .bind(link.return_to)
    .bind(link.created_at)
    .bind(link.expires_at)
    .run()
    .await?;
    Ok(())
}

/// A link, whether it still works or not.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Link {
    pub(crate) id: String,
    pub(crate) user_id: UserId,
    pub(crate) email: Email,
    pub(crate) tenant_id: Option<TenantId>,
    pub(crate) tenant: Option<String>,
    pub(crate) return_to: Option<String>,
    pub(crate) expires_at: i64,
    pub(crate) used_at: Option<i64>,
    /// Whether the user still belongs to the tenant of the link, or the link has none.
    pub(crate) belongs: bool,
}

impl Link {
    /// Whether it would let its bearer in at `wall`.
    pub(crate) fn works(&self, wall: i64) -> bool {
        self.used_at.is_none() && self.expires_at > wall && self.belongs
    }
}

/// The link of a digest.
///
/// # Errors
/// As [`insert`].
pub(crate) async fn find(tx: &mut Tx, digest: &str, purpose: Purpose) -> Result<Option<Link>> {
    tx.query(sql!(
        "select l.id, l.user_id, u.email, l.tenant_id, t.name as tenant, l.return_to, l.expires_at, l.used_at,"
        " l.tenant_id is null or exists (select 1 from memberships m where m.tenant_id = l.tenant_id and m.user_id = l.user_id)"
        " as belongs from one_time_links l join users u on u.id = l.user_id left join tenants t on t.id = l.tenant_id"
        " where l.digest = $1 and l.purpose = $2"
    ))
    .bind(digest)
    .bind(purpose)
    .optional()
    .await
}

/// Uses a link up; whether it was this transaction that did.
///
/// # Errors
/// As [`insert`].
pub(crate) async fn use_up(tx: &mut Tx, id: &str, wall: i64) -> Result<bool> {
    let used = tx
        .query(sql!(
            "update one_time_links set used_at = $2 where id = $1 and used_at is null and expires_at > $2"
        ))
        .bind(id)
        .bind(wall)
        .run()
        .await?;
    Ok(used == 1)
}

/// Takes back all links of a user that were not used: their password has changed.
///
/// # Errors
/// As [`insert`].
pub(crate) async fn take_back(tx: &mut Tx, user: &UserId, wall: i64) -> Result<()> {
    tx.query(sql!("update one_time_links set used_at = $2 where user_id = $1 and used_at is null"))
        .bind(user)
        .bind(wall)
        .run()
        .await?;
    Ok(())
}

/// Deletes links that expired before, up to `limit`; how many.
///
/// # Errors
/// As [`insert`].
pub(crate) async fn forget(tx: &mut Tx, before: i64, limit: i64) -> Result<u64> {
    tx.query(sql!(
        "delete from one_time_links where id in"
        " (select id from one_time_links where expires_at < $1 limit $2" pg " for update skip locked" ")"
    ))
    .bind(before)
    .bind(limit)
    .run()
    .await
}

/// Somebody typed an address and wants to be sent a link.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) purpose: Purpose,
    pub(crate) email: String,
    pub(crate) address: String,
}

/// Keeps a wish.
///
/// # Errors
/// As [`insert`].
pub(crate) async fn ask(tx: &mut Tx, request: &Request, now: i64) -> Result<()> {
    tx.query(sql!(
        "insert into link_requests (id, purpose, email, address, created_at) values ($1, $2, $3, $4, $5)"
    ))
    .bind(&request.id)
    .bind(request.purpose)
    .bind(&request.email)
    .bind(&request.address)
    .bind(now)
    .run()
    .await?;
    Ok(())
}

/// Whether a wish waits.
///
/// # Errors
/// As [`insert`].
pub(crate) async fn is_asked(tx: &mut Tx) -> Result<bool> {
    let any: Option<(String,)> = tx.query(sql!("select id from link_requests limit 1")).optional().await?;
    Ok(any.is_some())
}

/// Takes the oldest wish: gone when the transaction commits, back when it does not.
///
/// # Errors
/// As [`insert`].
pub(crate) async fn take_request(tx: &mut Tx) -> Result<Option<Request>> {
    tx.query(sql!(
        "delete from link_requests where id in"
        " (select id from link_requests order by created_at, id limit 1" pg " for update skip locked" ")"
        " returning id, purpose, email, address"
    ))
    .optional()
    .await
}
