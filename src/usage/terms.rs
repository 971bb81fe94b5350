//! What a tenant may use: its limits and its periods.

use std::borrow::Cow;
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

/// What a tenant may use, and in which periods: now, and in the past that late events come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// When periods begin.
    pub cycle: Cycle,
    /// What its subscription's plan includes; none is the free plan.
    plan: Option<BTreeMap<String, Limit>>,
    /// Whether it is tried out: nothing that is used is billed.
    is_trial: bool,
    /// Since when they hold; none: always.
    from: Option<Timestamp>,
    /// Until when they held; none: they hold.
    until: Option<Timestamp>,
    /// The terms of subscriptions that are over.
    past: Vec<Self>,
}

/// Whether a subscription in that state has its plan: one that was not paid for the first time has not, nor has one that is
/// over. One that fails later keeps being counted by its plan: what it may still do is decided by `access`.
fn has_its_plan(status: &SubscriptionStatus) -> bool {
    !status.is_over() && *status != SubscriptionStatus::Incomplete
}

impl Default for Terms {
    /// Those of who never had a subscription.
    fn default() -> Self {
        Self::new(None)
    }
}

impl Terms {
    /// The terms of a tenant with that subscription: the one in force, or the latest that was.
    pub fn new(subscription: Option<Subscribed>) -> Self {
        match subscription {
            None => Self::free(None, None),
            Some(subscription) if has_its_plan(&subscription.status) => Self::of(subscription),
            Some(subscription) => {
                let mut free = Self::free(subscription.ended_at, None);
                free.remember(subscription);
                free
            }
        }
    }

    /// Without a subscription, between two moments.
    fn free(from: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        let cycle = Cycle::Calendar { since: from };
        Self { cycle, plan: None, is_trial: false, from, until, past: Vec::new() }
    }

    fn of(subscription: Subscribed) -> Self {
        let since = match subscription.period {
            Some(period) => subscription.since.min(period.start),
            None => subscription.since,
        };
        let cycle = match subscription.period.filter(|period| period.start < period.end) {
            Some(period) => Cycle::Subscription { period, since },
            None => Cycle::Calendar { since: Some(since) },
        };
        let is_trial = subscription.status == SubscriptionStatus::Trialing;
        let plan = Some(subscription.limits);
        Self { cycle, plan, is_trial, from: Some(since), until: subscription.ended_at, past: Vec::new() }
    }

    /// Adds a subscription that is over: what happened while it held is judged by it. One that never began is left out.
    pub fn remember(&mut self, subscription: Subscribed) {
        let began = subscription.status == SubscriptionStatus::Canceled;
        let Some(end) = subscription.ended_at.filter(|end| began && *end > subscription.since) else {
            return;
        };
        let past = Self { until: Some(end), ..Self::of(subscription) };
        if !self.past.contains(&past) {
            self.past.push(past);
        }
    }

    /// Whether it is clear, from the subscriptions that are known, what held at a time.
    pub fn knows(&self, at: Timestamp) -> bool {
        self.holds(at) || self.past.iter().any(|past| past.holds(at))
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at < until)
    }

    /// What held at a time: the subscription of then, or, between two of them and before the first, the free plan.
    pub fn at(&self, at: Timestamp) -> Cow<'_, Self> {
        if self.from.is_none_or(|from| at >= from) {
            return Cow::Borrowed(self);
        }
        if let Some(past) = self.past.iter().find(|past| past.holds(at)) {
            return Cow::Borrowed(past);
        }
        let ends = self.past.iter().filter_map(|past| past.until).filter(|end| *end <= at);
        let begins = self.past.iter().chain([self]).filter_map(|one| one.from).filter(|from| *from > at);
        Cow::Owned(Self::free(ends.max(), begins.min()))
    }

    /// The period that a time lies in, by what held then.
    pub fn window(&self, at: Timestamp) -> Window {
        let then = self.at(at);
        let window = then.cycle.window(at);
        let start = then.from.map_or(window.start, |from| window.start.max(from));
        let end = then.until.map_or(window.end, |until| window.end.min(until));
        if start <= at && at < end { Window { start, end } } else { window }
    }

    /// Since when these terms hold; none: always.
    pub fn from(&self) -> Option<Timestamp> {
        self.from
    }

    /// The subscriptions that are known, the present one first, each with the moment it ended.
    pub fn subscriptions(&self) -> impl Iterator<Item = (&Self, Option<Timestamp>)> {
        let all = std::iter::once(self).chain(&self.past);
        all.filter(|terms| terms.is_subscribed()).map(|terms| (terms, terms.until))
    }

    /// Whether there is a subscription whose plan it has.
    pub fn is_subscribed(&self) -> bool {
        self.plan.is_some()
    }

    /// Whether the subscription is tried out: Stripe bills no use of that time.
    pub fn is_trial(&self) -> bool {
        self.is_trial
    }

    /// When what is billed now began to add up: a year's use is billed together.
    pub fn billed_since(&self) -> Option<Timestamp> {
        match self.cycle {
            Cycle::Subscription { period, .. } => Some(period.start),
            Cycle::Calendar { .. } => None,
        }
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
        let metered = catalog
            .metric(metric)
            .is_some_and(|metric| metric.kind == MetricKind::Counter && metric.meter.is_some());
        metered && self.at(at).is_subscribed()
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

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn ended(start: &str, end: &str, messages: i64) -> Subscribed {
        let period = Window { start: at(start), end: at(start) + jiff::Span::new().hours(30 * 24) };
        Subscribed {
            status: SubscriptionStatus::Canceled,
            since: at(start),
            period: Some(period),
            ended_at: Some(at(end)),
            limits: BTreeMap::from([("messages".to_owned(), Limit { limit: Some(messages), hard: true })]),
        }
    }

    #[test]
    fn what_happened_is_judged_by_the_subscription_of_then() {
        let catalog = Catalog::load(None).expect("the embedded catalogue");
        let free = Terms::new(None).limit(&catalog, "messages").limit;
        let mut terms = Terms::new(Some(ended("2026-10-20T00:00:00Z", "2026-11-05T00:00:00Z", 7)));
        terms.remember(ended("2026-09-01T00:00:00Z", "2026-09-11T00:00:00Z", 5));
        let limit = |time: &str| terms.at(at(time)).limit(&catalog, "messages").limit;
        assert_eq!(
            [
                "2026-08-31T00:00:00Z",
                "2026-09-10T23:59:59Z",
                "2026-09-11T00:00:00Z",
                "2026-11-04T00:00:00Z",
                "2026-11-05T00:00:00Z"
            ]
            .map(limit),
            [free, Some(5), free, Some(7), free]
        );
        let shown = |time: &str| {
            let window = terms.window(at(time));
            format!("{} {}", window.start, window.end)
        };
        assert_eq!(shown("2026-11-01T00:00:00Z"), "2026-10-20T00:00:00Z 2026-11-05T00:00:00Z");
        assert_eq!(shown("2026-11-06T00:00:00Z"), "2026-11-05T00:00:00Z 2026-12-01T00:00:00Z");
        assert_eq!(shown("2026-10-19T00:00:00Z"), "2026-10-01T00:00:00Z 2026-10-20T00:00:00Z");
        assert_eq!(shown("2026-09-20T00:00:00Z"), "2026-09-11T00:00:00Z 2026-10-01T00:00:00Z");
        let billed = |time: &str| terms.is_billed(&catalog, "ai_tokens", at(time));
        assert!(
            billed("2026-11-04T23:59:59Z")
                && !billed("2026-11-05T00:00:00Z")
                && !billed("2026-10-19T00:00:00Z")
        );
        assert!(terms.knows(at("2026-11-01T00:00:00Z")) && !terms.knows(at("2026-10-01T00:00:00Z")));
    }
}
