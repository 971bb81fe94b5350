//! Changes that are planned for the end of a period.

use stripe_billing::subscription_schedule::{
    CreateSubscriptionSchedule, ListSubscriptionSchedule, ReleaseSubscriptionSchedule,
    RetrieveSubscriptionSchedule, UpdateSubscriptionSchedule, UpdateSubscriptionSchedulePhases,
    UpdateSubscriptionSchedulePhasesDiscounts, UpdateSubscriptionSchedulePhasesEndDate,
    UpdateSubscriptionSchedulePhasesItems, UpdateSubscriptionSchedulePhasesProrationBehavior,
    UpdateSubscriptionSchedulePhasesStartDate,
};
use stripe_shared::SubscriptionScheduleEndBehavior;

use super::{all, get, page, post};
use crate::stripe::snapshot::{Phase, Schedule};
use crate::stripe::{Budget, CustomerId, Fetched, Key, Result, ScheduleId, Stripe, SubscriptionId};

/// One schedule.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn get_one(stripe: &Stripe, id: &ScheduleId, budget: Budget) -> Result<Fetched<Schedule>> {
    get(stripe, RetrieveSubscriptionSchedule::new(id.as_str()), budget).await
}

/// All schedules of a customer.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn of_customer(
    stripe: &Stripe,
    customer: &CustomerId,
    budget: Budget,
) -> Result<Fetched<Vec<Schedule>>> {
    let request = || ListSubscriptionSchedule::new().customer(customer.as_str());
    all(stripe, budget, |schedule: &Schedule| schedule.id.as_str(), |after| page!(request(), after)).await
}

/// Makes a schedule whose first phase is what the subscription is now.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn create_from(
    stripe: &Stripe,
    subscription: &SubscriptionId,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Schedule>> {
    post(stripe, CreateSubscriptionSchedule::new().from_subscription(subscription.as_str()), key, budget)
        .await
}

/// Sets the phases, after which the subscription goes on by itself. Nothing is settled at their borders: a downgrade at the
/// end of a period owes nobody anything. `discounts` are the subscription's: a phase that does not name them loses them.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn set_phases(
    stripe: &Stripe,
    id: &ScheduleId,
    phases: &[Phase],
    discounts: &[&str],
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Schedule>> {
    let request = UpdateSubscriptionSchedule::new(id.as_str())
        .end_behavior(SubscriptionScheduleEndBehavior::Release)
        .phases(phases.iter().map(|each| phase(each, discounts)).collect::<Vec<_>>());
    post(stripe, request, key, budget).await
}

fn phase(phase: &Phase, discounts: &[&str]) -> UpdateSubscriptionSchedulePhases {
    let items = phase.items.iter().map(|item| {
        let mut made = UpdateSubscriptionSchedulePhasesItems::new();
        made.price = Some(item.price.to_string());
        made.quantity = item.quantity.and_then(|quantity| u64::try_from(quantity).ok());
        made
    });
    let mut made = UpdateSubscriptionSchedulePhases::new(items.collect::<Vec<_>>());
    made.start_date = Some(UpdateSubscriptionSchedulePhasesStartDate::Timestamp(phase.start_date));
    made.end_date = phase.end_date.map(UpdateSubscriptionSchedulePhasesEndDate::Timestamp);
    let discounts = discounts.iter().map(|id| {
        let mut made = UpdateSubscriptionSchedulePhasesDiscounts::new();
        made.discount = Some((*id).to_owned());
        made
    });
    let discounts: Vec<_> = discounts.collect();
    made.discounts = (!discounts.is_empty()).then_some(discounts);
    made.proration_behavior = Some(UpdateSubscriptionSchedulePhasesProrationBehavior::None);
    made
}

/// Drops the plan; the subscription stays as it is now.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn release(
    stripe: &Stripe,
    id: &ScheduleId,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Schedule>> {
    post(stripe, ReleaseSubscriptionSchedule::new(id.as_str()), key, budget).await
}
