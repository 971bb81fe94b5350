//! What the state of a subscription means to who pays for it.

use jiff::Timestamp;

use super::{Billing, Collection, Status, Subscription};

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

#[cfg(test)]
mod tests {
    use super::super::{OpenInvoice, sample as subscription, with_card};
    use super::*;
    use crate::money::{Currency, Money};

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
}
