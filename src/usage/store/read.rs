//! What checks, pages and the API read.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;

use super::{TermsRow, subscription_of, terms_columns};
use crate::catalog::policy::{Catalog, Metric, MetricKind};
use crate::clock::day_of;
use crate::db::{Result, Tx, sql};
use crate::money::Currency;
use crate::tenants::TenantId;
use crate::usage::forecast::LOOK_BACK;
use crate::usage::ledger::LEVEL;
use crate::usage::period::Window;
use crate::usage::price::{PriceRow, Tariff};
use crate::usage::summary::{DayRow, Facts, merged};
use crate::usage::{Check, DAY, DayUse, Standing, Summary, Terms, judge};

#[derive(sqlx::FromRow)]
struct CheckRow {
    #[sqlx(flatten)]
    terms: TermsRow,
    period_start: Option<i64>,
    total: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct StandingRow {
    #[sqlx(flatten)]
    terms: TermsRow,
    metric: Option<String>,
    period_start: Option<i64>,
    total: Option<i64>,
}

/// Whether so much more of a metric would be taken now; records nothing, in one read by primary keys. None: no such tenant.
///
/// For a gauge, `quantity` is what would be added to the level. A rate is never refused: it is not counted here.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn check(
    tx: &mut Tx,
    tenant: &TenantId,
    catalog: &Catalog,
    metric: &str,
    quantity: i64,
    now: Timestamp,
) -> Result<Option<Check>> {
    let row: Option<CheckRow> = tx
        .query(sql!(
            "select" terms_columns!() ", u.period_start, u.total from tenants n" subscription_of!()
            " left join usage_totals u on u.tenant_id = n.id and u.metric = $2 and u.period_start ="
            " (select max(y.period_start) from usage_totals y where y.tenant_id = n.id and y.metric = $2 and y.period_start <= $3)"
            " where n.id = $1"
        ))
        .bind(tenant.as_str())
        .bind(metric)
        .bind(now.as_second())
        .optional()
        .await?;
    Ok(row.map(|row| {
        let terms = row.terms.terms();
        let kind = catalog.metric(metric).map_or(MetricKind::Counter, |metric| metric.kind);
        let (period, reset_at) = counted_in(kind, terms.window(now));
        let used = row.total.filter(|_| row.period_start == Some(period)).unwrap_or(0);
        let limit = terms.limit(catalog, metric);
        let refusal = match kind {
            MetricKind::Rate => None,
            _ => judge(used, used.checked_add(quantity), limit),
        };
        Check { refusal, standing: Standing { used, limit, reset_at } }
    }))
}

/// The period that a metric's number counts for now, as its row names it, and when it begins anew.
fn counted_in(kind: MetricKind, window: Window) -> (i64, Option<Timestamp>) {
    match kind {
        MetricKind::Counter => (window.start.as_second(), Some(window.end)),
        MetricKind::Gauge | MetricKind::Rate => (LEVEL, None),
    }
}

/// Where a tenant stands with each metric that is counted, in the order of the catalogue: one read, without a forecast and
/// without prices. None: no such tenant.
///
/// # Errors
/// As [`check`].
pub async fn standings(
    tx: &mut Tx,
    tenant: &TenantId,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<Option<Vec<(String, Standing)>>> {
    let rows: Vec<StandingRow> = tx
        .query(sql!(
            "select" terms_columns!() ", u.metric, u.period_start, u.total from tenants n" subscription_of!()
            " left join usage_totals u on u.tenant_id = n.id"
            // The end of a period may have moved since it was written: its beginning tells. None is longer than a month.
            " and (u.period_start = 0 or u.period_start between $3 and $2) where n.id = $1"
        ))
        .bind(tenant.as_str())
        .bind(now.as_second())
        .bind(now.as_second().saturating_sub(32 * DAY))
        .all()
        .await?;
    let totals: BTreeMap<(String, i64), i64> =
        rows.iter().filter_map(|row| Some(((row.metric.clone()?, row.period_start?), row.total?))).collect();
    let Some(terms) = rows.into_iter().next().map(|row| row.terms.terms()) else { return Ok(None) };
    let window = terms.window(now);
    let standing = |metric: &Metric| {
        if metric.kind == MetricKind::Rate {
            return None;
        }
        let (period, reset_at) = counted_in(metric.kind, window);
        let used = totals.get(&(metric.id.clone(), period)).copied().unwrap_or(0);
        Some((metric.id.clone(), Standing { used, limit: terms.limit(catalog, &metric.id), reset_at }))
    };
    Ok(Some(catalog.metrics.iter().filter_map(standing).collect()))
}

/// The terms of a tenant, subscriptions that ended since `since` included. None: no such tenant.
pub(in crate::usage) async fn terms(tx: &mut Tx, tenant: &str, since: i64) -> Result<Option<Terms>> {
    let row: Option<TermsRow> = tx
        .query(sql!("select" terms_columns!() " from tenants n" subscription_of!() " where n.id = $1"))
        .bind(tenant)
        .optional()
        .await?;
    let Some(mut terms) = row.map(TermsRow::terms) else { return Ok(None) };
    for (_, subscription) in super::ended_since(tx, &BTreeSet::from([tenant]), since).await? {
        terms.remember(subscription);
    }
    Ok(Some(terms))
}

#[derive(sqlx::FromRow)]
struct FactsRow {
    #[sqlx(flatten)]
    terms: TermsRow,
    subscription_currency: Option<String>,
    items: Option<String>,
    metric: Option<String>,
    price_id: Option<String>,
    active: Option<bool>,
    currency: Option<String>,
    unit_amount: Option<i64>,
    unit_amount_decimal: Option<String>,
    tiers_mode: Option<String>,
    tiers: Option<String>,
    currency_options: Option<String>,
}

/// An item of a subscription, as `sync` keeps it.
#[derive(Deserialize)]
struct Item {
    price: String,
}

impl FactsRow {
    fn tariff(&self, currency: Currency) -> Option<Tariff> {
        let row = PriceRow {
            currency: self.currency.clone()?,
            unit_amount: self.unit_amount,
            unit_amount_decimal: self.unit_amount_decimal.clone(),
            tiers_mode: self.tiers_mode.clone(),
            tiers: self.tiers.clone(),
            currency_options: self.currency_options.clone().unwrap_or_default(),
        };
        Tariff::of(&row, currency)
    }
}

/// Limits, periods and prices of a tenant: one query. None: no such tenant.
pub(super) async fn facts(tx: &mut Tx, tenant: &TenantId) -> Result<Option<Facts>> {
    let rows: Vec<FactsRow> = tx
        .query(sql!(
            "select" terms_columns!() ", s.currency as subscription_currency, s.items, m.metric, r.id as price_id, r.active,"
            " r.currency, r.unit_amount, r.unit_amount_decimal, r.tiers_mode, r.tiers, r.currency_options"
            " from tenants n" subscription_of!()
            " left join products m on m.metric is not null and s.id is not null"
            " left join prices r on r.product_id = m.id and r.usage_type = 'metered'"
            " where n.id = $1 order by m.id, r.active desc, r.id"
        ))
        .bind(tenant.as_str())
        .all()
        .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let currency: Option<Currency> =
        first.subscription_currency.as_deref().and_then(|code| code.parse().ok());
    let items: Vec<Item> =
        first.items.as_deref().and_then(|items| serde_json::from_str(items).ok()).unwrap_or_default();
    let mut tariffs: BTreeMap<String, Tariff> = BTreeMap::new();
    for row in &rows {
        let Some((metric, tariff)) =
            row.metric.clone().zip(currency.and_then(|currency| row.tariff(currency)))
        else {
            continue;
        };
        // The subscription's own price; without one, the first that is for sale.
        if items.iter().any(|item| Some(&item.price) == row.price_id.as_ref()) {
            tariffs.insert(metric, tariff);
        } else if row.active == Some(true) {
            tariffs.entry(metric).or_insert(tariff);
        }
    }
    let terms = rows.into_iter().next().map(|row| row.terms.terms());
    Ok(terms.map(|terms| Facts { terms, tariffs, ..Facts::default() }))
}

fn ids(catalog: &Catalog, kind: MetricKind) -> String {
    let ids = catalog.metrics.iter().filter(|metric| metric.kind == kind).map(|metric| metric.id.as_str());
    serde_json::Value::from_iter(ids).to_string()
}

/// Where a tenant stands with every metric: two queries, however long its history is. None: no such tenant.
///
/// # Errors
/// As [`check`].
pub async fn summary(
    tx: &mut Tx,
    tenant: &TenantId,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<Option<Summary>> {
    let Some(mut facts) = facts(tx, tenant).await? else { return Ok(None) };
    let window = facts.terms.window(now);
    let billed_since = facts.terms.billed_since().unwrap_or(window.start);
    let rows: Vec<(String, Option<i64>, i64, i64)> = tx
        .query(sql!(
            "select metric, day, period_start, quantity from usage_days where tenant_id = $1 and day >= $2"
            " and metric in (select value from " lite "json_each($3)" pg "json_array_elements_text(cast($3 as json))" ")"
            " union all select metric, null, period_start, total from usage_totals where tenant_id = $1 and period_start = 0"
            " and metric in (select value from " lite "json_each($4)" pg "json_array_elements_text(cast($4 as json))" ")"
            " union all select metric, null, period_start, total from usage_totals where tenant_id = $1 and period_start >= $5 and period_start < $6"
        ))
        .bind(tenant.as_str())
        .bind(day_of(window.start).min(day_of(now) - LOOK_BACK))
        .bind(ids(catalog, MetricKind::Counter))
        .bind(ids(catalog, MetricKind::Gauge))
        .bind(billed_since.as_second())
        .bind(window.start.as_second())
        .all()
        .await?;
    for (metric, day, period_start, quantity) in rows {
        match day {
            Some(day) => facts.days.push(DayRow { metric, day, period_start, quantity }),
            None if period_start == LEVEL => drop(facts.levels.insert(metric, quantity)),
            None => *facts.earlier.entry(metric).or_default() += quantity,
        }
    }
    Ok(Some(Summary::new(catalog, &facts, now)))
}

/// What was used on each day from `from` to `to`, both in it, in days since 1970-01-01 in UTC; of one metric, or of all. In
/// the order of metrics and days; a day without use is not there.
///
/// # Errors
/// As [`check`].
pub async fn history(
    tx: &mut Tx,
    tenant: &TenantId,
    catalog: &Catalog,
    metric: Option<&str>,
    from: i64,
    to: i64,
) -> Result<Vec<DayUse>> {
    let rows: Vec<(String, i64, i64, i64)> = match metric {
        Some(metric) => tx
            .query(sql!(
                "select metric, day, period_start, quantity from usage_days"
                " where tenant_id = $1 and metric = $2 and day between $3 and $4 order by day, period_start"
            ))
            .bind(tenant.as_str())
            .bind(metric),
        None => tx
            .query(sql!(
                "select metric, day, period_start, quantity from usage_days"
                " where tenant_id = $1 and day between $2 and $3 order by metric, day, period_start"
            ))
            .bind(tenant.as_str()),
    }
    .bind(from)
    .bind(to)
    .all()
    .await?;
    let rows = rows.into_iter().map(|(metric, day, period_start, quantity)| DayRow {
        metric,
        day,
        period_start,
        quantity,
    });
    Ok(merged(catalog, rows.collect()))
}
