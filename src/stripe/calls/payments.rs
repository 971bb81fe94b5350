//! The trail of money: charges, refunds, disputes. Read, never made, by the portal.

use stripe_core::charge::{ListCharge, RetrieveCharge};
use stripe_core::dispute::ListDispute;
use stripe_core::refund::ListRefund;

use super::{all, get, page};
use crate::stripe::snapshot::{Charge, Dispute, List, Refund};
use crate::stripe::{Budget, ChargeId, CustomerId, Fetched, Result, Stripe};

/// All charges of a customer, failed ones too, newest first.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn charges_of(
    stripe: &Stripe,
    customer: &CustomerId,
    budget: Budget,
) -> Result<Fetched<Vec<Charge>>> {
    let request = || ListCharge::new().customer(customer.as_str());
    all(stripe, budget, |charge: &Charge| charge.id.as_str(), |after| page!(request(), after)).await
}

/// A page of all charges, failed ones too, newest first, beginning after `after`.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn listed(stripe: &Stripe, after: Option<&str>, budget: Budget) -> Result<Fetched<List<Charge>>> {
    stripe.call(page!(ListCharge::new(), after), None, budget).await
}

/// One charge.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn charge(stripe: &Stripe, id: &ChargeId, budget: Budget) -> Result<Fetched<Charge>> {
    get(stripe, RetrieveCharge::new(id.as_str()), budget).await
}

/// What was refunded of a charge.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn refunds_of(stripe: &Stripe, charge: &ChargeId, budget: Budget) -> Result<Fetched<Vec<Refund>>> {
    let request = || ListRefund::new().charge(charge.as_str());
    all(stripe, budget, |refund: &Refund| refund.id.as_str(), |after| page!(request(), after)).await
}

/// The disputes about a charge.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn disputes_of(
    stripe: &Stripe,
    charge: &ChargeId,
    budget: Budget,
) -> Result<Fetched<Vec<Dispute>>> {
    let request = || ListDispute::new().charge(charge.as_str());
    all(stripe, budget, |dispute: &Dispute| dispute.id.as_str(), |after| page!(request(), after)).await
}
