//! Rows of Checkout sessions.

use jiff::Timestamp;

use serde::{Deserialize, Serialize};

use super::{Buyer, Order, Session, State};
use crate::audit::Actor;
use crate::clock::from_seconds;
use crate::db::{Result, Tx, sql};
use crate::stripe::calls::checkout::NewCheckout;
use crate::stripe::snapshot::{CheckoutSession, CheckoutStatus};

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    tenant_id: String,
    stripe_id: Option<String>,
    state: String,
    parameters: String,
    url: Option<String>,
    expires_at: i64,
}

/// What was asked, as it stands in a row.
#[derive(Serialize, Deserialize)]
struct Parameters {
    order: Order,
    request: NewCheckout,
}

impl Row {
    /// The session; a row whose order cannot be read is none (it was written by another version and will expire).
    fn session(self) -> Option<Session> {
        let Parameters { order, request } = serde_json::from_str(&self.parameters).ok()?;
        Some(Session {
            id: self.id,
            tenant_id: self.tenant_id,
            stripe_id: self.stripe_id,
            state: State::from_row(&self.state),
            order,
            request,
            url: self.url,
            expires_at: from_seconds(self.expires_at),
        })
    }
}

#[derive(sqlx::FromRow)]
struct BuyerRow {
    trial_used_at: Option<i64>,
    customer: Option<String>,
    currency: Option<String>,
    subscription: Option<String>,
}

/// What is known of a tenant that wants to buy; nothing if there is no such tenant.
///
/// # Errors
/// The database did not answer.
pub async fn buyer(tx: &mut Tx, tenant: &str) -> Result<Option<Buyer>> {
    let row: Option<BuyerRow> = tx
        .query(sql!(
            "select t.trial_used_at, c.id as customer, c.currency, (select s.id from subscriptions s"
            "   where s.tenant_id = t.id and s.status not in ('canceled', 'incomplete_expired')"
            "   order by s.created_at desc, s.id limit 1) as subscription"
            " from tenants t left join customers c on c.tenant_id = t.id and not c.deleted where t.id = $1"
        ))
        .bind(tenant)
        .optional()
        .await?;
    Ok(row.map(|row| Buyer {
        customer: row.customer.and_then(|id| id.parse().ok()),
        currency: row.currency.and_then(|code| code.parse().ok()),
        trial_used: row.trial_used_at.is_some(),
        subscription: row.subscription,
    }))
}

/// How many customers of Stripe's the tenant has had, deleted ones too: makes the idempotency key of the next one.
///
/// # Errors
/// The database did not answer.
pub async fn customers_so_far(tx: &mut Tx, tenant: &str) -> Result<i64> {
    let (count,): (i64,) =
        tx.query(sql!("select count(*) from customers where tenant_id = $1")).bind(tenant).one().await?;
    Ok(count)
}

/// The tenant's session that is not over, if there is one.
///
/// # Errors
/// The database did not answer.
pub async fn open(tx: &mut Tx, tenant: &str) -> Result<Option<Session>> {
    let row: Option<Row> = tx
        .query(sql!(
            "select id, tenant_id, stripe_id, state, parameters, url, expires_at from checkout_sessions"
            " where tenant_id = $1 and state in ('starting', 'open')"
        ))
        .bind(tenant)
        .optional()
        .await?;
    Ok(row.and_then(Row::session))
}

/// The tenant's session of that Stripe id.
///
/// # Errors
/// The database did not answer.
pub async fn of_stripe_id(tx: &mut Tx, tenant: &str, stripe_id: &str) -> Result<Option<Session>> {
    let row: Option<Row> = tx
        .query(sql!(
            "select id, tenant_id, stripe_id, state, parameters, url, expires_at from checkout_sessions"
            " where tenant_id = $1 and stripe_id = $2"
        ))
        .bind(tenant)
        .bind(stripe_id)
        .optional()
        .await?;
    Ok(row.and_then(Row::session))
}

/// Adds a session that is about to be asked of Stripe. False: the tenant has one that is not over; nothing was added.
///
/// # Errors
/// The database did not take it.
pub async fn start(tx: &mut Tx, session: &Session, by: &Actor, now: Timestamp) -> Result<bool> {
    let parameters = Parameters { order: session.order.clone(), request: session.request.clone() };
    let parameters = serde_json::to_string(&parameters).unwrap_or_default();
    let added = tx
        .query(sql!(
            "insert into checkout_sessions (id, tenant_id, state, price_id, quantity, currency, parameters,"
            " created_by, created_at, expires_at) values ($1, $2, 'starting', $3, $4, $5, $6, $7, $8, $9)"
            " on conflict do nothing"
        ))
        .bind(&session.id)
        .bind(&session.tenant_id)
        .bind(session.order.price.as_str())
        .bind(session.order.quantity)
        .bind(session.order.currency.code())
        .bind(parameters)
        .bind(by.id().unwrap_or_default())
        .bind(now.as_second())
        .bind(session.expires_at.as_second())
        .run()
        .await?;
    Ok(added == 1)
}

/// Writes what Stripe says of a session, found by Stripe's id or by the row's id that it carries. A session that is over
/// stays over. Gives the tenant of the row, if there is one.
///
/// # Errors
/// The database did not take it.
pub async fn settle(tx: &mut Tx, session: &CheckoutSession, now: Timestamp) -> Result<Option<String>> {
    let state = match &session.status {
        Some(CheckoutStatus::Complete) => State::Complete,
        Some(CheckoutStatus::Expired) => State::Expired,
        _ => State::Open,
    };
    let row: Option<(String,)> = tx
        .query(sql!(
            "update checkout_sessions set stripe_id = $2, url = coalesce($3, url), expires_at = $4,"
            " state = case when state in ('complete', 'expired') then state else $5 end,"
            " subscription_id = coalesce($6, subscription_id),"
            " completed_at = case when $5 = 'complete' then coalesce(completed_at, $7) else completed_at end"
            " where (id = $1 and stripe_id is null) or stripe_id = $2 returning tenant_id"
        ))
        .bind(session.client_reference_id.as_deref().unwrap_or_default())
        .bind(session.id.as_str())
        .bind(session.url.as_deref())
        .bind(session.expires_at)
        .bind(state.as_str())
        .bind(session.subscription_id().map(|id| id.as_str()))
        .bind(now.as_second())
        .optional()
        .await?;
    Ok(row.map(|(tenant,)| tenant))
}

/// Ends a session that never reached Stripe, or that Stripe has ended.
///
/// # Errors
/// The database did not take it.
pub async fn expire(tx: &mut Tx, tenant: &str, id: &str) -> Result<()> {
    tx.query(sql!(
        "update checkout_sessions set state = 'expired' where tenant_id = $1 and id = $2 and state in ('starting', 'open')"
    ))
    .bind(tenant)
    .bind(id)
    .run()
    .await?;
    Ok(())
}

/// Has the tenant's session that is not over closed, because a subscription came into force another way. `own` is the row's id
/// that the subscription carries: the session that it was bought in closes by itself.
///
/// # Errors
/// The database did not take it.
pub async fn want_closed(tx: &mut Tx, tenant: &str, own: Option<&str>) -> Result<()> {
    tx.query(sql!(
        "update checkout_sessions set close_at = 0"
        " where tenant_id = $1 and id <> $2 and state in ('starting', 'open') and close_at is null"
    ))
    .bind(tenant)
    .bind(own.unwrap_or_default())
    .run()
    .await?;
    Ok(())
}

/// Whether a session is to be closed now (`wall`, unix seconds of the wall clock).
///
/// # Errors
/// The database did not answer.
pub async fn is_closing(tx: &mut Tx, wall: i64) -> Result<bool> {
    let (waiting,): (i64,) = tx
        .query(sql!(
            "select count(*) from checkout_sessions where close_at <= $1 and state in ('starting', 'open')"
        ))
        .bind(wall)
        .one()
        .await?;
    Ok(waiting > 0)
}

/// Takes one session that is to be closed; nobody else tries before `until`.
///
/// # Errors
/// The database did not take it.
pub async fn claim_closing(tx: &mut Tx, wall: i64, until: i64) -> Result<Option<Session>> {
    let row: Option<Row> = tx
        .query(sql!(
            "update checkout_sessions set close_at = $2 where id in"
            " (select id from checkout_sessions where close_at <= $1 and state in ('starting', 'open')"
            " order by close_at, id limit 1" pg " for update skip locked" ")"
            " returning id, tenant_id, stripe_id, state, parameters, url, expires_at"
        ))
        .bind(wall)
        .bind(until)
        .optional()
        .await?;
    Ok(row.and_then(Row::session))
}
