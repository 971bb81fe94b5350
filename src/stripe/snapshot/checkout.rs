//! Sessions of Stripe Checkout.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::read::{self, Expandable};
use super::{Subscription, open_enum};
use crate::money::Currency;
use crate::stripe::{CheckoutSessionId, CustomerId, SubscriptionId};

open_enum! {
    /// Where a session stands.
    CheckoutStatus {
        /// The customer can still pay.
        Open = "open",
        /// The customer is through; the money may still be on its way.
        Complete = "complete",
        /// Too late.
        Expired = "expired",
    }
}

open_enum! {
    /// Whether the money came.
    PaymentStatus {
        /// It did.
        Paid = "paid",
        /// It has not yet.
        Unpaid = "unpaid",
        /// None was due: a trial, or a discount of all of it.
        NoPaymentRequired = "no_payment_required",
    }
}

/// A session of Stripe Checkout.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CheckoutSession {
    /// Stripe's id.
    pub id: CheckoutSessionId,
    /// Whose it is.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub customer: Option<CustomerId>,
    /// Ours: the id of the row that started it.
    pub client_reference_id: Option<String>,
    /// `subscription`, `payment`, `setup`.
    pub mode: String,
    /// Where it stands.
    pub status: Option<CheckoutStatus>,
    /// Whether the money came.
    pub payment_status: Option<PaymentStatus>,
    /// What came of it, whole where it was expanded.
    pub subscription: Option<Expandable<SubscriptionId, Subscription>>,
    /// Where the customer pays; none once it is over.
    pub url: Option<String>,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds.
    pub expires_at: i64,
    /// Whether it is of live mode.
    #[serde(default)]
    pub livemode: bool,
    /// What it is in.
    pub currency: Option<Currency>,
    /// Minor units.
    pub amount_total: Option<i64>,
    /// Ours: `tenant_id` is in it.
    #[serde(default, deserialize_with = "read::nullable")]
    pub metadata: BTreeMap<String, String>,
}

impl CheckoutSession {
    /// The subscription's id, whether it came whole or not.
    pub fn subscription_id(&self) -> Option<&SubscriptionId> {
        match self.subscription.as_ref()? {
            Expandable::Id(id) => Some(id),
            Expandable::Object(subscription) => Some(&subscription.id),
        }
    }
}
