//! Rows of invoices and charges.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::money::{Currency, Money};
use crate::stripe::snapshot::{Charge, ChargeStatus, Invoice, InvoicePayment, InvoiceStatus, Line, Tax};
use crate::stripe::{ChargeId, CustomerId, InvoiceId, PaymentIntentId, SubscriptionId};

/// A row of `invoices`. Amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct InvoiceRow {
    /// Stripe's id.
    pub id: InvoiceId,
    /// Whose it is.
    pub tenant_id: String,
    /// Stripe's customer.
    pub customer_id: CustomerId,
    /// What made it.
    pub subscription_id: Option<SubscriptionId>,
    /// The number on paper.
    pub number: Option<String>,
    /// Where it stands.
    pub status: InvoiceStatus,
    /// Why it was made.
    pub billing_reason: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// What it is in.
    pub currency: Currency,
    /// Before discounts and taxes.
    pub subtotal: i64,
    /// Discounts.
    pub discount: i64,
    /// Taxes.
    pub tax: i64,
    /// After both.
    pub total: i64,
    /// Of the customer's balance.
    pub starting_balance: i64,
    /// What is to be paid after the balance.
    pub amount_due: i64,
    /// What was paid.
    pub amount_paid: i64,
    /// What is left.
    pub amount_remaining: i64,
    /// Unix seconds.
    pub period_start: i64,
    /// Unix seconds.
    pub period_end: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub due_at: Option<i64>,
    /// Unix seconds.
    pub finalized_at: Option<i64>,
    /// Unix seconds.
    pub paid_at: Option<i64>,
    /// Unix seconds.
    pub voided_at: Option<i64>,
    /// Tries to collect it.
    pub attempt_count: i64,
    /// Unix seconds.
    pub next_attempt_at: Option<i64>,
    /// JSON.
    pub lines: String,
    /// JSON.
    pub taxes: String,
    /// JSON.
    pub payments: String,
    /// Up to when it is known, unix seconds of Stripe's.
    pub seen_at: i64,
}

/// A line as the row keeps it.
#[derive(Deserialize)]
struct KeptLine {
    description: Option<String>,
    amount: i64,
}

impl InvoiceRow {
    /// Its lines in words, each with its amount.
    pub fn line_amounts(&self) -> Vec<(String, Money)> {
        let lines: Vec<KeptLine> = serde_json::from_str(&self.lines).unwrap_or_default();
        let each = lines
            .into_iter()
            .map(|line| (line.description.unwrap_or_default(), Money::new(line.amount, self.currency)));
        each.collect()
    }

    /// The row for a snapshot; none for a preview. How it was paid stays as it was where the snapshot does not say.
    pub fn new(tenant: &str, old: Option<&Self>, invoice: &Invoice, seen_at: i64) -> Option<Self> {
        let span = plan_period(&invoice.lines.data).unwrap_or((invoice.period_start, invoice.period_end));
        Some(Self {
            id: invoice.id.clone()?,
            tenant_id: tenant.to_owned(),
            customer_id: invoice.customer.clone(),
            subscription_id: invoice.subscription().cloned(),
            number: invoice.number.clone(),
            status: invoice.status.clone()?,
            billing_reason: invoice.billing_reason.clone(),
            collection_method: invoice.collection_method.clone(),
            currency: invoice.currency,
            subtotal: invoice.subtotal,
            discount: invoice.discount(),
            tax: invoice.tax(),
            total: invoice.total,
            starting_balance: invoice.starting_balance,
            amount_due: invoice.amount_due,
            amount_paid: invoice.amount_paid,
            amount_remaining: invoice.amount_remaining,
            period_start: span.0,
            period_end: span.1,
            created_at: invoice.created,
            due_at: invoice.due_date,
            finalized_at: invoice.status_transitions.finalized_at,
            paid_at: invoice.status_transitions.paid_at,
            voided_at: invoice.status_transitions.voided_at,
            attempt_count: invoice.attempt_count,
            next_attempt_at: invoice.next_payment_attempt,
            lines: lines(&invoice.lines.data),
            taxes: taxes(&invoice.total_taxes),
            payments: match &invoice.payments {
                Some(list) => payments(&list.data),
                None => old.map_or_else(|| "[]".to_owned(), |old| old.payments.clone()),
            },
            seen_at,
        })
    }
}

/// What is paid for: the span of the first line that settles no change. An invoice's own period is that of use gone by.
fn plan_period(lines: &[Line]) -> Option<(i64, i64)> {
    let line = lines.iter().find(|line| !line.is_proration()).or_else(|| lines.first())?;
    Some((line.period.start, line.period.end))
}

fn lines(lines: &[Line]) -> String {
    let each = lines.iter().map(|line| {
        json!({
            "id": line.id, "description": line.description, "amount": line.amount, "quantity": line.quantity,
            "period_start": line.period.start, "period_end": line.period.end, "proration": line.is_proration(),
            "price": line.price(),
        })
    });
    Value::Array(each.collect()).to_string()
}

fn taxes(taxes: &[Tax]) -> String {
    let each = taxes.iter().map(|tax| {
        json!({
            "amount": tax.amount, "inclusive": tax.tax_behavior.as_deref() == Some("inclusive"),
            "rate": tax.tax_rate_details.as_ref().and_then(|details| details.tax_rate.as_ref()),
        })
    });
    Value::Array(each.collect()).to_string()
}

fn payments(payments: &[InvoicePayment]) -> String {
    let each = payments.iter().map(|payment| {
        json!({
            "id": payment.id, "payment_intent": payment.payment.payment_intent, "charge": payment.payment.charge,
            "amount": payment.amount_paid.unwrap_or(payment.amount_requested), "status": payment.status,
        })
    });
    Value::Array(each.collect()).to_string()
}

/// A row of `charges`. Amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ChargeRow {
    /// Stripe's id.
    pub id: ChargeId,
    /// Whose it is.
    pub tenant_id: String,
    /// Stripe's customer.
    pub customer_id: CustomerId,
    /// What it belongs to.
    pub payment_intent_id: Option<PaymentIntentId>,
    /// What was asked for.
    pub amount: i64,
    /// What went back.
    pub amount_refunded: i64,
    /// What it is in.
    pub currency: Currency,
    /// Where it stands.
    pub status: ChargeStatus,
    /// Whether the customer's bank contests it.
    pub disputed: bool,
    /// Why it failed.
    pub failure_code: Option<String>,
    /// The same in words.
    pub failure_message: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
    /// When the first refund of it was seen, unix seconds of Stripe's.
    pub refunded_at: Option<i64>,
    /// Up to when it is known, unix seconds of Stripe's.
    pub seen_at: i64,
}

impl ChargeRow {
    /// The row for a snapshot.
    pub fn new(
        tenant: &str,
        customer: &CustomerId,
        old: Option<&Self>,
        charge: &Charge,
        seen_at: i64,
    ) -> Self {
        let refunded = (charge.amount_refunded > 0).then_some(seen_at);
        Self {
            id: charge.id.clone(),
            tenant_id: tenant.to_owned(),
            customer_id: customer.clone(),
            payment_intent_id: charge.payment_intent.clone(),
            amount: charge.amount,
            amount_refunded: charge.amount_refunded,
            currency: charge.currency,
            status: charge.status.clone(),
            disputed: charge.disputed,
            failure_code: charge.failure_code.clone(),
            failure_message: charge.failure_message.clone(),
            created_at: charge.created,
            refunded_at: old.and_then(|old| old.refunded_at).or(refunded),
            seen_at,
        }
    }
}
