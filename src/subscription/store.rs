//! Reading what `sync` wrote of a tenant's subscription.

use serde::de::{DeserializeOwned, IgnoredAny};

use super::{Billing, Collection, Customer, OpenInvoice, Subscription, by_force};
use crate::clock::from_seconds;
use crate::db::{Result, Tx, sql};
use crate::money::{Currency, Money};
use crate::stripe::snapshot::SubscriptionStatus;

#[derive(sqlx::FromRow)]
struct Row {
    trial_used_at: Option<i64>,
    customer_id: Option<String>,
    customer_currency: Option<String>,
    payment_method: Option<String>,
    next_invoice: Option<String>,
    details_seen_at: Option<i64>,
    id: Option<String>,
    status: Option<String>,
    currency: Option<String>,
    price_id: Option<String>,
    product_id: Option<String>,
    quantity: Option<i64>,
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
    trial_end: Option<i64>,
    cancel_at: Option<i64>,
    cancel_at_period_end: Option<bool>,
    canceled_at: Option<i64>,
    ended_at: Option<i64>,
    pause_behavior: Option<String>,
    pause_resumes_at: Option<i64>,
    pending_change: Option<String>,
    pending_update: Option<bool>,
    items: Option<String>,
    invoice_id: Option<String>,
    amount_remaining: Option<i64>,
    next_attempt_at: Option<i64>,
}

/// The tenant's customer, the subscription that is in force (or the latest that was) and its unpaid invoice: one query.
///
/// # Errors
/// The database did not answer.
pub async fn billing(tx: &mut Tx, tenant: &str) -> Result<Billing> {
    let row: Option<Row> = tx
        .query(sql!(
            "select t.trial_used_at, c.id as customer_id, c.currency as customer_currency, c.payment_method, c.next_invoice, c.details_seen_at,"
            " s.id, s.status, s.currency, s.price_id, s.product_id, s.quantity, s.current_period_start, s.current_period_end, s.trial_end,"
            " s.cancel_at, s.cancel_at_period_end, s.canceled_at, s.ended_at, s.pause_behavior, s.pause_resumes_at, s.pending_change,"
            " s.pending_update, s.items, i.id as invoice_id, i.amount_remaining, i.next_attempt_at"
            " from tenants t left join customers c on c.tenant_id = t.id and not c.deleted"
            " left join subscriptions s on s.id = (select x.id from subscriptions x where x.tenant_id = c.tenant_id"
            " and x.customer_id = c.id order by " by_force!() " limit 1)"
            " left join invoices i on i.id = s.latest_invoice_id and i.tenant_id = s.tenant_id and i.status = 'open'"
            " where t.id = $1 limit 1"
        ))
        .bind(tenant)
        .optional()
        .await?;
    Ok(row.map(Row::billing).unwrap_or_default())
}

impl Row {
    fn billing(self) -> Billing {
        let subscription = self.subscription();
        let open_invoice =
            subscription.as_ref().and_then(|subscription| self.open_invoice(subscription.currency));
        let trial_used = self.trial_used_at.is_some();
        Billing { customer: self.customer(), subscription, open_invoice, trial_used }
    }

    fn subscription(&self) -> Option<Subscription> {
        let period_end = self.current_period_end.map(from_seconds);
        let at_period_end = period_end.filter(|_| self.cancel_at_period_end == Some(true));
        let paused = Collection::Paused(self.pause_resumes_at.map(from_seconds));
        Some(Subscription {
            id: self.id.as_deref()?.parse().ok()?,
            status: SubscriptionStatus::from(self.status.as_deref()?),
            currency: self.currency.as_deref()?.parse().ok()?,
            price_id: self.price_id.clone(),
            product_id: self.product_id.clone(),
            quantity: self.quantity.unwrap_or(1),
            period_start: self.current_period_start.map(from_seconds),
            period_end,
            trial_end: self.trial_end.map(from_seconds),
            cancel_at: self.cancel_at.map(from_seconds).or(at_period_end),
            canceled_at: self.canceled_at.map(from_seconds),
            ended_at: self.ended_at.map(from_seconds),
            collection: if self.pause_behavior.is_some() { paused } else { Collection::On },
            pending_change: self.pending_change.as_deref().and_then(json),
            pending_update: self.pending_update.unwrap_or_default(),
            is_single: self
                .items
                .as_deref()
                .and_then(json::<Vec<IgnoredAny>>)
                .is_some_and(|all| all.len() == 1),
        })
    }

    fn open_invoice(&self, currency: Currency) -> Option<OpenInvoice> {
        Some(OpenInvoice {
            id: self.invoice_id.clone()?,
            remaining: Money::new(self.amount_remaining?, currency),
            next_attempt: self.next_attempt_at.map(from_seconds),
        })
    }

    fn customer(self) -> Option<Customer> {
        Some(Customer {
            id: self.customer_id?.parse().ok()?,
            currency: self.customer_currency.and_then(|code| code.parse().ok()),
            payment_method: self.payment_method.as_deref().and_then(json),
            next_invoice: self.next_invoice.as_deref().and_then(json),
            details_seen_at: self.details_seen_at.map(from_seconds),
        })
    }
}

/// What `sync` wrote as JSON; what cannot be read counts as unknown.
fn json<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}
