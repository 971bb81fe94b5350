//! What is wrong and needs a person: raised once, told by log, mail and a banner on staff's pages, and taken back when it is
//! right again. Which facts make an alarm is each feature's own matter.

pub mod board;
pub mod store;
pub mod work;

pub use board::Board;

use std::str::FromStr;

/// An alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Alarm {
    /// Stripe has events that were never delivered.
    WebhooksSilent,
    /// Stripe has switched the endpoint off.
    WebhooksDisabled,
    /// The endpoint is gone from Stripe.
    WebhooksMissing,
}

impl Alarm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::WebhooksSilent, Self::WebhooksDisabled, Self::WebhooksMissing];

    /// Its word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebhooksSilent => "webhooks_silent",
            Self::WebhooksDisabled => "webhooks_disabled",
            Self::WebhooksMissing => "webhooks_missing",
        }
    }

    /// The key of what it says, in one sentence.
    pub const fn key(self) -> &'static str {
        match self {
            Self::WebhooksSilent => "alarm-webhooks-silent",
            Self::WebhooksDisabled => "alarm-webhooks-disabled",
            Self::WebhooksMissing => "alarm-webhooks-missing",
        }
    }

    /// The key of what to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::WebhooksSilent => "alarm-webhooks-silent-remedy",
            Self::WebhooksDisabled => "alarm-webhooks-disabled-remedy",
            Self::WebhooksMissing => "alarm-webhooks-missing-remedy",
        }
    }

    /// The page of staff that helps.
    pub const fn page(self) -> &'static str {
        match self {
            Self::WebhooksSilent | Self::WebhooksDisabled | Self::WebhooksMissing => "/staff/events",
        }
    }
}

/// The word names no alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such alarm")]
pub struct NoAlarm;

impl FromStr for Alarm {
    type Err = NoAlarm;

    fn from_str(word: &str) -> Result<Self, NoAlarm> {
        Self::ALL.into_iter().find(|alarm| alarm.as_str() == word).ok_or(NoAlarm)
    }
}
