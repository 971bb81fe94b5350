//! Rows that mirror Stripe, written by [`apply`] alone.

mod catalog;
mod forget;
mod lease;
mod second;
mod tables;
mod told;

pub use catalog::{catalogue, save_catalogue};
pub use forget::forget;
pub use lease::{Lease, LostLease, claim, claim_details, due, finish, postpone, request_refetch};
pub use second::{Doubled, doubled};
pub use tables::{
    charge, charges_among, customer, customer_ids, customer_of_charge, customer_of_intent, customers_among,
    invoice, invoices_among, live_ids, rows_of, seen_at, subscription, subscriptions_among,
};
pub use told::{NAMED, Untold, untold};

use super::{
    ChargeRow, Consequence, CustomerRow, InvoiceRow, Named, Names, Plan, Seen, Snapshot, SubscriptionRow,
    Tenant, of_charge, of_customer, of_invoice, of_subscription,
};
use crate::audit::{self, Entry};
use crate::checkout;
use crate::db::{Result, Tx, sql};
use crate::dunning;
use crate::mail::{self, Letter, New};
use crate::money::{Currency, Money};
use crate::notices;
use crate::staff;
use crate::stripe::calls::checkout::REFERENCE as CHECKOUT;
use crate::stripe::snapshot::{Charge, Customer, Invoice, Subscription, SubscriptionStatus};
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
    if let Some(email) =
        new.email.as_deref().filter(|_| old.as_ref().is_some_and(|old| old.email != new.email))
    {
        // Where bills go was changed, here or at Stripe: the portal's own mails go there too.
        tx.query(sql!("update tenants set email = $2 where id = $1"))
            .bind(tenant.id.as_str())
            .bind(email)
            .run()
            .await?;
    }
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
    catalog::keep_prices(tx, &subscription.items.data, seen.at).await?;
    staff::store::keep_discounts(tx, &subscription.discounts).await?;
    staff::store::on_subscription(tx, old.as_ref(), &new).await?;
    notices::store::plan(tx, &new).await?;
    if new.status.is_over() {
        dunning::store::on_end(tx, new.id.as_str(), seen.now).await?;
    }
    if let Some(start) = new.trial_start {
        tx.query(sql!("update tenants set trial_used_at = $2 where id = $1 and trial_used_at is null"))
            .bind(tenant.id.as_str())
            .bind(start)
            .run()
            .await?;
    }
    let names = names(tx, old.as_ref(), &new).await?;
    let mut all = of_subscription(old.as_ref(), &new, tenant, &names);
    // Stripe gives its own reason only where it ended the subscription by itself.
    let unpaid = dunning::store::ends_unpaid(tx, new.id.as_str(), seen.now).await?;
    for one in &mut all {
        if let Consequence::Mail { letter: Letter::Cancelled(letter), .. } = one {
            letter.unpaid |= unpaid && letter.ended;
        }
    }
    stage(tx, tenant, subscription.id.as_str(), all, seen).await?;
    if !new.status.is_over() && old.as_ref().is_none_or(|old| old.status.is_over()) {
        second::notice(tx, tenant, &new, seen).await?;
        // Whoever has a payment page open in another tab must not pay for a second one.
        let own = subscription.metadata.get(CHECKOUT).map(String::as_str);
        checkout::store::want_closed(tx, tenant.id.as_str(), own).await?;
    }
    if matches!(new.status, SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid)
        && let Some(latest) = &new.latest_invoice_id
        && let Some(invoice) = invoice(tx, latest).await?
    {
        // Whether the invoice of a change is missing or merely waits is known by what became of the subscription.
        dunning::store::on_invoice(tx, &invoice, &seen.actor, seen.now).await?;
    }
    if new.status == SubscriptionStatus::Unpaid {
        dunning::store::on_barred(tx, new.id.as_str(), seen.now).await?;
    }
    Ok(())
}

/// Keeps what only an answer says of a subscription, and no event: its coupons. What it is worth may be less with them.
///
/// # Errors
/// See [`tenant_of`].
pub async fn learn_worth(tx: &mut Tx, subscription: &Subscription) -> Result<()> {
    staff::store::keep_discounts(tx, &subscription.discounts).await?;
    if let Some(row) = tables::subscription(tx, &subscription.id).await? {
        staff::store::book(tx, &row).await?;
    }
    Ok(())
}

async fn names(tx: &mut Tx, old: Option<&SubscriptionRow>, new: &SubscriptionRow) -> Result<Names> {
    let was = match old {
        Some(old) => Some(plan_of(tx, old).await?),
        None => None,
    };
    let is = plan_of(tx, new).await?;
    let planned = new.planned().or_else(|| old?.planned());
    let will_be = match planned.and_then(|change| change.price) {
        Some(price) => Some(named(tx, &price, None, new.currency).await?),
        None => None,
    };
    Ok(Names { was, is, will_be })
}

/// What a subscription's plan is called and costs.
///
/// # Errors
/// See [`tenant_of`].
pub async fn plan_of(tx: &mut Tx, row: &SubscriptionRow) -> Result<Named> {
    let price = row.price_id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
    named(tx, &price, row.product_id.as_ref().map(|id| id.as_str().to_owned()), row.currency).await
}

/// A price with its plan's name.
#[derive(sqlx::FromRow)]
struct PlanOfPrice {
    product_id: String,
    name: Option<String>,
    currency: String,
    unit_amount: Option<i64>,
    currency_options: String,
}

/// What a price's plan is called and costs. A product that the catalogue does not know is called by its id; where it is not
/// given, it is the price's.
async fn named(tx: &mut Tx, price: &str, product: Option<String>, currency: Currency) -> Result<Named> {
    let row: Option<PlanOfPrice> = tx
        .query(sql!(
            "select p.product_id, d.name, p.currency, p.unit_amount, p.currency_options from prices p"
            " left join products d on d.id = p.product_id where p.id = $1"
        ))
        .bind(price)
        .optional()
        .await?;
    let Some(row) = row else {
        let product = product.unwrap_or_default();
        let name: Option<(String,)> = tx
            .query(sql!("select name from products where id = $1"))
            .bind(product.as_str())
            .optional()
            .await?;
        return Ok(Named { name: name.map_or(product, |(name,)| name), price: None });
    };
    let main = row.unit_amount.filter(|_| row.currency == currency.code());
    let amount = main.or_else(|| amount_in(&row.currency_options, currency));
    Ok(Named {
        name: row.name.unwrap_or(row.product_id),
        price: amount.map(|minor| Money::new(minor, currency)),
    })
}

/// What a price costs in another of its currencies.
fn amount_in(options: &str, currency: Currency) -> Option<i64> {
    let options: serde_json::Value = serde_json::from_str(options).ok()?;
    options.get(currency.code())?.get("unit_amount")?.as_i64()
}

async fn apply_invoice(tx: &mut Tx, tenant: &Tenant, invoice: &Invoice, seen: &Seen) -> Result<()> {
    let old = match &invoice.id {
        Some(id) => tables::invoice(tx, id).await?,
        None => None,
    };
    let Some(new) = InvoiceRow::new(&tenant.id, old.as_ref(), invoice, seen.at) else { return Ok(()) };
    tables::save_invoice(tx, &new).await?;
    staff::store::on_invoice(tx, old.as_ref(), &new).await?;
    dunning::store::on_invoice(tx, &new, &seen.actor, seen.now).await?;
    stage(tx, tenant, new.id.as_str(), of_invoice(old.as_ref(), &new, tenant), seen).await
}

async fn apply_charge(tx: &mut Tx, tenant: &Tenant, charge: &Charge, seen: &Seen) -> Result<()> {
    let Some(customer) = &charge.customer else { return Ok(()) };
    let old = tables::charge(tx, &charge.id).await?;
    let new = ChargeRow::new(&tenant.id, customer, old.as_ref(), charge, seen.at);
    tables::save_charge(tx, &new).await?;
    staff::store::on_charge(tx, old.as_ref(), &new).await?;
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

/// Drops the drafts of a customer that Stripe no longer has, and tells of it: invoices are all listed, and only a draft can be
/// deleted.
///
/// # Errors
/// See [`tenant_of`].
pub async fn drop_missing_drafts(
    tx: &mut Tx,
    customer: &CustomerId,
    listed: &[InvoiceId],
    seen: &Seen,
) -> Result<()> {
    let drafts: Vec<(InvoiceId,)> = tx
        .query(sql!("select id from invoices where customer_id = $1 and status = 'draft' and seen_at <= $2"))
        .bind(customer.as_str())
        .bind(seen.at)
        .all()
        .await?;
    for (draft,) in drafts.into_iter().filter(|(draft,)| !listed.contains(draft)) {
        forget(tx, "invoice", draft.as_str(), seen).await?;
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
