//! Levels and their limits, once a day: a plan that became smaller, or a period that begins near a limit, comes without an event.

use jiff::Timestamp;

use crate::catalog::policy::{Catalog, MetricKind};
use crate::db::{self, Db};
use crate::usage::Standing;
use crate::usage::ledger::{Threshold, reached};
use crate::usage::store;

/// Levels that are looked at in one transaction.
const AT_ONCE: i64 = 500;

/// Stages the mails about levels that have reached a share of their limit, each once for its period.
///
/// # Errors
/// The database did not answer.
pub(super) async fn tell(db: &Db, catalog: &Catalog, now: Timestamp) -> Result<(), db::Error> {
    let mut after = (String::new(), String::new());
    loop {
        let levels = store::levels(&mut db.read().await?, (&after.0, &after.1), AT_ONCE).await?;
        let Some((tenant, metric, ..)) = levels.last() else { return Ok(()) };
        after = (tenant.clone(), metric.clone());
        let reached: Vec<Threshold> = levels
            .into_iter()
            .filter(|(_, metric, ..)| {
                catalog.metric(metric).is_some_and(|metric| metric.kind == MetricKind::Gauge)
            })
            .filter_map(|(tenant, metric, used, terms)| {
                let limit = terms.limit(catalog, &metric);
                let standing = Standing { used, limit, reset_at: None };
                let (percent, tenant) = (reached(standing)?, tenant.parse().ok()?);
                let period_start = terms.window(now).start.as_second();
                Some(Threshold { tenant, metric, period_start, percent, standing })
            })
            .collect();
        if !reached.is_empty() {
            let mut tx = db.write().await?;
            store::put_thresholds(&mut tx, &reached, now.as_second()).await?;
            tx.commit().await?;
        }
    }
}
