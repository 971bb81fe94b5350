//! What the page of one metric reads.

use jiff::Timestamp;

use super::read::facts;
use crate::catalog::policy::{Catalog, MetricKind};
use crate::clock::{day_of, from_seconds};
use crate::db::{Result, Tx, sql};
use crate::tenants::TenantId;
use crate::usage::Summary;
use crate::usage::forecast::LOOK_BACK;
use crate::usage::period::Window;
use crate::usage::summary::DayRow;

/// A period that is kept: what it came to, or for a gauge the highest level that a day ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodUse {
    /// The period.
    pub window: Window,
    /// How much.
    pub quantity: i64,
}

/// One metric of a tenant, for its page.
#[derive(Clone, Debug)]
pub struct Detail {
    /// Where it stands, among all.
    pub summary: Summary,
    /// The period that is shown.
    pub shown: Window,
    /// Days of the metric in it: number and quantity.
    pub days: Vec<(i64, i64)>,
    /// A gauge's level when it began.
    pub before: Option<i64>,
    /// Its latest periods, the newest first.
    pub periods: Vec<PeriodUse>,
}

/// Periods that a metric's page lists.
const PERIODS: i64 = 13;
/// Days around a moment that hold the whole of its period.
const MONTH: i64 = 32;

/// The lists that one query reads.
mod list {
    pub(super) const DAYS: i64 = 0;
    pub(super) const TOTALS: i64 = 1;
    pub(super) const HIGHEST: i64 = 2;
    pub(super) const EARLIER: i64 = 3;
    pub(super) const BEFORE: i64 = 4;
}

/// One metric of a tenant, in the period that `at` lies in: two queries. None: no such tenant.
///
/// # Errors
/// As [`super::check`].
pub async fn periods(
    tx: &mut Tx,
    tenant: &TenantId,
    catalog: &Catalog,
    metric: &str,
    at: Timestamp,
    now: Timestamp,
) -> Result<Option<Detail>> {
    let Some(mut facts) = facts(tx, tenant).await? else { return Ok(None) };
    let (asked, current) = (facts.terms.window(at), facts.terms.window(now));
    let is_gauge = catalog.metric(metric).is_some_and(|metric| metric.kind == MetricKind::Gauge);
    let rows: Vec<(i64, i64, i64, i64)> = tx
        .query(sql!(
            "select cast(0 as bigint) as list, day, period_start, quantity from usage_days"
            " where tenant_id = $1 and metric = $2 and (day >= $3 or day between $4 and $5)"
            " union all select cast(1 as bigint), period_end, period_start, total from (select period_end, period_start, total"
            " from usage_totals where tenant_id = $1 and metric = $2 order by period_start desc limit $6) t"
            " union all select cast(2 as bigint), cast(0 as bigint), period_start, quantity from (select period_start, max(quantity) as quantity"
            " from usage_days where tenant_id = $1 and metric = $2 and day >= $7 group by period_start) g"
            " union all select cast(3 as bigint), period_end, period_start, total from usage_totals"
            " where tenant_id = $1 and metric = $2 and period_start >= $8 and period_start < $9"
            " union all select cast(4 as bigint), day, period_start, quantity from (select day, period_start, quantity"
            " from usage_days where tenant_id = $1 and metric = $2 and day < $10 order by day desc, period_start desc limit 1) b"
        ))
        .bind(tenant.as_str())
        .bind(metric)
        .bind(day_of(current.start).min(day_of(now) - LOOK_BACK))
        .bind(day_of(at) - MONTH)
        .bind(day_of(at) + MONTH)
        .bind(PERIODS)
        // Only gauges need their periods out of the days, and what they stood at when a period began, however long ago that
        // was told.
        .bind(if is_gauge { day_of(now) - 31 * PERIODS } else { i64::from(i32::MAX) })
        .bind(facts.terms.billed_since().unwrap_or(current.start).as_second())
        .bind(current.start.as_second())
        .bind(if is_gauge { day_of(asked.start) } else { i64::from(i32::MIN) })
        .all()
        .await?;
    let (mut periods, mut earlier) = (Vec::new(), Vec::new());
    for (list, day, period_start, quantity) in rows {
        let start = from_seconds(period_start);
        let row = DayRow { metric: metric.to_owned(), day, period_start, quantity };
        match list {
            list::DAYS => facts.days.push(row),
            list::TOTALS if is_gauge => drop(facts.levels.insert(row.metric, quantity)),
            list::TOTALS => {
                periods.push(PeriodUse { window: Window { start, end: from_seconds(day) }, quantity });
            }
            list::HIGHEST => {
                let end = facts.terms.window(start).end;
                periods.push(PeriodUse { window: Window { start, end }, quantity });
            }
            list::EARLIER => *facts.earlier.entry(row.metric).or_default() += quantity,
            list::BEFORE => earlier.push(row),
            _ => {}
        }
    }
    periods.sort_by_key(|period| std::cmp::Reverse(period.window.start));
    let shown = if is_gauge { asked } else { booked(&periods, asked, current, at) };
    let start = shown.start.as_second();
    let mut days: Vec<(i64, i64)> = facts
        .days
        .iter()
        .filter(|row| row.period_start == start)
        .map(|row| (row.day, row.quantity))
        .collect();
    days.sort_unstable();
    earlier.extend(facts.days.iter().filter(|row| row.period_start < start).cloned());
    let before = earlier.iter().max_by_key(|row| (row.day, row.period_start)).map(|row| row.quantity);
    Ok(Some(Detail { summary: Summary::new(catalog, &facts, now), shown, days, before, periods }))
}

/// The period of the books that a time lies in: the day on which periods begin may have been another one then.
fn booked(periods: &[PeriodUse], asked: Window, current: Window, at: Timestamp) -> Window {
    if current.contains(at) {
        return current;
    }
    let mut known = periods.iter().map(|period| period.window).filter(|window| window.start < current.start);
    known.find(|window| window.contains(at)).unwrap_or(asked)
}
