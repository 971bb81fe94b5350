//! Subscriptions: read, changed, cancelled, resumed, paused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stripe_billing::subscription::{
    CancelSubscription, CancelSubscriptionCancellationDetails, ListSubscription, ListSubscriptionStatus,
    ResumeSubscription, ResumeSubscriptionBillingCycleAnchor, ResumeSubscriptionBillingCycleAnchorType,
    ResumeSubscriptionPaymentBehavior, RetrieveSubscription, UpdateSubscription,
    UpdateSubscriptionBillingCycleAnchor, UpdateSubscriptionBillingCycleAnchorType,
    UpdateSubscriptionCancellationDetails, UpdateSubscriptionItems, UpdateSubscriptionPauseCollection,
    UpdateSubscriptionPauseCollectionBehavior, UpdateSubscriptionPaymentBehavior,
    UpdateSubscriptionProrationBehavior,
};
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest as _};

use super::{all, get, page, post};
use crate::stripe::snapshot::{Expandable, List, Schedule, Subscription};
use crate::stripe::{
    Budget, CustomerId, Fetched, Key, PriceId, Result, ScheduleId, Stripe, SubscriptionId, SubscriptionItemId,
};

/// With the payment method whole, where the subscription has one of its own, and with its discounts' coupons.
fn expanded(prefix: &str) -> Vec<String> {
    vec![format!("{prefix}default_payment_method"), format!("{prefix}discounts.source.coupon")]
}

/// One subscription.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn get_one(stripe: &Stripe, id: &SubscriptionId, budget: Budget) -> Result<Fetched<Subscription>> {
    get(stripe, RetrieveSubscription::new(id.as_str()).expand(expanded("")), budget).await
}

/// All subscriptions of a customer, those that are over too, newest first.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn of_customer(
    stripe: &Stripe,
    customer: &CustomerId,
    budget: Budget,
) -> Result<Fetched<Vec<Subscription>>> {
    let request = || {
        ListSubscription::new()
            .customer(customer.as_str())
            .status(ListSubscriptionStatus::All)
            .expand(expanded("data."))
    };
    all(
        stripe,
        budget,
        |subscription: &Subscription| subscription.id.as_str(),
        |after| page!(request(), after),
    )
    .await
}

/// A subscription of a list, with its planned changes.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The subscription.
    pub subscription: Subscription,
    /// What is planned, where something is.
    pub schedule: Option<Schedule>,
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        /// The one field of which the subscription itself keeps the id alone.
        #[derive(Deserialize)]
        struct Planned {
            schedule: Option<Expandable<ScheduleId, Schedule>>,
        }
        let object = Box::<RawValue>::deserialize(deserializer)?;
        let read = |error: serde_json::Error| serde::de::Error::custom(error);
        let subscription = serde_json::from_str(object.get()).map_err(read)?;
        let planned: Planned = serde_json::from_str(object.get()).map_err(read)?;
        let schedule = planned.schedule.as_ref().and_then(Expandable::object).cloned();
        Ok(Self { subscription, schedule })
    }
}

/// A page of all subscriptions, those that are over too, newest first, beginning after `after`. Those of customers that are
/// gone, or on a test clock, are not among them.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn listed(stripe: &Stripe, after: Option<&str>, budget: Budget) -> Result<Fetched<List<Listed>>> {
    let request =
        ListSubscription::new().status(ListSubscriptionStatus::All).expand(vec!["data.schedule".to_owned()]);
    stripe.call(page!(request, after), None, budget).await
}

/// Writes the tenant into a subscription.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn set_metadata(
    stripe: &Stripe,
    id: &SubscriptionId,
    pairs: &BTreeMap<String, String>,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Subscription>> {
    let request = UpdateSubscription::new(id.as_str()).metadata(super::metadata(pairs)).expand(expanded(""));
    post(stripe, request, key, budget).await
}

/// All subscriptions there are, those that are over too.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn every(stripe: &Stripe, budget: Budget) -> Result<Fetched<Vec<Subscription>>> {
    let request = || ListSubscription::new().status(ListSubscriptionStatus::All);
    all(
        stripe,
        budget,
        |subscription: &Subscription| subscription.id.as_str(),
        |after| page!(request(), after),
    )
    .await
}

/// What of an item is to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemChange {
    /// Which; none: a new one.
    pub id: Option<SubscriptionItemId>,
    /// Its new price.
    pub price: Option<PriceId>,
    /// How many.
    pub quantity: Option<u64>,
    /// Whether it goes.
    pub deleted: bool,
}

/// How the rest of the period is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proration {
    /// With an invoice at once.
    AlwaysInvoice,
    /// On the next invoice.
    CreateProrations,
    /// Not at all.
    None,
}

/// A change of what is bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionChange {
    /// The items.
    pub items: Vec<ItemChange>,
    /// How the rest of the period is settled.
    pub proration: Proration,
    /// As of when, in unix seconds: that of the preview, so that what is charged is what was shown.
    pub proration_date: Option<i64>,
    /// Whether a period begins with the change. Between a month and a year one always does: subscriptions of Stripe's classic
    /// billing mode do so by themselves, those of the flexible mode when told.
    pub starts_period: bool,
}

/// Changes what is bought. The change waits as a pending update where its payment does not succeed at once, so that the old
/// plan stays in force.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn change(
    stripe: &Stripe,
    id: &SubscriptionId,
    change: &SubscriptionChange,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Subscription>> {
    let items = change.items.iter().map(item).collect::<Vec<_>>();
    let mut request = UpdateSubscription::new(id.as_str())
        .items(items)
        .proration_behavior(match change.proration {
            Proration::AlwaysInvoice => UpdateSubscriptionProrationBehavior::AlwaysInvoice,
            Proration::CreateProrations => UpdateSubscriptionProrationBehavior::CreateProrations,
            Proration::None => UpdateSubscriptionProrationBehavior::None,
        })
        .payment_behavior(UpdateSubscriptionPaymentBehavior::PendingIfIncomplete)
        .expand(expanded(""));
    if let Some(date) = change.proration_date {
        request = request.proration_date(date);
    }
    if change.starts_period {
        let now = UpdateSubscriptionBillingCycleAnchorType::Now;
        request = request.billing_cycle_anchor(UpdateSubscriptionBillingCycleAnchor::new(now));
    }
    post(stripe, request, key, budget).await
}

fn item(change: &ItemChange) -> UpdateSubscriptionItems {
    let mut item = UpdateSubscriptionItems::new();
    item.id = change.id.as_ref().map(ToString::to_string);
    item.price = change.price.as_ref().map(ToString::to_string);
    item.quantity = change.quantity;
    item.deleted = change.deleted.then_some(true);
    item
}

/// Why a customer leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// One of Stripe's words: `too_expensive`, `missing_features`, `switched_service`, `unused`, `customer_service`,
    /// `too_complex`, `low_quality`, `other`.
    pub feedback: Option<String>,
    /// In the customer's words.
    pub comment: Option<String>,
}

/// Ends a subscription with its period.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn cancel_at_period_end(
    stripe: &Stripe,
    id: &SubscriptionId,
    reason: &Reason,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Subscription>> {
    let mut details = UpdateSubscriptionCancellationDetails::new();
    details.comment.clone_from(&reason.comment);
    details.feedback = reason.feedback.as_deref().and_then(|word| word.parse().ok());
    let request = UpdateSubscription::new(id.as_str())
        .cancel_at_period_end(true)
        .cancellation_details(details)
        .expand(expanded(""));
    post(stripe, request, key, budget).await
}

/// Ends a subscription at once.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn cancel_now(
    stripe: &Stripe,
    id: &SubscriptionId,
    reason: &Reason,
    bills: bool,
    budget: Budget,
) -> Result<Fetched<Subscription>> {
    end_now(stripe, id, reason, bills, None, budget).await
}

/// Ends a subscription at once, under a key. With `bills`, what was used and not billed yet is billed by a last invoice. Stripe
/// takes any repeated DELETE for one deed by itself; the key is for its logs, where it ties the call to what asked for it.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn end_now(
    stripe: &Stripe,
    id: &SubscriptionId,
    reason: &Reason,
    bills: bool,
    key: Option<&Key>,
    budget: Budget,
) -> Result<Fetched<Subscription>> {
    let mut details = CancelSubscriptionCancellationDetails::new();
    details.comment.clone_from(&reason.comment);
    details.feedback = reason.feedback.as_deref().and_then(|word| word.parse().ok());
    let request = CancelSubscription::new(id.as_str())
        .cancellation_details(details)
        .invoice_now(bills)
        .prorate(false)
        .expand(expanded(""));
    stripe.call(request.build(), key, budget).await
}

/// Takes a cancellation back that has not happened yet, whether it was set for the period's end or for a date.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn keep(
    stripe: &Stripe,
    subscription: &Subscription,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Subscription>> {
    let id = &subscription.id;
    if subscription.cancel_at.is_some() && !subscription.cancel_at_period_end {
        return clear(stripe, id, "cancel_at", key, budget).await;
    }
    post(
        stripe,
        UpdateSubscription::new(id.as_str()).cancel_at_period_end(false).expand(expanded("")),
        key,
        budget,
    )
    .await
}

/// Wakes a subscription whose status is `paused`; its period begins anew.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn resume(
    stripe: &Stripe,
    id: &SubscriptionId,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Subscription>> {
    let anchor = ResumeSubscriptionBillingCycleAnchor::new(ResumeSubscriptionBillingCycleAnchorType::Now);
    post(
        stripe,
        ResumeSubscription::new(id.as_str())
            .billing_cycle_anchor(anchor)
            .payment_behavior(ResumeSubscriptionPaymentBehavior::ResumeOnPaymentSuccess)
            .expand(expanded("")),
        key,
        budget,
    )
    .await
}

/// Stops collecting invoices, until `resumes_at` (unix seconds) or until somebody resumes; they are made and void.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn pause_collection(
    stripe: &Stripe,
    id: &SubscriptionId,
    resumes_at: Option<i64>,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Subscription>> {
    let mut pause = UpdateSubscriptionPauseCollection::new(UpdateSubscriptionPauseCollectionBehavior::Void);
    pause.resumes_at = resumes_at;
    post(
        stripe,
        UpdateSubscription::new(id.as_str()).pause_collection(pause).expand(expanded("")),
        key,
        budget,
    )
    .await
}

/// Collects invoices again.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn resume_collection(
    stripe: &Stripe,
    id: &SubscriptionId,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Subscription>> {
    clear(stripe, id, "pause_collection", key, budget).await
}

/// Empties a field, for which the typed builders have no word.
async fn clear(
    stripe: &Stripe,
    id: &SubscriptionId,
    field: &str,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Subscription>> {
    let form = BTreeMap::from([(field, ""), ("expand[0]", "default_payment_method")]);
    let request = RequestBuilder::new(StripeMethod::Post, format!("/subscriptions/{id}")).form(&form);
    stripe.call(request, Some(key), budget).await
}
