//! Rows of keys, and of the answers that a repeated request gets again.

use jiff::Timestamp;
use serde_json::json;

use super::key::{ApiKey, NewKey, Secret};
use super::scope::Scope;
use crate::audit::{self, Actor, Entry};
use crate::clock::Clock;
use crate::db::{Result, Tx, sql};
use crate::id;
use crate::tenants::store::TenantRow;
use crate::tenants::{Tenant, TenantId};

/// How often, in seconds, the use of a key is written down.
pub(super) const USE_NOTED: i64 = 60;

#[derive(sqlx::FromRow)]
struct KeyRow {
    key_id: String,
    key_name: String,
    prefix: String,
    last4: String,
    scopes: String,
    livemode: bool,
    key_created_at: i64,
    created_by: Option<String>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl From<KeyRow> for ApiKey {
    fn from(row: KeyRow) -> Self {
        Self {
            id: row.key_id,
            name: row.key_name,
            prefix: row.prefix,
            last4: row.last4,
            scopes: Scope::list(&row.scopes),
            livemode: row.livemode,
            created_at: row.key_created_at,
            created_by: row.created_by,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        }
    }
}

/// A key, and the tenant that the request named.
#[derive(sqlx::FromRow)]
struct FoundRow {
    #[sqlx(flatten)]
    key: KeyRow,
    tenant_id: Option<TenantId>,
    external_id: Option<String>,
    name: Option<String>,
    email: Option<String>,
    language: Option<String>,
    time_zone: Option<String>,
}

impl FoundRow {
    fn tenant(&mut self) -> Option<Tenant> {
        let row = TenantRow {
            id: self.tenant_id.take()?,
            external_id: self.external_id.take(),
            name: self.name.take()?,
            email: self.email.take()?,
            language: self.language.take()?,
            time_zone: self.time_zone.take()?,
        };
        Some(row.into())
    }
}

/// Makes a key.
///
/// # Errors
/// When the database does not take it; so with all functions here.
pub async fn create(tx: &mut Tx, new: &NewKey, now: Timestamp) -> Result<(ApiKey, Secret)> {
    let secret = Secret::random(new.livemode);
    let row: KeyRow = tx
        .query(sql!(
            "insert into api_keys (id, hash, prefix, last4, name, scopes, livemode, created_at, created_by)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
            " returning id as key_id, name as key_name, prefix, last4, scopes, livemode,"
            " created_at as key_created_at, created_by, last_used_at, revoked_at"
        ))
        .bind(id::random("key"))
        .bind(secret.hash())
        .bind(secret.beginning().to_owned())
        .bind(secret.last4().to_owned())
        .bind(&new.name)
        .bind(Scope::words(&new.scopes))
        .bind(new.livemode)
        .bind(now.as_second())
        .bind(new.created_by.as_deref())
        .one()
        .await?;
    Ok((row.into(), secret))
}

/// Makes a key, and writes down who made it.
///
/// # Errors
/// As [`create`].
pub async fn issue(
    tx: &mut Tx,
    new: &NewKey,
    by: Actor,
    address: Option<&str>,
    clock: &Clock,
) -> Result<(ApiKey, Secret)> {
    let (key, secret) = create(tx, new, clock.wall()).await?;
    let after = json!({ "name": key.name, "scopes": Scope::words(&key.scopes), "livemode": key.livemode });
    let mut entry =
        Entry::new(by, "api_key.created", clock.now()).object(key.id.as_str()).change(None, Some(after));
    entry.address = address.map(str::to_owned);
    audit::record(tx, &entry).await?;
    Ok((key, secret))
}

/// Ends a key that works, and writes down who did; none where there is no such key, or it was revoked before.
///
/// # Errors
/// As [`create`].
pub async fn withdraw(
    tx: &mut Tx,
    key: &str,
    by: Actor,
    address: Option<&str>,
    clock: &Clock,
) -> Result<Option<ApiKey>> {
    let revoked = revoke(tx, key, clock.wall()).await?;
    if let Some(key) = &revoked {
        let before = json!({ "name": key.name, "scopes": Scope::words(&key.scopes) });
        let mut entry =
            Entry::new(by, "api_key.revoked", clock.now()).object(key.id.as_str()).change(Some(before), None);
        entry.address = address.map(str::to_owned);
        audit::record(tx, &entry).await?;
    }
    Ok(revoked)
}

/// All keys, those that work first, each kind with the newest first.
///
/// # Errors
/// As [`create`].
pub async fn list(tx: &mut Tx) -> Result<Vec<ApiKey>> {
    let rows: Vec<KeyRow> = tx
        .query(sql!(
            "select id as key_id, name as key_name, prefix, last4, scopes, livemode,"
            " created_at as key_created_at, created_by, last_used_at, revoked_at from api_keys"
            " order by case when revoked_at is null then 0 else 1 end, created_at desc, id limit 1000"
        ))
        .all()
        .await?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

/// Ends a key that works; none where there is no such key, or it was revoked before.
///
/// # Errors
/// As [`create`].
pub async fn revoke(tx: &mut Tx, key: &str, now: Timestamp) -> Result<Option<ApiKey>> {
    let row: Option<KeyRow> = tx
        .query(sql!(
            "update api_keys set revoked_at = $2 where id = $1 and revoked_at is null"
            " returning id as key_id, name as key_name, prefix, last4, scopes, livemode,"
            " created_at as key_created_at, created_by, last_used_at, revoked_at"
        ))
        .bind(key)
        .bind(now.as_second())
        .optional()
        .await?;
    Ok(row.map(ApiKey::from))
}

/// The key of a hash, if it works, and beside it the tenant of an id, ours or the host's. One query: it is asked with every
/// request.
///
/// # Errors
/// As [`create`].
pub(super) async fn find(
    tx: &mut Tx,
    hash: &str,
    tenant: Option<&str>,
) -> Result<Option<(ApiKey, Option<Tenant>)>> {
    let row: Option<FoundRow> = tx
        .query(sql!(
            "select k.id as key_id, k.name as key_name, k.prefix, k.last4, k.scopes, k.livemode,"
            " k.created_at as key_created_at, k.created_by, k.last_used_at, k.revoked_at,"
            " t.id as tenant_id, t.external_id, t.name, t.email, t.language, t.time_zone"
            " from api_keys k left join tenants t on t.id = $2 or t.external_id = $2"
            " where k.hash = $1 and k.revoked_at is null order by case when t.id = $2 then 0 else 1 end limit 1"
        ))
        .bind(hash)
        .bind(tenant)
        .optional()
        .await?;
    Ok(row.map(|mut row| {
        let tenant = row.tenant();
        (row.key.into(), tenant)
    }))
}

/// The tenant of an id, ours or the host's.
///
/// # Errors
/// As [`create`].
pub async fn tenant(tx: &mut Tx, id: &str) -> Result<Option<Tenant>> {
    let row: Option<TenantRow> = tx
        .query(sql!(
            "select id, external_id, name, email, language, time_zone from tenants"
            " where id = $1 or external_id = $1 order by case when id = $1 then 0 else 1 end limit 1"
        ))
        .bind(id)
        .optional()
        .await?;
    Ok(row.map(Tenant::from))
}

/// Writes down that a key was used, unless that was done less than [`USE_NOTED`] seconds ago.
///
/// # Errors
/// As [`create`].
pub(super) async fn note_use(tx: &mut Tx, key: &str, now: Timestamp) -> Result<()> {
    tx.query(sql!(
        "update api_keys set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at <= $3)"
    ))
    .bind(key)
    .bind(now.as_second())
    .bind(now.as_second() - USE_NOTED)
    .run()
    .await?;
    Ok(())
}

/// A request that came with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Who asked, for whom, by which route, under which key: a hash.
    pub(super) scope: String,
    /// What was asked: a hash.
    pub(super) fingerprint: String,
    /// This very request.
    pub(super) claim: String,
}

/// What is known of a request under its key.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Known {
    pub(super) fingerprint: String,
    pub(super) claimed_at: i64,
    pub(super) status: Option<i64>,
    pub(super) answer: Option<String>,
}

/// Claims a request to answer it: one that is new, older than `forgotten`, or was given up before `abandoned`. Otherwise what
/// is known of it.
///
/// # Errors
/// As [`create`].
pub(super) async fn claim(
    tx: &mut Tx,
    asked: &Asked,
    now: i64,
    abandoned: i64,
    forgotten: i64,
) -> Result<Option<Known>> {
    let claimed = tx
        .query(sql!(
            "insert into api_answers (scope, fingerprint, claim, claimed_at) values ($1, $2, $3, $4)"
            " on conflict (scope) do update set fingerprint = excluded.fingerprint, claim = excluded.claim,"
            " claimed_at = excluded.claimed_at, status = null, answer = null"
            " where api_answers.claimed_at <= $6"
            " or (api_answers.status is null and api_answers.claimed_at <= $5"
            " and api_answers.fingerprint = excluded.fingerprint)"
        ))
        .bind(&asked.scope)
        .bind(&asked.fingerprint)
        .bind(&asked.claim)
        .bind(now)
        .bind(abandoned)
        .bind(forgotten)
        .run()
        .await?;
    if claimed > 0 {
        return Ok(None);
    }
    let known = tx
        .query(sql!("select fingerprint, claimed_at, status, answer from api_answers where scope = $1"))
        .bind(&asked.scope)
        .one()
        .await?;
    Ok(Some(known))
}

/// Keeps the answer to a request that this one claimed.
///
/// # Errors
/// As [`create`].
pub(super) async fn keep(tx: &mut Tx, asked: &Asked, status: u16, answer: &str) -> Result<()> {
    tx.query(sql!("update api_answers set status = $3, answer = $4 where scope = $1 and claim = $2"))
        .bind(&asked.scope)
        .bind(&asked.claim)
        .bind(i64::from(status))
        .bind(answer)
        .run()
        .await?;
    Ok(())
}

/// Forgets a request that this one claimed: nothing was done, the next may try.
///
/// # Errors
/// As [`create`].
pub(super) async fn release(tx: &mut Tx, asked: &Asked) -> Result<()> {
    tx.query(sql!("delete from api_answers where scope = $1 and claim = $2"))
        .bind(&asked.scope)
        .bind(&asked.claim)
        .run()
        .await?;
    Ok(())
}

/// Deletes answers that were claimed before that, up to `limit`; how many.
///
/// # Errors
/// As [`create`].
pub(super) async fn forget(tx: &mut Tx, before: i64, limit: i64) -> Result<u64> {
    tx.query(sql!(
        "delete from api_answers where scope in"
        " (select scope from api_answers where claimed_at < $1 limit $2" pg " for update skip locked" ")"
    ))
    .bind(before)
    .bind(limit)
    .run()
    .await
}
