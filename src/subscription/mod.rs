//! The subscription a tenant has: where it stands, what that means, what to do about it.
//!
//! Rows are written by `sync` alone; this folder reads them and sends people on to Stripe's customer portal. It never asks
//! Stripe while a page is looked at, and decides no access: that is `access`.

pub mod api;
pub mod portal;
mod standing;
pub mod store;
pub mod view;
pub mod web;

/// The order of a tenant's subscriptions `x`: what is in force, then a first payment that is still to succeed, then what is over;
/// of these the newest. Whoever needs the one that counts takes the first, so that all speak of the same.
macro_rules! by_force {
    () => {
        "case when x.status in ('canceled', 'incomplete_expired') then 2 when x.status = 'incomplete' then 1 else 0 end, x.created_at desc, x.id"
    };
}

pub(crate) use by_force;
pub use standing::{Standing, Step, Weight, pause_told, standing};

use jiff::Timestamp;
use serde::Deserialize;

use crate::money::{Currency, Money};
use crate::stripe::snapshot::SubscriptionStatus as Status;
use crate::stripe::{CustomerId, SubscriptionId};

/// A subscription, as far as pages show it.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Stripe's id.
    pub id: SubscriptionId,
    /// Where it stands.
    pub status: Status,
    /// What it bills in.
    pub currency: Currency,
    /// The plan's price.
    pub price_id: Option<String>,
    /// The plan's product.
    pub product_id: Option<String>,
    /// Seats, where the plan is sold by seat.
    pub quantity: i64,
    /// When the present period began.
    pub period_start: Option<Timestamp>,
    /// When the present period ends.
    pub period_end: Option<Timestamp>,
    /// When the trial ends or ended.
    pub trial_end: Option<Timestamp>,
    /// When it will end, if it was cancelled ahead.
    pub cancel_at: Option<Timestamp>,
    /// When it was cancelled.
    pub canceled_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether payments are not collected for now, and until when if that is known.
    pub collection: Collection,
    /// A change of plan or seats that was agreed for later.
    pub pending_change: Option<PendingChange>,
    /// A change waits for its payment; until then the old plan is in force.
    pub pending_update: bool,
    /// Whether Stripe bills the plan alone; nothing after use beside it.
    pub is_single: bool,
}

/// Whether Stripe collects payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// As usual.
    On,
    /// Paused, until the time if there is one.
    Paused(Option<Timestamp>),
}

/// A change that was agreed for later.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PendingChange {
    /// The price that the plan will have.
    #[serde(default)]
    pub price: Option<String>,
    /// The seats it will have.
    #[serde(default)]
    pub quantity: Option<i64>,
    /// Unix seconds.
    pub at: i64,
}

/// What is on file to pay with, as Stripe shows it: never a number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PaymentMethod {
    /// `card`, `sepa_debit`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// `visa`, …
    #[serde(default)]
    pub brand: Option<String>,
    /// The last four digits.
    #[serde(default)]
    pub last4: Option<String>,
    /// The month in which it runs out, 1 to 12.
    #[serde(default)]
    pub exp_month: Option<i64>,
    /// The year in which it runs out.
    #[serde(default)]
    pub exp_year: Option<i64>,
}

/// Stripe's preview of the invoice to come.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NextInvoice {
    /// Minor units, tax included, before what is credited.
    pub total: i64,
    /// Minor units, what will be charged.
    pub amount_due: i64,
    /// What it is in.
    pub currency: Currency,
    /// When it is due, unix seconds.
    #[serde(default)]
    pub at: Option<i64>,
}

impl NextInvoice {
    /// What will be charged.
    pub fn amount(&self) -> Money {
        Money::new(self.amount_due, self.currency)
    }
}

/// What Stripe keeps for a tenant beside the subscription.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Stripe's id.
    pub id: CustomerId,
    /// The currency that it is bound to by its first subscription.
    pub currency: Option<Currency>,
    /// What is on file to pay with.
    pub payment_method: Option<PaymentMethod>,
    /// The invoice to come.
    pub next_invoice: Option<NextInvoice>,
    /// When the two above were asked for.
    pub details_seen_at: Option<Timestamp>,
}

/// The latest invoice of the subscription, where it is still to be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInvoice {
    /// Stripe's id.
    pub id: String,
    /// What is still to be paid.
    pub remaining: Money,
    /// When Stripe tries again by itself.
    pub next_attempt: Option<Timestamp>,
}

/// Everything that a tenant's pages know of its billing.
#[derive(Clone, Debug, Default)]
pub struct Billing {
    /// At Stripe; none before the first order.
    pub customer: Option<Customer>,
    /// The one in force, or the latest that was.
    pub subscription: Option<Subscription>,
    /// What is to be paid.
    pub open_invoice: Option<OpenInvoice>,
    /// Whether the tenant has had its one trial.
    pub trial_used: bool,
}

impl Billing {
    /// The subscription that is in force: it is not over for good.
    pub fn live(&self) -> Option<&Subscription> {
        self.subscription.as_ref().filter(|subscription| !subscription.status.is_over())
    }

    /// Whether something is on file to pay with.
    pub fn can_pay(&self) -> bool {
        self.customer.as_ref().is_some_and(|customer| customer.payment_method.is_some())
    }
}

/// Where in Stripe's customer portal somebody wants to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// At its front page.
    Whole,
    /// At the payment method.
    PaymentMethod,
    /// At ending the subscription.
    Cancel,
    /// At changing the subscription.
    Update,
}

impl Task {
    /// A task by Stripe's name for it; nothing is the whole portal.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" => Some(Self::Whole),
            "payment_method_update" => Some(Self::PaymentMethod),
            "subscription_cancel" => Some(Self::Cancel),
            "subscription_update" => Some(Self::Update),
            _ => None,
        }
    }

    /// Our own page for it, where Stripe's customer portal does not offer it.
    pub const fn own_page(self) -> Option<&'static str> {
        match self {
            Self::Whole | Self::PaymentMethod => None,
            Self::Cancel => Some("/subscription/cancel"),
            Self::Update => Some("/plans"),
        }
    }

    /// Whether it is about a subscription that must be there.
    pub const fn needs_subscription(self) -> bool {
        matches!(self, Self::Cancel | Self::Update)
    }
}

/// A subscription in that state, for tests of rules.
#[cfg(test)]
pub(crate) fn sample(status: &str) -> Subscription {
    Subscription {
        id: "sub_1".parse().expect("an id"),
        status: Status::from(status),
        currency: Currency::EUR,
        price_id: None,
        product_id: None,
        quantity: 1,
        period_start: None,
        period_end: Timestamp::from_second(2_000_000_000).ok(),
        trial_end: None,
        cancel_at: None,
        canceled_at: None,
        ended_at: None,
        collection: Collection::On,
        pending_change: None,
        pending_update: false,
        is_single: false,
    }
}

/// What a tenant with a card knows of its billing, for tests of rules.
#[cfg(test)]
pub(crate) fn with_card() -> Billing {
    let card = PaymentMethod {
        kind: "card".to_owned(),
        brand: Some("visa".to_owned()),
        last4: Some("4242".to_owned()),
        exp_month: Some(4),
        exp_year: Some(2030),
    };
    let customer = Customer {
        id: "cus_1".parse().expect("an id"),
        currency: Some(Currency::EUR),
        payment_method: Some(card),
        next_invoice: None,
        details_seen_at: None,
    };
    Billing { customer: Some(customer), ..Billing::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_tasks_open_the_customer_portal() {
        assert_eq!(Task::parse(""), Some(Task::Whole));
        assert_eq!(Task::parse("subscription_cancel"), Some(Task::Cancel));
        assert_eq!(Task::parse("subscription_cancel2"), None);
    }
}
