//! Ours held against Stripe's.

use super::GATHER;
use crate::db::{Result, Tx, sql};

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

/// Up to which moment both sides of a metric can be compared: the first hour from `start` up to `end` of which something is on
/// its way, or arrived after `since`, when Stripe may still be adding it up. None: all of them are at rest.
pub(in crate::usage) async fn settled_until(
    tx: &mut Tx,
    tenant: &str,
    metric: &str,
    (start, end): (i64, i64),
    since: i64,
) -> Result<Option<i64>> {
    let (first,): (Option<i64>,) = tx
        .query(sql!(
            "select min(window_start) from usage_outbox where tenant_id = $1 and metric = $2 and window_start >= $3"
            " and window_start < $4 and (state = 'waiting' or due_at > $5)"
        ))
        .bind(tenant)
        .bind(metric)
        .bind(start)
        .bind(end)
        // What was sent is due again a while later, should more come.
        .bind(since.saturating_add(GATHER))
        .one()
        .await?;
    Ok(first)
}

/// What Stripe has of a metric, as far as we were told, for hours from `start` up to `end`: of what is parked the parts that
/// arrived before.
pub(in crate::usage) async fn sent_between(
    tx: &mut Tx,
    tenant: &str,
    metric: &str,
    (start, end): (i64, i64),
) -> Result<i64> {
    let (sum,): (i64,) = tx
        .query(sql!(
            "select cast(coalesce(sum(sent), 0) as bigint) from usage_outbox"
            " where tenant_id = $1 and metric = $2 and window_start >= $3 and window_start < $4"
        ))
        .bind(tenant)
        .bind(metric)
        .bind(start)
        .bind(end)
        .one()
        .await?;
    Ok(sum)
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

/// A comparison, and the name of whose it is.
#[derive(sqlx::FromRow)]
struct Named {
    #[sqlx(flatten)]
    seen: Comparison,
    tenant_name: String,
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
pub(in crate::usage) async fn disagreements(
    tx: &mut Tx,
    since: i64,
) -> Result<(Vec<(Comparison, String)>, i64)> {
    let differ: Vec<Named> = tx
        .query(sql!(
            "select c.tenant_id, c.metric, c.period_start, c.period_end, c.ours, c.theirs, c.compared_at, n.name as tenant_name"
            " from usage_comparisons c join tenants n on n.id = c.tenant_id"
            " where c.compared_at >= $1 and c.ours <> c.theirs order by c.compared_at desc, c.tenant_id, c.metric limit 100"
        ))
        .bind(since)
        .all()
        .await?;
    let (all,): (i64,) = tx
        .query(sql!("select count(*) from usage_comparisons where compared_at >= $1"))
        .bind(since)
        .one()
        .await?;
    Ok((differ.into_iter().map(|row| (row.seen, row.tenant_name)).collect(), all))
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

/// Lets the daily look be taken up again at `until`.
pub(in crate::usage) async fn shorten_lease(tx: &mut Tx, holder: &str, until: i64) -> Result<u64> {
    tx.query(sql!("update leases set until = $2 where name = 'usage' and holder = $1"))
        .bind(holder)
        .bind(until)
        .run()
        .await
}
