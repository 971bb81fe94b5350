//! Rows of what Stripe knows nothing of: the one way in which a row goes.

use serde_json::Value;

use super::tables;
use crate::audit::{self, Entry};
use crate::db::{Result, Tx, sql};
use crate::dunning::{self, State};
use crate::staff;
use crate::stripe::snapshot::SubscriptionStatus;
use crate::sync::{
    CustomerRow, Seen, SubscriptionRow, charge_facts, customer_facts, invoice_facts, subscription_facts,
};

/// Removes the row of a subscription, an invoice, a charge, or all of a customer, that Stripe has just said it knows nothing of, and takes back what
/// followed from it: its figures, what is announced of it, the case about its missing payment. Whether there was one. The caller
/// holds the lease on the customer, as for [`apply`](super::apply).
///
/// # Errors
/// The database did not take it.
pub async fn forget(tx: &mut Tx, object: &str, id: &str, seen: &Seen) -> Result<bool> {
    match object {
        "subscription" => subscription(tx, id, seen).await,
        "invoice" => invoice(tx, id, seen).await,
        "charge" => charge(tx, id, seen).await,
        "customer" => customer(tx, id, seen).await,
        _ => Ok(false),
    }
}

async fn subscription(tx: &mut Tx, id: &str, seen: &Seen) -> Result<bool> {
    let Ok(id) = id.parse() else { return Ok(false) };
    let Some(old) = tables::subscription(tx, &id).await? else { return Ok(false) };
    tx.query(sql!("delete from notices where subscription_id = $1")).bind(id.as_str()).run().await?;
    for case in dunning::store::open_of_subscription(tx, id.as_str()).await? {
        dunning::store::close(tx, &case, State::Void, &seen.actor, seen.now).await?;
    }
    staff::store::off_subscription(tx, &old).await?;
    // Worth nothing from now on: for the figures it has ended.
    let over = SubscriptionRow {
        status: SubscriptionStatus::Canceled,
        ended_at: Some(seen.at),
        seen_at: seen.at,
        ..old.clone()
    };
    staff::store::book(tx, &over).await?;
    tell(tx, "subscription.removed", &old.tenant_id, id.as_str(), subscription_facts(&old), seen).await?;
    tx.query(sql!("delete from subscriptions where id = $1")).bind(id.as_str()).run().await?;
    Ok(true)
}

async fn invoice(tx: &mut Tx, id: &str, seen: &Seen) -> Result<bool> {
    let Ok(id) = id.parse() else { return Ok(false) };
    let Some(old) = tables::invoice(tx, &id).await? else { return Ok(false) };
    if let Some(case) = dunning::store::find(tx, id.as_str()).await?.filter(|case| case.state == State::Open)
    {
        dunning::store::close(tx, &case, State::Void, &seen.actor, seen.now).await?;
    }
    staff::store::off_invoice(tx, &old).await?;
    tell(tx, "invoice.removed", &old.tenant_id, id.as_str(), invoice_facts(&old), seen).await?;
    tx.query(sql!("delete from invoices where id = $1")).bind(id.as_str()).run().await?;
    Ok(true)
}

async fn charge(tx: &mut Tx, id: &str, seen: &Seen) -> Result<bool> {
    let Ok(id) = id.parse() else { return Ok(false) };
    let Some(old) = tables::charge(tx, &id).await? else { return Ok(false) };
    staff::store::off_charge(tx, &old).await?;
    tell(tx, "charge.removed", &old.tenant_id, id.as_str(), charge_facts(&old), seen).await?;
    tx.query(sql!("delete from charges where id = $1")).bind(id.as_str()).run().await?;
    Ok(true)
}

/// Everything of a customer goes; its own row stays as that of one that is gone, so that its tenant can have another.
async fn customer(tx: &mut Tx, id: &str, seen: &Seen) -> Result<bool> {
    let Ok(id) = id.parse() else { return Ok(false) };
    let rows = tables::rows_of(tx, &id).await?;
    let Some(old) = rows.customer else { return Ok(false) };
    for row in &rows.subscriptions {
        subscription(tx, row.id.as_str(), seen).await?;
    }
    for row in &rows.invoices {
        invoice(tx, row.id.as_str(), seen).await?;
    }
    for row in &rows.charges {
        charge(tx, row.id.as_str(), seen).await?;
    }
    let new = CustomerRow { deleted: true, seen_at: seen.at, ..old.clone() };
    tables::save_customer(tx, &new).await?;
    let entry = Entry::new(seen.actor.clone(), "customer.changed", seen.now)
        .tenant(old.tenant_id.as_str())
        .object(id.as_str())
        .change(Some(customer_facts(&old)), Some(customer_facts(&new)));
    audit::record(tx, &entry).await?;
    Ok(true)
}

/// What was known of it stays in the audit.
async fn tell(
    tx: &mut Tx,
    action: &'static str,
    tenant: &str,
    id: &str,
    before: Value,
    seen: &Seen,
) -> Result<()> {
    let entry =
        Entry::new(seen.actor.clone(), action, seen.now).tenant(tenant).object(id).change(Some(before), None);
    audit::record(tx, &entry).await?;
    Ok(())
}
