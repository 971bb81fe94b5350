//! Rows of tenants.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Fault, NewTenant, Tenant, TenantId};
use crate::auth::{Email, Role, UserId};
use crate::db::{Result, Tx, sql};
use crate::i18n::Language;
use crate::id;

/// A row of `tenants`.
#[derive(sqlx::FromRow)]
pub(crate) struct TenantRow {
    pub(crate) id: TenantId,
    pub(crate) external_id: Option<String>,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) language: String,
    pub(crate) time_zone: String,
}

impl From<TenantRow> for Tenant {
    fn from(row: TenantRow) -> Self {
        Self {
            id: row.id,
            external_id: row.external_id,
            name: row.name,
            email: row.email,
            language: Language::from_tag(&row.language).unwrap_or_default(),
            // A zone that a later list of zones no longer has.
            time_zone: TimeZone::get(&row.time_zone).unwrap_or(TimeZone::UTC),
        }
    }
}

/// Makes a tenant.
///
/// # Errors
/// When the database does not take it; so with all functions here. Within: another tenant has its external id.
pub async fn create(
    tx: &mut Tx,
    new: &NewTenant,
    now: Timestamp,
) -> Result<std::result::Result<Tenant, Fault>> {
    let row: Option<TenantRow> = tx
        .query(sql!(
            "insert into tenants (id, external_id, name, email, language, time_zone, created_at)"
            " values ($1, $2, $3, $4, $5, $6, $7) on conflict (external_id) do nothing"
            " returning id, external_id, name, email, language, time_zone"
        ))
        .bind(id::random("ten"))
        .bind(new.external_id.as_deref())
        .bind(&new.name)
        .bind(new.email.as_str())
        .bind(new.language.code())
        .bind(new.time_zone.iana_name().unwrap_or("UTC"))
        .bind(now.as_second())
        .optional()
        .await?;
    Ok(row.map(Tenant::from).ok_or(Fault::Taken))
}

/// A tenant by its id.
///
/// # Errors
/// As [`create`].
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<Tenant>> {
    let row: Option<TenantRow> = tx
        .query(sql!("select id, external_id, name, email, language, time_zone from tenants where id = $1"))
        .bind(id)
        .optional()
        .await?;
    Ok(row.map(Tenant::from))
}

/// A tenant by the host application's id.
///
/// # Errors
/// As [`create`].
pub async fn find_external(tx: &mut Tx, external_id: &str) -> Result<Option<Tenant>> {
    let row: Option<TenantRow> = tx
        .query(sql!(
            "select id, external_id, name, email, language, time_zone from tenants where external_id = $1"
        ))
        .bind(external_id)
        .optional()
        .await?;
    Ok(row.map(Tenant::from))
}

/// Up to `limit` tenants in the order of their ids, those after `after`.
///
/// # Errors
/// As [`create`].
pub async fn list(tx: &mut Tx, after: &str, limit: i64) -> Result<Vec<Tenant>> {
    let rows: Vec<TenantRow> = tx
        .query(sql!(
            "select id, external_id, name, email, language, time_zone from tenants where id > $1 order by id limit $2"
        ))
        .bind(after)
        .bind(limit)
        .all()
        .await?;
    Ok(rows.into_iter().map(Tenant::from).collect())
}

/// Keeps what a tenant is called, where its bills go, its language and its time zone.
///
/// # Errors
/// As [`create`].
pub async fn change(tx: &mut Tx, tenant: &Tenant) -> Result<()> {
    tx.query(sql!("update tenants set name = $2, email = $3, language = $4, time_zone = $5 where id = $1"))
        .bind(&tenant.id)
        .bind(&tenant.name)
        .bind(&tenant.email)
        .bind(tenant.language.code())
        .bind(tenant.time_zone.iana_name().unwrap_or("UTC"))
        .run()
        .await?;
    Ok(())
}

/// A member of a tenant.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// The address that they sign in with.
    pub email: Email,
    /// What to call them.
    pub name: String,
    /// What they are in the tenant.
    pub role: Role,
}

/// Up to `limit` members of a tenant in the order of their addresses.
///
/// # Errors
/// As [`create`].
pub async fn members(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<Vec<Member>> {
    tx.query(sql!(
        "select u.id as \"user\", u.email, u.name, m.role from memberships m join users u on u.id = m.user_id"
        " where m.tenant_id = $1 order by u.email limit $2"
    ))
    .bind(tenant)
    .bind(limit)
    .all()
    .await
}
