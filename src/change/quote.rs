//! A quote: what Stripe's preview said, signed, so that confirming it can be held to it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Timing;
use crate::money::Currency;
use crate::stripe::calls::subscriptions::ItemChange;
use crate::stripe::{CustomerId, ScheduleId, SubscriptionId};

/// How long a quote holds, in seconds: long enough to read a page, short enough that little moves meanwhile.
pub const HOLDS_FOR: i64 = 15 * 60;

/// What was shown, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Its own name. What is confirmed once is done once; the same wish, undone and wished again within a second, is another.
    pub id: String,
    /// The tenant.
    pub tenant: String,
    /// Its customer.
    pub customer: CustomerId,
    /// The subscription that changes.
    pub subscription: SubscriptionId,
    /// The plan of changes that was in force and gives way.
    pub schedule: Option<ScheduleId>,
    /// The plan's price and quantity before: what the quote was made against.
    pub from: (String, i64),
    /// The plan's price and quantity after.
    pub to: (String, i64),
    /// What is changed at Stripe, item by item.
    pub items: Vec<ItemChange>,
    /// When it takes effect.
    pub timing: Timing,
    /// The moment up to which the old plan is credited and from which the new one is charged, unix seconds.
    pub proration_date: i64,
    /// Whether it is made in a trial, of which nothing is settled.
    pub in_trial: bool,
    /// Whether a period begins with it: between a month and a year.
    pub starts_period: bool,
    /// What is charged now, minor units.
    pub due_today: i64,
    /// What it is in.
    pub currency: Currency,
    /// Until when it holds, unix seconds.
    pub expires_at: i64,
}

/// Why a quote cannot be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It was not made here, or not for this tenant.
    #[error("the quote is not one of ours")]
    Forged,
    /// It is too old.
    #[error("the quote has expired")]
    Expired(Box<Quote>),
}

impl Quote {
    /// The quote as text for a form: its content, and a signature under `key`.
    pub fn sign(&self, key: &[u8; 32]) -> String {
        let content = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default());
        let signature = URL_SAFE_NO_PAD.encode(mac(key, &content).finalize().into_bytes());
        format!("{content}.{signature}")
    }

    /// The quote in a text, if `key` signed it for that tenant and it still holds.
    ///
    /// # Errors
    /// It was changed, made for another tenant, or is too old.
    pub fn open(text: &str, key: &[u8; 32], tenant: &str, now: Timestamp) -> Result<Self, Fault> {
        let (content, signature) = text.split_once('.').ok_or(Fault::Forged)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Fault::Forged)?;
        mac(key, content).verify_slice(&signature).map_err(|_| Fault::Forged)?;
        let content = URL_SAFE_NO_PAD.decode(content).map_err(|_| Fault::Forged)?;
        let quote: Self = serde_json::from_slice(&content).map_err(|_| Fault::Forged)?;
        if quote.tenant != tenant {
            return Err(Fault::Forged);
        }
        if now.as_second() >= quote.expires_at { Err(Fault::Expired(Box::new(quote))) } else { Ok(quote) }
    }
}

#[expect(clippy::expect_used, reason = "an HMAC takes a key of any length")]
fn mac(key: &[u8; 32], content: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(content.as_bytes());
    mac
}
