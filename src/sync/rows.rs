//! Rows as they are made of snapshots. Two are equal when nothing that Stripe says has changed between them.

mod catalog;
mod money;

pub use catalog::{PriceRow, ProductRow};
pub use money::{ChargeRow, InvoiceRow};

use serde_json::{Value, json};

use super::Plan;
use crate::money::Currency;
use crate::stripe::snapshot::{
    Customer, Expandable, Item, PaymentMethod, Schedule, Subscription, SubscriptionStatus,
};
use crate::stripe::{CustomerId, InvoiceId, PriceId, ProductId, ScheduleId, SubscriptionId};

/// A tenant, as far as the writer needs it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Tenant {
    /// Ours.
    pub id: String,
    /// Since when it is ours, unix seconds: what happened before mails nobody.
    pub created_at: i64,
}

/// A row of `customers`.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct CustomerRow {
    /// Stripe's id.
    pub id: CustomerId,
    /// Whose it is.
    pub tenant_id: String,
    /// Where bills go.
    pub email: Option<String>,
    /// The name on invoices.
    pub name: Option<String>,
    /// What it is billed in.
    pub currency: Option<Currency>,
    /// JSON.
    pub address: Option<String>,
    /// JSON.
    pub tax_ids: String,
    /// Minor units; negative is credit.
    pub balance: i64,
    /// Whether the latest charge failed.
    pub delinquent: bool,
    /// Whether it is gone for good.
    pub deleted: bool,
    /// Whether it is of live mode.
    pub livemode: bool,
    /// The test clock it lives on.
    pub test_clock: Option<String>,
    /// JSON.
    pub payment_method: Option<String>,
    /// Up to when it is known, unix seconds of Stripe's.
    pub seen_at: i64,
}

impl CustomerRow {
    /// The row for a snapshot. What an event does not carry (tax ids, the payment method) stays as it was.
    pub fn new(tenant: &str, old: Option<&Self>, customer: &Customer, seen_at: i64) -> Self {
        let kept = |field: fn(&Self) -> Option<String>| old.and_then(field);
        if customer.deleted
            && let Some(old) = old
        {
            return Self { deleted: true, seen_at, ..old.clone() };
        }
        let tax_ids = customer.tax_ids.as_ref().map(|list| {
            let each = list.data.iter().map(|tax| {
                json!({ "id": tax.id, "type": tax.kind, "value": tax.value,
                    "verification": tax.verification.as_ref().map(|v| &v.status) })
            });
            Value::Array(each.collect()).to_string()
        });
        Self {
            id: customer.id.clone(),
            tenant_id: tenant.to_owned(),
            email: customer.email.clone(),
            name: customer.name.clone(),
            currency: customer.currency,
            address: customer.address.as_ref().map(|address| json!(address).to_string()),
            tax_ids: tax_ids
                .or_else(|| kept(|old| Some(old.tax_ids.clone())))
                .unwrap_or_else(|| "[]".to_owned()),
            balance: customer.balance,
            delinquent: customer.delinquent,
            deleted: customer.deleted,
            livemode: customer.livemode,
            test_clock: customer.test_clock.clone(),
            payment_method: match &customer.invoice_settings.default_payment_method {
                Some(Expandable::Object(method)) => Some(payment_method(method)),
                Some(Expandable::Id(_)) | None => kept(|old| old.payment_method.clone()),
            },
            seen_at,
        }
    }
}

/// What is kept of a payment method: what Stripe shows of it, and no more.
pub(crate) fn payment_method(method: &PaymentMethod) -> String {
    let card = method.card.as_ref();
    json!({
        "id": method.id, "type": method.kind, "brand": card.map(|c| &c.brand), "last4": method.last4(),
        "exp_month": card.map(|c| c.exp_month), "exp_year": card.map(|c| c.exp_year),
    })
    .to_string()
}

/// A row of `subscriptions`.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SubscriptionRow {
    /// Stripe's id.
    pub id: SubscriptionId,
    /// Whose it is.
    pub tenant_id: String,
    /// Stripe's customer.
    pub customer_id: CustomerId,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// What it bills in.
    pub currency: Currency,
    /// The plan's price.
    pub price_id: Option<PriceId>,
    /// The plan's product.
    pub product_id: Option<ProductId>,
    /// Seats.
    pub quantity: i64,
    /// JSON.
    pub items: String,
    /// Unix seconds.
    pub current_period_start: Option<i64>,
    /// Unix seconds.
    pub current_period_end: Option<i64>,
    /// Unix seconds.
    pub trial_start: Option<i64>,
    /// Unix seconds.
    pub trial_end: Option<i64>,
    /// Unix seconds.
    pub cancel_at: Option<i64>,
    /// Whether it ends with the period.
    pub cancel_at_period_end: bool,
    /// Unix seconds.
    pub canceled_at: Option<i64>,
    /// Unix seconds.
    pub ended_at: Option<i64>,
    /// Why it was cancelled: Stripe's reason, or the customer's of Stripe's list.
    pub cancellation_reason: Option<String>,
    /// How invoices are treated while collection is paused.
    pub pause_behavior: Option<String>,
    /// Unix seconds.
    pub pause_resumes_at: Option<i64>,
    /// The plan of changes.
    pub schedule_id: Option<ScheduleId>,
    /// JSON: what comes next.
    pub pending_change: Option<String>,
    /// Whether a change waits for its payment.
    pub pending_update: bool,
    /// JSON.
    pub discounts: String,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// The latest invoice.
    pub latest_invoice_id: Option<InvoiceId>,
    /// Whether it is of live mode.
    pub livemode: bool,
    /// Unix seconds.
    pub started_at: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Up to when it is known, unix seconds of Stripe's.
    pub seen_at: i64,
}

impl SubscriptionRow {
    /// When it will end, where that is settled; unix seconds.
    pub fn ends_at(&self) -> Option<i64> {
        self.cancel_at.or_else(|| self.current_period_end.filter(|_| self.cancel_at_period_end))
    }

    /// The row for a snapshot.
    pub fn new(
        tenant: &str,
        old: Option<&Self>,
        subscription: &Subscription,
        plan: &Plan,
        seen_at: i64,
    ) -> Self {
        let main = main_item(&subscription.items.data);
        let pause = subscription.pause_collection.as_ref();
        let details = &subscription.cancellation_details;
        Self {
            id: subscription.id.clone(),
            tenant_id: tenant.to_owned(),
            customer_id: subscription.customer.clone(),
            status: subscription.status.clone(),
            currency: subscription.currency,
            price_id: main.map(|item| item.price.id.clone()),
            product_id: main.map(|item| item.price.product.clone()),
            quantity: main.and_then(|item| item.quantity).unwrap_or(1),
            items: items(&subscription.items.data),
            current_period_start: main.and_then(|item| item.current_period_start),
            current_period_end: main.and_then(|item| item.current_period_end),
            trial_start: subscription.trial_start,
            trial_end: subscription.trial_end,
            cancel_at: subscription.cancel_at,
            cancel_at_period_end: subscription.cancel_at_period_end,
            canceled_at: subscription.canceled_at,
            ended_at: subscription.ended_at,
            cancellation_reason: details.feedback.clone().or_else(|| details.reason.clone()),
            pause_behavior: pause.map(|pause| pause.behavior.clone()),
            pause_resumes_at: pause.and_then(|pause| pause.resumes_at),
            schedule_id: subscription.schedule.clone(),
            pending_change: match plan {
                Plan::Seen(schedule) => schedule.as_ref().and_then(|s| pending_change(s, seen_at)),
                Plan::Unseen => old
                    .filter(|old| old.schedule_id.is_some() && old.schedule_id == subscription.schedule)
                    .and_then(|old| old.pending_change.clone()),
            },
            pending_update: subscription.pending_update.is_some(),
            discounts: json!(subscription.discount_ids()).to_string(),
            collection_method: subscription.collection_method.clone(),
            latest_invoice_id: subscription.latest_invoice.clone(),
            livemode: subscription.livemode,
            started_at: subscription.start_date,
            created_at: subscription.created,
            seen_at,
        }
    }
}

/// All rows of one customer: as they are kept, or as they would be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The customer itself.
    pub customer: Option<CustomerRow>,
    /// Its subscriptions.
    pub subscriptions: Vec<SubscriptionRow>,
    /// Its invoices.
    pub invoices: Vec<InvoiceRow>,
    /// Its charges.
    pub charges: Vec<ChargeRow>,
}

/// The item that is the plan: the first that is paid ahead, beside those that are billed by use.
fn main_item(items: &[Item]) -> Option<&Item> {
    let licensed = |item: &&Item| item.price.recurring.as_ref().is_none_or(|r| r.usage_type != "metered");
    items.iter().find(licensed).or_else(|| items.first())
}

fn items(items: &[Item]) -> String {
    let each = items.iter().map(|item| {
        json!({
            "id": item.id, "price": item.price.id, "product": item.price.product, "quantity": item.quantity,
            "period_start": item.current_period_start, "period_end": item.current_period_end,
        })
    });
    Value::Array(each.collect()).to_string()
}

fn pending_change(schedule: &Schedule, now: i64) -> Option<String> {
    let phase = schedule.next_phase(now)?;
    let item = phase.items.iter().find(|item| item.quantity.is_some()).or_else(|| phase.items.first())?;
    Some(
        json!({ "price": item.price, "quantity": item.quantity.unwrap_or(1), "at": phase.start_date })
            .to_string(),
    )
}
