//! How Stripe's events are doing, in short.

use crate::db::{Result, Tx, sql};
use crate::staff::health::Failures;
use crate::webhooks::health::GRACE;

/// How Stripe's events are doing. Times are unix seconds of the world.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Health {
    /// When the last one came.
    pub last: Option<i64>,
    /// Events that wait for their work, up to [`Health::MOST`].
    pub backlog: i64,
    /// Events that wait for a customer of ours, up to [`Health::MOST`].
    pub strays: i64,
    /// Events that failed for good until somebody looks at them, up to [`Health::MOST`].
    pub parked: i64,
    /// Of the latest thousand that are needed, those that Stripe delivered, or may still deliver.
    pub delivered: i64,
    /// Of the latest thousand, those that are needed.
    pub needed: i64,
    /// Of the latest thousand, those that are carried out.
    pub processed: i64,
    /// Of the latest thousand, those that are carried out or failed for good.
    pub tried: i64,
}

impl Health {
    /// The most that is counted: who has more has another trouble than their number.
    pub const MOST: i64 = 10_000;
}

/// How Stripe's events are doing at a time of the world. What had to be fetched, and did not come by itself for a while after
/// that, was not delivered, however well it was worked on.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn health(tx: &mut Tx, wall: i64) -> Result<Health> {
    tx.query(sql!(
        "select (select max(received_at) from webhook_events) as last,"
        " (select count(*) from (select 1 as one from webhook_events where state in ('pending', 'waiting', 'parked')"
        " and state = 'pending' limit $1) w) as backlog,"
        " (select count(*) from (select 1 as one from webhook_events where state in ('pending', 'waiting', 'parked')"
        " and state = 'waiting' limit $1) s) as strays,"
        " (select count(*) from (select 1 as one from webhook_events where state = 'parked' limit $1) p) as parked,"
        " coalesce(cast(sum(case when state <> 'not_needed' and (origin = 'delivery' or received_at > $2) then 1 else 0 end)"
        " as bigint), 0) as delivered,"
        " coalesce(cast(sum(case when state <> 'not_needed' then 1 else 0 end) as bigint), 0) as needed,"
        " coalesce(cast(sum(case when state = 'done' then 1 else 0 end) as bigint), 0) as processed,"
        " coalesce(cast(sum(case when state in ('done', 'parked') then 1 else 0 end) as bigint), 0) as tried"
        " from (select state, origin, received_at from webhook_events order by received_at desc, id desc limit 1000) latest"
    ))
    .bind(Health::MOST)
    .bind(wall - GRACE)
    .one()
    .await
}

/// The types of which most events have failed for good, ten at most.
///
/// # Errors
/// See [`health`].
pub async fn failures(tx: &mut Tx) -> Result<Vec<Failures>> {
    tx.query(sql!(
        "select type, count(*) as count from webhook_events where state = 'parked' group by type"
        " order by count(*) desc, type limit 10"
    ))
    .all()
    .await
}
