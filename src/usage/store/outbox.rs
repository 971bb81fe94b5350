//! What goes out to Stripe's meters, and what Stripe says to it.

use crate::db::{Result, Tx, sql};
use crate::usage::meters::{identifier, part_of};

/// A row of the outbox that has something to send.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(in crate::usage) struct Due {
    pub(in crate::usage) tenant_id: String,
    pub(in crate::usage) metric: String,
    pub(in crate::usage) window_start: i64,
    meter: String,
    quantity: i64,
    claimed: i64,
    sent: i64,
    part: i64,
    pub(in crate::usage) attempts: i64,
    customer_id: Option<String>,
}

/// The columns of [`Due`], of the outbox as `o`.
macro_rules! due_columns {
    () => {
        "select o.tenant_id, o.metric, o.window_start, o.meter, o.quantity, o.claimed, o.sent, o.part, o.attempts,\
         (select c.id from customers c where c.tenant_id = o.tenant_id and not c.deleted) as customer_id from usage_outbox o"
    };
}

/// A part on its way: what does not change until Stripe has it.
#[derive(Clone, Debug)]
pub(in crate::usage) struct Claimed {
    pub(in crate::usage) row: Due,
    pub(in crate::usage) identifier: String,
    pub(in crate::usage) meter: String,
    pub(in crate::usage) customer: Option<String>,
    pub(in crate::usage) value: i64,
}

/// Whether anything is due: without a lock, for a loop that looks often.
pub(in crate::usage) async fn is_due(tx: &mut Tx, now: i64) -> Result<bool> {
    let found: Option<(i64,)> = tx
        .query(sql!("select due_at from usage_outbox where state = 'waiting' and due_at <= $1 limit 1"))
        .bind(now)
        .optional()
        .await?;
    Ok(found.is_some())
}

/// Up to `most` rows that are due, one of each tenant and metric: Stripe takes one report of a customer and a meter at a time. On
/// Postgres locked, without those that another worker has locked.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub(in crate::usage) async fn due(tx: &mut Tx, now: i64, most: i64) -> Result<Vec<Due>> {
    tx.query(sql!(
        due_columns!() " where o.state = 'waiting' and o.due_at <= $1 and not exists (select 1 from usage_outbox b"
        " where b.tenant_id = o.tenant_id and b.metric = o.metric and b.state = 'waiting'"
        " and (b.sending_until > $1 or (b.due_at <= $1 and b.window_start < o.window_start)))"
        " order by o.due_at limit $2"
        pg " for update of o skip locked"
    ))
    .bind(now)
    .bind(most)
    .all()
    .await
}

/// What waits of a tenant, whether it is due or still gathers, one row of each metric: as [`due`], for a moment after which Stripe
/// bills no more.
pub(in crate::usage) async fn waiting(tx: &mut Tx, tenant: &str, now: i64, most: i64) -> Result<Vec<Due>> {
    tx.query(sql!(
        due_columns!() " where o.tenant_id = $1 and o.state = 'waiting' and not exists (select 1 from usage_outbox b"
        " where b.tenant_id = o.tenant_id and b.metric = o.metric and b.state = 'waiting'"
        " and (b.sending_until > $2 or b.window_start < o.window_start))"
        " order by o.metric limit $3"
        pg " for update of o skip locked"
    ))
    .bind(tenant)
    .bind(now)
    .bind(most)
    .all()
    .await
}

/// Claims a row until `until`, so that no other worker takes it meanwhile. What was on its way stays as it is; otherwise all
/// that has gathered becomes the next part.
pub(in crate::usage) async fn claim(tx: &mut Tx, due: Due, now: i64, until: i64) -> Result<Claimed> {
    let (claimed, part) = if due.claimed > due.sent {
        (due.claimed, due.part)
    } else {
        (due.sent + part_of(due.quantity - due.sent), due.part + 1)
    };
    tx.query(sql!(
        "update usage_outbox set claimed = $4, claimed_at = case when part = $5 then claimed_at else $7 end, part = $5,"
        " due_at = $6, sending_until = $6"
        " where tenant_id = $1 and metric = $2 and window_start = $3"
    ))
    .bind(&due.tenant_id)
    .bind(&due.metric)
    .bind(due.window_start)
    .bind(claimed)
    .bind(part)
    .bind(until)
    .bind(now)
    .run()
    .await?;
    Ok(Claimed {
        identifier: identifier(&due.tenant_id, &due.metric, due.window_start, part),
        meter: due.meter.clone(),
        customer: due.customer_id.clone(),
        value: claimed - due.sent,
        row: Due { claimed, part, ..due },
    })
}

/// Stripe has a part. More that has gathered meanwhile is due at `next`.
pub(in crate::usage) async fn mark_sent(tx: &mut Tx, row: &Due, next: i64) -> Result<u64> {
    tx.query(sql!(
        "update usage_outbox set sent = claimed, attempts = 0, error = null, due_at = $5, sending_until = 0,"
        " state = case when quantity > claimed then 'waiting' else 'idle' end"
        " where tenant_id = $1 and metric = $2 and window_start = $3 and part = $4 and sent < claimed"
    ))
    .bind(&row.tenant_id)
    .bind(&row.metric)
    .bind(row.window_start)
    .bind(row.part)
    .bind(next)
    .run()
    .await
}

/// A part could not be sent: it is tried again at `next`, or parked where that is none.
pub(in crate::usage) async fn put_off(tx: &mut Tx, row: &Due, error: &str, next: Option<i64>) -> Result<u64> {
    tx.query(sql!(
        "update usage_outbox set attempts = attempts + 1, error = $5, due_at = $6, sending_until = 0,"
        " state = case when $7 then 'parked' else 'waiting' end"
        " where tenant_id = $1 and metric = $2 and window_start = $3 and part = $4 and sent < claimed"
    ))
    .bind(&row.tenant_id)
    .bind(&row.metric)
    .bind(row.window_start)
    .bind(row.part)
    .bind(error)
    .bind(next.unwrap_or(0))
    .bind(next.is_none())
    .run()
    .await
}

/// What staff have to look at.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(in crate::usage) struct Parked {
    pub(in crate::usage) tenant_id: String,
    pub(in crate::usage) tenant: String,
    pub(in crate::usage) metric: String,
    pub(in crate::usage) window_start: i64,
    pub(in crate::usage) missing: i64,
    pub(in crate::usage) attempts: i64,
    pub(in crate::usage) error: Option<String>,
}

/// Up to `most` parts that are parked, the oldest first.
pub(in crate::usage) async fn parked(tx: &mut Tx, most: i64) -> Result<Vec<Parked>> {
    tx.query(sql!(
        "select o.tenant_id, n.name as tenant, o.metric, o.window_start, o.quantity - o.sent as missing, o.attempts, o.error"
        " from usage_outbox o join tenants n on n.id = o.tenant_id"
        " where o.state = 'parked' order by o.window_start, o.tenant_id, o.metric limit $1"
    ))
    .bind(most)
    .all()
    .await
}

/// Lets a parked part be tried again, at once.
pub(in crate::usage) async fn unpark(
    tx: &mut Tx,
    tenant: &str,
    metric: &str,
    window_start: i64,
    now: i64,
) -> Result<u64> {
    tx.query(sql!(
        "update usage_outbox set state = 'waiting', attempts = 0, due_at = $4"
        " where tenant_id = $1 and metric = $2 and window_start = $3 and state = 'parked'"
    ))
    .bind(tenant)
    .bind(metric)
    .bind(window_start)
    .bind(now)
    .run()
    .await
}

/// A parked part, as far as it has to be told whether Stripe has it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(in crate::usage) struct Stuck {
    pub(in crate::usage) tenant_id: String,
    pub(in crate::usage) metric: String,
    pub(in crate::usage) window_start: i64,
    pub(in crate::usage) meter: String,
    pub(in crate::usage) customer_id: Option<String>,
    pub(in crate::usage) claimed: i64,
    pub(in crate::usage) sent: i64,
    pub(in crate::usage) part: i64,
    pub(in crate::usage) claimed_at: i64,
}

/// The parked part of an hour, if there is one.
pub(in crate::usage) async fn stuck(
    tx: &mut Tx,
    tenant: &str,
    metric: &str,
    window_start: i64,
) -> Result<Option<Stuck>> {
    tx.query(sql!(
        "select o.tenant_id, o.metric, o.window_start, o.meter, o.claimed, o.sent, o.part, o.claimed_at,"
        " (select c.id from customers c where c.tenant_id = o.tenant_id and not c.deleted) as customer_id from usage_outbox o"
        " where o.tenant_id = $1 and o.metric = $2 and o.window_start = $3 and o.state = 'parked'"
    ))
    .bind(tenant)
    .bind(metric)
    .bind(window_start)
    .optional()
    .await
}

/// Stripe turned out to have a parked part: it counts as sent. More that has gathered meanwhile is due at once.
pub(in crate::usage) async fn mark_arrived(tx: &mut Tx, stuck: &Stuck, now: i64) -> Result<u64> {
    tx.query(sql!(
        "update usage_outbox set sent = claimed, attempts = 0, error = null, due_at = $5,"
        " state = case when quantity > claimed then 'waiting' else 'idle' end"
        " where tenant_id = $1 and metric = $2 and window_start = $3 and part = $4 and state = 'parked'"
    ))
    .bind(&stuck.tenant_id)
    .bind(&stuck.metric)
    .bind(stuck.window_start)
    .bind(stuck.part)
    .bind(now)
    .run()
    .await
}
