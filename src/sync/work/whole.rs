//! The whole of a customer: fetched from Stripe call by call, then compared with rows or written to them.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::json;

use crate::audit::Actor;
use crate::db;
use crate::money::Currency;
use crate::stripe::calls::{customers, invoices, payments, schedules, subscriptions};
use crate::stripe::snapshot::{Charge, Customer, Expandable, Invoice, Schedule, Subscription};
use crate::stripe::{self, Budget, CustomerId, Fetched, InvoiceId, ScheduleId, Stripe, SubscriptionId};
use crate::sync::rows::payment_method;
use crate::sync::{
    ChargeRow, CustomerRow, InvoiceRow, Plan, Rows, Seen, Snapshot, SubscriptionRow, Tenant, details_due,
    store,
};

/// The whole of a customer, as Stripe had it at one time.
#[derive(Debug)]
pub struct Whole {
    customer: Customer,
    subscriptions: Vec<Subscription>,
    schedules: HashMap<ScheduleId, Schedule>,
    invoices: Vec<Invoice>,
    charges: Vec<Charge>,
    details: Option<Details>,
    /// Stripe's time, unix seconds: all of it is at least as new.
    date: i64,
}

/// What pages show of Stripe beside rows.
#[derive(Debug)]
pub(super) struct Details {
    payment_method: Option<String>,
    next_invoice: Option<String>,
    period_end: Option<i64>,
}

/// Fetches a customer with everything that belongs to it. `live` are the subscriptions that we take to be in force: Stripe
/// ends them with their customer and then lists them no more.
///
/// # Errors
/// See [`stripe::Error`].
pub async fn fetch(
    stripe: &Stripe,
    id: &CustomerId,
    live: &[SubscriptionId],
    budget: Budget,
) -> Result<Whole, stripe::Error> {
    let customer = customers::get_one(stripe, id, budget).await?;
    if customer.value.deleted {
        return fetch_deleted(stripe, customer, live, budget).await;
    }
    let (subscriptions, mut invoices, charges) = tokio::try_join!(
        subscriptions::of_customer(stripe, id, budget),
        invoices::of_customer(stripe, id, budget),
        payments::charges_of(stripe, id, budget),
    )?;
    // The first answer is the oldest: all of it is at least as new.
    let date = customer.date.as_second();
    let schedules = if subscriptions.value.iter().any(|subscription| subscription.schedule.is_some()) {
        schedules::of_customer(stripe, id, budget).await?.value
    } else {
        Vec::new()
    };
    for invoice in invoices.value.iter_mut().filter(|invoice| invoice.lines.has_more) {
        if let Some(id) = &invoice.id {
            invoice.lines.data = invoices::lines(stripe, id, budget).await?.value;
        }
    }
    let live = subscriptions.value.iter().find(|subscription| !subscription.status.is_over());
    let details = Some(details(stripe, &customer.value, live, budget).await?);
    Ok(Whole {
        customer: customer.value,
        subscriptions: subscriptions.value,
        schedules: schedules.into_iter().map(|schedule| (schedule.id.clone(), schedule)).collect(),
        invoices: invoices.value,
        charges: charges.value,
        details,
        date,
    })
}

async fn fetch_deleted(
    stripe: &Stripe,
    customer: Fetched<Customer>,
    live: &[SubscriptionId],
    budget: Budget,
) -> Result<Whole, stripe::Error> {
    let mut ended = Vec::new();
    for id in live {
        ended.push(subscriptions::get_one(stripe, id, budget).await?.value);
    }
    Ok(Whole {
        date: customer.date.as_second(),
        customer: customer.value,
        subscriptions: ended,
        schedules: HashMap::new(),
        invoices: Vec::new(),
        charges: Vec::new(),
        details: None,
    })
}

pub(super) async fn details(
    stripe: &Stripe,
    customer: &Customer,
    live: Option<&Subscription>,
    budget: Budget,
) -> Result<Details, stripe::Error> {
    let own = live
        .and_then(|subscription| subscription.default_payment_method.as_ref())
        .and_then(Expandable::object)
        .filter(|method| method.customer.is_some());
    let next = match live {
        Some(subscription) if !customer.deleted => {
            invoices::next(stripe, &customer.id, &subscription.id, budget).await?
        }
        _ => None,
    };
    Ok(Details {
        payment_method: own.or_else(|| customer.payment_method()).map(payment_method),
        next_invoice: next.map(|next| preview(&next.value)),
        period_end: live.and_then(|s| s.items.data.iter().filter_map(|item| item.current_period_end).min()),
    })
}

fn preview(invoice: &Invoice) -> String {
    let at = invoice.next_payment_attempt.unwrap_or(invoice.period_end);
    json!({ "total": invoice.total, "amount_due": invoice.amount_due, "currency": invoice.currency, "at": at }).to_string()
}

impl Whole {
    /// The customer.
    pub fn customer(&self) -> &Customer {
        &self.customer
    }

    /// Its subscriptions, newest first; of a customer that is gone those alone that were taken to be in force.
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// How the next invoice is paid, as rows keep it; none of a customer that is gone, and within where there is no such method.
    pub fn payment_method(&self) -> Option<Option<&str>> {
        self.details.as_ref().map(|details| details.payment_method.as_deref())
    }

    /// What it has paid, minor units by currency.
    pub fn paid(&self) -> BTreeMap<Currency, i64> {
        let mut sums = BTreeMap::new();
        for invoice in self.invoices.iter().filter(|invoice| invoice.amount_paid > 0) {
            let sum: &mut i64 = sums.entry(invoice.currency).or_default();
            *sum = sum.saturating_add(invoice.amount_paid);
        }
        sums
    }

    /// The rows that [`save`](Self::save) would leave where `here` is what is kept: the same where nothing differs. What is
    /// asked for beside rows (the next invoice, the payment method) and how invoices were paid is taken over from `here`,
    /// as are the times up to which rows are known.
    pub fn rows(&self, tenant: &str, here: &Rows) -> Rows {
        let old = here.customer.as_ref();
        let mut customer =
            CustomerRow::new(tenant, old, &self.customer, old.map_or(self.date, |old| old.seen_at));
        customer.payment_method = old.and_then(|old| old.payment_method.clone());
        let subscriptions = self.subscriptions.iter().map(|subscription| {
            let old = here.subscriptions.iter().find(|old| old.id == subscription.id);
            let schedule = subscription.schedule.as_ref().and_then(|id| self.schedules.get(id)).cloned();
            subscription_row(tenant, old, subscription, schedule, self.date)
        });
        let invoices = self.invoices.iter().filter_map(|invoice| {
            let old = here.invoices.iter().find(|old| Some(&old.id) == invoice.id.as_ref());
            invoice_row(tenant, old, invoice, self.date)
        });
        let charges = self.charges.iter().map(|charge| {
            let old = here.charges.iter().find(|old| old.id == charge.id);
            let seen_at = old.map_or(self.date, |old| old.seen_at);
            ChargeRow::new(tenant, &self.customer.id, old, charge, seen_at)
        });
        Rows {
            subscriptions: subscriptions.collect(),
            invoices: invoices.collect(),
            charges: charges.collect(),
            customer: Some(customer),
        }
    }

    /// Writes it in the transaction of the lease. `known` is the time of the newest event of the customer that was known before
    /// the fetch began: what was fetched is at least as new as that too.
    ///
    /// # Errors
    /// The database did not take it.
    pub async fn save(
        &self,
        tx: &mut db::Tx,
        tenant: &Tenant,
        known: i64,
        now: Timestamp,
        actor: &Actor,
    ) -> db::Result<()> {
        let seen = Seen { at: self.date.max(known), now, actor: actor.clone() };
        store::apply(tx, tenant, &Snapshot::Customer(Box::new(self.customer.clone())), &seen).await?;
        // Before what they pay for: when the payment of an invoice first failed is known by them.
        for charge in self.charges.iter().rev() {
            store::apply(tx, tenant, &Snapshot::Charge(Box::new(charge.clone())), &seen).await?;
        }
        for subscription in self.subscriptions.iter().rev() {
            let schedule = subscription.schedule.as_ref().and_then(|id| self.schedules.get(id)).cloned();
            let plan = Plan::Seen(schedule.map(Box::new));
            store::apply(tx, tenant, &Snapshot::Subscription(Box::new(subscription.clone()), plan), &seen)
                .await?;
        }
        for invoice in self.invoices.iter().rev() {
            store::apply(tx, tenant, &Snapshot::Invoice(Box::new(invoice.clone())), &seen).await?;
        }
        if let Some(details) = &self.details {
            let listed: Vec<InvoiceId> =
                self.invoices.iter().filter_map(|invoice| invoice.id.clone()).collect();
            store::drop_missing_drafts(tx, &self.customer.id, &listed, &seen).await?;
            save_details(tx, &self.customer.id, details, seen.at, now.as_second(), 0).await?;
        }
        Ok(())
    }
}

/// The row that a subscription would leave, known up to the same time as the one that is kept.
pub fn subscription_row(
    tenant: &str,
    old: Option<&SubscriptionRow>,
    subscription: &Subscription,
    schedule: Option<Schedule>,
    date: i64,
) -> SubscriptionRow {
    let plan = Plan::Seen(schedule.map(Box::new));
    let mut row = SubscriptionRow::new(tenant, old, subscription, &plan, date);
    row.seen_at = old.map_or(date, |old| old.seen_at);
    row
}

/// The row that an invoice would leave, known up to the same time as the one that is kept; none for a preview. Lines that the
/// snapshot does not carry, and how it was paid, are those of the row that is kept.
pub fn invoice_row(
    tenant: &str,
    old: Option<&InvoiceRow>,
    invoice: &Invoice,
    date: i64,
) -> Option<InvoiceRow> {
    let mut row = InvoiceRow::new(tenant, old, invoice, old.map_or(date, |old| old.seen_at))?;
    if let Some(old) = old {
        row.payments.clone_from(&old.payments);
        if invoice.lines.has_more {
            row.lines.clone_from(&old.lines);
            (row.period_start, row.period_end) = (old.period_start, old.period_end);
        }
    }
    Some(row)
}

/// Writes what pages show of Stripe beside rows.
pub(super) async fn save_details(
    tx: &mut db::Tx,
    customer: &CustomerId,
    details: &Details,
    seen_at: i64,
    now: i64,
    claimed: i64,
) -> db::Result<()> {
    let due = details_due(now, details.period_end);
    let (method, next) = (details.payment_method.as_deref(), details.next_invoice.as_deref());
    store::save_details(tx, customer, method, next, seen_at, due, claimed).await
}
