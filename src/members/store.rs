//! Rows of members and invitations.

use jiff::Timestamp;

use crate::auth::{Email, Role, UserId};
use crate::clock::from_seconds;
use crate::db::{Result, Tx, sql};
use crate::tenants::TenantId;

/// A member or an open invitation, as the list shows them.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Line {
    /// The user's id, or the invitation's.
    pub id: String,
    /// The name; of somebody invited the address.
    pub name: String,
    /// The address.
    pub email: Email,
    /// What they are, or will be.
    pub role: Role,
    /// Since when they are a member, or invited; unix seconds.
    pub since: i64,
    /// Until when the invitation is open; none for a member.
    pub until: Option<i64>,
    /// How many owners the tenant has.
    pub owners: i64,
}

impl Line {
    /// Since when.
    pub fn from(&self) -> Timestamp {
        from_seconds(self.since)
    }

    /// Whether they are the one owner of the tenant.
    pub fn is_last_owner(&self) -> bool {
        self.until.is_none() && self.role == Role::Owner && self.owners == 1
    }
}

/// Up to `limit` members and open invitations in the order of their addresses, those after `after`.
///
/// # Errors
/// When the database does not answer; so with all functions here.
pub async fn list(tx: &mut Tx, tenant: &TenantId, after: &str, limit: i64) -> Result<Vec<Line>> {
    tx.query(sql!(
        "select * from ("
        " select u.id, u.name, u.email, m.role, m.created_at as since, cast(null as bigint) as until,"
        " (select count(*) from memberships o where o.tenant_id = $1 and o.role = 'owner') as owners"
        " from memberships m join users u on u.id = m.user_id where m.tenant_id = $1"
        " union all"
        " select i.id, i.email as name, i.email, i.role, i.created_at as since, i.expires_at as until, 0 as owners"
        " from invitations i where i.tenant_id = $1 and i.state = 'pending') as people"
        " where email > $2 order by email limit $3"
    ))
    .bind(tenant)
    .bind(after)
    .bind(limit)
    .all()
    .await
}

/// Lets nobody else change the members of a tenant until the transaction ends. The tenant's row is the lock; on SQLite there is
/// only one writer anyway.
///
/// # Errors
/// As [`list`].
pub async fn lock(tx: &mut Tx, tenant: &TenantId) -> Result<()> {
    let _: Option<(String,)> = tx
        .query(sql!("select id from tenants where id = $1" pg " for update"))
        .bind(tenant)
        .optional()
        .await?;
    Ok(())
}

/// How many owners a tenant has beside one user.
///
/// # Errors
/// As [`list`].
pub async fn owners_beside(tx: &mut Tx, tenant: &TenantId, user: &UserId) -> Result<i64> {
    let (count,): (i64,) = tx
        .query(sql!(
            "select count(*) from memberships where tenant_id = $1 and user_id <> $2 and role = 'owner'"
        ))
        .bind(tenant)
        .bind(user)
        .one()
        .await?;
    Ok(count)
}

/// Gives a member another role.
///
/// # Errors
/// As [`list`].
pub async fn set_role(tx: &mut Tx, tenant: &TenantId, user: &UserId, role: Role) -> Result<()> {
    tx.query(sql!("update memberships set role = $3 where tenant_id = $1 and user_id = $2"))
        .bind(tenant)
        .bind(user)
        .bind(role)
        .run()
        .await?;
    Ok(())
}

/// Takes a member out of a tenant.
///
/// # Errors
/// As [`list`].
pub async fn remove(tx: &mut Tx, tenant: &TenantId, user: &UserId) -> Result<()> {
    tx.query(sql!("delete from memberships where tenant_id = $1 and user_id = $2"))
        .bind(tenant)
        .bind(user)
        .run()
        .await?;
    Ok(())
}

/// Withdraws what a member invited and may no longer: their own role has become `role`, or they are gone.
///
/// # Errors
/// As [`list`].
pub async fn withdraw_of(
    tx: &mut Tx,
    tenant: &TenantId,
    user: &UserId,
    role: Option<Role>,
    wall: i64,
) -> Result<Vec<(String,)>> {
    tx.query(sql!(
        "update invitations set state = 'withdrawn', closed_at = $3 where tenant_id = $1 and invited_by = $2"
        " and state = 'pending' and $4 <> 'owner' and ($4 <> 'admin' or role = 'owner') returning id"
    ))
    .bind(tenant)
    .bind(user)
    .bind(wall)
    .bind(role.map_or("", Role::as_str))
    .all()
    .await
}

/// An open invitation.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Invitation {
    /// Ours.
    pub id: String,
    /// Into which tenant.
    pub tenant_id: TenantId,
    /// Its name.
    pub tenant: String,
    /// Who is asked.
    pub email: Email,
    /// What they will be.
    pub role: Role,
    /// The name of who asked.
    pub inviter: String,
    /// How often the mail was sent.
    pub sendings: i64,
    /// Until when it is open; unix seconds of the world's time.
    pub expires_at: i64,
}

/// The columns of [`Invitation`].
macro_rules! columns {
    () => {
        "select i.id, i.tenant_id, t.name as tenant, i.email, i.role, u.name as inviter, i.sendings, i.expires_at from invitations i join tenants t on t.id = i.tenant_id join users u on u.id = i.invited_by "
    };
}

/// The open invitation of a digest, expired or not.
///
/// # Errors
/// As [`list`].
pub async fn find(tx: &mut Tx, digest: &str) -> Result<Option<Invitation>> {
    tx.query(sql!(columns!() "where i.digest = $1 and i.state = 'pending'")).bind(digest).optional().await
}

/// An open invitation of a tenant, expired or not.
///
/// # Errors
/// As [`list`].
pub async fn find_of(tx: &mut Tx, tenant: &TenantId, id: &str) -> Result<Option<Invitation>> {
    tx.query(sql!(columns!() "where i.tenant_id = $1 and i.id = $2 and i.state = 'pending'"))
        .bind(tenant)
        .bind(id)
        .optional()
        .await
}

/// The tenant of an invitation that is over: for the entry of somebody who comes too late.
///
/// # Errors
/// As [`list`].
pub async fn closed(tx: &mut Tx, digest: &str) -> Result<Option<(String, TenantId)>> {
    tx.query(sql!("select id, tenant_id from invitations where digest = $1")).bind(digest).optional().await
}

/// How many invitations of a tenant are open.
///
/// # Errors
/// As [`list`].
pub async fn count_open(tx: &mut Tx, tenant: &TenantId) -> Result<i64> {
    let (count,): (i64,) = tx
        .query(sql!("select count(*) from invitations where tenant_id = $1 and state = 'pending'"))
        .bind(tenant)
        .one()
        .await?;
    Ok(count)
}

/// An invitation that is to be made.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// Ours.
    pub id: &'a str,
    /// Who is asked.
    pub email: &'a Email,
    /// What they will be.
    pub role: Role,
    /// Of what the link carries.
    pub digest: &'a str,
    /// Who asks.
    pub by: &'a UserId,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
}

/// Makes an invitation; whether none for the address was open.
///
/// # Errors
/// As [`list`].
pub async fn invite(tx: &mut Tx, tenant: &TenantId, new: &New<'_>) -> Result<bool> {
    let made = tx
        .query(sql!(
            "insert into invitations (id, tenant_id, email, role, digest, invited_by, state, created_at, expires_at)"
            " values ($1, $2, $3, $4, $5, $6, 'pending', $7, $8)"
            " on conflict (tenant_id, email) where state = 'pending' do nothing"
        ))
        .bind(new.id)
        .bind(tenant)
        .bind(new.email)
        .bind(new.role)
        .bind(new.digest)
        .bind(new.by)
        .bind(new.created_at)
        .bind(new.expires_at)
        .run()
        .await?;
    Ok(made == 1)
}

/// Gives an open invitation another secret and more time; how often it has been sent then. The link before works no more.
///
/// # Errors
/// As [`list`].
pub async fn renew(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &str,
    digest: &str,
    expires_at: i64,
) -> Result<Option<i64>> {
    let sendings: Option<(i64,)> = tx
        .query(sql!(
            "update invitations set digest = $3, expires_at = $4, sendings = sendings + 1"
            " where tenant_id = $1 and id = $2 and state = 'pending' returning sendings"
        ))
        .bind(tenant)
        .bind(id)
        .bind(digest)
        .bind(expires_at)
        .optional()
        .await?;
    Ok(sendings.map(|(sendings,)| sendings))
}

/// Withdraws an open invitation; whether it was open.
///
/// # Errors
/// As [`list`].
pub async fn withdraw(tx: &mut Tx, tenant: &TenantId, id: &str, wall: i64) -> Result<bool> {
    let withdrawn = tx
        .query(sql!(
            "update invitations set state = 'withdrawn', closed_at = $3 where tenant_id = $1 and id = $2 and state = 'pending'"
        ))
        .bind(tenant)
        .bind(id)
        .bind(wall)
        .run()
        .await?;
    Ok(withdrawn == 1)
}

/// Accepts the open invitation of a digest; whether it was this transaction that did.
///
/// # Errors
/// As [`list`].
pub async fn accept(tx: &mut Tx, digest: &str, wall: i64) -> Result<bool> {
    let accepted = tx
        .query(sql!(
            "update invitations set state = 'accepted', closed_at = $2 where digest = $1 and state = 'pending' and expires_at > $2"
        ))
        .bind(digest)
        .bind(wall)
        .run()
        .await?;
    Ok(accepted == 1)
}
