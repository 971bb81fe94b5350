//! Charges, refunds and disputes: the trail of money.

use serde::Deserialize;

use super::{open_enum, read};
use crate::money::Currency;
use crate::stripe::{ChargeId, CustomerId, DisputeId, PaymentIntentId, RefundId};

open_enum! {
    /// Where a charge stands.
    ChargeStatus {
        /// The money came.
        Succeeded = "succeeded",
        /// The bank has still to say.
        Pending = "pending",
        /// It did not.
        Failed = "failed",
    }
}

/// A charge, or a try. Amounts are minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Charge {
    /// Stripe's id.
    pub id: ChargeId,
    /// Whose money.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub customer: Option<CustomerId>,
    /// What it belongs to.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub payment_intent: Option<PaymentIntentId>,
    /// What was asked for.
    pub amount: i64,
    /// What went back.
    #[serde(default, deserialize_with = "read::nullable")]
    pub amount_refunded: i64,
    /// What it is in.
    pub currency: Currency,
    /// Where it stands.
    pub status: ChargeStatus,
    /// Whether the customer's bank contests it.
    #[serde(default, deserialize_with = "read::nullable")]
    pub disputed: bool,
    /// Why it failed, such as `card_declined`.
    pub failure_code: Option<String>,
    /// The same in words for a person.
    pub failure_message: Option<String>,
    /// The number on the receipt that Stripe itself mailed; none: it has mailed none.
    pub receipt_number: Option<String>,
    /// Unix seconds.
    pub created: i64,
    /// Whether it is of live mode.
    #[serde(default)]
    pub livemode: bool,
}

open_enum! {
    /// Where a refund stands.
    RefundStatus {
        /// The bank has still to say.
        Pending = "pending",
        /// The customer has to do something.
        RequiresAction = "requires_action",
        /// The money went back.
        Succeeded = "succeeded",
        /// It did not.
        Failed = "failed",
        /// It was taken back.
        Canceled = "canceled",
    }
}

/// Money that goes back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refund {
    /// Stripe's id.
    pub id: RefundId,
    /// Minor units.
    pub amount: i64,
    /// What it is in.
    pub currency: Currency,
    /// Of which charge.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub charge: Option<ChargeId>,
    /// Of which intent.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub payment_intent: Option<PaymentIntentId>,
    /// Where it stands.
    pub status: Option<RefundStatus>,
    /// Why.
    pub reason: Option<String>,
    /// Unix seconds.
    pub created: i64,
}

/// A customer's bank contests a charge.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Dispute {
    /// Stripe's id.
    pub id: DisputeId,
    /// Minor units.
    pub amount: i64,
    /// What it is in.
    pub currency: Currency,
    /// Which charge.
    #[serde(deserialize_with = "read::id")]
    pub charge: ChargeId,
    /// `needs_response`, `under_review`, `won`, `lost`, …
    pub status: String,
    /// Such as `fraudulent`.
    pub reason: Option<String>,
    /// Unix seconds.
    pub created: i64,
}
