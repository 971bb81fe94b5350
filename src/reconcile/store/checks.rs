//! What the eight checks count, the reports, and what was alarmed about.

use std::collections::BTreeMap;

use crate::db::{Result, Tx, sql};
use crate::id;
use crate::money::Currency;
use crate::reconcile::checks::Checked;

/// Events since a time of the world, and those of them that failed: given up, under whose id two payloads came, waiting for an hour
/// and longer, or never delivered, so that they had to be fetched from Stripe's list. Those of customers that are nobody's of ours
/// are no failure, and neither is what happened before the portal first heard of anything.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn webhooks(tx: &mut Tx, since: i64, wall: i64) -> Result<(i64, i64)> {
    tx.query(sql!(
        "select count(*), cast(coalesce(sum(case when state = 'parked' or conflict is not null"
        " or (state = 'pending' and received_at < $2)"
        " or (origin = 'list' and state <> 'not_needed' and received_at < $2"
        " and created_at >= (select min(received_at) from webhook_events)) then 1 else 0 end), 0) as bigint)"
        " from webhook_events where received_at >= $1 and state <> 'waiting'"
    ))
    .bind(since)
    .bind(wall - 3_600)
    .one()
    .await
}

/// Charges since a time, and those of them that failed.
///
/// # Errors
/// See [`webhooks`].
pub async fn payments(tx: &mut Tx, since: i64) -> Result<(i64, i64)> {
    tx.query(sql!(
        "select count(*), cast(coalesce(sum(case when status = 'failed' then 1 else 0 end), 0) as bigint)"
        " from charges where created_at >= $1 and status in ('succeeded', 'failed')"
    ))
    .bind(since)
    .one()
    .await
}

/// Pairs of charges that look as if they had been made twice: the same amount of the same tenant within a day, both kept, either
/// for one and the same payment or without two paid invoices of that amount to explain them.
///
/// # Errors
/// See [`webhooks`].
pub async fn duplicates(tx: &mut Tx, since: i64) -> Result<Vec<(String, String)>> {
    tx.query(sql!(
        "select a.id as one, b.id as other from charges a join charges b on b.tenant_id = a.tenant_id"
        " and b.created_at >= a.created_at and b.created_at <= a.created_at + 86400"
        " and (b.created_at > a.created_at or b.id > a.id) and b.amount = a.amount and b.currency = a.currency"
        " and b.status = 'succeeded' and b.amount_refunded < b.amount"
        " where a.created_at >= $1 and a.status = 'succeeded' and a.amount_refunded < a.amount"
        " and (a.payment_intent_id = b.payment_intent_id or (select count(*) from invoices i"
        " where i.tenant_id = a.tenant_id and i.currency = a.currency and i.amount_paid = a.amount"
        " and i.paid_at >= a.created_at - 3600 and i.paid_at <= b.created_at + 3600) < 2)"
        " order by a.created_at, a.id, b.id limit 100"
    ))
    .bind(since)
    .all()
    .await
}

/// What the open findings of a run say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// By how much what was paid differs, by currency: of invoices, and of customers that are missing as a whole.
    pub money: BTreeMap<Currency, i64>,
    /// How many subscriptions differ.
    pub subscriptions: i64,
    /// How many customers could not be compared.
    pub unread: i64,
}

/// What the open findings of a run say.
///
/// # Errors
/// See [`webhooks`].
pub async fn apart(tx: &mut Tx, run: &str) -> Result<Apart> {
    let sums: Vec<(Currency, i64)> = tx
        .query(sql!(
            "select currency, cast(sum(amount) as bigint) from reconciliation_findings where run_id = $1 and state = 'open'"
            " and object in ('invoice', 'customer') and amount > 0 and currency is not null group by currency"
        ))
        .bind(run)
        .all()
        .await?;
    let (subscriptions, unread): (i64, i64) = tx
        .query(sql!(
            "select cast(coalesce(sum(case when (object = 'subscription' or kind = 'two_live') and severity <> 'minor'"
            " then 1 else 0 end), 0) as bigint), cast(coalesce(sum(case when kind = 'not_compared' then 1 else 0 end), 0)"
            " as bigint) from reconciliation_findings where run_id = $1 and state = 'open'"
        ))
        .bind(run)
        .one()
        .await?;
    Ok(Apart { money: sums.into_iter().collect(), subscriptions, unread })
}

/// A page of events about refunds since a time of the world, those after an id: id and payload.
///
/// # Errors
/// See [`webhooks`].
pub async fn refund_events(
    tx: &mut Tx,
    since: i64,
    after: &str,
    limit: i64,
) -> Result<Vec<(String, String)>> {
    tx.query(sql!(
        "select id, payload from webhook_events where received_at >= $1 and id > $2"
        " and type in ('refund.created', 'refund.updated', 'refund.failed', 'charge.refund.updated') order by id limit $3"
    ))
    .bind(since)
    .bind(after)
    .bind(limit)
    .all()
    .await
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Ours.
    pub id: String,
    /// The comparison that it rests on.
    pub run: Option<String>,
    /// The period, unix seconds of the business.
    pub since: i64,
    /// Its end.
    pub until: i64,
    /// The eight checks.
    pub checks: Vec<Checked>,
    /// The world's time, unix seconds.
    pub made_at: i64,
}

#[derive(sqlx::FromRow)]
struct ReportRow {
    id: String,
    run_id: Option<String>,
    since: i64,
    until: i64,
    checks: String,
    made_at: i64,
}

impl From<ReportRow> for Report {
    fn from(row: ReportRow) -> Self {
        Self {
            id: row.id,
            run: row.run_id,
            since: row.since,
            until: row.until,
            checks: serde_json::from_str(&row.checks).unwrap_or_default(),
            made_at: row.made_at,
        }
    }
}

/// Keeps a report.
///
/// # Errors
/// See [`webhooks`].
pub async fn keep_report(tx: &mut Tx, report: &Report) -> Result<()> {
    tx.query(sql!(
        "insert into validation_reports (id, run_id, since, until, checks, made_at) values ($1, $2, $3, $4, $5, $6)"
    ))
    .bind(&report.id)
    .bind(report.run.as_deref())
    .bind(report.since)
    .bind(report.until)
    .bind(serde_json::to_string(&report.checks).unwrap_or_else(|_| "[]".to_owned()))
    .bind(report.made_at)
    .run()
    .await?;
    Ok(())
}

/// A new id of a report.
pub fn new_id() -> String {
    id::random("val")
}

/// The latest reports.
///
/// # Errors
/// See [`webhooks`].
pub async fn reports(tx: &mut Tx, limit: i64) -> Result<Vec<Report>> {
    let rows: Vec<ReportRow> = tx
        .query(sql!(
            "select id, run_id, since, until, checks, made_at from validation_reports order by made_at desc, id desc limit $1"
        ))
        .bind(limit)
        .all()
        .await?;
    Ok(rows.into_iter().map(Report::from).collect())
}

/// One report.
///
/// # Errors
/// See [`webhooks`].
pub async fn report(tx: &mut Tx, id: &str) -> Result<Option<Report>> {
    let row: Option<ReportRow> = tx
        .query(sql!("select id, run_id, since, until, checks, made_at from validation_reports where id = $1"))
        .bind(id)
        .optional()
        .await?;
    Ok(row.map(Report::from))
}

/// The latest run that is through and has no report since, if it ended not long ago.
///
/// # Errors
/// See [`webhooks`].
pub async fn without_report(tx: &mut Tx, wall: i64) -> Result<Option<String>> {
    let row: Option<(String,)> = tx
        .query(sql!(
            "select id from reconciliation_runs r where state = 'done' and finished_at >= $1 and not exists"
            " (select 1 from validation_reports v where v.run_id = r.id and v.made_at >= r.finished_at)"
            " and not exists (select 1 from reconciliation_runs n where n.started_at > r.started_at)"
            " order by started_at desc, id desc limit 1"
        ))
        .bind(wall - 86_400)
        .optional()
        .await?;
    Ok(row.map(|(id,)| id))
}
