//! Rows of what subscriptions are worth, change by change.

use super::figures::add;
use crate::db::{Result, Tx, sql};
use crate::money::Currency;
use crate::staff::figures::{Fact, month_at};
use crate::staff::mrr::{Discount, Item, Kind, Line, annual, counts};
use crate::stripe::snapshot::{self, Expandable};
use crate::sync::SubscriptionRow;
use crate::usage::price::{PriceRow, Tariff};

/// What is written of a subscription and of its tenant in one currency.
#[derive(sqlx::FromRow)]
struct Standing {
    seq: i64,
    own: i64,
    total: i64,
    last: Option<i64>,
}

/// Writes down what a subscription is worth, where that is not what is written; whether it was not. Part of the transaction in
/// which its row changes. Called again, it changes nothing.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn book(tx: &mut Tx, row: &SubscriptionRow) -> Result<bool> {
    // Who learns of a coupon holds no lease on the customer: on Postgres, two would write the same number.
    tx.query(sql!("select created_at from tenants where id = $1" pg " for update"))
        .bind(row.tenant_id.as_str())
        .optional::<(i64,)>()
        .await?;
    let standing: Standing = tx
        .query(sql!(
            "select coalesce(max(case when subscription_id = $3 then seq end), 0) as seq,"
            " coalesce(cast(sum(case when subscription_id = $3 then delta else 0 end) as bigint), 0) as own,"
            " coalesce(cast(sum(delta) as bigint), 0) as total, max(at) as last"
            " from mrr_changes where tenant_id = $1 and currency = $2"
        ))
        .bind(row.tenant_id.as_str())
        .bind(row.currency)
        .bind(row.id.as_str())
        .one()
        .await?;
    let worth = if counts(&row.status) { worth(tx, row).await? } else { 0 };
    let (delta, total) = (worth - standing.own, standing.total + worth - standing.own);
    let Some(kind) = Kind::of(standing.total, total, standing.last.is_some()) else { return Ok(false) };
    let at = took_effect(row, standing.seq == 0).min(row.seen_at).max(standing.last.unwrap_or(i64::MIN));
    tx.query(sql!(
        "insert into mrr_changes (subscription_id, seq, tenant_id, currency, kind, at, delta, total)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8)"
    ))
    .bind(row.id.as_str())
    .bind(standing.seq + 1)
    .bind(row.tenant_id.as_str())
    .bind(row.currency)
    .bind(kind.as_str())
    .bind(at)
    .bind(delta)
    .bind(total)
    .run()
    .await?;
    add(tx, &[Fact::new(month_at(at), "mrr", kind.as_str(), row.currency.code(), 1, delta)]).await?;
    Ok(true)
}

/// When the present state began, as far as Stripe says: the end, the beginning, or the moment it was seen.
fn took_effect(row: &SubscriptionRow, is_first: bool) -> i64 {
    let began = row.trial_end.filter(|end| *end <= row.seen_at).unwrap_or(row.started_at);
    match row.ended_at {
        Some(ended) if row.status.is_over() => ended,
        _ if is_first => began,
        _ => row.seen_at,
    }
}

/// What a subscription's items are worth in a year, minor units.
async fn worth(tx: &mut Tx, row: &SubscriptionRow) -> Result<i64> {
    let items: Vec<Item> = serde_json::from_str(&row.items).unwrap_or_default();
    let mut lines = Vec::new();
    for item in &items {
        match line(tx, item, row.currency).await? {
            Billed::Ahead(line) => lines.push(line),
            Billed::ByUse => {}
            Billed::Unknown => {
                tracing::warn!(
                    subscription = row.id.as_str(),
                    price = item.price,
                    "a price is not known: counted as nothing"
                );
            }
        }
    }
    let ids: Vec<String> = serde_json::from_str(&row.discounts).unwrap_or_default();
    let mut discounts = Vec::new();
    for id in &ids {
        discounts.extend(discount(tx, id, row.seen_at).await?);
    }
    Ok(annual(&lines, &discounts, row.currency).unwrap_or_default())
}

/// How an item is billed.
enum Billed {
    Ahead(Line),
    ByUse,
    Unknown,
}

#[derive(sqlx::FromRow)]
struct Price {
    currency: String,
    unit_amount: Option<i64>,
    unit_amount_decimal: Option<String>,
    tiers_mode: Option<String>,
    tiers: Option<String>,
    currency_options: String,
    recurring_interval: Option<String>,
    interval_count: i64,
    usage_type: Option<String>,
}

async fn line(tx: &mut Tx, item: &Item, currency: Currency) -> Result<Billed> {
    let price: Option<Price> = tx
        .query(sql!(
            "select currency, unit_amount, unit_amount_decimal, tiers_mode, tiers, currency_options, recurring_interval,"
            " interval_count, usage_type from prices where id = $1"
        ))
        .bind(item.price.as_str())
        .optional()
        .await?;
    let Some(price) = price else { return Ok(Billed::Unknown) };
    if price.usage_type.as_deref() == Some("metered") {
        return Ok(Billed::ByUse);
    }
    let row = PriceRow {
        currency: price.currency,
        unit_amount: price.unit_amount,
        unit_amount_decimal: price.unit_amount_decimal,
        tiers_mode: price.tiers_mode,
        tiers: price.tiers,
        currency_options: price.currency_options,
    };
    let cost = Tariff::of(&row, currency).and_then(|tariff| tariff.cost(item.quantity.unwrap_or(1)));
    Ok(match (cost, price.recurring_interval) {
        (Some(cost), Some(interval)) => {
            Billed::Ahead(Line { amount: cost.minor, interval, count: price.interval_count })
        }
        _ => Billed::Unknown,
    })
}

#[derive(sqlx::FromRow)]
struct Known {
    percent_off: Option<String>,
    amount_off: Option<i64>,
    currency: Option<Currency>,
    duration: Option<String>,
    ends_at: Option<i64>,
}

/// What a discount takes off each time; none for one that is given once, has ended, or is not known.
async fn discount(tx: &mut Tx, id: &str, at: i64) -> Result<Option<Discount>> {
    let known: Option<Known> = tx
        .query(sql!(
            "select percent_off, amount_off, currency, duration, ends_at from discounts where id = $1"
        ))
        .bind(id)
        .optional()
        .await?;
    Ok(known
        .filter(|known| known.duration.as_deref() != Some("once") && known.ends_at.is_none_or(|end| end > at))
        .map(|known| Discount {
            share: known.percent_off.as_deref().and_then(Discount::share_of).unwrap_or(0),
            amount: known.amount_off.zip(known.currency),
        }))
}

/// Keeps what Stripe said of a subscription's discounts, where it was asked for all of them. A discount never changes.
///
/// # Errors
/// See [`book`].
pub async fn keep_discounts(tx: &mut Tx, all: &[Expandable<String, snapshot::Discount>]) -> Result<()> {
    for discount in all.iter().filter_map(Expandable::object) {
        let Some(coupon) = discount.coupon() else { continue };
        tx.query(sql!(
            "insert into discounts (id, percent_off, amount_off, currency, duration, ends_at)"
            " values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing"
        ))
        .bind(discount.id.as_str())
        .bind(coupon.percent_off.as_deref())
        .bind(coupon.amount_off)
        .bind(coupon.currency)
        .bind(coupon.duration.as_deref())
        .bind(discount.end)
        .run()
        .await?;
    }
    Ok(())
}

/// A change of what a tenant is worth, with its tenant's name.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ChangeRow {
    /// Stripe's id.
    pub subscription_id: String,
    /// The n-th of the subscription.
    pub seq: i64,
    /// Whose.
    pub tenant_id: String,
    /// Their name.
    pub tenant: String,
    /// What it is in.
    pub currency: Currency,
    /// What it is called.
    pub kind: String,
    /// When it took effect, unix seconds.
    pub at: i64,
    /// For a year, minor units.
    pub delta: i64,
    /// Of the tenant afterwards, for a year, minor units.
    pub total: i64,
}

/// A page of changes from `from` on, the oldest first, those after `after`.
///
/// # Errors
/// See [`book`].
pub async fn changes(tx: &mut Tx, from: i64, after: (i64, &str, i64), limit: i64) -> Result<Vec<ChangeRow>> {
    tx.query(sql!(
        "select m.subscription_id, m.seq, m.tenant_id, t.name as tenant, m.currency, m.kind, m.at, m.delta, m.total"
        " from mrr_changes m join tenants t on t.id = m.tenant_id where m.at >= $1"
        " and (m.at > $2 or (m.at = $2 and (m.subscription_id > $3 or (m.subscription_id = $3 and m.seq > $4))))"
        " order by m.at, m.subscription_id, m.seq limit $5"
    ))
    .bind(from)
    .bind(after.0)
    .bind(after.1)
    .bind(after.2)
    .bind(limit)
    .all()
    .await
}
