//! Stripe's objects as the portal reads them: the same reader for answers of the API and for the object inside an event.
//!
//! Shapes are those of [`super::API_VERSION`]. Only what a decision needs is required; a status that we do not know is kept
//! as it is, so that nothing Stripe adds makes an object unreadable.

mod catalog;
mod checkout;
mod customer;
mod event;
mod invoice;
mod money;
mod operations;
mod read;
mod schedule;
mod subscription;

pub use catalog::{Coupon, CurrencyOption, MarketingFeature, Price, Product, PromotionCode, Recurring, Tier};
pub use checkout::{CheckoutSession, CheckoutStatus, PaymentStatus};
pub use customer::{Address, Card, Customer, PaymentMethod, TaxId};
pub use event::{Envelope, Event, EventData};
pub use invoice::{Invoice, InvoicePayment, InvoiceStatus, Line, Paid, Tax};
pub use money::{Charge, ChargeStatus, Dispute, Refund, RefundStatus};
pub use operations::{
    Account, EventDestination, Meter, MeterEvent, MeterSummary, Page, PortalConfiguration, PortalSession,
    Target, TaxSettings, WebhookEndpoint,
};
pub use read::Expandable;
pub use schedule::{Phase, PhaseItem, Schedule, ScheduleStatus};
pub use subscription::{
    CancellationDetails, Discount, Item, PauseCollection, PendingItem, PendingUpdate, Subscription,
    SubscriptionStatus,
};

use super::{Error, Result};

/// Reads one object from JSON, from an answer or from an event's `data.object`.
///
/// # Errors
/// [`Error::Unreadable`] with the place that does not fit.
pub fn parse<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T> {
    super::error::read(json)
}

/// Reads one object from a JSON value.
///
/// # Errors
/// [`Error::Unreadable`] with the place that does not fit.
pub fn parse_value<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| Error::Unreadable {
        path: error.path().to_string(),
        reason: "a value of another kind, or one that is missing".to_owned(),
    })
}

/// A page of a list, or the list that an object carries.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct List<T> {
    /// The objects, in Stripe's order: newest first, as a rule.
    pub data: Vec<T>,
    /// Whether there are more than these.
    #[serde(default)]
    pub has_more: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { data: Vec::new(), has_more: false }
    }
}

/// What only says that an object is gone, or not.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Deleted {
    /// The object's id.
    pub id: String,
    /// Whether it is gone.
    #[serde(default)]
    pub deleted: bool,
}

/// Writes an enum over Stripe's words that keeps a word it does not know.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A word that Stripe has added since; kept as it is.
            Other(String),
        }

        impl $name {
            /// Stripe's word, as it stands in rows.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)+
                    _ => Self::Other(word),
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::convert::Infallible;

            fn from_str(word: &str) -> Result<Self, std::convert::Infallible> {
                Ok(Self::from(word))
            }
        }

        crate::db::text_column!($name);

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                Self::from(word.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::from)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
use open_enum;

#[cfg(test)]
mod tests;
