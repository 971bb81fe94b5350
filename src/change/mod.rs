//! Changing a subscription's plan, interval or seats.
//!
//! Owns what a change means: when it takes effect, what is gained and lost, and the quote that makes what is charged what was
//! shown. The amounts are Stripe's own preview; nothing here reckons money beyond adding up its lines.

mod act;
pub mod api;
mod figures;
pub mod quote;
mod review;
pub mod web;

pub use act::{Outcome, confirm, undo};
pub use figures::Figures;
pub use review::{Facts, NextInvoice, Review, facts, review};
pub use web::router;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::policy::MetricKind;
use crate::catalog::product::Limit;
use crate::catalog::{Interval, Offer, Plan, Price};
use crate::checkout::{self, note};
use crate::error::FieldError;
use crate::money::{Currency, Money};
use crate::stripe::snapshot::SubscriptionStatus;
use crate::subscription::{Collection, Subscription};
use crate::tenants::Tenant;

/// What somebody asked for, as it was typed.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Wish {
    /// The plan's slug or id.
    #[serde(default)]
    pub plan: String,
    /// `month` or `year`.
    #[serde(default)]
    pub interval: String,
    /// How many seats; absent is what there is.
    #[serde(default)]
    pub quantity: Option<String>,
}

/// What is bought, before or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bought<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its price.
    pub price: &'a Price,
    /// How many.
    pub quantity: i64,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// At once; what is left of the period is settled to the second.
    Now,
    /// At the end of the period, unix seconds; nothing is settled, and until then it can be undone.
    PeriodEnd(i64),
}

/// Why a change cannot be. What stands in the way of every change comes alone, before what is wrong with this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no subscription that could change.
    NoSubscription,
    /// It is of a plan that the portal does not know: support must do it.
    UnknownPlan,
    /// Its state does not allow it: an invoice is open, it is ending, paused, or a change waits for its payment.
    State(&'static str),
    /// What is wished for is not for sale to this tenant, each field once: the same as of an order.
    Wish(Vec<checkout::Refusal>),
    /// It is what there is.
    Same,
}

impl Refusal {
    /// The fields of the form that are wrong, or else the key of the words that say what stands in the way.
    pub fn fields(self) -> Result<Vec<FieldError>, &'static str> {
        match self {
            Self::Wish(wrong) => Ok(wrong.into_iter().map(FieldError::from).collect()),
            Self::Same => Ok(vec![FieldError::new("plan", "change-same")]),
            Self::NoSubscription => Err("change-no-subscription"),
            Self::UnknownPlan => Err("change-unknown-plan"),
            Self::State(key) => Err(key),
        }
    }
}

/// What the tenant buys now and what it would buy after the wish.
///
/// # Errors
/// The subscription cannot change now, or what is wished for is not for sale to this tenant or is what there is.
pub fn decide<'a>(
    wish: &Wish,
    tenant: &Tenant,
    facts: &'a Facts,
) -> Result<(Bought<'a>, Bought<'a>), Refusal> {
    let live = facts.billing.live().ok_or(Refusal::NoSubscription)?;
    may_change(live)?;
    let from = bought(live, &facts.offer)?;
    let to = wanted(wish, &from, live.currency, &facts.offer, &tenant.ids())?;
    Ok((from, to))
}

/// What a subscription buys now.
///
/// # Errors
/// The catalogue does not know its price.
pub fn bought<'a>(subscription: &Subscription, offer: &'a Offer) -> Result<Bought<'a>, Refusal> {
    let id = subscription.price_id.as_deref().ok_or(Refusal::UnknownPlan)?;
    let plan = offer.plan_of_price(id).ok_or(Refusal::UnknownPlan)?;
    let price = plan.prices.iter().find(|price| price.id == id).ok_or(Refusal::UnknownPlan)?;
    Ok(Bought { plan, price, quantity: subscription.quantity })
}

/// What it would buy after the wish. `ids` are the tenant's, ours and the host's.
///
/// Who has a plan or a price that is no longer sold keeps it: seats change at the price that is paid now.
///
/// # Errors
/// All that is not for sale to this tenant; or it is what there is.
pub fn wanted<'a>(
    wish: &Wish,
    now: &Bought<'a>,
    currency: Currency,
    offer: &'a Offer,
    ids: &[&str],
) -> Result<Bought<'a>, Refusal> {
    let is_present = wish.plan == now.plan.slug || wish.plan == now.plan.product_id;
    let plan = offer.plan_for_sale(&wish.plan, ids).or_else(|| is_present.then_some(now.plan));
    let mut wrong = Vec::new();
    let plan = note(&mut wrong, plan.ok_or(checkout::Refusal::NoSuchPlan));
    let interval = note(&mut wrong, checkout::interval(&wish.interval));
    let price = plan.zip(interval).and_then(|(plan, interval)| {
        let keeps_price = plan.product_id == now.plan.product_id && interval == now.price.interval;
        let price = if keeps_price { Some(now.price) } else { plan.price(interval, currency) };
        note(&mut wrong, price.ok_or(checkout::Refusal::NoSuchPrice))
    });
    let seats = if plan.is_some_and(|plan| plan.facts.per_seat) { now.quantity } else { 1 };
    let quantity = note(&mut wrong, checkout::quantity(wish.quantity.as_deref(), seats, plan));
    let (Some(plan), Some(price), Some(quantity)) = (plan, price, quantity) else {
        return Err(Refusal::Wish(wrong));
    };
    if (price.id.as_str(), quantity) == (now.price.id.as_str(), now.quantity) {
        return Err(Refusal::Same);
    }
    Ok(Bought { plan, price, quantity })
}

/// Whether the state of a subscription lets it change.
///
/// # Errors
/// What has to be done first.
pub fn may_change(subscription: &Subscription) -> Result<(), Refusal> {
    match subscription.status {
        SubscriptionStatus::Active | SubscriptionStatus::Trialing => {}
        SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid | SubscriptionStatus::Incomplete => {
            return Err(Refusal::State("change-pay-first"));
        }
        SubscriptionStatus::Paused => return Err(Refusal::State("change-paused")),
        SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired => {
            return Err(Refusal::NoSubscription);
        }
        SubscriptionStatus::Other(_) => return Err(Refusal::UnknownPlan),
    }
    if subscription.cancel_at.is_some() {
        return Err(Refusal::State("change-ending"));
    }
    if subscription.pending_update {
        return Err(Refusal::State("change-waiting"));
    }
    match subscription.collection {
        Collection::On => Ok(()),
        Collection::Paused(_) => Err(Refusal::State("change-paused")),
    }
}

/// The wish behind a quote, so that it can be asked for anew; none where its price is no longer known.
pub fn wish_of(quote: &quote::Quote, offer: &Offer) -> Option<Wish> {
    let (id, quantity) = &quote.to;
    let plan = offer.plan_of_price(id)?;
    let price = plan.prices.iter().find(|price| price.id == *id)?;
    let interval = price.interval.as_str().to_owned();
    Some(Wish { plan: plan.slug.clone(), interval, quantity: Some(quantity.to_string()) })
}

/// When a change takes effect: more at once, less at the end of the period.
///
/// More is a plan that stands higher on the pricing page, a longer interval of the same plan, or more seats, in this order.
/// Plans that stand equal are compared by what a year of them costs.
pub fn timing(
    from: &Bought<'_>,
    to: &Bought<'_>,
    currency: Currency,
    period_end: Option<Timestamp>,
) -> Timing {
    let rank = if from.plan.product_id == to.plan.product_id {
        to.price.interval.cmp(&from.price.interval).then(to.quantity.cmp(&from.quantity))
    } else {
        let stand = to.plan.facts.position.cmp(&from.plan.facts.position);
        stand.then_with(|| cost_of_a_year(to, currency).cmp(&cost_of_a_year(from, currency)))
    };
    match (rank, period_end) {
        (Ordering::Less, Some(end)) => Timing::PeriodEnd(end.as_second()),
        _ => Timing::Now,
    }
}

/// What a period of it costs, seats and all, before discounts and taxes.
pub fn cost(bought: &Bought<'_>, currency: Currency) -> Option<Money> {
    let one = bought.price.amount(currency)?;
    Some(Money { minor: one.minor.checked_mul(bought.quantity)?, ..one })
}

/// In minor units; for comparing alone.
fn cost_of_a_year(bought: &Bought<'_>, currency: Currency) -> i128 {
    let times = match bought.price.interval {
        Interval::Day => 365,
        Interval::Week => 52,
        Interval::Month => 12,
        Interval::Year => 1,
    };
    let unit = bought.price.amount(currency).map_or(0, |money| i128::from(money.minor));
    unit * i128::from(bought.quantity) * times / i128::from(bought.price.interval_count.max(1))
}

/// How much of a metric is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// What its number means.
    pub kind: MetricKind,
    /// The sum of the period, or the level.
    pub amount: i64,
}

/// A limit that the change moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitChange {
    /// The metric's id.
    pub metric: String,
    /// Before; none where the plan does not have it.
    pub from: Option<Limit>,
    /// After.
    pub to: Option<Limit>,
    /// How much is in use now.
    pub used: i64,
    /// What that means.
    pub verdict: Verdict,
}

/// What the present use means under a new limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fits.
    Fits,
    /// A level is too high: so much must go before the change takes effect.
    Reduce(i64),
    /// So much more was counted in this period than the new plan allows, and the change takes effect within it.
    Over(i64),
    /// It counts from nought when the change takes effect.
    StartsAnew,
}

impl Verdict {
    /// Judges a use under the limit of the new plan; without one, it has none of it.
    fn new(used: Used, limit: Option<Limit>, timing: Timing) -> Self {
        let most = limit.map_or(Some(0), |limit| limit.limit);
        let Some(beyond) = most.map(|most| used.amount.saturating_sub(most)).filter(|beyond| *beyond > 0)
        else {
            return Self::Fits;
        };
        match (used.kind, timing) {
            (MetricKind::Gauge, _) => Self::Reduce(beyond),
            (_, Timing::Now) => Self::Over(beyond),
            (_, Timing::PeriodEnd(_)) => Self::StartsAnew,
        }
    }

    /// By how much the new limit is passed when the change takes effect, if nothing is done.
    pub fn beyond(self) -> Option<i64> {
        match self {
            Self::Reduce(by) | Self::Over(by) => Some(by),
            Self::Fits | Self::StartsAnew => None,
        }
    }
}

/// What else a change changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Features that come.
    pub gained: Vec<String>,
    /// Features that go.
    pub lost: Vec<String>,
    /// Limits that move, or are exceeded.
    pub limits: Vec<LimitChange>,
}

/// Compares two plans against what is in use, by metric, for a change at that time.
pub fn difference(from: &Plan, to: &Plan, used: &BTreeMap<String, Used>, timing: Timing) -> Difference {
    let without = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|feature| !those.contains(feature)).cloned().collect()
    };
    let mut metrics: Vec<&String> = from.facts.limits.keys().chain(to.facts.limits.keys()).collect();
    metrics.sort();
    metrics.dedup();
    let limits = metrics.into_iter().map(|metric| {
        let used = used.get(metric).copied().unwrap_or(Used { kind: MetricKind::Gauge, amount: 0 });
        let to = to.facts.limits.get(metric).copied();
        LimitChange {
            metric: metric.clone(),
            from: from.facts.limits.get(metric).copied(),
            to,
            used: used.amount,
            verdict: Verdict::new(used, to, timing),
        }
    });
    Difference {
        gained: without(&to.facts.features, &from.facts.features),
        lost: without(&from.facts.features, &to.facts.features),
        limits: limits.filter(|limit| limit.from != limit.to || limit.verdict.beyond().is_some()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Timing = Timing::PeriodEnd(2_000_000_000);

    fn judged(kind: MetricKind, amount: i64, limit: Option<Option<i64>>, timing: Timing) -> Verdict {
        Verdict::new(Used { kind, amount }, limit.map(|limit| Limit { limit, hard: true }), timing)
    }

    #[test]
    fn a_level_must_be_reduced_whenever_the_change_takes_effect() {
        for timing in [Timing::Now, LATER] {
            assert_eq!(judged(MetricKind::Gauge, 4, Some(Some(1)), timing), Verdict::Reduce(3));
            assert_eq!(judged(MetricKind::Gauge, 4, Some(Some(4)), timing), Verdict::Fits);
            assert_eq!(judged(MetricKind::Gauge, 4, Some(None), timing), Verdict::Fits);
            assert_eq!(
                judged(MetricKind::Gauge, 4, None, timing),
                Verdict::Reduce(4),
                "the plan has none of it"
            );
        }
    }

    #[test]
    fn a_counter_is_judged_only_where_the_change_falls_into_its_period() {
        assert_eq!(judged(MetricKind::Counter, 900, Some(Some(500)), Timing::Now), Verdict::Over(400));
        let later = judged(MetricKind::Counter, 900, Some(Some(500)), LATER);
        assert_eq!((later, later.beyond()), (Verdict::StartsAnew, None));
        assert_eq!(judged(MetricKind::Counter, 500, Some(Some(500)), LATER), Verdict::Fits);
    }
}
