//! Subscriptions and their items.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::read::{self, Expandable};
use super::{Coupon, List, PaymentMethod, Price, open_enum};
use crate::money::Currency;
use crate::stripe::{
    CouponId, CustomerId, InvoiceId, PaymentMethodId, PriceId, ScheduleId, SubscriptionId, SubscriptionItemId,
};

open_enum! {
    /// Where a subscription stands (<https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses>).
    SubscriptionStatus {
        /// In its trial, nothing was charged.
        Trialing = "trialing",
        /// Paid, or about to be.
        Active = "active",
        /// The latest invoice failed; Stripe tries again.
        PastDue = "past_due",
        /// Stripe gave up trying; invoices are made and not charged.
        Unpaid = "unpaid",
        /// Over for good.
        Canceled = "canceled",
        /// The first payment is still to succeed, within 23 hours.
        Incomplete = "incomplete",
        /// The first payment never succeeded; over for good.
        IncompleteExpired = "incomplete_expired",
        /// The trial ended without a payment method, or it was paused.
        Paused = "paused",
    }
}

impl SubscriptionStatus {
    /// Whether it is over for good: it bills nothing, and another may be started.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// Whether it was in force before it was over: one whose first payment never came was not.
    pub fn was_in_force(&self) -> bool {
        *self != Self::IncompleteExpired
    }
}

/// A subscription. Its period is that of its items; `items` holds the first ten or so, which is all that a plan has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Subscription {
    /// Stripe's id.
    pub id: SubscriptionId,
    /// Whose it is.
    #[serde(deserialize_with = "read::id")]
    pub customer: CustomerId,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// What it bills in.
    pub currency: Currency,
    /// What it bills.
    pub items: List<Item>,
    /// Whether it is of live mode.
    pub livemode: bool,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds.
    pub start_date: i64,
    /// Unix seconds.
    pub trial_start: Option<i64>,
    /// Unix seconds.
    pub trial_end: Option<i64>,
    /// When it will end, in unix seconds, where a date was set.
    pub cancel_at: Option<i64>,
    /// Whether it ends with the period.
    #[serde(default, deserialize_with = "read::nullable")]
    pub cancel_at_period_end: bool,
    /// When the cancellation was asked for, in unix seconds.
    pub canceled_at: Option<i64>,
    /// When it ended, in unix seconds.
    pub ended_at: Option<i64>,
    /// Why it was cancelled.
    #[serde(default, deserialize_with = "read::nullable")]
    pub cancellation_details: CancellationDetails,
    /// Where invoices are not collected for a while.
    pub pause_collection: Option<PauseCollection>,
    /// Changes to come.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub schedule: Option<ScheduleId>,
    /// Whether Stripe reckons the taxes.
    #[serde(default, deserialize_with = "read::nullable")]
    pub automatic_tax: AutomaticTax,
    /// A change that waits for its payment.
    pub pending_update: Option<PendingUpdate>,
    /// The discounts, whole where they were expanded.
    #[serde(default, deserialize_with = "read::nullable")]
    pub discounts: Vec<Expandable<String, Discount>>,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// The latest invoice.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub latest_invoice: Option<InvoiceId>,
    /// What its invoices are paid with, where that is not the customer's default.
    pub default_payment_method: Option<Expandable<PaymentMethodId, PaymentMethod>>,
    /// Ours: `tenant_id` is in it.
    #[serde(default, deserialize_with = "read::nullable")]
    pub metadata: BTreeMap<String, String>,
}

/// Who reckons the taxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct AutomaticTax {
    /// Whether Stripe does.
    #[serde(default)]
    pub enabled: bool,
}

/// What a coupon takes off a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Discount {
    /// Stripe's id.
    pub id: String,
    /// When it ends, unix seconds; none: never, or with the coupon's one invoice.
    pub end: Option<i64>,
    /// What it comes from.
    pub source: Option<DiscountSource>,
}

/// What a discount comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DiscountSource {
    /// The coupon.
    pub coupon: Option<Expandable<CouponId, Coupon>>,
}

impl Discount {
    /// The coupon, where it was expanded.
    pub fn coupon(&self) -> Option<&Coupon> {
        self.source.as_ref()?.coupon.as_ref()?.object()
    }
}

impl Subscription {
    /// The discounts' ids.
    pub fn discount_ids(&self) -> Vec<&str> {
        let ids = self.discounts.iter().map(|discount| match discount {
            Expandable::Id(id) => id.as_str(),
            Expandable::Object(whole) => whole.id.as_str(),
        });
        ids.collect()
    }

    /// The ids of those discounts that an invoice does not use up, as far as their coupons are known.
    pub fn lasting_discount_ids(&self) -> Vec<&str> {
        let is_once = |discount: &Expandable<String, Discount>| {
            let coupon = discount.object().and_then(Discount::coupon);
            coupon.is_some_and(|coupon| coupon.duration.as_deref() == Some("once"))
        };
        let all = self.discount_ids().into_iter().zip(&self.discounts);
        all.filter(|(_, discount)| !is_once(discount)).map(|(id, _)| id).collect()
    }
}

/// Something a subscription bills.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Item {
    /// Stripe's id.
    pub id: SubscriptionItemId,
    /// What it costs.
    pub price: Price,
    /// How many; none where use is metered.
    pub quantity: Option<i64>,
    /// Start of the period, unix seconds.
    pub current_period_start: Option<i64>,
    /// End of the period, unix seconds.
    pub current_period_end: Option<i64>,
}

/// A change that waits for its payment; the old plan stays in force until then.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PendingUpdate {
    /// When Stripe drops it, unix seconds.
    pub expires_at: Option<i64>,
    /// What is to be billed.
    #[serde(default, deserialize_with = "read::nullable")]
    pub subscription_items: Vec<PendingItem>,
}

/// An item of a change that waits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PendingItem {
    /// What it will cost.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub price: Option<PriceId>,
    /// How many; none where use is metered.
    pub quantity: Option<i64>,
}

/// Why a subscription was cancelled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancellationDetails {
    /// `cancellation_requested`, `payment_failed`, `payment_disputed`.
    pub reason: Option<String>,
    /// What the customer chose of Stripe's list.
    pub feedback: Option<String>,
    /// What the customer wrote.
    pub comment: Option<String>,
}

/// How invoices are treated while collection is paused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PauseCollection {
    /// `void`, `keep_as_draft`, `mark_uncollectible`.
    pub behavior: String,
    /// When it ends, in unix seconds; none: when somebody ends it.
    pub resumes_at: Option<i64>,
}
