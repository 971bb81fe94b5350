//! The signing secrets of endpoints that `setup` made, and where the inbox stands against what Stripe sent.

use crate::db::{Result, Tx, sql};

/// What a secret belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A webhook endpoint, which is sent snapshots.
    Endpoint,
    /// An event destination, which is sent thin events.
    Destination,
}

impl Kind {
    /// As it stands in the row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Destination => "destination",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = NoKind;

    fn from_str(word: &str) -> std::result::Result<Self, NoKind> {
        [Self::Endpoint, Self::Destination].into_iter().find(|kind| kind.as_str() == word).ok_or(NoKind)
    }
}

/// The word is no kind of what a secret belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing that a secret belongs to")]
pub struct NoKind;

crate::text_column!(Kind);

/// A secret, sealed.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Sealed {
    /// Stripe's id of the endpoint.
    pub endpoint_id: String,
    /// What it is of: each kind is replaced by its own alone.
    pub kind: Kind,
    /// Where the endpoint sends to.
    pub url: String,
    /// For [`crate::stripe::Stripe::unseal`].
    pub sealed: String,
    /// When it was made; unix seconds.
    pub created_at: i64,
    /// Until when it is accepted, while another replaces it; none: it is in force.
    pub retires_at: Option<i64>,
}

/// Keeps the secret of an endpoint.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn keep_secret(tx: &mut Tx, livemode: bool, secret: &Sealed) -> Result<()> {
    tx.query(sql!(
        "insert into webhook_secrets (endpoint_id, kind, livemode, url, sealed, created_at) values ($1, $6, $2, $3, $4, $5)"
        " on conflict (endpoint_id) do update set sealed = excluded.sealed, retires_at = null"
    ))
    .bind(secret.endpoint_id.as_str())
    .bind(livemode)
    .bind(secret.url.as_str())
    .bind(secret.sealed.as_str())
    .bind(secret.created_at)
    .bind(secret.kind)
    .run()
    .await?;
    Ok(())
}

/// Retires the other secrets of the same kind and address as `new`: they are accepted until `until`, for deliveries that are on
/// their way. How many.
///
/// # Errors
/// See [`keep_secret`].
pub async fn retire_secrets(tx: &mut Tx, livemode: bool, new: &Sealed, until: i64) -> Result<u64> {
    tx.query(sql!(
        "update webhook_secrets set retires_at = $4"
        " where livemode = $1 and url = $2 and endpoint_id <> $3 and kind = $5 and retires_at is null"
    ))
    .bind(livemode)
    .bind(&new.url)
    .bind(&new.endpoint_id)
    .bind(until)
    .bind(new.kind)
    .run()
    .await
}

/// The secrets of this mode that are accepted at `wall`, those in force first.
///
/// # Errors
/// See [`keep_secret`].
pub async fn secrets(tx: &mut Tx, livemode: bool, wall: i64) -> Result<Vec<Sealed>> {
    tx.query(sql!(
        "select endpoint_id, kind, url, sealed, created_at, retires_at from webhook_secrets"
        " where livemode = $1 and (retires_at is null or retires_at > $2)"
        " order by coalesce(retires_at, 9223372036854775807) desc, created_at desc, endpoint_id"
    ))
    .bind(livemode)
    .bind(wall)
    .all()
    .await
}

/// Forgets secrets that are accepted no more: the endpoints that they were of.
///
/// # Errors
/// See [`keep_secret`].
pub async fn forget_secrets(tx: &mut Tx, wall: i64) -> Result<Vec<String>> {
    let gone: Vec<(String,)> = tx
        .query(sql!("select endpoint_id from webhook_secrets where retires_at <= $1 order by endpoint_id"))
        .bind(wall)
        .all()
        .await?;
    if !gone.is_empty() {
        tx.query(sql!("delete from webhook_secrets where retires_at <= $1")).bind(wall).run().await?;
    }
    Ok(gone.into_iter().map(|(id,)| id).collect())
}

/// Stripe's time of the newest event that was really delivered, as far as the last of them tell; unix seconds.
///
/// # Errors
/// See [`keep_secret`].
pub async fn last_delivered(tx: &mut Tx) -> Result<Option<i64>> {
    let (at,): (Option<i64>,) = tx
        .query(sql!(
            "select max(created_at) from (select created_at from webhook_events where origin = 'delivery'"
            " order by received_at desc, id desc limit 100) as latest"
        ))
        .one()
        .await?;
    Ok(at)
}

/// Whether an event was really delivered.
///
/// # Errors
/// See [`keep_secret`].
pub async fn was_delivered(tx: &mut Tx, id: &str) -> Result<bool> {
    let row: Option<(String,)> = tx
        .query(sql!("select id from webhook_events where id = $1 and origin = 'delivery'"))
        .bind(id)
        .optional()
        .await?;
    Ok(row.is_some())
}
