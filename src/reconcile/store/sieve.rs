//! What the sieve asks of the rows, and what it leaves to be looked at.

use serde_json::Value;

use crate::db::{Result, Tx, sql};

/// Rows of one kind, by when Stripe made them: newer than `after`, not newer than `until`. Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Which rows.
    pub table: Table,
    /// Newer than this.
    pub after: i64,
    /// Not newer than this.
    pub until: i64,
}

/// A kind of row that Stripe lists by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Subscriptions of customers that are not gone: Stripe lists no others.
    Subscriptions,
    /// Invoices.
    Invoices,
    /// Charges.
    Charges,
}

/// How many rows there are in a window.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn count_rows(tx: &mut Tx, window: Window) -> Result<i64> {
    let query = match window.table {
        Table::Subscriptions => tx.query(sql!(
            "select count(*) from subscriptions s join customers c on c.id = s.customer_id and not c.deleted"
            " where s.created_at > $1 and s.created_at <= $2"
        )),
        Table::Invoices => {
            tx.query(sql!("select count(*) from invoices where created_at > $1 and created_at <= $2"))
        }
        Table::Charges => {
            tx.query(sql!("select count(*) from charges where created_at > $1 and created_at <= $2"))
        }
    };
    let (count,): (i64,) = query.bind(window.after).bind(window.until).one().await?;
    Ok(count)
}

/// Makes every customer that has a row in a window a suspect.
///
/// # Errors
/// See [`count_rows`].
pub async fn suspect_rows(tx: &mut Tx, run: &str, window: Window, wall: i64) -> Result<u64> {
    let query = match window.table {
        Table::Subscriptions => tx.query(sql!(
            "insert into reconciliation_suspects (run_id, subject, due_at) select distinct $1, customer_id, cast($2 as bigint)"
            " from subscriptions where created_at > $3 and created_at <= $4 on conflict do nothing"
        )),
        Table::Invoices => tx.query(sql!(
            "insert into reconciliation_suspects (run_id, subject, due_at) select distinct $1, customer_id, cast($2 as bigint)"
            " from invoices where created_at > $3 and created_at <= $4 on conflict do nothing"
        )),
        Table::Charges => tx.query(sql!(
            "insert into reconciliation_suspects (run_id, subject, due_at) select distinct $1, customer_id, cast($2 as bigint)"
            " from charges where created_at > $3 and created_at <= $4 on conflict do nothing"
        )),
    };
    query.bind(run).bind(wall).bind(window.after).bind(window.until).run().await
}

/// Makes subjects suspects; those that are already stay as they are.
///
/// # Errors
/// See [`count_rows`].
pub async fn add_suspects(tx: &mut Tx, run: &str, subjects: &[&str], wall: i64) -> Result<()> {
    if subjects.is_empty() {
        return Ok(());
    }
    let subjects = Value::from_iter(subjects.iter().copied()).to_string();
    tx.query(sql!(
        "insert into reconciliation_suspects (run_id, subject, due_at) select distinct $1, value, cast($3 as bigint) from "
        lite "json_each($2)" pg "json_array_elements_text(cast($2 as json))" " where true on conflict do nothing"
    ))
    .bind(run)
    .bind(subjects)
    .bind(wall)
    .run()
    .await?;
    Ok(())
}

/// Those of some ids (JSON) that are suspects.
///
/// # Errors
/// See [`count_rows`].
pub async fn suspects_among(tx: &mut Tx, run: &str, ids: &str) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = tx
        .query(sql!(
            "select subject from reconciliation_suspects where run_id = $1 and subject in (select value from "
            lite "json_each($2)" pg "json_array_elements_text(cast($2 as json))" ")"
        ))
        .bind(run)
        .bind(ids)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// How many customers of ours there are that are not gone.
///
/// # Errors
/// See [`count_rows`].
pub async fn customers(tx: &mut Tx) -> Result<i64> {
    let (count,): (i64,) = tx.query(sql!("select count(*) from customers where not deleted")).one().await?;
    Ok(count)
}

/// Notes that Stripe's list has shown these customers (JSON: ids).
///
/// # Errors
/// See [`count_rows`].
pub async fn mark_listed(tx: &mut Tx, ids: &str, wall: i64) -> Result<u64> {
    tx.query(sql!(
        "update customers set listed_at = $2 where id in (select value from "
        lite "json_each($1)" pg "json_array_elements_text(cast($1 as json))" ")"
    ))
    .bind(ids)
    .bind(wall)
    .run()
    .await
}

/// A page of our customers that are not gone, by id, after `after`: each with whether a list has shown it since `since`, and
/// its mode.
///
/// # Errors
/// See [`count_rows`].
pub async fn absent(tx: &mut Tx, after: &str, since: i64, limit: i64) -> Result<Vec<(String, bool, bool)>> {
    tx.query(sql!(
        "select id, coalesce(listed_at, 0) >= $2 as listed, livemode from customers where id > $1 and not deleted"
        " order by id limit $3"
    ))
    .bind(after)
    .bind(since)
    .bind(limit)
    .all()
    .await
}

/// Those of some customers (JSON: ids) that have more than one subscription in force here.
///
/// # Errors
/// See [`count_rows`].
pub async fn live_twice(tx: &mut Tx, ids: &str) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = tx
        .query(sql!(
            "select customer_id from subscriptions where customer_id in (select value from "
            lite "json_each($1)" pg "json_array_elements_text(cast($1 as json))" ")"
            " and status not in ('canceled', 'incomplete_expired') group by customer_id having count(*) > 1"
        ))
        .bind(ids)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The products that are plans.
///
/// # Errors
/// See [`count_rows`].
pub async fn plan_products(tx: &mut Tx) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = tx.query(sql!("select id from products where plan is not null")).all().await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Whether there is such a tenant.
///
/// # Errors
/// See [`count_rows`].
pub async fn tenant_exists(tx: &mut Tx, tenant: &str) -> Result<bool> {
    let found: Option<(String,)> =
        tx.query(sql!("select id from tenants where id = $1")).bind(tenant).optional().await?;
    Ok(found.is_some())
}

/// Whether a tenant has a customer that is not gone.
///
/// # Errors
/// See [`count_rows`].
pub async fn tenant_has_customer(tx: &mut Tx, tenant: &str) -> Result<bool> {
    let found: Option<(String,)> = tx
        .query(sql!("select id from customers where tenant_id = $1 and not deleted"))
        .bind(tenant)
        .optional()
        .await?;
    Ok(found.is_some())
}

/// Whether events of a customer are still to be worked on, or a fetch of it.
///
/// # Errors
/// See [`count_rows`].
pub async fn waits_for_work(tx: &mut Tx, customer: &str) -> Result<bool> {
    let found: Option<(i64,)> = tx
        .query(sql!(
            "select cast(1 as bigint) as waits from webhook_events where customer_id = $1 and state = 'pending'"
            " union all select cast(1 as bigint) from customer_sync where customer_id = $1 limit 1"
        ))
        .bind(customer)
        .optional()
        .await?;
    Ok(found.is_some())
}

/// Whether a customer's payment method is to be asked for: an event about it has just come. `now` is the time of the business.
///
/// # Errors
/// See [`count_rows`].
pub async fn method_is_due(tx: &mut Tx, customer: &str, now: i64) -> Result<bool> {
    let found: Option<(String,)> = tx
        .query(sql!("select id from customers where id = $1 and details_due_at <= $2"))
        .bind(customer)
        .bind(now)
        .optional()
        .await?;
    Ok(found.is_some())
}

/// Suspects that are due, in the order of their subjects: each with how often it was looked at.
///
/// # Errors
/// See [`count_rows`].
pub async fn due_suspects(tx: &mut Tx, run: &str, wall: i64, limit: i64) -> Result<Vec<(String, i64)>> {
    tx.query(sql!(
        "select subject, looks from reconciliation_suspects where run_id = $1 and due_at <= $2 order by due_at, subject limit $3"
    ))
    .bind(run)
    .bind(wall)
    .bind(limit)
    .all()
    .await
}

/// When the next suspect is due; none: there is none left.
///
/// # Errors
/// See [`count_rows`].
pub async fn next_due(tx: &mut Tx, run: &str) -> Result<Option<i64>> {
    let (due,): (Option<i64>,) = tx
        .query(sql!("select min(due_at) from reconciliation_suspects where run_id = $1"))
        .bind(run)
        .one()
        .await?;
    Ok(due)
}

/// Has a suspect looked at again.
///
/// # Errors
/// See [`count_rows`].
pub async fn postpone(
    tx: &mut Tx,
    run: &str,
    subject: &str,
    due_at: i64,
    error: Option<&str>,
) -> Result<u64> {
    tx.query(sql!(
        "update reconciliation_suspects set looks = looks + 1, due_at = $3, error = $4 where run_id = $1 and subject = $2"
    ))
    .bind(run)
    .bind(subject)
    .bind(due_at)
    .bind(error)
    .run()
    .await
}

/// A suspect is looked at no more.
///
/// # Errors
/// See [`count_rows`].
pub async fn drop_suspect(tx: &mut Tx, run: &str, subject: &str) -> Result<u64> {
    tx.query(sql!("delete from reconciliation_suspects where run_id = $1 and subject = $2"))
        .bind(run)
        .bind(subject)
        .run()
        .await
}
