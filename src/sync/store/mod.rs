//! Rows that mirror Stripe, written by [`apply`] alone.

mod catalog;
mod lease;
mod tables;

pub use catalog::save_catalogue;
pub use lease::{Lease, LostLease, claim, claim_details, due, finish, postpone, request_refetch};
pub use tables::{
    charge, customer, customer_ids, customer_of_charge, customer_of_intent, invoice, live_ids, seen_at,
    subscription,
};

use super::{
    ChargeRow, Consequence, CustomerRow, InvoiceRow, Named, Plan, Seen, Snapshot, SubscriptionRow, Tenant,
    of_charge, of_customer, of_invoice, of_subscription,
};
use crate::audit::{self, Entry};
use crate::db::{Result, Tx, sql};
use crate::dunning;
use crate::mail::{self, Letter, New};
use crate::money::Money;
use crate::stripe::snapshot::{Charge, Customer, Invoice, Subscription};
use crate::stripe::{CustomerId, InvoiceId};

/// The tenant of a customer; none for a customer that is not ours.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn tenant_of(tx: &mut Tx, customer: &CustomerId) -> Result<Option<Tenant>> {
    tx.query(sql!(
        "select t.id, t.created_at from customers c join tenants t on t.id = c.tenant_id where c.id = $1"
    ))
    .bind(customer.as_str())
    .optional()
    .await
}

/// The time of the newest event of a customer that is in the inbox, unix seconds of Stripe's; 0 where there is none.
///
/// # Errors
/// See [`tenant_of`].
pub async fn newest_event(tx: &mut Tx, customer: &CustomerId) -> Result<i64> {
    let (newest,): (Option<i64>,) = tx
        .query(sql!("select max(created_at) from webhook_events where customer_id = $1"))
        .bind(customer.as_str())
        .one()
        .await?;
    Ok(newest.unwrap_or(0))
}

/// Gives a customer of Stripe's to a tenant, and wakes the events that waited for that. Nothing changes where the customer
/// has a tenant already, where there is no such tenant, or where the tenant has a customer: false, then.
///
/// # Errors
/// See [`tenant_of`].
pub async fn attach(
    tx: &mut Tx,
    tenant: &str,
    customer: &CustomerId,
    livemode: bool,
    now: i64,
) -> Result<bool> {
    let made = tx
        .query(sql!(
            "insert into customers (id, tenant_id, livemode, seen_at, details_due_at)"
            " select $1, t.id, $3, 0, $4 from tenants t where t.id = $2"
            " on conflict do nothing"
        ))
        .bind(customer.as_str())
        .bind(tenant)
        .bind(livemode)
        .bind(now)
        .run()
        .await?;
    tx.query(sql!(
        "update webhook_events set state = 'pending', due_at = $2 where customer_id = $1 and state = 'waiting'"
    ))
    .bind(customer.as_str())
    .bind(now)
    .run()
    .await?;
    Ok(made == 1)
}

/// Writes what Stripe says, and what follows from its difference to what was known. The caller holds the lease on the customer.
///
/// # Errors
/// See [`tenant_of`].
pub async fn apply(tx: &mut Tx, tenant: &Tenant, snapshot: &Snapshot, seen: &Seen) -> Result<()> {
    match snapshot {
        Snapshot::Customer(customer) => apply_customer(tx, tenant, customer, seen).await,
        Snapshot::Subscription(subscription, plan) => {
            apply_subscription(tx, tenant, subscription, plan, seen).await
        }
        Snapshot::Invoice(invoice) => apply_invoice(tx, tenant, invoice, seen).await,
        Snapshot::Charge(charge) => apply_charge(tx, tenant, charge, seen).await,
    }
}

async fn apply_customer(tx: &mut Tx, tenant: &Tenant, customer: &Customer, seen: &Seen) -> Result<()> {
    let old = tables::customer(tx, &customer.id).await?;
    let new = CustomerRow::new(&tenant.id, old.as_ref(), customer, seen.at);
    tables::save_customer(tx, &new).await?;
    // A row that was never seen was made by `attach`: for the audit, it begins here.
    let known = old.filter(|old| old.seen_at > 0);
    stage(tx, tenant, customer.id.as_str(), of_customer(known.as_ref(), &new), seen).await
}

async fn apply_subscription(
    tx: &mut Tx,
    tenant: &Tenant,
    subscription: &Subscription,
    plan: &Plan,
    seen: &Seen,
) -> Result<()> {
    let old = tables::subscription(tx, &subscription.id).await?;
    let new = SubscriptionRow::new(&tenant.id, old.as_ref(), subscription, plan, seen.at);
    tables::save_subscription(tx, &new).await?;
    if let Some(start) = new.trial_start {
        tx.query(sql!("update tenants set trial_used_at = $2 where id = $1 and trial_used_at is null"))
            .bind(tenant.id.as_str())
            .bind(start)
            .run()
            .await?;
    }
    let was = match &old {
        Some(old) => Some(named(tx, old).await?),
        None => None,
    };
    let is = named(tx, &new).await?;
    let mut all = of_subscription(old.as_ref(), &new, tenant, was.as_ref(), &is);
    // Stripe gives its own reason only where it ended the subscription by itself.
    let unpaid = dunning::store::ends_unpaid(tx, new.id.as_str(), seen.now).await?;
    for one in &mut all {
        if let Consequence::Mail { letter: Letter::Cancelled(letter), .. } = one {
            letter.unpaid |= unpaid && letter.ended;
        }
    }
    stage(tx, tenant, subscription.id.as_str(), all, seen).await
}

/// What a subscription's plan is called and costs. A product that the catalogue does not know is called by its id.
async fn named(tx: &mut Tx, row: &SubscriptionRow) -> Result<Named> {
    let product = row.product_id.as_ref().map(|id| id.as_str()).unwrap_or_default();
    let price = row.price_id.as_ref().map(|id| id.as_str()).unwrap_or_default();
    let name: Option<(String,)> =
        tx.query(sql!("select name from products where id = $1")).bind(product).optional().await?;
    let amount: Option<(Option<i64>,)> = tx
        .query(sql!("select unit_amount from prices where id = $1 and currency = $2"))
        .bind(price)
        .bind(row.currency)
        .optional()
        .await?;
    Ok(Named {
        name: name.map_or_else(|| product.to_owned(), |(name,)| name),
        price: amount.and_then(|(amount,)| amount).map(|minor| Money::new(minor, row.currency)),
    })
}

async fn apply_invoice(tx: &mut Tx, tenant: &Tenant, invoice: &Invoice, seen: &Seen) -> Result<()> {
    let old = match &invoice.id {
        Some(id) => tables::invoice(tx, id).await?,
        None => None,
    };
    let Some(new) = InvoiceRow::new(&tenant.id, old.as_ref(), invoice, seen.at) else { return Ok(()) };
    tables::save_invoice(tx, &new).await?;
    dunning::store::on_invoice(tx, &new, &seen.actor, seen.now).await?;
    stage(tx, tenant, new.id.as_str(), of_invoice(old.as_ref(), &new, tenant), seen).await
}

async fn apply_charge(tx: &mut Tx, tenant: &Tenant, charge: &Charge, seen: &Seen) -> Result<()> {
    let Some(customer) = &charge.customer else { return Ok(()) };
    let old = tables::charge(tx, &charge.id).await?;
    let new = ChargeRow::new(&tenant.id, customer, old.as_ref(), charge, seen.at);
    tables::save_charge(tx, &new).await?;
    stage(tx, tenant, charge.id.as_str(), of_charge(old.as_ref(), &new), seen).await
}

/// Stages what follows, in the transaction of the change.
async fn stage(tx: &mut Tx, tenant: &Tenant, object: &str, all: Vec<Consequence>, seen: &Seen) -> Result<()> {
    for one in all {
        match one {
            Consequence::Audit { action, before, after } => {
                let entry = Entry::new(seen.actor.clone(), action, seen.now)
                    .tenant(tenant.id.as_str())
                    .object(object)
                    .change(before, Some(after));
                audit::record(tx, &entry).await?;
            }
            Consequence::Mail { letter, cause } => {
                let mail = New::of(&letter, cause).tenant(tenant.id.as_str());
                mail::stage(tx, &mail, seen.now).await?;
            }
        }
    }
    Ok(())
}

/// Drops the drafts of a customer that Stripe no longer has: invoices are all listed, and only a draft can be deleted.
///
/// # Errors
/// See [`tenant_of`].
pub async fn drop_missing_drafts(
    tx: &mut Tx,
    customer: &CustomerId,
    listed: &[InvoiceId],
    seen_at: i64,
) -> Result<()> {
    let drafts: Vec<(InvoiceId,)> = tx
        .query(sql!("select id from invoices where customer_id = $1 and status = 'draft' and seen_at <= $2"))
        .bind(customer.as_str())
        .bind(seen_at)
        .all()
        .await?;
    for (draft,) in drafts.into_iter().filter(|(draft,)| !listed.contains(draft)) {
        tx.query(sql!("delete from invoices where id = $1")).bind(draft.as_str()).run().await?;
    }
    Ok(())
}

/// Keeps the next invoice's preview (JSON; none: there will be none) and the payment method, with the time they were seen and
/// when they are to be asked for again. `claimed` is what [`claim_details`] put them off to: where somebody has wanted them
/// again since, they stay wanted. It is 0 for who holds the lease.
///
/// # Errors
/// See [`tenant_of`].
pub async fn save_details(
    tx: &mut Tx,
    customer: &CustomerId,
    payment_method: Option<&str>,
    next_invoice: Option<&str>,
    seen_at: i64,
    due_at: Option<i64>,
    claimed: i64,
) -> Result<()> {
    tx.query(sql!(
        "update customers set payment_method = $2, next_invoice = $3, details_seen_at = $4,"
        " details_due_at = case when $6 = 0 or details_due_at = $6 then $5 else details_due_at end where id = $1"
    ))
    .bind(customer.as_str())
    .bind(payment_method)
    .bind(next_invoice)
    .bind(seen_at)
    .bind(due_at)
    .bind(claimed)
    .run()
    .await?;
    Ok(())
}

/// Has a customer's preview and payment method asked for again at `at` (unix seconds of the business) or earlier.
///
/// # Errors
/// See [`tenant_of`].
pub async fn details_wanted(tx: &mut Tx, customer: &CustomerId, at: i64) -> Result<()> {
    tx.query(sql!(
        "update customers set details_due_at = $2 where id = $1 and (details_due_at is null or details_due_at > $2)"
    ))
    .bind(customer.as_str())
    .bind(at)
    .run()
    .await?;
    Ok(())
}
