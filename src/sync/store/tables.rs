//! One row by its id, and one upsert for each table.

use super::{ChargeRow, CustomerRow, InvoiceRow, SubscriptionRow};
use crate::db::{Result, Tx, sql};
use crate::stripe::{ChargeId, CustomerId, InvoiceId, SubscriptionId};
use crate::sync::Rows;

macro_rules! customer_columns {
    () => {
        "id, tenant_id, email, name, currency, address, tax_ids, balance, delinquent, deleted, livemode, test_clock, payment_method, seen_at"
    };
}

/// A customer.
///
/// # Errors
/// The database did not answer.
pub async fn customer(tx: &mut Tx, id: &CustomerId) -> Result<Option<CustomerRow>> {
    tx.query(sql!("select " customer_columns!() " from customers where id = $1"))
        .bind(id.as_str())
        .optional()
        .await
}

/// Writes a customer's row.
pub(super) async fn save_customer(tx: &mut Tx, row: &CustomerRow) -> Result<()> {
    tx.query(sql!(
        "insert into customers (" customer_columns!() ")"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        " on conflict (id) do update set"
        " email = excluded.email, name = excluded.name, currency = excluded.currency,"
        " address = excluded.address, tax_ids = excluded.tax_ids, balance = excluded.balance,"
        " delinquent = excluded.delinquent, deleted = excluded.deleted, livemode = excluded.livemode,"
        " test_clock = excluded.test_clock, payment_method = excluded.payment_method,"
        " seen_at = excluded.seen_at"
    ))
    .bind(row.id.as_str())
    .bind(row.tenant_id.as_str())
    .bind(row.email.as_deref())
    .bind(row.name.as_deref())
    .bind(row.currency)
    .bind(row.address.as_deref())
    .bind(row.tax_ids.as_str())
    .bind(row.balance)
    .bind(row.delinquent)
    .bind(row.deleted)
    .bind(row.livemode)
    .bind(row.test_clock.as_deref())
    .bind(row.payment_method.as_deref())
    .bind(row.seen_at)
    .run()
    .await?;
    Ok(())
}

macro_rules! subscription_columns {
    () => {
        "id, tenant_id, customer_id, status, currency, price_id, product_id, quantity, items, current_period_start, current_period_end, trial_start, trial_end, cancel_at, cancel_at_period_end, canceled_at, ended_at, cancellation_reason, pause_behavior, pause_resumes_at, schedule_id, pending_change, pending_update, discounts, collection_method, latest_invoice_id, livemode, started_at, created_at, seen_at"
    };
}

/// A subscription.
///
/// # Errors
/// The database did not answer.
pub async fn subscription(tx: &mut Tx, id: &SubscriptionId) -> Result<Option<SubscriptionRow>> {
    tx.query(sql!("select " subscription_columns!() " from subscriptions where id = $1"))
        .bind(id.as_str())
        .optional()
        .await
}

/// Writes a subscription's row.
pub(super) async fn save_subscription(tx: &mut Tx, row: &SubscriptionRow) -> Result<()> {
    tx.query(sql!(
        "insert into subscriptions (" subscription_columns!() ")"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,"
        " $22, $23, $24, $25, $26, $27, $28, $29, $30)"
        " on conflict (id) do update set"
        " tenant_id = excluded.tenant_id, customer_id = excluded.customer_id, status = excluded.status,"
        " currency = excluded.currency, price_id = excluded.price_id, product_id = excluded.product_id,"
        " quantity = excluded.quantity, items = excluded.items,"
        " current_period_start = excluded.current_period_start,"
        " current_period_end = excluded.current_period_end, trial_start = excluded.trial_start,"
        " trial_end = excluded.trial_end, cancel_at = excluded.cancel_at,"
        " cancel_at_period_end = excluded.cancel_at_period_end, canceled_at = excluded.canceled_at,"
        " ended_at = excluded.ended_at, cancellation_reason = excluded.cancellation_reason,"
        " pause_behavior = excluded.pause_behavior, pause_resumes_at = excluded.pause_resumes_at,"
        " schedule_id = excluded.schedule_id, pending_change = excluded.pending_change,"
        " pending_update = excluded.pending_update, discounts = excluded.discounts,"
        " collection_method = excluded.collection_method, latest_invoice_id = excluded.latest_invoice_id,"
        " livemode = excluded.livemode, started_at = excluded.started_at,"
        " created_at = excluded.created_at, seen_at = excluded.seen_at"
    ))
    .bind(row.id.as_str())
    .bind(row.tenant_id.as_str())
    .bind(row.customer_id.as_str())
    .bind(row.status.as_str())
    .bind(row.currency)
    .bind(row.price_id.as_ref().map(|v| v.as_str()))
    .bind(row.product_id.as_ref().map(|v| v.as_str()))
    .bind(row.quantity)
    .bind(row.items.as_str())
    .bind(row.current_period_start)
    .bind(row.current_period_end)
    .bind(row.trial_start)
    .bind(row.trial_end)
    .bind(row.cancel_at)
    .bind(row.cancel_at_period_end)
    .bind(row.canceled_at)
    .bind(row.ended_at)
    .bind(row.cancellation_reason.as_deref())
    .bind(row.pause_behavior.as_deref())
    .bind(row.pause_resumes_at)
    .bind(row.schedule_id.as_ref().map(|v| v.as_str()))
    .bind(row.pending_change.as_deref())
    .bind(row.pending_update)
    .bind(row.discounts.as_str())
    .bind(row.collection_method.as_deref())
    .bind(row.latest_invoice_id.as_ref().map(|v| v.as_str()))
    .bind(row.livemode)
    .bind(row.started_at)
    .bind(row.created_at)
    .bind(row.seen_at)
    .run()
    .await?;
    Ok(())
}

macro_rules! invoice_columns {
    () => {
        "id, tenant_id, customer_id, subscription_id, number, status, billing_reason, collection_method, currency, subtotal, discount, tax, total, starting_balance, amount_due, amount_paid, amount_remaining, period_start, period_end, created_at, due_at, finalized_at, paid_at, voided_at, attempt_count, next_attempt_at, lines, taxes, payments, seen_at"
    };
}

/// An invoice.
///
/// # Errors
/// The database did not answer.
pub async fn invoice(tx: &mut Tx, id: &InvoiceId) -> Result<Option<InvoiceRow>> {
    tx.query(sql!("select " invoice_columns!() " from invoices where id = $1"))
        .bind(id.as_str())
        .optional()
        .await
}

/// Writes an invoice's row.
pub(super) async fn save_invoice(tx: &mut Tx, row: &InvoiceRow) -> Result<()> {
    tx.query(sql!(
        "insert into invoices (" invoice_columns!() ")"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,"
        " $22, $23, $24, $25, $26, $27, $28, $29, $30)"
        " on conflict (id) do update set"
        " tenant_id = excluded.tenant_id, customer_id = excluded.customer_id,"
        " subscription_id = excluded.subscription_id, number = excluded.number, status = excluded.status,"
        " billing_reason = excluded.billing_reason, collection_method = excluded.collection_method,"
        " currency = excluded.currency, subtotal = excluded.subtotal, discount = excluded.discount,"
        " tax = excluded.tax, total = excluded.total, starting_balance = excluded.starting_balance,"
        " amount_due = excluded.amount_due, amount_paid = excluded.amount_paid,"
        " amount_remaining = excluded.amount_remaining, period_start = excluded.period_start,"
        " period_end = excluded.period_end, created_at = excluded.created_at, due_at = excluded.due_at,"
        " finalized_at = excluded.finalized_at, paid_at = excluded.paid_at,"
        " voided_at = excluded.voided_at, attempt_count = excluded.attempt_count,"
        " next_attempt_at = excluded.next_attempt_at, lines = excluded.lines, taxes = excluded.taxes,"
        " payments = excluded.payments, seen_at = excluded.seen_at"
    ))
    .bind(row.id.as_str())
    .bind(row.tenant_id.as_str())
    .bind(row.customer_id.as_str())
    .bind(row.subscription_id.as_ref().map(|v| v.as_str()))
    .bind(row.number.as_deref())
    .bind(row.status.as_str())
    .bind(row.billing_reason.as_deref())
    .bind(row.collection_method.as_deref())
    .bind(row.currency)
    .bind(row.subtotal)
    .bind(row.discount)
    .bind(row.tax)
    .bind(row.total)
    .bind(row.starting_balance)
    .bind(row.amount_due)
    .bind(row.amount_paid)
    .bind(row.amount_remaining)
    .bind(row.period_start)
    .bind(row.period_end)
    .bind(row.created_at)
    .bind(row.due_at)
    .bind(row.finalized_at)
    .bind(row.paid_at)
    .bind(row.voided_at)
    .bind(row.attempt_count)
    .bind(row.next_attempt_at)
    .bind(row.lines.as_str())
    .bind(row.taxes.as_str())
    .bind(row.payments.as_str())
    .bind(row.seen_at)
    .run()
    .await?;
    Ok(())
}

macro_rules! charge_columns {
    () => {
        "id, tenant_id, customer_id, payment_intent_id, amount, amount_refunded, currency, status, disputed, failure_code, failure_message, created_at, refunded_at, seen_at"
    };
}

/// A charge.
///
/// # Errors
/// The database did not answer.
pub async fn charge(tx: &mut Tx, id: &ChargeId) -> Result<Option<ChargeRow>> {
    tx.query(sql!("select " charge_columns!() " from charges where id = $1"))
        .bind(id.as_str())
        .optional()
        .await
}

/// Writes a charge's row.
pub(super) async fn save_charge(tx: &mut Tx, row: &ChargeRow) -> Result<()> {
    tx.query(sql!(
        "insert into charges (" charge_columns!() ")"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        " on conflict (id) do update set"
        " tenant_id = excluded.tenant_id, customer_id = excluded.customer_id,"
        " payment_intent_id = excluded.payment_intent_id, amount = excluded.amount,"
        " amount_refunded = excluded.amount_refunded, currency = excluded.currency,"
        " status = excluded.status, disputed = excluded.disputed, failure_code = excluded.failure_code,"
        " failure_message = excluded.failure_message, created_at = excluded.created_at,"
        " refunded_at = excluded.refunded_at, seen_at = excluded.seen_at"
    ))
    .bind(row.id.as_str())
    .bind(row.tenant_id.as_str())
    .bind(row.customer_id.as_str())
    .bind(row.payment_intent_id.as_ref().map(|v| v.as_str()))
    .bind(row.amount)
    .bind(row.amount_refunded)
    .bind(row.currency)
    .bind(row.status.as_str())
    .bind(row.disputed)
    .bind(row.failure_code.as_deref())
    .bind(row.failure_message.as_deref())
    .bind(row.created_at)
    .bind(row.refunded_at)
    .bind(row.seen_at)
    .run()
    .await?;
    Ok(())
}

/// The subscriptions of a customer that are not over, newest first.
///
/// # Errors
/// The database did not answer.
pub async fn live_ids(tx: &mut Tx, customer: &CustomerId) -> Result<Vec<SubscriptionId>> {
    let rows: Vec<(SubscriptionId,)> = tx
        .query(sql!(
            "select id from subscriptions where customer_id = $1 and status not in ('canceled', 'incomplete_expired')"
            " order by created_at desc, id"
        ))
        .bind(customer.as_str())
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The customer whose charge it is.
///
/// # Errors
/// The database did not answer.
pub async fn customer_of_charge(tx: &mut Tx, charge: &str) -> Result<Option<CustomerId>> {
    let row: Option<(CustomerId,)> =
        tx.query(sql!("select customer_id from charges where id = $1")).bind(charge).optional().await?;
    Ok(row.map(|(id,)| id))
}

/// The customer whose payment it is.
///
/// # Errors
/// The database did not answer.
pub async fn customer_of_intent(tx: &mut Tx, intent: &str) -> Result<Option<CustomerId>> {
    let row: Option<(CustomerId,)> = tx
        .query(sql!("select customer_id from charges where payment_intent_id = $1 limit 1"))
        .bind(intent)
        .optional()
        .await?;
    Ok(row.map(|(id,)| id))
}

/// Up to when an object is known, whichever kind it is of: Stripe's ids are of one kind alone.
///
/// # Errors
/// The database did not answer.
pub async fn seen_at(tx: &mut Tx, id: &str) -> Result<Option<i64>> {
    let row: Option<(i64,)> = tx
        .query(sql!(
            "select seen_at from customers where id = $1 union all select seen_at from subscriptions where id = $1"
            " union all select seen_at from invoices where id = $1 union all select seen_at from charges where id = $1"
        ))
        .bind(id)
        .optional()
        .await?;
    Ok(row.map(|(seen_at,)| seen_at))
}

/// A page of our customers that are not gone, by id, after `after`.
///
/// # Errors
/// The database did not answer.
pub async fn customer_ids(tx: &mut Tx, after: &str, limit: i64) -> Result<Vec<CustomerId>> {
    let rows: Vec<(CustomerId,)> = tx
        .query(sql!("select id from customers where id > $1 and not deleted order by id limit $2"))
        .bind(after)
        .bind(limit)
        .all()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// All rows of a customer.
///
/// # Errors
/// The database did not answer; so with the functions below.
pub async fn rows_of(tx: &mut Tx, id: &CustomerId) -> Result<Rows> {
    let Some(row) = customer(tx, id).await? else { return Ok(Rows::default()) };
    let tenant = row.tenant_id.clone();
    let subscriptions = tx
        .query(sql!(
            "select " subscription_columns!() " from subscriptions where tenant_id = $1 and customer_id = $2 order by id"
        ))
        .bind(tenant.as_str())
        .bind(id.as_str())
        .all()
        .await?;
    let invoices = tx
        .query(sql!("select " invoice_columns!() " from invoices where tenant_id = $1 and customer_id = $2 order by id"))
        .bind(tenant.as_str())
        .bind(id.as_str())
        .all()
        .await?;
    let charges = tx
        .query(sql!("select " charge_columns!() " from charges where tenant_id = $1 and customer_id = $2 order by id"))
        .bind(tenant.as_str())
        .bind(id.as_str())
        .all()
        .await?;
    Ok(Rows { customer: Some(row), subscriptions, invoices, charges })
}

/// Those of some ids (JSON: an array of texts) that are customers here.
///
/// # Errors
/// See [`rows_of`].
pub async fn customers_among(tx: &mut Tx, ids: &str) -> Result<Vec<CustomerRow>> {
    tx.query(sql!(
        "select " customer_columns!() " from customers where id in (select value from "
        lite "json_each($1)" pg "json_array_elements_text(cast($1 as json))" ")"
    ))
    .bind(ids)
    .all()
    .await
}

/// Those of some ids (JSON) that are subscriptions here.
///
/// # Errors
/// See [`rows_of`].
pub async fn subscriptions_among(tx: &mut Tx, ids: &str) -> Result<Vec<SubscriptionRow>> {
    tx.query(sql!(
        "select " subscription_columns!() " from subscriptions where id in (select value from "
        lite "json_each($1)" pg "json_array_elements_text(cast($1 as json))" ")"
    ))
    .bind(ids)
    .all()
    .await
}

/// Those of some ids (JSON) that are invoices here.
///
/// # Errors
/// See [`rows_of`].
pub async fn invoices_among(tx: &mut Tx, ids: &str) -> Result<Vec<InvoiceRow>> {
    tx.query(sql!(
        "select " invoice_columns!() " from invoices where id in (select value from "
        lite "json_each($1)" pg "json_array_elements_text(cast($1 as json))" ")"
    ))
    .bind(ids)
    .all()
    .await
}

/// Those of some ids (JSON) that are charges here.
///
/// # Errors
/// See [`rows_of`].
pub async fn charges_among(tx: &mut Tx, ids: &str) -> Result<Vec<ChargeRow>> {
    tx.query(sql!(
        "select " charge_columns!() " from charges where id in (select value from "
        lite "json_each($1)" pg "json_array_elements_text(cast($1 as json))" ")"
    ))
    .bind(ids)
    .all()
    .await
}
