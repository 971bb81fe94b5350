//! What goes out to Stripe's meters, and what Stripe says to it.

use crate::db::{Result, Tx, sql};
use crate::usage::meters::{ErrorReport, identifier, part_of};

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

/// Up to `most` rows that are due; on Postgres locked, without those that another worker has locked.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub(in crate::usage) async fn due(tx: &mut Tx, now: i64, most: i64) -> Result<Vec<Due>> {
    tx.query(sql!(
        "select o.tenant_id, o.metric, o.window_start, o.meter, o.quantity, o.claimed, o.sent, o.part, o.attempts,"
        " (select c.id from customers c where c.tenant_id = o.tenant_id and not c.deleted) as customer_id"
        " from usage_outbox o where o.state = 'waiting' and o.due_at <= $1 order by o.due_at limit $2"
        pg " for update of o skip locked"
    ))
    .bind(now)
    .bind(most)
    .all()
    .await
}

/// Claims a row until `until`, so that no other worker takes it meanwhile. What was on its way stays as it is; otherwise all
/// that has gathered becomes the next part.
pub(in crate::usage) async fn claim(tx: &mut Tx, due: Due, until: i64) -> Result<Claimed> {
    let (claimed, part) = if due.claimed > due.sent {
        (due.claimed, due.part)
    } else {
        (due.sent + part_of(due.quantity - due.sent), due.part + 1)
    };
    tx.query(sql!(
        "update usage_outbox set claimed = $4, part = $5, due_at = $6"
        " where tenant_id = $1 and metric = $2 and window_start = $3"
    ))
    .bind(&due.tenant_id)
    .bind(&due.metric)
    .bind(due.window_start)
    .bind(claimed)
    .bind(part)
    .bind(until)
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
        "update usage_outbox set sent = claimed, attempts = 0, error = null, due_at = $5,"
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
        "update usage_outbox set attempts = attempts + 1, error = $5, due_at = $6,"
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

/// Error reports in the inbox that have not been read yet: event id and payload.
pub(in crate::usage) async fn unread_reports(tx: &mut Tx, since: i64) -> Result<Vec<(String, String)>> {
    tx.query(sql!(
        "select e.id, e.payload from webhook_events e"
        " where e.type = 'v1.billing.meter.error_report_triggered' and e.received_at >= $1"
        " and not exists (select 1 from usage_meter_errors m where m.event_id = e.id) order by e.received_at limit 50"
    ))
    .bind(since)
    .all()
    .await
}

/// Keeps what an error report says; a second time changes nothing.
pub(in crate::usage) async fn keep_report(tx: &mut Tx, report: &ErrorReport, at: i64) -> Result<u64> {
    tx.query(sql!(
        "insert into usage_meter_errors (event_id, meter_id, at, error_count, summary, details, taken_at)"
        " values ($1, $2, $3, $4, $5, $6, $3) on conflict (event_id) do nothing"
    ))
    .bind(&report.event)
    .bind(report.meter.as_deref())
    .bind(at)
    .bind(report.count)
    .bind(&report.summary)
    .bind(serde_json::to_string(&report.samples).unwrap_or_else(|_| "[]".to_owned()))
    .run()
    .await
}

/// An error report as staff see it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(in crate::usage) struct Report {
    pub(in crate::usage) event_id: String,
    pub(in crate::usage) at: i64,
    pub(in crate::usage) error_count: i64,
    pub(in crate::usage) summary: String,
    pub(in crate::usage) details: String,
}

/// The latest error reports.
pub(in crate::usage) async fn reports(tx: &mut Tx, most: i64) -> Result<Vec<Report>> {
    tx.query(sql!(
        "select event_id, at, error_count, summary, details from usage_meter_errors order by at desc, event_id limit $1"
    ))
    .bind(most)
    .all()
    .await
}

/// A tenant whose use Stripe was told of: its id, its customer, metric and meter.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(in crate::usage) struct Metered {
    pub(in crate::usage) tenant_id: String,
    pub(in crate::usage) customer_id: String,
    pub(in crate::usage) metric: String,
    pub(in crate::usage) meter: String,
}

/// Up to `most` tenants with use since `since`, after `(tenant, metric)`.
pub(in crate::usage) async fn metered(
    tx: &mut Tx,
    since: i64,
    after: (&str, &str),
    most: i64,
) -> Result<Vec<Metered>> {
    tx.query(sql!(
        "select o.tenant_id, c.id as customer_id, o.metric, max(o.meter) as meter from usage_outbox o"
        " join customers c on c.tenant_id = o.tenant_id and not c.deleted"
        " where (o.tenant_id, o.metric) > ($2, $3) and o.window_start >= $1"
        " group by o.tenant_id, c.id, o.metric order by o.tenant_id, o.metric limit $4"
    ))
    .bind(since)
    .bind(after.0)
    .bind(after.1)
    .bind(most)
    .all()
    .await
}

/// One metric of one tenant, if Stripe was ever told of it.
pub(in crate::usage) async fn metered_one(
    tx: &mut Tx,
    tenant: &str,
    metric: &str,
) -> Result<Option<Metered>> {
    tx.query(sql!(
        "select o.tenant_id, c.id as customer_id, o.metric, max(o.meter) as meter from usage_outbox o"
        " join customers c on c.tenant_id = o.tenant_id and not c.deleted where o.tenant_id = $1 and o.metric = $2"
        " group by o.tenant_id, c.id, o.metric"
    ))
    .bind(tenant)
    .bind(metric)
    .optional()
    .await
}

/// What Stripe was told of a metric, for hours from `start` up to `end`; none while something of it is on its way, when the
/// two sides cannot be compared.
pub(in crate::usage) async fn sent_between(
    tx: &mut Tx,
    tenant: &str,
    metric: &str,
    start: i64,
    end: i64,
) -> Result<Option<i64>> {
    let (sum, open): (i64, i64) = tx
        .query(sql!(
            "select cast(coalesce(sum(quantity), 0) as bigint), cast(coalesce(sum(quantity - sent), 0) as bigint)"
            " from usage_outbox where tenant_id = $1 and metric = $2 and window_start >= $3 and window_start < $4"
            " and state <> 'parked'"
        ))
        .bind(tenant)
        .bind(metric)
        .bind(start)
        .bind(end)
        .one()
        .await?;
    Ok((open == 0).then_some(sum))
}

/// A look at both sides.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(in crate::usage) struct Comparison {
    pub(in crate::usage) tenant_id: String,
    pub(in crate::usage) metric: String,
    pub(in crate::usage) period_start: i64,
    pub(in crate::usage) period_end: i64,
    pub(in crate::usage) ours: i64,
    pub(in crate::usage) theirs: i64,
    pub(in crate::usage) compared_at: i64,
}

/// Keeps the latest look at a period.
pub(in crate::usage) async fn keep_comparison(tx: &mut Tx, seen: &Comparison) -> Result<u64> {
    tx.query(sql!(
        "insert into usage_comparisons (tenant_id, metric, period_start, period_end, ours, theirs, compared_at)"
        " values ($1, $2, $3, $4, $5, $6, $7) on conflict (tenant_id, metric, period_start) do update set"
        " period_end = excluded.period_end, ours = excluded.ours, theirs = excluded.theirs, compared_at = excluded.compared_at"
    ))
    .bind(&seen.tenant_id)
    .bind(&seen.metric)
    .bind(seen.period_start)
    .bind(seen.period_end)
    .bind(seen.ours)
    .bind(seen.theirs)
    .bind(seen.compared_at)
    .run()
    .await
}

/// Comparisons since `since` in which both sides differ, and how many there were in all.
pub(in crate::usage) async fn disagreements(tx: &mut Tx, since: i64) -> Result<(Vec<Comparison>, i64)> {
    let differ = tx
        .query(sql!(
            "select tenant_id, metric, period_start, period_end, ours, theirs, compared_at from usage_comparisons"
            " where compared_at >= $1 and ours <> theirs order by compared_at desc, tenant_id, metric limit 100"
        ))
        .bind(since)
        .all()
        .await?;
    let (all,): (i64,) = tx
        .query(sql!("select count(*) from usage_comparisons where compared_at >= $1"))
        .bind(since)
        .one()
        .await?;
    Ok((differ, all))
}

/// Takes the lease of the daily look until `until`; whether it was free.
pub(in crate::usage) async fn lease(tx: &mut Tx, holder: &str, now: i64, until: i64) -> Result<bool> {
    let taken = tx
        .query(sql!(
            "insert into leases (name, holder, until) values ('usage', $1, $2) on conflict (name) do update"
            " set holder = excluded.holder, until = excluded.until where leases.until <= $3"
        ))
        .bind(holder)
        .bind(until)
        .bind(now)
        .run()
        .await?;
    Ok(taken > 0)
}
