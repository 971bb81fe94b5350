//! The subscription a tenant has: where it stands, what that means, what to do about it.
//!
//! Rows are written by `sync` alone; this folder reads them and sends people on to Stripe's customer portal. It never asks
//! Stripe while a page is looked at, and decides no access: that is `access`.

pub mod api;
pub mod portal;
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

/// How serious a state is; also how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// All is well.
    Good,
    /// Good to know.
    Note,
    /// Something will end or needs a look.
    Warning,
    /// Something failed.
    Trouble,
}

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Pay the open invoice.
    Pay,
    /// Put a payment method on file, or another one.
    PaymentMethod,
    /// Choose a plan.
    ChoosePlan,
    /// Look at the plans: there is one already.
    SeePlans,
    /// Wake it, or take its end back.
    Resume,
    /// Collect payments again.
    Collect,
    /// Write to support.
    Support,
}

/// What a state means to the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How serious it is.
    pub weight: Weight,
    /// The key of the word on the badge.
    pub badge: &'static str,
    /// The key of the sentence in the banner; the date is its variable `date`.
    pub banner: Option<&'static str>,
    /// The date that the sentence is about.
    pub date: Option<Timestamp>,
    /// What helps.
    pub step: Option<Step>,
}

/// What the state of a subscription means: its word, its banner and its next step. Each of Stripe's states has one, and so has
/// any that Stripe may add.
pub fn standing(billing: &Billing, subscription: &Subscription) -> Standing {
    let retry = billing.open_invoice.as_ref().and_then(|invoice| invoice.next_attempt);
    let pay = if billing.open_invoice.is_some() { Step::Pay } else { Step::PaymentMethod };
    match &subscription.status {
        Status::Active => active(subscription),
        Status::Trialing => trialing(billing, subscription),
        Status::PastDue if retry.is_some() => {
            Standing::new(Weight::Trouble, "subscription-past-due", "subscription-past-due-retry-banner")
                .on(retry)
                .with(pay)
        }
        Status::PastDue => {
            Standing::new(Weight::Trouble, "subscription-past-due", "subscription-past-due-banner").with(pay)
        }
        Status::Unpaid => {
            Standing::new(Weight::Trouble, "subscription-unpaid", "subscription-unpaid-banner").with(pay)
        }
        Status::Incomplete => {
            Standing::new(Weight::Warning, "subscription-incomplete", "subscription-incomplete-banner")
                .with(pay)
        }
        Status::IncompleteExpired => {
            Standing::new(Weight::Note, "subscription-expired", "subscription-expired-banner")
                .with(Step::ChoosePlan)
        }
        Status::Canceled if subscription.ended_at.is_some() => {
            Standing::new(Weight::Note, "subscription-canceled", "subscription-canceled-on-banner")
                .on(subscription.ended_at)
                .with(Step::ChoosePlan)
        }
        Status::Canceled => {
            Standing::new(Weight::Note, "subscription-canceled", "subscription-canceled-banner")
                .with(Step::ChoosePlan)
        }
        Status::Paused => paused(billing),
        Status::Other(_) => {
            Standing::new(Weight::Note, "subscription-unknown", "subscription-unknown-banner")
                .with(Step::Support)
        }
    }
}

/// What Stripe paused for want of a payment method. Waking it makes an invoice, which may be left to pay.
fn paused(billing: &Billing) -> Standing {
    let (banner, step) = match (&billing.open_invoice, billing.can_pay()) {
        (Some(_), _) => ("subscription-paused-pay-banner", Step::Pay),
        (None, true) => ("subscription-paused-resume-banner", Step::Resume),
        (None, false) => ("subscription-paused-banner", Step::PaymentMethod),
    };
    Standing::new(Weight::Warning, "subscription-paused", banner).with(step)
}

fn active(subscription: &Subscription) -> Standing {
    if subscription.cancel_at.is_some() {
        return Standing::new(Weight::Warning, "subscription-ending", "subscription-ending-banner")
            .on(subscription.cancel_at)
            .with(Step::Resume);
    }
    if subscription.pending_update {
        return Standing::new(Weight::Warning, "subscription-active", "subscription-pending-update-banner")
            .with(Step::Pay);
    }
    match subscription.collection {
        Collection::On => Standing { banner: None, ..Standing::new(Weight::Good, "subscription-active", "") },
        Collection::Paused(until) => {
            Standing::new(Weight::Note, "subscription-collection-paused", pause_told(until))
                .on(until)
                .with(Step::Collect)
        }
    }
}

/// The key of the sentence about payments that are not collected, until a date if there is one.
pub fn pause_told(until: Option<Timestamp>) -> &'static str {
    if until.is_some() {
        "subscription-collection-paused-until-banner"
    } else {
        "subscription-collection-paused-banner"
    }
}

fn trialing(billing: &Billing, subscription: &Subscription) -> Standing {
    let standing = if subscription.cancel_at.is_some() {
        Standing::new(Weight::Warning, "subscription-trial-ending", "subscription-ending-banner")
            .with(Step::Resume)
    } else if billing.can_pay() {
        Standing::new(Weight::Note, "subscription-trialing", "subscription-trialing-banner")
            .with(Step::SeePlans)
    } else {
        Standing::new(Weight::Warning, "subscription-trialing", "subscription-trialing-unpaid-banner")
            .with(Step::PaymentMethod)
    };
    standing.on(subscription.cancel_at.or(subscription.trial_end).or(subscription.period_end))
}

impl Standing {
    const fn new(weight: Weight, badge: &'static str, banner: &'static str) -> Self {
        Self { weight, badge, banner: Some(banner), date: None, step: None }
    }

    const fn on(mut self, date: Option<Timestamp>) -> Self {
        self.date = date;
        self
    }

    const fn with(mut self, step: Step) -> Self {
        self.step = Some(step);
        self
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
    use super::sample as subscription;
    use super::*;

    #[test]
    fn every_state_has_its_word_and_all_but_the_good_one_a_banner_and_a_next_step() {
        let all = [
            "trialing",
            "past_due",
            "unpaid",
            "canceled",
            "incomplete",
            "incomplete_expired",
            "paused",
            "brand_new",
        ];
        for status in all {
            for billing in [Billing::default(), with_card()] {
                let standing = standing(&billing, &subscription(status));
                assert!(standing.banner.is_some() && standing.step.is_some(), "{status}: {standing:?}");
            }
        }
        let good = standing(&Billing::default(), &subscription("active"));
        assert_eq!((good.weight, good.banner, good.step), (Weight::Good, None, None));
    }

    #[test]
    fn who_owes_is_sent_to_pay_and_who_owes_nothing_to_the_payment_method() {
        let open =
            OpenInvoice { id: "in_1".into(), remaining: Money::new(1, Currency::EUR), next_attempt: None };
        let billing = Billing { open_invoice: Some(open), ..Billing::default() };
        for status in ["past_due", "unpaid", "incomplete", "paused"] {
            assert_eq!(standing(&billing, &subscription(status)).step, Some(Step::Pay), "{status}");
            assert_eq!(
                standing(&Billing::default(), &subscription(status)).step,
                Some(Step::PaymentMethod),
                "{status}"
            );
        }
    }

    #[test]
    fn an_active_subscription_says_what_is_ahead() {
        let ending = Subscription { cancel_at: Timestamp::from_second(5).ok(), ..subscription("active") };
        assert_eq!(standing(&Billing::default(), &ending).banner, Some("subscription-ending-banner"));
        let waiting = Subscription { pending_update: true, ..subscription("active") };
        assert_eq!(standing(&Billing::default(), &waiting).step, Some(Step::Pay));
        let paused = Subscription { collection: Collection::Paused(None), ..subscription("active") };
        let told = standing(&Billing::default(), &paused);
        assert_eq!((told.badge, told.step), ("subscription-collection-paused", Some(Step::Collect)));
    }

    #[test]
    fn what_is_paused_is_paid_woken_or_given_a_payment_method() {
        let paused = subscription("paused");
        assert_eq!(standing(&Billing::default(), &paused).step, Some(Step::PaymentMethod));
        assert_eq!(standing(&with_card(), &paused).step, Some(Step::Resume));
    }

    #[test]
    fn only_known_tasks_open_the_customer_portal() {
        assert_eq!(Task::parse(""), Some(Task::Whole));
        assert_eq!(Task::parse("subscription_cancel"), Some(Task::Cancel));
        assert_eq!(Task::parse("subscription_cancel2"), None);
    }
}
