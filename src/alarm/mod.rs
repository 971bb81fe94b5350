//! What is wrong and needs a person: raised once, told by log, mail and a banner on staff's pages, and taken back when it is
//! right again. Which facts make an alarm is each feature's own matter.

pub mod board;
pub mod store;
pub mod work;

pub use board::Board;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Stripe has events that were never delivered.
    WebhooksSilent,
    /// Stripe has switched the endpoint off.
    WebhooksDisabled,
    /// The endpoint is gone from Stripe.
    WebhooksMissing,
    /// Too much of what was paid differs from Stripe's figures.
    Revenue,
    /// Too many events were not delivered or not carried out.
    Webhooks,
    /// A payment was taken twice.
    Duplicates,
    /// A card number stands where none may be.
    Cards,
    /// A comparison with Stripe ended with critical findings that are still open.
    Findings,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::WebhooksSilent,
        Self::WebhooksDisabled,
        Self::WebhooksMissing,
        Self::Revenue,
        Self::Webhooks,
        Self::Duplicates,
        Self::Cards,
        Self::Findings,
    ];

    /// Its word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebhooksSilent => "webhooks_silent",
            Self::WebhooksDisabled => "webhooks_disabled",
            Self::WebhooksMissing => "webhooks_missing",
            Self::Revenue => "revenue",
            Self::Webhooks => "webhooks",
            Self::Duplicates => "duplicates",
            Self::Cards => "cards",
            Self::Findings => "findings",
        }
    }

    /// The key of what it says, in one sentence.
    pub const fn key(self) -> &'static str {
        match self {
            Self::WebhooksSilent => "alarm-webhooks-silent",
            Self::WebhooksDisabled => "alarm-webhooks-disabled",
            Self::WebhooksMissing => "alarm-webhooks-missing",
            Self::Revenue => "alarm-revenue",
            Self::Webhooks => "alarm-webhooks",
            Self::Duplicates => "alarm-duplicates",
            Self::Cards => "alarm-cards",
            Self::Findings => "alarm-findings",
        }
    }

    /// The key of what to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::WebhooksSilent => "alarm-webhooks-silent-remedy",
            Self::WebhooksDisabled => "alarm-webhooks-disabled-remedy",
            Self::WebhooksMissing => "alarm-webhooks-missing-remedy",
            Self::Revenue => "alarm-revenue-remedy",
            Self::Webhooks => "alarm-webhooks-remedy",
            Self::Duplicates => "alarm-duplicates-remedy",
            Self::Cards => "alarm-cards-remedy",
            Self::Findings => "alarm-findings-remedy",
        }
    }

    /// The page of staff that helps.
    pub const fn page(self) -> &'static str {
        match self {
            Self::WebhooksSilent | Self::WebhooksDisabled | Self::WebhooksMissing => "/staff/events",
            Self::Revenue | Self::Webhooks | Self::Duplicates | Self::Cards => "/staff/validation",
            Self::Findings => "/staff/reconciliation",
        }
    }

    /// Whether it says that Stripe's events do not arrive, or come to nothing.
    pub const fn is_of_webhooks(self) -> bool {
        matches!(self, Self::WebhooksSilent | Self::WebhooksDisabled | Self::WebhooksMissing | Self::Webhooks)
    }
}

/// The word names no kind of alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such alarm")]
pub struct NoKind;

impl FromStr for Kind {
    type Err = NoKind;

    fn from_str(word: &str) -> Result<Self, NoKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(NoKind)
    }
}

/// Figures of an alarm, as far as it has any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Money that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// A share, in parts of a million.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppm: Option<i64>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What is wrong.
    pub kind: Kind,
    /// With what, where the kind alone does not say: each is told once by itself.
    pub about: String,
    /// In words, for the log and for `doctor`.
    pub detail: String,
    /// Figures, for the mail.
    pub facts: Facts,
}

impl Alarm {
    /// An alarm that its kind says all about.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, about: String::new(), detail: detail.into(), facts: Facts::default() }
    }

    /// What makes it one: told once until it was well in between.
    pub fn cause(&self) -> String {
        match self.about.as_str() {
            "" => self.kind.as_str().to_owned(),
            about => format!("{}:{about}", self.kind.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_reads_back_and_has_words_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(Kind::ALL.into_iter().filter(|other| other.key() == kind.key()).count(), 1);
        }
        assert_eq!("levitation".parse::<Kind>(), Err(NoKind));
    }

    #[test]
    fn what_an_alarm_is_about_tells_it_from_others_of_its_kind() {
        let all = Alarm::new(Kind::Revenue, "");
        let one = Alarm { about: "eur".to_owned(), ..all.clone() };
        assert_eq!((all.cause(), one.cause()), ("revenue".to_owned(), "revenue:eur".to_owned()));
    }
}
