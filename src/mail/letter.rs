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
    /// Whether access had been restricted.
    pub was_restricted: bool,
}

/// An invoice will be charged soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upcoming {
    /// What will be charged, as far as it is known.
    pub amount: Money,
    /// When; unix seconds.
    pub at: i64,
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
    /// See [`UsageThreshold`].
    UsageThreshold(UsageThreshold),
    /// See [`Invitation`].
    Invitation(Invitation),
    /// A link to choose a new password.
    PasswordReset(Link),
    /// A link that signs in.
    SignInLink(Link),
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
    UsageThreshold,
    Invitation,
    PasswordReset,
    SignInLink
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
            Kind::AccessRestored => {
                Self::AccessRestored(Restored { invoice, number, amount, was_restricted: true })
            }
            Kind::UpcomingInvoice => Self::UpcomingInvoice(Upcoming { amount, at: days(7) }),
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
