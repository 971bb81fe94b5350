//! What a tenant may use: its limits and its periods.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::period::{Cycle, Window};
use crate::catalog::policy::{Catalog, MetricKind};
use crate::catalog::product::Limit;
use crate::stripe::snapshot::SubscriptionStatus;

/// A subscription as far as usage is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// When it began.
    pub since: Timestamp,
    /// Its current period, once Stripe has said it.
    pub period: Option<Window>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The limits of its plan.
    pub limits: BTreeMap<String, Limit>,
}

/// What a tenant may use, and in which periods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// When periods begin.
    pub cycle: Cycle,
    /// What its subscription's plan includes; none is the free plan.
    plan: Option<BTreeMap<String, Limit>>,
}

/// Whether a subscription in that state has its plan: one that was not paid for the first time has not, nor has one that is
/// over. One that fails later keeps being counted by its plan: what it may still do is decided by `access`.
fn has_its_plan(status: &SubscriptionStatus) -> bool {
    !status.is_over() && *status != SubscriptionStatus::Incomplete
}

impl Terms {
    /// The terms of a tenant with that subscription: the one in force, or the latest that was.
    pub fn new(subscription: Option<Subscribed>) -> Self {
        let Some(subscription) = subscription else {
            return Self { cycle: Cycle::Calendar { since: None }, plan: None };
        };
        if !has_its_plan(&subscription.status) {
            return Self { cycle: Cycle::Calendar { since: subscription.ended_at }, plan: None };
        }
        let cycle = match subscription.period.filter(|period| period.start < period.end) {
            Some(period) => Cycle::Subscription { period, since: subscription.since.min(period.start) },
            None => Cycle::Calendar { since: Some(subscription.since) },
        };
        Self { cycle, plan: Some(subscription.limits) }
    }

    /// Whether there is a subscription whose plan it has.
    pub fn is_subscribed(&self) -> bool {
        self.plan.is_some()
    }

    /// How much of a metric there is.
    pub fn limit(&self, catalog: &Catalog, metric: &str) -> Limit {
        let nothing = Limit { limit: Some(0), hard: true };
        match &self.plan {
            None => catalog.free.limits.get(metric).copied().unwrap_or(nothing),
            Some(limits) => limits.get(metric).copied().unwrap_or_else(|| {
                let billed = catalog.metric(metric).is_some_and(|metric| metric.meter.is_some());
                if billed { Limit::UNLIMITED } else { nothing }
            }),
        }
    }

    /// Whether what happened at `at` is billed by Stripe.
    pub fn is_billed(&self, catalog: &Catalog, metric: &str, at: Timestamp) -> bool {
        let since = match self.cycle {
            Cycle::Subscription { since, .. } => Some(since),
            Cycle::Calendar { since } => since.filter(|_| self.is_subscribed()),
        };
        let metered = catalog
            .metric(metric)
            .is_some_and(|metric| metric.kind == MetricKind::Counter && metric.meter.is_some());
        metered && since.is_some_and(|since| at >= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribed(status: SubscriptionStatus) -> Terms {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let period = Window { start: time("2026-11-10T12:00:00Z"), end: time("2026-12-10T12:00:00Z") };
        let limits = BTreeMap::from([("messages".to_owned(), Limit { limit: Some(7), hard: true })]);
        Terms::new(Some(Subscribed {
            status,
            since: period.start,
            period: Some(period),
            ended_at: None,
            limits,
        }))
    }

    #[test]
    fn a_plan_lasts_while_the_subscription_does() {
        let catalog = Catalog::load(None).expect("the embedded catalogue");
        let free = Terms::new(None).limit(&catalog, "messages");
        for status in [
            SubscriptionStatus::Trialing,
            SubscriptionStatus::Active,
            SubscriptionStatus::PastDue,
            SubscriptionStatus::Unpaid,
            SubscriptionStatus::Paused,
        ] {
            assert_eq!(subscribed(status).limit(&catalog, "messages").limit, Some(7));
        }
        for status in [
            SubscriptionStatus::Incomplete,
            SubscriptionStatus::IncompleteExpired,
            SubscriptionStatus::Canceled,
        ] {
            assert_eq!(subscribed(status).limit(&catalog, "messages"), free);
        }
    }

    #[test]
    fn what_no_plan_names_is_not_included_unless_a_meter_bills_it() {
        let catalog = Catalog::load(None).expect("the embedded catalogue");
        let nothing = Limit { limit: Some(0), hard: true };
        let terms = subscribed(SubscriptionStatus::Active);
        assert_eq!(terms.limit(&catalog, "conversations"), nothing);
        assert_eq!(terms.limit(&catalog, "ai_tokens"), Limit::UNLIMITED);
        assert_eq!(Terms::new(None).limit(&catalog, "ai_tokens"), nothing);
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        assert!(terms.is_billed(&catalog, "ai_tokens", at("2026-11-10T12:00:00Z")));
        assert!(!terms.is_billed(&catalog, "ai_tokens", at("2026-11-10T11:59:59Z")));
        assert!(!terms.is_billed(&catalog, "messages", at("2026-11-20T00:00:00Z")));
        assert!(!Terms::new(None).is_billed(&catalog, "ai_tokens", at("2026-11-20T00:00:00Z")));
    }
}
