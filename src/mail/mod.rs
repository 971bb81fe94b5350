//! Mails: what is written, to whom, and the outbox that sends each one exactly once.
//!
//! A mail is a row that is staged in the transaction of the change it tells of, under the cause that makes it one; sending is
//! a step of its own, afterwards. Nothing here decides *that* something is worth a mail: the features do.

pub mod letter;
pub mod render;
pub mod samples;
pub mod smtp;
pub mod store;
pub mod web;
mod words;
pub mod work;

use std::str::FromStr;

pub use letter::Letter;
pub use smtp::Settings;
pub use store::stage;

use serde_json::Value;

/// What a mail tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An invoice was paid.
    Receipt,
    /// A payment failed: the first mail about it.
    PaymentFailed,
    /// A payment is still missing, and access will be restricted soon.
    PaymentUrgent,
    /// The last mail before the subscription ends for want of a payment.
    PaymentFinal,
    /// Access was restricted for want of a payment.
    AccessRestricted,
    /// What was owed is paid; a restriction is lifted.
    AccessRestored,
    /// An invoice will be charged soon.
    UpcomingInvoice,
    /// The trial ends soon.
    TrialEnding,
    /// The plan, its interval or its seats changed.
    PlanChanged,
    /// The subscription will end, or has ended.
    Cancelled,
    /// A change is planned for later, or was undone.
    ChangePlanned,
    /// What was about to end, or paused, goes on.
    Resumed,
    /// Payments are no longer collected.
    PaymentsPaused,
    /// Payments are collected again.
    PaymentsResumed,
    /// For staff: a tenant has two subscriptions.
    SecondSubscription,
    /// A share of a limit is used up.
    UsageThreshold,
    /// Somebody is asked to join a tenant.
    Invitation,
    /// A link to choose a new password.
    PasswordReset,
    /// A link that signs in.
    SignInLink,
    /// Something is wrong with the portal and needs one of its staff.
    Alarm,
}

impl Kind {
    /// All of them, in the order of their life.
    pub const ALL: [Self; 20] = [
        Self::Receipt,
        Self::PaymentFailed,
        Self::PaymentUrgent,
        Self::PaymentFinal,
        Self::AccessRestricted,
        Self::AccessRestored,
        Self::UpcomingInvoice,
        Self::TrialEnding,
        Self::PlanChanged,
        Self::Cancelled,
        Self::ChangePlanned,
        Self::Resumed,
        Self::PaymentsPaused,
        Self::PaymentsResumed,
        Self::SecondSubscription,
        Self::UsageThreshold,
        Self::Invitation,
        Self::PasswordReset,
        Self::SignInLink,
        Self::Alarm,
    ];

    /// Its word in rows and addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::PaymentFailed => "payment_failed",
            Self::PaymentUrgent => "payment_urgent",
            Self::PaymentFinal => "payment_final",
            Self::AccessRestricted => "access_restricted",
            Self::AccessRestored => "access_restored",
            Self::UpcomingInvoice => "upcoming_invoice",
            Self::TrialEnding => "trial_ending",
            Self::PlanChanged => "plan_changed",
            Self::Cancelled => "cancelled",
            Self::ChangePlanned => "change_planned",
            Self::Resumed => "resumed",
            Self::PaymentsPaused => "payments_paused",
            Self::PaymentsResumed => "payments_resumed",
            Self::SecondSubscription => "second_subscription",
            Self::UsageThreshold => "usage_threshold",
            Self::Invitation => "invitation",
            Self::PasswordReset => "password_reset",
            Self::SignInLink => "sign_in_link",
            Self::Alarm => "alarm",
        }
    }

    /// Whether the mail holds a link that lets its bearer in: such a link is erased once the mail is on its way.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Invitation | Self::PasswordReset | Self::SignInLink)
    }
}

impl Kind {
    /// The key of its name.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Receipt => "mail-kind-receipt",
            Self::PaymentFailed => "mail-kind-payment-failed",
            Self::PaymentUrgent => "mail-kind-payment-urgent",
            Self::PaymentFinal => "mail-kind-payment-final",
            Self::AccessRestricted => "mail-kind-access-restricted",
            Self::AccessRestored => "mail-kind-access-restored",
            Self::UpcomingInvoice => "mail-kind-upcoming-invoice",
            Self::TrialEnding => "mail-kind-trial-ending",
            Self::PlanChanged => "mail-kind-plan-changed",
            Self::Cancelled => "mail-kind-cancelled",
            Self::ChangePlanned => "mail-kind-change-planned",
            Self::Resumed => "mail-kind-resumed",
            Self::PaymentsPaused => "mail-kind-payments-paused",
            Self::PaymentsResumed => "mail-kind-payments-resumed",
            Self::SecondSubscription => "mail-kind-second-subscription",
            Self::UsageThreshold => "mail-kind-usage-threshold",
            Self::Invitation => "mail-kind-invitation",
            Self::PasswordReset => "mail-kind-password-reset",
            Self::SignInLink => "mail-kind-sign-in-link",
            Self::Alarm => "mail-kind-alarm",
        }
    }
}

/// Where a mail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// To be sent when it is due.
    Waiting,
    /// A worker has it.
    Sending,
    /// The server has it.
    Sent,
    /// There was no server.
    Kept,
    /// It was given up, or nobody knows what became of it.
    Failed,
}

impl State {
    /// All of them, in the order of their life.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Sending, Self::Sent, Self::Kept, Self::Failed];

    /// Its word in rows and addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Kept => "kept",
            Self::Failed => "failed",
        }
    }

    /// The key of its name.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Waiting => "mail-state-waiting",
            Self::Sending => "mail-state-sending",
            Self::Sent => "mail-state-sent",
            Self::Kept => "mail-state-kept",
            Self::Failed => "mail-state-failed",
        }
    }

    /// How it looks on a badge.
    pub const fn tone(self) -> &'static str {
        match self {
            Self::Waiting | Self::Sending | Self::Kept => "info",
            Self::Sent => "success",
            Self::Failed => "danger",
        }
    }

    /// Whether nothing happens any more by itself.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Sent | Self::Kept | Self::Failed)
    }
}

impl FromStr for State {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| Unknown(text.to_owned()))
    }
}

crate::text_column!(State);

/// Which mails to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this kind.
    pub kind: Option<Kind>,
    /// In this state.
    pub state: Option<State>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Older than this one: when it was staged, and its id.
    pub after: Option<(i64, String)>,
}

/// A word that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is unknown")]
pub struct Unknown(String);

impl FromStr for Kind {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| Unknown(text.to_owned()))
    }
}

crate::text_column!(Kind);

/// A mail to stage. [`New::of`] makes one of a [`Letter`], whose fields are checked by the compiler.
#[derive(Clone, Debug)]
pub struct New {
    /// What it tells.
    pub kind: Kind,
    /// What caused it, such as `invoice.paid:in_1`: the same kind and cause never mail twice.
    pub cause: String,
    /// The tenant it concerns: its language and time zone, and its billing address where no user is named.
    pub tenant: Option<String>,
    /// The user it goes to.
    pub user: Option<String>,
    /// What the words need: a [`Letter`] of the kind, as JSON.
    pub data: Value,
}

impl New {
    /// A letter and what caused it.
    pub fn of(letter: &Letter, cause: impl Into<String>) -> Self {
        Self { kind: letter.kind(), cause: cause.into(), tenant: None, user: None, data: letter.data() }
    }

    /// To the tenant's billing address, in its language.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// To this user.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }
}
