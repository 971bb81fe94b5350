//! The one writer: a Stripe snapshot becomes rows, and what changed in them has consequences.
//!
//! Webhooks, the return from Checkout, the command line and reconciliation all end in [`apply`], under a lease on the
//! customer, so that nobody else writes the same rows meanwhile. Nothing here judges whether a tenant may do a thing, and
//! nothing calls Stripe while a write is open.

mod rows;
pub mod store;
pub mod told;
pub mod work;

pub(crate) use rows::payment_method;
pub use rows::{ChargeRow, CustomerRow, InvoiceRow, PriceRow, ProductRow, Rows, SubscriptionRow, Tenant};
pub use store::apply;
pub use work::{Error, Whole, catalogue, command, forget, refetch};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::audit::Actor;
use crate::mail::Letter;
use crate::mail::letter::{Cancelled, ChangePlanned, Collection, PlanChanged, Receipt, Resumed};
use crate::money::Money;
use crate::stripe::snapshot::{
    Charge, Customer, Invoice, InvoiceStatus, Schedule, Subscription, SubscriptionStatus as Status,
};
use crate::subscription::PendingChange;

/// An object of Stripe's as it is, or was when an event told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// A customer.
    Customer(Box<Customer>),
    /// A subscription, with its plan of changes.
    Subscription(Box<Subscription>, Plan),
    /// An invoice.
    Invoice(Box<Invoice>),
    /// A charge.
    Charge(Box<Charge>),
}

impl Snapshot {
    /// Whether what pages show beside rows may have changed with it: the next invoice, the payment method.
    pub fn changes_details(&self) -> bool {
        matches!(self, Self::Customer(_) | Self::Subscription(..))
    }
}

/// What is known of a subscription's planned changes: its snapshot names the schedule alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing new: what the row says stays, as long as the schedule is the same.
    Unseen,
    /// The schedule, or that there is none.
    Seen(Option<Box<Schedule>>),
}

/// How a snapshot came to be known.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Stripe's time up to which it is right, unix seconds.
    pub at: i64,
    /// The time of the business.
    pub now: Timestamp,
    /// Who says so, for the audit.
    pub actor: Actor,
}

/// Something that follows from a change of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// An entry in the audit.
    Audit {
        /// What happened.
        action: &'static str,
        /// The state before.
        before: Option<Value>,
        /// The state after.
        after: Value,
    },
    /// A mail.
    Mail {
        /// What it says.
        letter: Letter,
        /// What makes it one, beside its kind.
        cause: String,
    },
}

/// What a plan is called and costs, as far as the catalogue's rows know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The product's name.
    pub name: String,
    /// What one costs, in the subscription's currency.
    pub price: Option<Money>,
}

/// What a subscription's plan was, is and will be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Before; none: there was none.
    pub was: Option<Named>,
    /// Now.
    pub is: Named,
    /// After the change that is planned, or was until now.
    pub will_be: Option<Named>,
}

/// What follows from a subscription's change.
pub fn of_subscription(
    old: Option<&SubscriptionRow>,
    new: &SubscriptionRow,
    tenant: &Tenant,
    names: &Names,
) -> Vec<Consequence> {
    let Names { was, is, .. } = names;
    let before = old.map(subscription_facts);
    let mut all = audit("subscription.started", "subscription.changed", before, subscription_facts(new));
    let over = new.status.is_over();
    if over && old.is_none_or(|old| !old.status.is_over()) {
        all.extend(ended(new, tenant, is));
    }
    let Some(old) = old.filter(|old| !over && !old.status.is_over()) else { return all };
    if let Some(ends_at) = new.ends_at().filter(|_| old.ends_at().is_none()) {
        let letter = Cancelled { plan: is.name.clone(), ends_at, ended: false, unpaid: false };
        all.push(Consequence::Mail {
            letter: Letter::Cancelled(letter),
            cause: format!("{}:ends:{ends_at}:{}", new.id, new.canceled_at.unwrap_or_default()),
        });
    }
    if (&old.price_id, old.quantity) != (&new.price_id, new.quantity) {
        let letter = PlanChanged {
            from: was.as_ref().map(|was| was.name.clone()),
            to: is.name.clone(),
            at: new.seen_at,
            price: is.price,
        };
        let cause = format!("{}:{}", new.id, new.seen_at);
        all.push(Consequence::Mail { letter: Letter::PlanChanged(letter), cause });
    }
    let more = [resumed(old, new, is), planned(old, new, names), collection(old, new, is)];
    all.extend(more.into_iter().flatten());
    all
}

/// The mail about what was to end, or was paused, and goes on.
fn resumed(old: &SubscriptionRow, new: &SubscriptionRow, is: &Named) -> Option<Consequence> {
    let stays = old.ends_at().is_some() && new.ends_at().is_none();
    let wakes = old.status == Status::Paused && new.status != Status::Paused;
    let letter = Resumed { plan: is.name.clone(), renews_at: new.current_period_end };
    let cause = format!("{}:{}", new.id, new.seen_at);
    (stays || wakes).then_some(Consequence::Mail { letter: Letter::Resumed(letter), cause })
}

/// The mail about a change that was planned for later, or undone. One that has come about is told by the change itself.
fn planned(old: &SubscriptionRow, new: &SubscriptionRow, names: &Names) -> Option<Consequence> {
    let change = new.planned().or_else(|| old.planned())?;
    let undone = new.planned().is_none();
    let has_come = change.at <= new.seen_at;
    if old.pending_change == new.pending_change || (undone && (has_come || new.ends_at().is_some())) {
        return None;
    }
    let to = names.will_be.as_ref()?;
    let letter = ChangePlanned {
        from: names.is.name.clone(),
        to: to.name.clone(),
        at: change.at,
        price: to.price,
        undone,
    };
    let cause = format!("{}:{}:{}", new.id, new.seen_at, if undone { "undone" } else { "planned" });
    Some(Consequence::Mail { letter: Letter::ChangePlanned(letter), cause })
}

/// The mail about payments that are no longer collected, or are again.
fn collection(old: &SubscriptionRow, new: &SubscriptionRow, is: &Named) -> Option<Consequence> {
    let cause = format!("{}:{}", new.id, new.seen_at);
    let letter = |at| Collection { plan: is.name.clone(), at };
    match (&old.pause_behavior, &new.pause_behavior) {
        (None, Some(_)) => Some(Letter::PaymentsPaused(letter(new.pause_resumes_at))),
        (Some(_), None) => Some(Letter::PaymentsResumed(letter(new.current_period_end))),
        _ => None,
    }
    .map(|letter| Consequence::Mail { letter, cause })
}

/// The mail about a subscription that is over. One that was never in force ends without a word.
fn ended(new: &SubscriptionRow, tenant: &Tenant, is: &Named) -> Option<Consequence> {
    let ends_at = new.ended_at.or(new.canceled_at).unwrap_or(new.seen_at);
    if !new.status.was_in_force() || ends_at < tenant.created_at {
        return None;
    }
    let unpaid = new.cancellation_reason.as_deref() == Some("payment_failed");
    let letter = Cancelled { plan: is.name.clone(), ends_at, ended: true, unpaid };
    Some(Consequence::Mail { letter: Letter::Cancelled(letter), cause: format!("{}:ended", new.id) })
}

impl SubscriptionRow {
    /// The change that is planned for later.
    pub fn planned(&self) -> Option<PendingChange> {
        serde_json::from_str(self.pending_change.as_deref()?).ok()
    }
}

/// What follows from an invoice's change.
pub fn of_invoice(old: Option<&InvoiceRow>, new: &InvoiceRow, tenant: &Tenant) -> Vec<Consequence> {
    let mut all = audit("invoice.created", "invoice.changed", old.map(invoice_facts), invoice_facts(new));
    let was_paid = old.is_some_and(|old| old.status == InvoiceStatus::Paid);
    let paid_at = new.paid_at.unwrap_or(new.seen_at);
    if new.status == InvoiceStatus::Paid && !was_paid && new.amount_paid > 0 && paid_at >= tenant.created_at {
        let letter = Receipt {
            invoice: new.id.to_string(),
            number: new.number.clone(),
            amount: Money::new(new.amount_paid, new.currency),
            paid_at,
            lines: new.line_amounts(),
        };
        all.push(Consequence::Mail { letter: Letter::Receipt(letter), cause: new.id.to_string() });
    }
    all
}

/// What follows from a charge's change.
pub fn of_charge(old: Option<&ChargeRow>, new: &ChargeRow) -> Vec<Consequence> {
    audit("charge.made", "charge.changed", old.map(charge_facts), charge_facts(new))
}

/// What follows from a customer's change. Names and addresses stay out of the audit.
pub fn of_customer(old: Option<&CustomerRow>, new: &CustomerRow) -> Vec<Consequence> {
    audit("customer.attached", "customer.changed", old.map(customer_facts), customer_facts(new))
}

/// One entry where the facts differ, none where they do not.
fn audit(made: &'static str, changed: &'static str, before: Option<Value>, after: Value) -> Vec<Consequence> {
    if before.as_ref() == Some(&after) {
        return Vec::new();
    }
    let action = if before.is_none() { made } else { changed };
    vec![Consequence::Audit { action, before, after }]
}

fn subscription_facts(row: &SubscriptionRow) -> Value {
    json!({
        "status": row.status, "price": row.price_id, "quantity": row.quantity, "cancel_at": row.cancel_at,
        "cancel_at_period_end": row.cancel_at_period_end, "paused": row.pause_behavior, "pending_change": row.pending_change,
    })
}

fn invoice_facts(row: &InvoiceRow) -> Value {
    json!({
        "status": row.status, "currency": row.currency, "total": row.total, "amount_paid": row.amount_paid,
        "amount_remaining": row.amount_remaining, "attempts": row.attempt_count,
    })
}

fn charge_facts(row: &ChargeRow) -> Value {
    json!({
        "status": row.status, "currency": row.currency, "amount": row.amount, "amount_refunded": row.amount_refunded,
        "disputed": row.disputed,
    })
}

fn customer_facts(row: &CustomerRow) -> Value {
    json!({ "deleted": row.deleted, "delinquent": row.delinquent, "balance": row.balance, "currency": row.currency })
}

/// When a subscription's preview is to be asked for again: a day ahead of its renewal, or at once where that is nearer.
pub fn details_due(now: i64, period_end: Option<i64>) -> Option<i64> {
    const AHEAD: i64 = 86_400;
    period_end.map(|end| end - AHEAD).filter(|due| *due > now)
}
