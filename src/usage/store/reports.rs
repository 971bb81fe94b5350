//! What Stripe could not count, as its reports say.

use crate::db::{Result, Tx, sql};
use crate::usage::meters::{ErrorReport, ReportKind};

/// Reports in the inbox that have not been read yet: event id and payload.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub(in crate::usage) async fn unread_reports(tx: &mut Tx, since: i64) -> Result<Vec<(String, String)>> {
    tx.query(sql!(
        "select e.id, e.payload from webhook_events e"
        " where e.type in ('v1.billing.meter.error_report_triggered', 'v1.billing.meter.no_meter_found') and e.received_at >= $1"
        " and not exists (select 1 from usage_meter_errors m where m.event_id = e.id) order by e.received_at limit 50"
    ))
    .bind(since)
    .all()
    .await
}

/// Keeps what a report says; what it says later takes the place of what it said before. `fetch_at`: when the rest of it is to be
/// asked for; none: there is no more.
pub(in crate::usage) async fn keep_report(
    tx: &mut Tx,
    report: &ErrorReport,
    at: i64,
    fetch_at: Option<i64>,
) -> Result<u64> {
    tx.query(sql!(
        "insert into usage_meter_errors (event_id, kind, meter_id, at, error_count, summary, details, taken_at, fetch_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $4, $8) on conflict (event_id) do update set meter_id = excluded.meter_id,"
        " error_count = excluded.error_count, summary = excluded.summary, details = excluded.details, fetch_at = excluded.fetch_at"
    ))
    .bind(&report.event)
    .bind(report.kind)
    .bind(report.meter.as_deref())
    .bind(at)
    .bind(report.count)
    .bind(&report.summary)
    .bind(serde_json::to_string(&report.samples).unwrap_or_else(|_| "[]".to_owned()))
    .bind(fetch_at)
    .run()
    .await
}

/// Reports that are to be asked for whole now, with the tries before.
pub(in crate::usage) async fn unfetched(tx: &mut Tx, now: i64, most: i64) -> Result<Vec<(String, i64)>> {
    tx.query(sql!(
        "select event_id, attempts from usage_meter_errors where fetch_at is not null and fetch_at <= $1"
        " order by fetch_at, event_id limit $2"
    ))
    .bind(now)
    .bind(most)
    .all()
    .await
}

/// A report could not be asked for: again at `next`, or never where that is none.
pub(in crate::usage) async fn put_off_report(tx: &mut Tx, event: &str, next: Option<i64>) -> Result<u64> {
    tx.query(sql!("update usage_meter_errors set attempts = attempts + 1, fetch_at = $2 where event_id = $1"))
        .bind(event)
        .bind(next)
        .run()
        .await
}

/// A report as staff see it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(in crate::usage) struct Report {
    pub(in crate::usage) event_id: String,
    pub(in crate::usage) kind: ReportKind,
    pub(in crate::usage) at: i64,
    pub(in crate::usage) error_count: i64,
    pub(in crate::usage) summary: String,
    pub(in crate::usage) details: String,
    pub(in crate::usage) fetch_at: Option<i64>,
}

/// The latest reports.
pub(in crate::usage) async fn reports(tx: &mut Tx, most: i64) -> Result<Vec<Report>> {
    tx.query(sql!(
        "select event_id, kind, at, error_count, summary, details, fetch_at from usage_meter_errors"
        " order by at desc, event_id limit $1"
    ))
    .bind(most)
    .all()
    .await
}
