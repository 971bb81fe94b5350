//! What the gate reads under its lock and writes back.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::{TermsRow, subscription_of, terms_columns};
use crate::catalog::policy::Catalog;
use crate::catalog::product::Limit;
use crate::clock::from_seconds;
use crate::db::{Result, Tx, bulk, sql};
use crate::mail::letter::UsageThreshold;
use crate::mail::{self, Letter};
use crate::usage::ledger::{Booked, DayChange, Slot, THRESHOLDS, Threshold, Total};
use crate::usage::period::Window;
use crate::usage::terms::Subscribed;
use crate::usage::{Answer, Change, Event, Outcome, Refusal, Standing, Terms};

/// How long what was billed gathers before it is sent, in seconds.
pub(in crate::usage) const GATHER: i64 = 60;

/// What is kept of an event under its key.
#[derive(Clone, Debug)]
pub(in crate::usage) struct Kept {
    metric: String,
    amount: i64,
    asked_at: Option<i64>,
    answer: Answer,
}

impl Kept {
    pub(in crate::usage) fn new(event: &Event, answer: Answer) -> Self {
        let (metric, amount) = (event.metric.clone(), event.change.amount());
        Self { metric, amount, asked_at: event.asked_at, answer }
    }

    /// The answer to an event that comes under the same key: the first one's, if it says the same.
    pub(in crate::usage) fn again(&self, event: &Event) -> Answer {
        let same = self.metric == event.metric
            && self.amount == event.change.amount()
            && self.asked_at == event.asked_at;
        let outcome = match self.answer.outcome {
            _ if !same => Outcome::Conflict,
            Outcome::Recorded => Outcome::Duplicate,
            first => first,
        };
        Answer { outcome, ..self.answer }
    }

    fn outcome(&self) -> &'static str {
        match self.answer.outcome {
            Outcome::Refused(refusal) => refusal.as_str(),
            outcome => outcome.as_str(),
        }
    }
}

#[derive(sqlx::FromRow)]
struct TenantTerms {
    tenant_id: String,
    #[sqlx(flatten)]
    terms: TermsRow,
}

/// The terms of tenants, whose rows are locked until the transaction ends; unknown tenants are absent.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub(in crate::usage) async fn lock_terms(
    tx: &mut Tx,
    tenants: &BTreeSet<&str>,
) -> Result<HashMap<String, Terms>> {
    let ids = serde_json::Value::from_iter(tenants.iter().copied());
    let rows: Vec<TenantTerms> = tx
        .query(sql!(
            "select n.id as tenant_id," terms_columns!() " from tenants n" subscription_of!()
            " where n.id in (select value from " lite "json_each($1)" pg "json_array_elements_text(cast($1 as json))"
            ") order by n.id" pg " for no key update of n"
        ))
        .bind(ids.to_string())
        .all()
        .await?;
    Ok(rows.into_iter().map(|row| (row.tenant_id, row.terms.terms())).collect())
}

/// Subscriptions of tenants that are over, and were not at `since`: those that late events may be judged by.
pub(in crate::usage) async fn ended_since(
    tx: &mut Tx,
    tenants: &BTreeSet<&str>,
    since: i64,
) -> Result<Vec<(String, Subscribed)>> {
    let ids = serde_json::Value::from_iter(tenants.iter().copied());
    let rows: Vec<TenantTerms> = tx
        .query(sql!(
            "select s.tenant_id," terms_columns!() " from subscriptions s left join products p on p.id = s.product_id"
            " where s.status = 'canceled' and s.ended_at > $2"
            " and s.tenant_id in (select value from " lite "json_each($1)" pg "json_array_elements_text(cast($1 as json))" ")"
            " order by s.tenant_id, s.ended_at desc, s.id"
        ))
        .bind(ids.to_string())
        .bind(since)
        .all()
        .await?;
    let subscriptions = rows.into_iter().filter_map(|row| Some((row.tenant_id, row.terms.subscribed()?)));
    Ok(subscriptions.collect())
}

/// The periods of the books that these times fall into, by tenant, metric and time: of several the latest.
pub(in crate::usage) async fn booked(tx: &mut Tx, names: &[(&str, &str, i64)]) -> Result<Booked> {
    let select = bulk!(
        "select t.tenant_id, t.metric, w.column3, t.period_start, t.period_end from (values " rows "($1, $2, cast($3 as bigint))"
        ") w join usage_totals t on t.tenant_id = w.column1 and t.metric = w.column2 and t.period_start <= w.column3"
        " and t.period_end > w.column3"
    );
    let rows: Vec<(String, String, i64, i64, i64)> = tx
        .insert_many(select, names, |query, (tenant, metric, at)| query.bind(*tenant).bind(*metric).bind(*at))
        .await?;
    let mut booked = Booked::new();
    for (tenant, metric, at, start, end) in rows {
        let window = Window { start: from_seconds(start), end: from_seconds(end) };
        let known = booked.entry((tenant, metric, at)).or_insert(window);
        if window.start > known.start {
            *known = window;
        }
    }
    Ok(booked)
}

#[derive(sqlx::FromRow)]
struct KeptRow {
    tenant_id: String,
    key: String,
    metric: String,
    amount: i64,
    asked_at: Option<i64>,
    outcome: String,
    used: i64,
    limit_value: Option<i64>,
    hard: bool,
    reset_at: Option<i64>,
}

/// What is kept under these keys: tenant, key and what it was.
pub(in crate::usage) async fn kept(
    tx: &mut Tx,
    names: &[(&str, &str)],
) -> Result<Vec<(String, String, Kept)>> {
    // Not an insert, but a statement over as many rows all the same.
    let select = bulk!(
        "select e.tenant_id, e.key, e.metric, e.amount, e.asked_at, e.outcome, e.used, e.limit_value, e.hard, e.reset_at from (values " rows "($1, $2)"
        ") w join usage_events e on e.tenant_id = w.column1 and e.key = w.column2"
    );
    let rows: Vec<KeptRow> =
        tx.insert_many(select, names, |query, (tenant, key)| query.bind(*tenant).bind(*key)).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let outcome = match row.outcome.as_str() {
                "limit_reached" => Outcome::Refused(Refusal::LimitReached),
                "not_in_plan" => Outcome::Refused(Refusal::NotInPlan),
                "too_large" => Outcome::Refused(Refusal::TooLarge),
                _ => Outcome::Recorded,
            };
            let limit = Limit { limit: row.limit_value, hard: row.hard };
            let standing = Standing { used: row.used, limit, reset_at: row.reset_at.map(from_seconds) };
            let answer = Answer { outcome, standing };
            let kept = Kept { metric: row.metric, amount: row.amount, asked_at: row.asked_at, answer };
            (row.tenant_id, row.key, kept)
        })
        .collect())
}

/// The totals that there are.
pub(in crate::usage) async fn totals(tx: &mut Tx, slots: &[Slot]) -> Result<HashMap<Slot, Total>> {
    let select = bulk!(
        "select t.tenant_id, t.metric, t.period_start, t.period_end, t.total, t.at from (values " rows "($1, $2, cast($3 as bigint))"
        ") w join usage_totals t on t.tenant_id = w.column1 and t.metric = w.column2 and t.period_start = w.column3"
    );
    let rows: Vec<(String, String, i64, i64, i64, i64)> = tx
        .insert_many(select, slots, |query, slot| {
            query.bind(&slot.tenant).bind(&slot.metric).bind(slot.period_start)
        })
        .await?;
    Ok(rows
        .into_iter()
        .map(|(tenant, metric, period_start, period_end, value, at)| {
            (Slot { tenant, metric, period_start }, Total { period_end, value, at })
        })
        .collect())
}

/// Keeps events under their keys, which must be new.
pub(in crate::usage) async fn keep(tx: &mut Tx, new: &[(&Event, Kept)]) -> Result<()> {
    let insert = bulk!(
        "insert into usage_events (tenant_id, key, metric, amount, asked_at, outcome, used, limit_value, hard, reset_at, recorded_at) values " rows
        "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    );
    tx.insert_many::<_, (i64,)>(insert, new, |query, (event, kept)| {
        let standing = kept.answer.standing;
        query
            .bind(event.tenant.as_str())
            .bind(&event.key)
            .bind(&kept.metric)
            .bind(kept.amount)
            .bind(kept.asked_at)
            .bind(kept.outcome())
            .bind(standing.used)
            .bind(standing.limit.limit)
            .bind(standing.limit.hard)
            .bind(standing.reset_at.map(Timestamp::as_second))
            .bind(event.now)
    })
    .await?;
    Ok(())
}

/// Writes totals over those that there are: nobody else could change them meanwhile.
pub(in crate::usage) async fn put_totals(tx: &mut Tx, totals: &[(Slot, Total)]) -> Result<()> {
    let upsert = bulk!(
        "insert into usage_totals (tenant_id, metric, period_start, period_end, total, at) values " rows
        "($1, $2, $3, $4, $5, $6)"
        " on conflict (tenant_id, metric, period_start) do update set period_end = excluded.period_end, total = excluded.total, at = excluded.at"
    );
    tx.insert_many::<_, (i64,)>(upsert, totals, |query, (slot, total)| {
        query
            .bind(&slot.tenant)
            .bind(&slot.metric)
            .bind(slot.period_start)
            .bind(total.period_end)
            .bind(total.value)
            .bind(total.at)
    })
    .await?;
    Ok(())
}

/// Adds to the days of counters, and sets those of gauges unless a later level is there.
pub(in crate::usage) async fn put_days(tx: &mut Tx, days: &[(Slot, i64, DayChange)]) -> Result<()> {
    let (counters, gauges): (Vec<_>, Vec<_>) =
        days.iter().partition(|(_, _, day)| matches!(day.change, Change::Add(_)));
    let add = bulk!(
        "insert into usage_days (tenant_id, metric, day, period_start, quantity, at) values " rows
        "($1, $2, $3, $4, $5, $6)"
        " on conflict (tenant_id, metric, day, period_start) do update set quantity = usage_days.quantity + excluded.quantity, at = excluded.at"
    );
    let set = bulk!(
        "insert into usage_days (tenant_id, metric, day, period_start, quantity, at) values " rows
        "($1, $2, $3, $4, $5, $6)"
        " on conflict (tenant_id, metric, day, period_start) do update set quantity = excluded.quantity, at = excluded.at where excluded.at >= usage_days.at"
    );
    for (statement, days) in [(add, counters), (set, gauges)] {
        tx.insert_many::<_, (i64,)>(statement, &days, |query, (slot, day, change)| {
            query
                .bind(&slot.tenant)
                .bind(&slot.metric)
                .bind(*day)
                .bind(slot.period_start)
                .bind(change.change.amount())
                .bind(change.at)
        })
        .await?;
    }
    Ok(())
}

/// Adds to what Stripe is to be told. What is not on its way yet gathers for a minute.
pub(in crate::usage) async fn put_hours(
    tx: &mut Tx,
    catalog: &Catalog,
    hours: &[(Slot, i64)],
    now: i64,
) -> Result<()> {
    let upsert = bulk!(
        "insert into usage_outbox (tenant_id, metric, window_start, quantity, due_at, meter) values " rows "($1, $2, $3, $4, $5, $6)"
        " on conflict (tenant_id, metric, window_start) do update set quantity = usage_outbox.quantity + excluded.quantity,"
        " due_at = case when usage_outbox.state = 'idle' then excluded.due_at else usage_outbox.due_at end,"
        " state = case when usage_outbox.state = 'idle' then 'waiting' else usage_outbox.state end"
    );
    tx.insert_many::<_, (i64,)>(upsert, hours, |query, (slot, quantity)| {
        query
            .bind(&slot.tenant)
            .bind(&slot.metric)
            .bind(slot.period_start)
            .bind(*quantity)
            .bind(now.saturating_add(GATHER))
            .bind(catalog.metric(&slot.metric).and_then(|metric| metric.meter.as_deref()).unwrap_or_default())
    })
    .await?;
    Ok(())
}

/// Stages the mails about thresholds, each once for its period.
pub(in crate::usage) async fn put_thresholds(tx: &mut Tx, reached: &[Threshold], now: i64) -> Result<()> {
    for Threshold { tenant, metric, period_start, percent, standing } in reached {
        let letter = Letter::UsageThreshold(UsageThreshold {
            metric: metric.clone(),
            percent: *percent,
            used: standing.used,
            limit: standing.limit.limit.unwrap_or(i64::MAX),
            hard: standing.limit.hard,
            resets_at: standing.reset_at.map(Timestamp::as_second),
        });
        let cause = |percent: u16| format!("{tenant}:{metric}:{period_start}:{percent}");
        // Who has heard of a higher share, and went below it since, does not hear of a lower one.
        let mut is_told = false;
        for higher in THRESHOLDS.into_iter().filter(|higher| higher > percent) {
            is_told |= mail::store::is_staged(tx, letter.kind(), &cause(higher)).await?;
        }
        if is_told {
            continue;
        }
        let cause = cause(*percent);
        let mail = mail::New::of(&letter, cause).tenant(tenant.as_str());
        mail::stage(tx, &mail, from_seconds(now)).await?;
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct LevelRow {
    tenant_id: String,
    metric: String,
    total: i64,
    #[sqlx(flatten)]
    terms: TermsRow,
}

/// Up to `most` levels of gauges with the terms of their tenants, after `(tenant, metric)`.
pub(in crate::usage) async fn levels(
    tx: &mut Tx,
    after: (&str, &str),
    most: i64,
) -> Result<Vec<(String, String, i64, Terms)>> {
    let rows: Vec<LevelRow> = tx
        .query(sql!(
            "select u.tenant_id, u.metric, u.total," terms_columns!() " from usage_totals u join tenants n on n.id = u.tenant_id"
            subscription_of!()
            " where u.period_start = 0 and (u.tenant_id, u.metric) > ($1, $2) order by u.tenant_id, u.metric limit $3"
        ))
        .bind(after.0)
        .bind(after.1)
        .bind(most)
        .all()
        .await?;
    Ok(rows.into_iter().map(|row| (row.tenant_id, row.metric, row.total, row.terms.terms())).collect())
}

/// Forgets up to `most` keys that were kept since before `before`; how many.
pub(in crate::usage) async fn forget(tx: &mut Tx, before: i64, most: i64) -> Result<u64> {
    tx.query(sql!(
        "delete from usage_events where (tenant_id, key) in"
        " (select tenant_id, key from usage_events where recorded_at < $1 order by recorded_at limit $2)"
    ))
    .bind(before)
    .bind(most)
    .run()
    .await
}
