//! When a payment first failed: what is known of its tries, from events and charges.

use serde_json::{Value, json};

use crate::db::{Result, Tx, sql};
use crate::dunning::Case;
use crate::sync::{self, InvoiceRow};

/// When the payment of an invoice first failed, by Stripe's clock: what the first event of it says, which may have waited for a
/// worker for days, or its first charge that failed; without either, when the invoice was seen.
pub(super) async fn failed_at(tx: &mut Tx, invoice: &InvoiceRow) -> Result<i64> {
    let told = failures(tx, invoice).await?.first;
    Ok(told.map_or(invoice.seen_at, |told| told.min(invoice.seen_at)))
}

/// What is known of the payments of an invoice that failed.
#[derive(sqlx::FromRow)]
struct Failures {
    /// When the first of them did.
    first: Option<i64>,
    /// How many events tell of one.
    events: i64,
    /// How many charges are one.
    charges: i64,
}

async fn failures(tx: &mut Tx, invoice: &InvoiceRow) -> Result<Failures> {
    let intents: Vec<Value> = serde_json::from_str(&invoice.payments).unwrap_or_default();
    let intents: Vec<&str> = intents.iter().filter_map(|one| one["payment_intent"].as_str()).collect();
    tx.query(sql!(
        "select min(x.at) as first, cast(coalesce(sum(x.event), 0) as bigint) as events,"
        " cast(coalesce(sum(1 - x.event), 0) as bigint) as charges from ("
        "select created_at as at, 1 as event from webhook_events where customer_id = $1 and object_id = $2"
        " and type = 'invoice.payment_failed' union all select created_at, 0 from charges where customer_id = $1"
        " and status = 'failed' and payment_intent_id in (select value from "
        lite "json_each($3)" pg "json_array_elements_text(cast($3 as json))" ")) x"
    ))
    .bind(invoice.customer_id.as_str())
    .bind(invoice.id.as_str())
    .bind(json!(intents).to_string())
    .one()
    .await
}

/// The case with the day of the first failure as it is known by now, before its days are fixed by it; and whether every try that
/// the invoice has seen is known. Where one is not, an event that came before its time opened the case, and the first failure
/// may be days older than it says.
///
/// # Errors
/// The database did not answer.
pub async fn dated(tx: &mut Tx, case: &Case) -> Result<(Case, bool)> {
    let Ok(id) = case.invoice_id.parse() else { return Ok((case.clone(), true)) };
    let Some(invoice) = sync::store::invoice(tx, &id).await? else { return Ok((case.clone(), true)) };
    let known = failures(tx, &invoice).await?;
    let opened_at = known.first.map_or(case.opened_at, |first| first.min(case.opened_at));
    tx.query(sql!("update dunning_cases set opened_at = $2 where invoice_id = $1 and state = 'open'"))
        .bind(case.invoice_id.as_str())
        .bind(opened_at)
        .run()
        .await?;
    let is_whole = known.events.max(known.charges) >= invoice.attempt_count;
    Ok((Case { opened_at, ..case.clone() }, is_whole))
}
