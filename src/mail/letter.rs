//! What each kind of mail says: the facts, without the words.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Kind;
use crate::money::{Currency, Money};

/// An invoice was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Stripe's id of the invoice.
    pub invoice: String,
    /// Its number on paper.
    pub number: Option<String>,
    /// What was paid.
    pub amount: Money,
    /// When; unix seconds.
    pub paid_at: i64,
    /// What it was for, line by line, with the amount of each.
    #[serde(default)]
    pub lines: Vec<(String, Money)>,
}

/// A payment failed and is still missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpaid {
    /// Stripe's id of the invoice.
    pub invoice: String,
    /// Its number on paper.
    pub number: Option<String>,
    /// What is owed.
    pub amount: Money,
    /// When the payment first failed; unix seconds.
    pub failed_at: i64,
    /// When access is, or was, restricted; unix seconds.
    pub restricts_at: Option<i64>,
    /// When the subscription ends; unix seconds.
    pub cancels_at: Option<i64>,
}

/// What was owed is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Stripe's id of the invoice.
    pub invoice: String,
    /// Its number on paper.
    pub number: Option<String>,
    /// What is no longer owed.
    pub amount: Money,
    /// Whether a restriction of access is lifted by it.
    pub was_restricted: bool,
    /// Whether another payment is still missing.
    #[serde(default)]
    pub still_owed: bool,
    /// Whether it is no longer asked for, rather than paid.
    #[serde(default)]
    pub waived: bool,
}

/// An invoice will be charged soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upcoming {
    /// What will be charged, as far as it is known.
    pub amount: Money,
    /// When; unix seconds.
    pub at: i64,
    /// Whether there is a payment method to charge.
    #[serde(default = "yes")]
    pub can_charge: bool,
}

const fn yes() -> bool {
    true
}

/// The trial ends soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialEnding {
    /// The plan's name.
    pub plan: String,
    /// When; unix seconds.
    pub ends_at: i64,
    /// What the plan costs from then on.
    pub price: Option<Money>,
    /// Whether there is a payment method to charge.
    pub can_charge: bool,
}

/// The plan, its interval or its seats changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanChanged {
    /// The plan's name before; none: there was none.
    pub from: Option<String>,
    /// The plan's name now.
    pub to: String,
    /// From when; unix seconds.
    pub at: i64,
    /// What it costs now.
    pub price: Option<Money>,
}

/// The subscription will end, or has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// The plan's name.
    pub plan: String,
    /// When; unix seconds.
    pub ends_at: i64,
    /// Whether it is over already.
    pub ended: bool,
    /// Whether it ended for want of a payment.
    pub unpaid: bool,
}

/// A change of plan, interval or seats is planned for later, or no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangePlanned {
    /// The plan's name until then.
    pub from: String,
    /// The plan's name from then on.
    pub to: String,
    /// From when; unix seconds.
    pub at: i64,
    /// What it will cost.
    pub price: Option<Money>,
    /// Whether it was undone: everything stays as it is.
    pub undone: bool,
}

/// A subscription that was about to end, or was paused, goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The plan's name.
    pub plan: String,
    /// When it renews; unix seconds.
    pub renews_at: Option<i64>,
}

/// Payments are no longer collected, or are again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// The plan's name.
    pub plan: String,
    /// Until when they are paused, or when the next one is due; unix seconds.
    pub at: Option<i64>,
}

/// For staff: a tenant has more than one subscription in force, and may be charged twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondSubscription {
    /// The tenant's id.
    pub tenant: String,
    /// Stripe's ids, the oldest first.
    pub subscriptions: Vec<String>,
}

/// A share of a limit is used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageThreshold {
    /// The id of the metric in the catalogue.
    pub metric: String,
    /// Which share was reached, in per cent: 80 or 100.
    pub percent: u16,
    /// How much is used.
    pub used: i64,
    /// How much the plan allows.
    pub limit: i64,
    /// Whether more is refused.
    pub hard: bool,
    /// When it starts again at zero; unix seconds. None for levels.
    pub resets_at: Option<i64>,
}

/// Somebody is asked to join a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Whom: the mail goes to this address.
    pub email: String,
    /// The name of who asks.
    pub inviter: String,
    /// The word of the role: `owner`, `admin`, `supervisor`, `operator`.
    pub role: String,
    /// The path of the page that accepts, secret and all.
    pub path: String,
    /// Until when; unix seconds.
    pub expires_at: i64,
}

/// A link that lets its bearer in once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The path of the page, secret and all.
    pub path: String,
    /// Until when; unix seconds, of the world's time.
    pub expires_at: i64,
}

/// Something is wrong with the portal and needs one of its staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// The address that the operator has named for it; none: the user it is addressed to.
    pub to: Option<String>,
    /// Which: a word of [`crate::alarm::Kind`].
    #[serde(alias = "name", alias = "check")]
    pub kind: String,
    /// Since when; unix seconds.
    #[serde(default)]
    pub since: Option<i64>,
    /// Its figures.
    #[serde(flatten)]
    pub facts: crate::alarm::Facts,
}

/// The facts of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Letter {
    /// See [`Receipt`].
    Receipt(Receipt),
    /// The first mail about a failed payment.
    PaymentFailed(Unpaid),
    /// The urgent one.
    PaymentUrgent(Unpaid),
    /// The last one.
    PaymentFinal(Unpaid),
    /// Access was restricted for want of a payment.
    AccessRestricted(Unpaid),
    /// See [`Restored`].
    AccessRestored(Restored),
    /// See [`Upcoming`].
    UpcomingInvoice(Upcoming),
    /// See [`TrialEnding`].
    TrialEnding(TrialEnding),
    /// See [`PlanChanged`].
    PlanChanged(PlanChanged),
    /// See [`Cancelled`].
    Cancelled(Cancelled),
    /// See [`ChangePlanned`].
    ChangePlanned(ChangePlanned),
    /// See [`Resumed`].
    Resumed(Resumed),
    /// Payments are no longer collected.
    PaymentsPaused(Collection),
    /// Payments are collected again.
    PaymentsResumed(Collection),
    /// See [`SecondSubscription`].
    SecondSubscription(SecondSubscription),
    /// See [`UsageThreshold`].
    UsageThreshold(UsageThreshold),
    /// See [`Invitation`].
    Invitation(Invitation),
    /// A link to choose a new password.
    PasswordReset(Link),
    /// A link that signs in.
    SignInLink(Link),
    /// See [`Alarm`].
    Alarm(Alarm),
}

/// Kind and facts belong together: one list for reading, writing and naming them.
macro_rules! letters {
    ($($kind:ident),*) => {
        impl Letter {
            /// What the mail tells.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// The facts as they stand in the row.
            pub fn data(&self) -> Value {
                match self { $(Self::$kind(facts) => json!(facts),)* }
            }

            /// The facts of a row.
            ///
            /// # Errors
            /// They are not those of the kind.
            pub fn read(kind: Kind, data: &Value) -> Result<Self, serde_json::Error> {
                Ok(match kind { $(Kind::$kind => Self::$kind(Deserialize::deserialize(data)?),)* })
            }
        }
    };
}
letters!(
    Receipt,
    PaymentFailed,
    PaymentUrgent,
    PaymentFinal,
    AccessRestricted,
    AccessRestored,
    UpcomingInvoice,
    TrialEnding,
    PlanChanged,
    Cancelled,
    ChangePlanned,
    Resumed,
    PaymentsPaused,
    PaymentsResumed,
    SecondSubscription,
    UsageThreshold,
    Invitation,
    PasswordReset,
    SignInLink,
    Alarm
);

impl Letter {
    /// Until when the link in it works; unix seconds. None where there is no such link.
    pub const fn expires_at(&self) -> Option<i64> {
        match self {
            Self::Invitation(invitation) => Some(invitation.expires_at),
            Self::PasswordReset(link) | Self::SignInLink(link) => Some(link.expires_at),
            _ => None,
        }
    }

    /// A letter of each kind with likely facts: for previews, and for the test that renders them all.
    pub fn sample(kind: Kind) -> Self {
        let now = 1_795_240_000;
        let days = |days: i64| now + days * 86_400;
        let amount = Money::new(11_979, Currency::EUR);
        let invoice = "in_sample".to_owned();
        let number = Some("A7F2-0012".to_owned());
        let unpaid = Unpaid {
            invoice: invoice.clone(),
            number: number.clone(),
            amount,
            failed_at: now,
            restricts_at: Some(days(7)),
            cancels_at: Some(days(21)),
        };
        let link = |path: &str| Link { path: path.to_owned(), expires_at: now + 600 };
        match kind {
            Kind::Receipt => Self::Receipt(Receipt {
                invoice,
                number,
                amount,
                paid_at: now,
                lines: vec![("1 × Professional".into(), Money::new(9_900, Currency::EUR))],
            }),
            Kind::PaymentFailed => Self::PaymentFailed(unpaid),
            Kind::PaymentUrgent => Self::PaymentUrgent(unpaid),
            Kind::PaymentFinal => Self::PaymentFinal(unpaid),
            Kind::AccessRestricted => Self::AccessRestricted(unpaid),
            Kind::AccessRestored => Self::AccessRestored(Restored {
                invoice,
                number,
                amount,
                was_restricted: true,
                still_owed: false,
                waived: false,
            }),
            Kind::UpcomingInvoice => {
                Self::UpcomingInvoice(Upcoming { amount, at: days(7), can_charge: true })
            }
            Kind::TrialEnding => Self::TrialEnding(TrialEnding {
                plan: "Professional".into(),
                ends_at: days(3),
                price: Some(Money::new(9_900, Currency::EUR)),
                can_charge: true,
            }),
            Kind::PlanChanged => Self::PlanChanged(PlanChanged {
                from: Some("Starter".into()),
                to: "Professional".into(),
                at: now,
                price: Some(Money::new(9_900, Currency::EUR)),
            }),
            Kind::Cancelled => Self::Cancelled(Cancelled {
                plan: "Professional".into(),
                ends_at: days(12),
                ended: false,
                unpaid: false,
            }),
            Kind::ChangePlanned => Self::ChangePlanned(ChangePlanned {
                from: "Professional".into(),
                to: "Starter".into(),
                at: days(12),
                price: Some(Money::new(2_900, Currency::EUR)),
                undone: false,
            }),
            Kind::Resumed => {
                Self::Resumed(Resumed { plan: "Professional".into(), renews_at: Some(days(12)) })
            }
            Kind::PaymentsPaused => {
                Self::PaymentsPaused(Collection { plan: "Professional".into(), at: None })
            }
            Kind::PaymentsResumed => {
                Self::PaymentsResumed(Collection { plan: "Professional".into(), at: Some(days(12)) })
            }
            Kind::SecondSubscription => Self::SecondSubscription(SecondSubscription {
                tenant: "ten_sample".into(),
                subscriptions: vec!["sub_first".into(), "sub_second".into()],
            }),
            Kind::UsageThreshold => Self::UsageThreshold(UsageThreshold {
                metric: "messages".into(),
                percent: 80,
                used: 8_000,
                limit: 10_000,
                hard: true,
                resets_at: Some(days(9)),
            }),
            Kind::Invitation => Self::Invitation(Invitation {
                email: "ben@example.com".into(),
                inviter: "Ana Ruiz".into(),
                role: "admin".into(),
                path: "/invitations/sample".into(),
                expires_at: days(7),
            }),
            Kind::PasswordReset => Self::PasswordReset(link("/password/sample")),
            Kind::SignInLink => Self::SignInLink(link("/sign-in/link/sample")),
            Kind::Alarm => Self::Alarm(Alarm {
                to: Some("support@example.com".into()),
                kind: crate::alarm::Kind::Revenue.as_str().into(),
                since: Some(now),
                facts: crate::alarm::Facts { amount: Some(amount), ..crate::alarm::Facts::default() },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_to_a_row_reads_back_as_the_same_letter() {
        for kind in Kind::ALL {
            let letter = Letter::sample(kind);
            assert_eq!(letter.kind(), kind);
            assert_eq!(Letter::read(kind, &letter.data()).ok(), Some(letter));
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!(Letter::read(Kind::Receipt, &json!({})).is_err());
    }
}
