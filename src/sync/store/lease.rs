//! Who works on what: a lease on each customer that has something to do, and when it is next due.

use crate::db::{Result, Tx, sql};
use crate::stripe::CustomerId;

/// How long a lease lasts, in seconds of the world's time: longer than any budget of work.
const LEASE: i64 = 120;

/// The right to write one customer's rows, until it is finished or its time is over.
#[derive(Clone, Debug)]
pub struct Lease {
    /// What it is on: a customer's id, or a word for work that has none.
    pub key: String,
    /// Who holds it.
    pub holder: String,
    /// Tries that failed before.
    pub attempts: i64,
    /// Whether the customer is to be fetched as a whole.
    pub refetch: bool,
}

/// The lease's time was over and somebody else took it: nothing may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease was lost to another worker")]
pub struct LostLease;

#[derive(sqlx::FromRow)]
struct Claimed {
    attempts: i64,
    refetch: bool,
}

/// Takes the lease on a key; none where somebody holds it.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn claim(tx: &mut Tx, key: &str, holder: &str, wall: i64) -> Result<Option<Lease>> {
    let claimed: Option<Claimed> = tx
        .query(sql!(
            "insert into customer_sync (customer_id, due_at, lease_until, lease_holder) values ($1, $2, $3, $4)"
            " on conflict (customer_id) do update"
            " set lease_until = excluded.lease_until, lease_holder = excluded.lease_holder"
            " where customer_sync.lease_until <= $2 returning attempts, refetch"
        ))
        .bind(key)
        .bind(wall)
        .bind(wall + LEASE)
        .bind(holder)
        .optional()
        .await?;
    Ok(claimed.map(|Claimed { attempts, refetch }| Lease {
        key: key.to_owned(),
        holder: holder.to_owned(),
        attempts,
        refetch,
    }))
}

/// Gives the lease back: all is done. Part of the transaction that wrote it, so that a lost lease undoes the writing.
///
/// # Errors
/// See [`claim`].
pub async fn finish(tx: &mut Tx, lease: &Lease) -> Result<std::result::Result<(), LostLease>> {
    let held = tx
        .query(sql!("delete from customer_sync where customer_id = $1 and lease_holder = $2"))
        .bind(lease.key.as_str())
        .bind(lease.holder.as_str())
        .run()
        .await?;
    Ok(if held == 1 { Ok(()) } else { Err(LostLease) })
}

/// Gives the lease back with work left that is due later.
///
/// # Errors
/// See [`claim`].
pub async fn postpone(tx: &mut Tx, lease: &Lease, refetch: bool, due_at: i64, error: &str) -> Result<()> {
    tx.query(sql!(
        "update customer_sync set lease_until = 0, lease_holder = null, attempts = attempts + 1, refetch = $3, due_at = $4,"
        " error = $5 where customer_id = $1 and lease_holder = $2"
    ))
    .bind(lease.key.as_str())
    .bind(lease.holder.as_str())
    .bind(refetch)
    .bind(due_at)
    .bind(error)
    .run()
    .await?;
    Ok(())
}

/// Has a customer fetched as a whole, at `due_at` (unix seconds of the world's time) or earlier. Whoever works on it now has
/// begun too early to know of what this is for: the lease is taken away, and the work is done again.
///
/// # Errors
/// See [`claim`].
pub async fn request_refetch(tx: &mut Tx, customer: &CustomerId, due_at: i64) -> Result<()> {
    tx.query(sql!(
        "insert into customer_sync (customer_id, refetch, due_at) values ($1, true, $2)"
        " on conflict (customer_id) do update set refetch = true, lease_until = 0, lease_holder = null,"
        " due_at = case when customer_sync.refetch and customer_sync.due_at < $2 then customer_sync.due_at else $2 end"
    ))
    .bind(customer.as_str())
    .bind(due_at)
    .run()
    .await?;
    Ok(())
}

/// Customers that are to be fetched as a whole and that nobody works on, those that wait longest first.
///
/// # Errors
/// See [`claim`].
pub async fn due(tx: &mut Tx, wall: i64, limit: i64) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = tx
        .query(sql!(
            "select customer_id from customer_sync where due_at <= $1 and refetch and lease_until <= $1"
            " order by due_at limit $2"
        ))
        .bind(wall)
        .bind(limit)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}

/// Takes customers whose preview and payment method are to be asked for, and puts them off, so that no other worker takes
/// them too and a failure is tried again. With the moment they were put off to.
///
/// # Errors
/// See [`claim`].
pub async fn claim_details(tx: &mut Tx, now: i64, limit: i64) -> Result<(Vec<CustomerId>, i64)> {
    const AGAIN: i64 = 300;
    let rows: Vec<(CustomerId,)> = tx
        .query(sql!(
            "update customers set details_due_at = $2 where id in (select id from customers where details_due_at <= $1"
            " order by details_due_at limit $3" pg " for update skip locked" ") returning id"
        ))
        .bind(now)
        .bind(now + AGAIN)
        .bind(limit)
        .all()
        .await?;
    Ok((rows.into_iter().map(|(id,)| id).collect(), now + AGAIN))
}
