//! Rows of users, memberships and sign-in attempts.

pub(crate) mod links;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::throttle::Attempts;
use super::{Email, Fault, Identity, Membership, NewUser, Role, User, UserId};
use crate::db::{Result, Tx, sql};
use crate::i18n::Language;
use crate::id;
use crate::tenants::store::TenantRow;
use crate::tenants::{Tenant, TenantId};

#[derive(sqlx::FromRow)]
struct UserRow {
    id: UserId,
    email: Email,
    name: String,
    staff: bool,
    language: Option<String>,
    time_zone: Option<String>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            name: row.name,
            staff: row.staff,
            language: row.language.as_deref().and_then(Language::from_tag),
            time_zone: row.time_zone.and_then(|name| TimeZone::get(&name).ok()),
        }
    }
}

/// A user beside one of their memberships, if they have any.
#[derive(sqlx::FromRow)]
struct IdentityRow {
    user_id: UserId,
    user_email: Email,
    user_name: String,
    staff: bool,
    user_language: Option<String>,
    user_time_zone: Option<String>,
    role: Option<Role>,
    tenant_id: Option<TenantId>,
    external_id: Option<String>,
    tenant_name: Option<String>,
    tenant_email: Option<String>,
    tenant_language: Option<String>,
    tenant_time_zone: Option<String>,
}

impl IdentityRow {
    fn membership(&self) -> Option<Membership> {
        let row = TenantRow {
            id: self.tenant_id.clone()?,
            external_id: self.external_id.clone(),
            name: self.tenant_name.clone()?,
            email: self.tenant_email.clone()?,
            language: self.tenant_language.clone()?,
            time_zone: self.tenant_time_zone.clone()?,
        };
        Some(Membership { tenant: Tenant::from(row), role: self.role? })
    }

    fn user(self) -> User {
        User::from(UserRow {
            id: self.user_id,
            email: self.user_email,
            name: self.user_name,
            staff: self.staff,
            language: self.user_language,
            time_zone: self.user_time_zone,
        })
    }
}

/// A user with all their tenants: what a request needs to know of who sent it, in one query.
///
/// # Errors
/// When the database does not answer; so with all functions here.
pub async fn identity(tx: &mut Tx, user: &str) -> Result<Option<Identity>> {
    let rows: Vec<IdentityRow> = tx
        .query(sql!(
            "select u.id as user_id, u.email as user_email, u.name as user_name, u.staff, u.language as user_language,"
            " u.time_zone as user_time_zone, m.role, t.id as tenant_id, t.external_id, t.name as tenant_name,"
            " t.email as tenant_email, t.language as tenant_language, t.time_zone as tenant_time_zone"
            " from users u left join memberships m on m.user_id = u.id left join tenants t on t.id = m.tenant_id"
            " where u.id = $1 order by t.name, t.id"
        ))
        .bind(user)
        .all()
        .await?;
    let memberships = rows.iter().filter_map(IdentityRow::membership).collect();
    Ok(rows.into_iter().next().map(|row| Identity { user: row.user(), memberships }))
}

/// A user by their id.
///
/// # Errors
/// As [`identity`].
pub async fn find(tx: &mut Tx, id: &UserId) -> Result<Option<User>> {
    let row: Option<UserRow> = tx
        .query(sql!("select id, email, name, staff, language, time_zone from users where id = $1"))
        .bind(id)
        .optional()
        .await?;
    Ok(row.map(User::from))
}

/// A user by their address.
///
/// # Errors
/// As [`identity`].
pub async fn find_by_email(tx: &mut Tx, email: &Email) -> Result<Option<User>> {
    let row: Option<UserRow> = tx
        .query(sql!("select id, email, name, staff, language, time_zone from users where email = $1"))
        .bind(email)
        .optional()
        .await?;
    Ok(row.map(User::from))
}

/// What a user is in a tenant, if they belong to it.
///
/// # Errors
/// As [`identity`].
pub async fn role_in(tx: &mut Tx, tenant: &TenantId, user: &UserId) -> Result<Option<Role>> {
    let role: Option<(Role,)> = tx
        .query(sql!("select role from memberships where tenant_id = $1 and user_id = $2"))
        .bind(tenant)
        .bind(user)
        .optional()
        .await?;
    Ok(role.map(|(role,)| role))
}

/// What a sign-in needs of the user who says to have an address: the id and the hash of the password, if they have one.
///
/// # Errors
/// As [`identity`].
pub async fn credentials(tx: &mut Tx, email: &str) -> Result<Option<(UserId, Option<String>)>> {
    tx.query(sql!("select id, password_hash from users where email = $1")).bind(email).optional().await
}

/// Makes a user.
///
/// # Errors
/// As [`identity`]. Within: another user has the address.
pub async fn create(tx: &mut Tx, new: &NewUser, now: Timestamp) -> Result<std::result::Result<User, Fault>> {
    let row: Option<UserRow> = tx
        .query(sql!(
            "insert into users (id, email, name, password_hash, language, staff, created_at)"
            " values ($1, $2, $3, $4, $5, $6, $7) on conflict (email) do nothing"
            " returning id, email, name, staff, language, time_zone"
        ))
        .bind(id::random("usr"))
        .bind(&new.email)
        .bind(&new.name)
        .bind(new.password_hash.as_deref())
        .bind(new.language.map(Language::code))
        .bind(new.staff)
        .bind(now.as_second())
        .optional()
        .await?;
    Ok(row.map(User::from).ok_or(Fault::Taken))
}

/// The user who has an address, or a new one of it; whether they were made. Whom another request makes at the same moment is
/// found like any other.
///
/// # Errors
/// As [`identity`].
pub async fn find_or_create(tx: &mut Tx, new: &NewUser, now: Timestamp) -> Result<(User, bool)> {
    if let Some(user) = find_by_email(tx, &new.email).await? {
        return Ok((user, false));
    }
    if let Ok(user) = create(tx, new, now).await? {
        return Ok((user, true));
    }
    let row: UserRow = tx
        .query(sql!("select id, email, name, staff, language, time_zone from users where email = $1"))
        .bind(&new.email)
        .one()
        .await?;
    Ok((row.into(), false))
}

/// Makes a user a member of a tenant; whether they were none before. A member's role is left as it is.
///
/// # Errors
/// As [`identity`], and when there is no such tenant or user.
pub async fn join(tx: &mut Tx, tenant: &TenantId, user: &UserId, role: Role, now: Timestamp) -> Result<bool> {
    let joined = tx
        .query(sql!(
            "insert into memberships (tenant_id, user_id, role, created_at) values ($1, $2, $3, $4)"
            " on conflict (tenant_id, user_id) do nothing"
        ))
        .bind(tenant)
        .bind(user)
        .bind(role)
        .bind(now.as_second())
        .run()
        .await?;
    Ok(joined > 0)
}

/// Up to `limit` users in the order of their addresses, those after `after`.
///
/// # Errors
/// As [`identity`].
pub async fn list(tx: &mut Tx, after: &str, limit: i64) -> Result<Vec<User>> {
    let rows: Vec<UserRow> = tx
        .query(sql!(
            "select id, email, name, staff, language, time_zone from users where email > $1 order by email limit $2"
        ))
        .bind(after)
        .bind(limit)
        .all()
        .await?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// Puts a new hash in the place of an old one, if that still is the user's; whether it was.
///
/// # Errors
/// As [`identity`].
pub async fn replace_hash(tx: &mut Tx, user: &UserId, old: &str, new: &str) -> Result<bool> {
    let replaced = tx
        .query(sql!("update users set password_hash = $3 where id = $1 and password_hash = $2"))
        .bind(user)
        .bind(old)
        .bind(new)
        .run()
        .await?;
    Ok(replaced == 1)
}

/// Whether an account has a live session from an address.
///
/// # Errors
/// As [`identity`].
pub(super) async fn is_at_home(tx: &mut Tx, user: Option<&UserId>, address: &str, now: i64) -> Result<bool> {
    let session: Option<(String,)> = tx
        .query(sql!(
            "select id from sessions where user_id = $1 and address = $2 and expires_at > $3 limit 1"
        ))
        .bind(user.map_or("", UserId::as_str))
        .bind(address)
        .bind(now)
        .optional()
        .await?;
    Ok(session.is_some())
}

/// The tries under a key, kept for this transaction alone until it ends.
///
/// # Errors
/// As [`identity`].
pub(super) async fn attempts(tx: &mut Tx, key: &str) -> Result<Attempts> {
    tx.query(sql!(
        "insert into sign_in_attempts (key, failures, last_at, blocked_until) values ($1, 0, 0, 0)"
        " on conflict (key) do nothing"
    ))
    .bind(key)
    .run()
    .await?;
    tx.query(
        sql!("select failures, last_at, blocked_until from sign_in_attempts where key = $1" pg " for update"),
    )
    .bind(key)
    .one()
    .await
}

/// Keeps the tries under a key.
///
/// # Errors
/// As [`identity`].
pub(super) async fn keep_attempts(tx: &mut Tx, key: &str, attempts: Attempts) -> Result<()> {
    tx.query(sql!(
        "update sign_in_attempts set failures = $2, last_at = $3, blocked_until = $4 where key = $1"
    ))
    .bind(key)
    .bind(attempts.failures)
    .bind(attempts.last_at)
    .bind(attempts.blocked_until)
    .run()
    .await?;
    Ok(())
}

/// Deletes the tries that count no more, up to `limit` keys; how many.
///
/// # Errors
/// As [`identity`].
pub(super) async fn forget_attempts(tx: &mut Tx, before: i64, limit: i64) -> Result<u64> {
    tx.query(sql!(
        "delete from sign_in_attempts where key in"
        " (select key from sign_in_attempts where last_at < $1 limit $2" pg " for update skip locked" ")"
    ))
    .bind(before)
    .bind(limit)
    .run()
    .await
}

/// Remembers the language that a user chose.
///
/// # Errors
/// When the database does not answer.
pub async fn speak(tx: &mut Tx, user: &UserId, language: Language) -> Result<()> {
    tx.query(sql!("update users set language = $2 where id = $1"))
        .bind(user)
        .bind(language.code())
        .run()
        .await?;
    Ok(())
}

/// Keeps what a user says about themselves.
///
/// # Errors
/// As [`identity`].
pub async fn describe(
    tx: &mut Tx,
    user: &UserId,
    name: &str,
    language: Option<Language>,
    zone: Option<&str>,
) -> Result<()> {
    tx.query(sql!("update users set name = $2, language = $3, time_zone = $4 where id = $1"))
        .bind(user)
        .bind(name)
        .bind(language.map(Language::code))
        .bind(zone)
        .run()
        .await?;
    Ok(())
}

/// Gives a user a password, whatever they had.
///
/// # Errors
/// As [`identity`].
pub async fn set_hash(tx: &mut Tx, user: &UserId, hash: &str) -> Result<()> {
    tx.query(sql!("update users set password_hash = $2 where id = $1")).bind(user).bind(hash).run().await?;
    Ok(())
}

/// Gives a user who has no password their first; whether they had none.
///
/// # Errors
/// As [`identity`].
pub async fn set_first_hash(tx: &mut Tx, user: &UserId, hash: &str) -> Result<bool> {
    let set = tx
        .query(sql!("update users set password_hash = $2 where id = $1 and password_hash is null"))
        .bind(user)
        .bind(hash)
        .run()
        .await?;
    Ok(set == 1)
}
