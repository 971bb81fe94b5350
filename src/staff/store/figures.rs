//! Rows of the figures: differences as they happen, totals, and what was there before.

use std::collections::BTreeMap;

use super::mrr;
use crate::db::{Result, Tx, bulk, sql};
use crate::id;
use crate::staff::figures::{Fact, difference, of_charge, of_invoice, of_subscription};
use crate::stripe::{ChargeId, InvoiceId, SubscriptionId};
use crate::sync::{ChargeRow, InvoiceRow, SubscriptionRow, store as rows};

/// Counts a subscription's change, in its transaction: its status, and what it is worth.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn on_subscription(
    tx: &mut Tx,
    old: Option<&SubscriptionRow>,
    new: &SubscriptionRow,
) -> Result<()> {
    let before = old.map(of_subscription).unwrap_or_default();
    count(tx, "subscription", new.id.as_str(), before, of_subscription(new)).await?;
    let worth = |row: &SubscriptionRow| (row.status.clone(), row.items.clone(), row.discounts.clone());
    if old.map(worth) != Some(worth(new)) {
        mrr::book(tx, new).await?;
    }
    Ok(())
}

/// Counts an invoice's change, in its transaction.
///
/// # Errors
/// See [`on_subscription`].
pub async fn on_invoice(tx: &mut Tx, old: Option<&InvoiceRow>, new: &InvoiceRow) -> Result<()> {
    let before = old.map(of_invoice).unwrap_or_default();
    count(tx, "invoice", new.id.as_str(), before, of_invoice(new)).await
}

/// Counts a charge's change, in its transaction.
///
/// # Errors
/// See [`on_subscription`].
pub async fn on_charge(tx: &mut Tx, old: Option<&ChargeRow>, new: &ChargeRow) -> Result<()> {
    let before = old.map(of_charge).unwrap_or_default();
    count(tx, "charge", new.id.as_str(), before, of_charge(new)).await
}

/// Takes back what a subscription counted for, in the transaction that removes its row.
///
/// # Errors
/// See [`on_subscription`].
pub async fn off_subscription(tx: &mut Tx, old: &SubscriptionRow) -> Result<()> {
    count(tx, "subscription", old.id.as_str(), of_subscription(old), Vec::new()).await
}

/// Takes back what an invoice counted for, in the transaction that removes its row.
///
/// # Errors
/// See [`on_subscription`].
pub async fn off_invoice(tx: &mut Tx, old: &InvoiceRow) -> Result<()> {
    count(tx, "invoice", old.id.as_str(), of_invoice(old), Vec::new()).await
}

/// Takes back what a charge counted for, in the transaction that removes its row.
///
/// # Errors
/// See [`on_subscription`].
pub async fn off_charge(tx: &mut Tx, old: &ChargeRow) -> Result<()> {
    count(tx, "charge", old.id.as_str(), of_charge(old), Vec::new()).await
}

/// Writes a difference. What the row was before counts for nothing where it has not been counted yet.
async fn count(tx: &mut Tx, kind: &str, id: &str, before: Vec<Fact>, after: Vec<Fact>) -> Result<()> {
    if difference(before.clone(), after.clone()).is_empty() {
        return Ok(());
    }
    let uncounted = tx
        .query(sql!("delete from figure_backlog where kind = $1 and id = $2"))
        .bind(kind)
        .bind(id)
        .run()
        .await?;
    let before = if uncounted == 0 { before } else { Vec::new() };
    add(tx, &difference(before, after)).await
}

/// Adds facts to what the totals are still to be told.
pub(super) async fn add(tx: &mut Tx, facts: &[Fact]) -> Result<()> {
    let statement = bulk!(
        "insert into figure_changes (id, month, figure, label, currency, count, amount) values "
        rows "($1, $2, $3, $4, $5, $6, $7)" " returning id"
    );
    let _: Vec<(String,)> = tx
        .insert_many(statement, facts, |query, fact| {
            query
                .bind(id::random("fig"))
                .bind(fact.month)
                .bind(fact.figure.clone())
                .bind(fact.label.clone())
                .bind(fact.currency.clone())
                .bind(fact.count)
                .bind(fact.amount)
        })
        .await?;
    Ok(())
}

/// Whether there is anything to fold or to catch up with.
///
/// # Errors
/// See [`on_subscription`].
pub async fn is_idle(tx: &mut Tx) -> Result<bool> {
    let one: Option<(i64,)> = tx
        .query(sql!("select cast(1 as bigint) from figure_changes union all select cast(1 as bigint) from figure_backlog limit 1"))
        .optional()
        .await?;
    Ok(one.is_none())
}

/// Adds up to `limit` differences to the totals; how many. Several workers may do it at once: each takes its own rows, and all
/// write totals in one order.
///
/// # Errors
/// See [`on_subscription`].
pub async fn fold(tx: &mut Tx, limit: i64) -> Result<usize> {
    let facts: Vec<Fact> = tx
        .query(sql!(
            "delete from figure_changes where id in (select id from figure_changes limit $1"
            pg " for update skip locked" ") returning month, figure, label, currency, count, amount"
        ))
        .bind(limit)
        .all()
        .await?;
    let mut sums: BTreeMap<(i64, &str, &str, &str), (i64, i64)> = BTreeMap::new();
    for fact in &facts {
        let sum = sums.entry((fact.month, &fact.figure, &fact.label, &fact.currency)).or_default();
        sum.0 += fact.count;
        sum.1 += fact.amount;
    }
    for ((month, figure, label, currency), (count, amount)) in sums {
        tx.query(sql!(
            "insert into figures (month, figure, label, currency, count, amount) values ($1, $2, $3, $4, $5, $6)"
            " on conflict (month, figure, label, currency) do update set count = figures.count + excluded.count,"
            " amount = figures.amount + excluded.amount"
        ))
        .bind(month)
        .bind(figure)
        .bind(label)
        .bind(currency)
        .bind(count)
        .bind(amount)
        .run()
        .await?;
    }
    Ok(facts.len())
}

/// Counts up to `limit` rows that were there before figures were kept; how many.
///
/// # Errors
/// See [`on_subscription`].
pub async fn catch_up(tx: &mut Tx, limit: i64) -> Result<usize> {
    let waiting: Vec<(String, String)> = tx
        .query(sql!(
            "delete from figure_backlog where (kind, id) in (select kind, id from figure_backlog limit $1"
            pg " for update skip locked" ") returning kind, id"
        ))
        .bind(limit)
        .all()
        .await?;
    for (kind, id) in &waiting {
        let facts = match kind.as_str() {
            "subscription" => match subscription(tx, id).await? {
                Some(row) => {
                    mrr::book(tx, &row).await?;
                    of_subscription(&row)
                }
                None => Vec::new(),
            },
            "invoice" => invoice(tx, id).await?.as_ref().map(of_invoice).unwrap_or_default(),
            _ => charge(tx, id).await?.as_ref().map(of_charge).unwrap_or_default(),
        };
        add(tx, &facts).await?;
    }
    Ok(waiting.len())
}

async fn subscription(tx: &mut Tx, id: &str) -> Result<Option<SubscriptionRow>> {
    let Ok(id) = id.parse::<SubscriptionId>() else { return Ok(None) };
    rows::subscription(tx, &id).await
}

async fn invoice(tx: &mut Tx, id: &str) -> Result<Option<InvoiceRow>> {
    let Ok(id) = id.parse::<InvoiceId>() else { return Ok(None) };
    rows::invoice(tx, &id).await
}

async fn charge(tx: &mut Tx, id: &str) -> Result<Option<ChargeRow>> {
    let Ok(id) = id.parse::<ChargeId>() else { return Ok(None) };
    rows::charge(tx, &id).await
}

/// The facts of the months from `from` on, those of revenue from the beginning: totals, and what is still to be added to them, as
/// of one moment.
///
/// # Errors
/// See [`on_subscription`].
pub async fn figures(tx: &mut Tx, from: i64) -> Result<Vec<Fact>> {
    tx.query(sql!(
        "select month, figure, label, currency, cast(sum(count) as bigint) as count, cast(sum(amount) as bigint) as amount"
        " from (select month, figure, label, currency, count, amount from figures where month >= $1 or month = 0"
        " or figure = 'mrr' union all select month, figure, label, currency, count, amount from figure_changes) each_one"
        " group by month, figure, label, currency order by month, figure, label, currency"
    ))
    .bind(from)
    .all()
    .await
}
