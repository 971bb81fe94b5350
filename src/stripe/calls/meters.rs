//! Billing meters: what is billed by use.

use std::collections::HashMap;

use stripe_billing::billing_meter::{
    CreateBillingMeter, CreateBillingMeterCustomerMapping, CreateBillingMeterCustomerMappingType,
    CreateBillingMeterDefaultAggregation, CreateBillingMeterDefaultAggregationFormula,
    CreateBillingMeterValueSettings, ListBillingMeter, ReactivateBillingMeter,
};
use stripe_billing::billing_meter_event::CreateBillingMeterEvent;
use stripe_billing::billing_meter_event_summary::ListIdBillingMeterEventSummary;
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::{all, get, page, post};
use crate::stripe::snapshot::{List, Meter, MeterEvent, MeterSummary};
use crate::stripe::{Budget, CustomerId, EventId, Fetched, Key, MeterId, Result, Stripe};

/// All meters.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn list(stripe: &Stripe, budget: Budget) -> Result<Fetched<Vec<Meter>>> {
    all(stripe, budget, |meter: &Meter| meter.id.as_str(), |after| page!(ListBillingMeter::new(), after))
        .await
}

/// Makes a meter that adds up the `value` of the events of that name.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn create(
    stripe: &Stripe,
    display_name: &str,
    event_name: &str,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Meter>> {
    let sum = CreateBillingMeterDefaultAggregation::new(CreateBillingMeterDefaultAggregationFormula::Sum);
    let by_customer = CreateBillingMeterCustomerMapping::new(
        "stripe_customer_id",
        CreateBillingMeterCustomerMappingType::ById,
    );
    let request = CreateBillingMeter::new(sum, display_name, event_name)
        .customer_mapping(by_customer)
        .value_settings(CreateBillingMeterValueSettings::new("value"));
    post(stripe, request, key, budget).await
}

/// Has a meter count again that was switched off.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn reactivate(
    stripe: &Stripe,
    meter: &MeterId,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Meter>> {
    post(stripe, ReactivateBillingMeter::new(meter.as_str()), key, budget).await
}

/// A use that is to be billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The name of the meter's events.
    pub event_name: String,
    /// Whose.
    pub customer: CustomerId,
    /// How much.
    pub value: i64,
    /// What makes it one, whatever is repeated: Stripe counts it once within 24 hours or longer.
    pub identifier: String,
    /// Unix seconds; at most 35 days ago and 5 minutes ahead.
    pub timestamp: i64,
}

/// Reports a use.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn report(stripe: &Stripe, used: &Use, key: &Key, budget: Budget) -> Result<Fetched<MeterEvent>> {
    let payload = HashMap::from([
        ("stripe_customer_id".to_owned(), used.customer.to_string()),
        ("value".to_owned(), used.value.to_string()),
    ]);
    let request = CreateBillingMeterEvent::new(used.event_name.as_str(), payload)
        .identifier(used.identifier.as_str())
        .timestamp(used.timestamp);
    post(stripe, request, key, budget).await
}

/// What a meter counted for a customer from `start` to `end` (unix seconds, whole minutes).
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn counted(
    stripe: &Stripe,
    meter: &MeterId,
    customer: &CustomerId,
    start: i64,
    end: i64,
    budget: Budget,
) -> Result<Fetched<List<MeterSummary>>> {
    get(stripe, ListIdBillingMeterEventSummary::new(meter.as_str(), customer.as_str(), end, start), budget)
        .await
}

/// The whole of an event about meters. Such events are delivered thin: with the meter's id, without what is wrong.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn error_report(
    stripe: &Stripe,
    event: &EventId,
    budget: Budget,
) -> Result<Fetched<serde_json::Value>> {
    let request = RequestBuilder::new(StripeMethod::Get, format!("/v2/core/events/{event}"));
    stripe.call(request, None, budget).await
}
