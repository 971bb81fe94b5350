//! Leaving, and coming back: ending a subscription, resuming it, pausing the collection of payments.
//!
//! Owns what a tenant may do in which state, and the reasons that are asked for. What follows (mails, access) follows from the
//! change of rows that `sync` writes.

mod act;
pub mod api;
pub mod web;

pub use act::{Deed, Outcome, perform};
pub use web::router;

use crate::catalog::policy::Policy;
use crate::stripe::snapshot::SubscriptionStatus as Status;
use crate::subscription::{Billing, Collection, Subscription};

/// Reasons that Stripe knows (`cancellation_details.feedback`), in the order of the page.
pub const REASONS: [&str; 8] = [
    "too_expensive",
    "missing_features",
    "switched_service",
    "unused",
    "customer_service",
    "too_complex",
    "low_quality",
    "other",
];

/// Most characters of a comment.
pub const LONGEST_COMMENT: u16 = 500;

/// What a tenant may do with its subscription now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// End it with its period.
    pub cancel_at_period_end: bool,
    /// End it at once.
    pub cancel_now: bool,
    /// Take the end back, or wake it from a pause of Stripe's.
    pub resume: bool,
    /// Pause the collection of payments.
    pub pause: bool,
    /// Collect payments again.
    pub resume_collection: bool,
}

/// What may be done, by the state and what the catalogue allows.
pub fn options(billing: &Billing, subscription: &Subscription, policy: &Policy) -> Options {
    let alive =
        matches!(subscription.status, Status::Active | Status::Trialing | Status::PastDue | Status::Unpaid);
    let ending = subscription.cancel_at.is_some();
    let collecting = subscription.collection == Collection::On;
    Options {
        cancel_at_period_end: alive
            && !ending
            && matches!(subscription.status, Status::Active | Status::Trialing | Status::PastDue),
        cancel_now: (alive && policy.cancel_now)
            || matches!(subscription.status, Status::Unpaid | Status::Paused | Status::Incomplete),
        resume: (alive && ending) || (subscription.status == Status::Paused && billing.can_pay()),
        pause: policy.pause && collecting && !ending && subscription.status == Status::Active,
        resume_collection: !collecting && alive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription::{sample, with_card};

    fn of(status: &str, change: impl Fn(&mut Subscription)) -> Options {
        let mut subscription = sample(status);
        change(&mut subscription);
        options(&with_card(), &subscription, &Policy { cancel_now: true, pause: true, ..Policy::default() })
    }

    #[test]
    fn every_state_leaves_a_way_out_or_a_way_back_unless_it_is_over() {
        for status in ["trialing", "active", "past_due", "unpaid", "paused", "incomplete"] {
            let options = of(status, |_| {});
            assert!(
                options.cancel_at_period_end || options.cancel_now || options.resume,
                "{status}: {options:?}"
            );
        }
        for status in ["canceled", "incomplete_expired", "brand_new"] {
            assert_eq!(of(status, |_| {}), Options::default(), "{status}");
        }
    }

    #[test]
    fn what_ends_can_be_resumed_and_not_ended_with_its_period_again() {
        let ending = of("active", |subscription| subscription.cancel_at = subscription.period_end);
        assert!(ending.resume && !ending.cancel_at_period_end && !ending.pause);
    }

    #[test]
    fn what_is_paused_is_woken_only_where_a_payment_method_is_on_file() {
        assert!(of("paused", |_| {}).resume);
        assert!(!options(&Billing::default(), &sample("paused"), &Policy::default()).resume);
    }

    #[test]
    fn only_what_the_catalogue_allows_is_offered() {
        let strict = options(&with_card(), &sample("active"), &Policy::default());
        assert!(strict.cancel_at_period_end && !strict.cancel_now && !strict.pause);
        let paused = of("active", |subscription| subscription.collection = Collection::Paused(None));
        assert!(paused.resume_collection && !paused.pause);
    }
}
