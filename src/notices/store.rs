//! Rows of `notices`, and what announcements are made of.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Ahead, Kind, ahead};
use crate::catalog::policy::Notices;
use crate::db::{Result, Tx, sql};
use crate::mail::letter::{TrialEnding, Upcoming};
use crate::mail::{self, Letter, New};
use crate::money::{Currency, Money};
use crate::stripe::SubscriptionId;
use crate::sync::{self, SubscriptionRow};

/// How long, in seconds, a fresh preview is waited for before the one that is there has to do.
const PATIENCE: i64 = 1_800;

/// Notes what lies ahead of a subscription, in the transaction of its change. What was announced is not announced again as long
/// as it stays the same.
///
/// # Errors
/// The database did not take it; so with all functions here.
pub async fn plan(tx: &mut Tx, row: &SubscriptionRow) -> Result<()> {
    let Some(Ahead { kind, about, since }) = ahead(row) else {
        tx.query(sql!("delete from notices where subscription_id = $1")).bind(row.id.as_str()).run().await?;
        return Ok(());
    };
    tx.query(sql!(
        "insert into notices (subscription_id, tenant_id, kind, about, since, state) values ($1, $2, $3, $4, $5, 'waiting')"
        " on conflict (subscription_id) do update set kind = excluded.kind, about = excluded.about, since = excluded.since,"
        " state = 'waiting', asked_at = null where notices.kind <> excluded.kind or notices.about <> excluded.about"
    ))
    .bind(row.id.as_str())
    .bind(row.tenant_id.as_str())
    .bind(kind)
    .bind(about)
    .bind(since)
    .run()
    .await?;
    Ok(())
}

/// An announcement that is due.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Due {
    /// Of which subscription.
    pub subscription_id: SubscriptionId,
    /// Whose.
    pub tenant_id: String,
    /// What.
    pub kind: Kind,
    /// The moment that is announced; unix seconds.
    pub about: i64,
    /// When what ends then began; unix seconds.
    pub since: i64,
    /// When the amount was asked for; none where it was not.
    pub asked_at: Option<i64>,
}

impl Due {
    /// What lies ahead.
    pub fn ahead(&self) -> Ahead {
        Ahead { kind: self.kind, about: self.about, since: self.since }
    }
}

/// The announcement that has been due longest: one whose time has come, or one whose amount has arrived. The row is locked where
/// the transaction can write.
///
/// # Errors
/// See [`plan`].
pub async fn due(tx: &mut Tx, policy: &Notices, now: Timestamp, lock: bool) -> Result<Option<Due>> {
    let query = if lock {
        sql!(
            "select n.subscription_id, n.tenant_id, n.kind, n.about, n.since, n.asked_at from notices n"
            " where (n.state = 'waiting' and ((n.kind = 'trial' and n.about <= $1) or (n.kind = 'renewal' and n.about <= $2)))"
            " or (n.state = 'asked' and exists (select 1 from subscriptions s join customers c on c.id = s.customer_id"
            " where s.id = n.subscription_id and (c.details_due_at is null or c.details_due_at > n.asked_at + $3)))"
            " order by n.about, n.subscription_id limit 1" pg " for update of n skip locked"
        )
    } else {
        sql!(
            "select n.subscription_id, n.tenant_id, n.kind, n.about, n.since, n.asked_at from notices n"
            " where (n.state = 'waiting' and ((n.kind = 'trial' and n.about <= $1) or (n.kind = 'renewal' and n.about <= $2)))"
            " or (n.state = 'asked' and exists (select 1 from subscriptions s join customers c on c.id = s.customer_id"
            " where s.id = n.subscription_id and (c.details_due_at is null or c.details_due_at > n.asked_at + $3)))"
            " limit 1"
        )
    };
    tx.query(query)
        .bind(Kind::Trial.horizon(policy, now))
        .bind(Kind::Renewal.horizon(policy, now))
        .bind(PATIENCE)
        .optional()
        .await
}

/// Has the amount asked for before it is announced.
///
/// # Errors
/// See [`plan`].
pub async fn ask(tx: &mut Tx, due: &Due, now: Timestamp) -> Result<()> {
    if let Some(row) = sync::store::subscription(tx, &due.subscription_id).await? {
        sync::store::details_wanted(tx, &row.customer_id, now.as_second()).await?;
    }
    tx.query(sql!("update notices set state = 'asked', asked_at = $2 where subscription_id = $1"))
        .bind(due.subscription_id.as_str())
        .bind(now.as_second())
        .run()
        .await?;
    Ok(())
}

/// Notes that nothing is left to do, until something else lies ahead.
///
/// # Errors
/// See [`plan`].
pub async fn told(tx: &mut Tx, due: &Due) -> Result<()> {
    tx.query(sql!("update notices set state = 'told' where subscription_id = $1"))
        .bind(due.subscription_id.as_str())
        .run()
        .await?;
    Ok(())
}

/// Stages the mail, where there is something to tell: once for each subscription and moment.
///
/// # Errors
/// See [`plan`].
pub async fn announce(tx: &mut Tx, due: &Due, now: Timestamp) -> Result<()> {
    let Some(row) = sync::store::subscription(tx, &due.subscription_id).await? else { return Ok(()) };
    let Some(customer) = sync::store::customer(tx, &row.customer_id).await? else { return Ok(()) };
    let can_charge = customer.payment_method.is_some();
    let letter = match due.kind {
        Kind::Trial => {
            let named = sync::store::plan_of(tx, &row).await?;
            let price = named.price.and_then(|price| {
                Some(Money::new(price.minor.checked_mul(row.quantity.max(1))?, price.currency))
            });
            let facts = TrialEnding { plan: named.name, ends_at: due.about, price, can_charge };
            Some(Letter::TrialEnding(facts))
        }
        Kind::Renewal => amount(tx, &row)
            .await?
            .filter(|amount| amount.minor > 0)
            .map(|amount| Letter::UpcomingInvoice(Upcoming { amount, at: due.about, can_charge })),
    };
    if let Some(letter) = letter {
        let mail = New::of(&letter, format!("{}:{}", due.subscription_id, due.about));
        mail::stage(tx, &mail.tenant(due.tenant_id.as_str()), now).await?;
    }
    Ok(())
}

/// What is kept of the preview of the next invoice.
#[derive(Deserialize)]
struct Preview {
    amount_due: i64,
    currency: Currency,
}

/// What the next invoice of a customer will ask for, as far as it is known.
async fn amount(tx: &mut Tx, row: &SubscriptionRow) -> Result<Option<Money>> {
    let preview: Option<(Option<String>,)> = tx
        .query(sql!("select next_invoice from customers where id = $1"))
        .bind(row.customer_id.as_str())
        .optional()
        .await?;
    let preview = preview.and_then(|(preview,)| serde_json::from_str::<Preview>(&preview?).ok());
    Ok(preview.map(|preview| Money::new(preview.amount_due, preview.currency)))
}
