//! Stripe's identifiers, one type for each kind of object.
//!
//! Parsing is the only way in. Whatever could leave its place in a request's path is refused, so that a pasted or forged id
//! cannot reach another address of Stripe's API.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text cannot be an identifier of Stripe's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id of Stripe's has 1 to 255 letters, digits or one of _ - . ~ + : = @ !")]
pub struct NotAnId;

fn check(text: &str) -> Result<(), NotAnId> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.~+:=@!".contains(&b);
    let fits = !text.is_empty() && text.len() <= 255 && text != "." && text != "..";
    if fits && text.bytes().all(plain) { Ok(()) } else { Err(NotAnId) }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as Stripe writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        crate::db::text_column!($name);

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(text: String) -> Result<Self, NotAnId> {
                check(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    /// A customer, `cus_…`: one for each tenant.
    CustomerId
    /// A subscription, `sub_…`.
    SubscriptionId
    /// An item of a subscription, `si_…`.
    SubscriptionItemId
    /// A plan of changes to a subscription, `sub_sched_…`.
    ScheduleId
    /// An invoice, `in_…`.
    InvoiceId
    /// A product, `prod_…`, or whatever its maker chose.
    ProductId
    /// A price, `price_…`, or whatever its maker chose.
    PriceId
    /// A coupon, often a word that its maker chose.
    CouponId
    /// A code that a customer types, `promo_…`.
    PromotionCodeId
    /// A session of Stripe Checkout, `cs_…`.
    CheckoutSessionId
    /// A session of Stripe's customer portal, `bps_…`.
    PortalSessionId
    /// A configuration of Stripe's customer portal, `bpc_…`.
    PortalConfigurationId
    /// A payment method, `pm_…`.
    PaymentMethodId
    /// An attempt to be paid, `pi_…`.
    PaymentIntentId
    /// A charge, `ch_…` or `py_…`.
    ChargeId
    /// A refund, `re_…`.
    RefundId
    /// A dispute, `dp_…` or `du_…`.
    DisputeId
    /// A tax number of a customer, `txi_…`.
    TaxIdId
    /// A meter, `mtr_…`.
    MeterId
    /// An event, `evt_…`.
    EventId
    /// A webhook endpoint, `we_…`.
    WebhookEndpointId
    /// An event destination, `ed_…`.
    EventDestinationId
    /// An account of Stripe's, `acct_…`.
    AccountId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place_in_a_path() {
        for bad in ["", ".", "..", "a/b", "../cus_1", "a?b", "a#b", "a%2fb", "a b", "a\n", "é", "a\\b", "a&b"]
        {
            assert_eq!(bad.parse::<CustomerId>(), Err(NotAnId), "{bad:?}");
        }
        assert_eq!("a".repeat(256).parse::<CustomerId>(), Err(NotAnId));
        for good in ["cus_NffrFeUfNV2Hib", "50OFF", "portal-professional", "price_1.2"] {
            assert_eq!(good.parse::<PriceId>().map(String::from).as_deref(), Ok(good));
        }
    }
}
