//! What tenants use: the gate, what is read of it, its pages, and the way out to Stripe's meters.

mod comparisons;
mod gate;
mod interleaving;
mod late;
mod meters;
mod pages;
mod reports;
mod thresholds;

use std::collections::BTreeMap;

use billing_portal::catalog::product::Limit;
use billing_portal::clock::from_seconds;
use billing_portal::tenants::{Tenant, TenantId};
use billing_portal::usage::{Answer, Event, Report, store};

use crate::support::portal::Portal;

/// An hour, in seconds.
const HOUR: i64 = 3_600;
/// A day, in seconds.
const DAY: i64 = 86_400;

/// A limit that is never passed.
const fn hard(limit: i64) -> Limit {
    Limit { limit: Some(limit), hard: true }
}

/// A limit that is passed and reported.
const fn soft(limit: i64) -> Limit {
    Limit { limit: Some(limit), hard: false }
}

/// A report of more of a counter.
fn more(metric: &str, quantity: i64, key: impl Into<String>) -> Report {
    Report {
        metric: metric.into(),
        quantity: Some(quantity),
        idempotency_key: key.into(),
        ..Report::default()
    }
}

/// A report of a gauge's level.
fn level(metric: &str, value: i64, key: impl Into<String>) -> Report {
    Report { metric: metric.into(), value: Some(value), idempotency_key: key.into(), ..Report::default() }
}

impl Portal {
    /// Subscribes the tenant to a plan of these limits, since `days` days, paid by the month.
    pub(super) async fn subscribe(&self, tenant: &Tenant, days: i64, limits: &[(&str, Limit)]) {
        let start = self.clock.now().as_second() - days * DAY;
        self.subscribe_for(tenant, start, start + 30 * DAY, limits).await;
    }

    /// Subscribes the tenant to a plan of these limits, with this current period.
    pub(super) async fn subscribe_for(
        &self,
        tenant: &Tenant,
        start: i64,
        end: i64,
        limits: &[(&str, Limit)],
    ) {
        let limits: BTreeMap<&str, Limit> = limits.iter().copied().collect();
        let (id, limits) = (tenant.id.as_str(), serde_json::to_string(&limits).unwrap());
        self.run(&format!(
            "insert into products (id, name, active, livemode, plan, limits, seen_at)\
             values ('prod_{id}', 'Plan', true, false, 'plan_{id}', '{limits}', 1)"
        ))
        .await;
        self.run(&format!("insert into customers (id, tenant_id, currency, livemode, seen_at) values ('cus_{id}', '{id}', 'eur', false, 1)"))
            .await;
        self.run(&format!(
            "insert into subscriptions (id, tenant_id, customer_id, status, currency, product_id, items, current_period_start,\
             current_period_end, livemode, started_at, created_at, seen_at) values ('sub_{id}', '{id}', 'cus_{id}', 'active', 'eur',\
             'prod_{id}', '[]', {start}, {end}, false, {start}, {start}, 1)"
        ))
        .await;
    }

    /// Reports events, in their order.
    pub(super) async fn report(&self, tenant: &TenantId, reports: Vec<Report>) -> Vec<Answer> {
        let now = self.clock.now();
        let events = reports
            .into_iter()
            .map(|report| Event::new(tenant, &self.app.catalog, report, now).unwrap())
            .collect();
        self.app.usage.record(events).await.unwrap()
    }

    /// What a check says is used.
    pub(super) async fn used(&self, tenant: &TenantId, metric: &str) -> i64 {
        let mut tx = self.db.read().await.unwrap();
        let seen =
            store::check(&mut tx, tenant, &self.app.catalog, metric, 1, self.clock.now()).await.unwrap();
        seen.unwrap().standing.used
    }

    /// Every row of usage in words, for holding one state against another.
    pub(super) async fn books(&self) -> Vec<String> {
        let mut tx = self.db.read().await.unwrap();
        let rows: Vec<(String,)> = tx
            .query_built(
                "select 'total ' || tenant_id || ' ' || metric || ' ' || period_start || ' ' || total from usage_totals \
                 union all select 'day ' || tenant_id || ' ' || metric || ' ' || day || ' ' || period_start || ' ' || quantity from usage_days \
                 union all select 'event ' || tenant_id || ' ' || key || ' ' || outcome || ' ' || used from usage_events \
                 union all select 'hour ' || tenant_id || ' ' || metric || ' ' || window_start || ' ' || quantity from usage_outbox \
                 union all select 'mail ' || cause from mails order by 1"
                    .to_owned(),
            )
            .all()
            .await
            .unwrap();
        rows.into_iter().map(|(row,)| row).collect()
    }

    /// The books of the days and events must say what the totals say.
    pub(super) async fn assert_balanced(&self) {
        let differ = "select count(*) from usage_totals t where t.period_end > 0 and t.total <>";
        let days = "(select coalesce(sum(quantity), 0) from usage_days d where d.tenant_id = t.tenant_id and d.metric = t.metric \
                    and d.period_start = t.period_start)";
        assert_eq!(self.count(&format!("{differ} {days}")).await, 0, "days do not add up");
        let events = "select count(*) from (select tenant_id, metric, sum(total) as total from usage_totals where period_end > 0 \
                       group by tenant_id, metric) t where t.total <> (select coalesce(sum(e.amount), 0) from usage_events e \
                       where e.tenant_id = t.tenant_id and e.metric = t.metric and e.outcome = 'recorded')";
        assert_eq!(self.count(events).await, 0, "events do not add up");
    }

    /// A time, so many seconds from now.
    pub(super) fn at(&self, seconds: i64) -> Option<jiff::Timestamp> {
        Some(from_seconds(self.clock.now().as_second() + seconds))
    }
}
