//! Missing payments: one case for each invoice whose payment failed, from the first failure to the payment or the end.
//!
//! Owns cases and their steps. A case is opened and closed by `sync`, in the transaction of the invoice's change; time carries
//! out its steps, one after the other, each once. Stripe's own tries to collect go on beside it and are none of its business.
//! What may be done meanwhile is decided by `access` alone.

mod case;
pub mod store;
pub mod web;
pub mod work;

use std::str::FromStr;

pub use case::{Case, Missing, Planned};

use jiff::Timestamp;

use crate::access::{Access, Level, Reason};
use crate::catalog::policy::Dunning;
use crate::clock::{DAY, from_seconds};
use crate::mail::letter::Unpaid;
use crate::mail::{Kind, Letter};
use crate::money::{Currency, Money};
use crate::stripe::snapshot::InvoiceStatus;
use crate::sync::InvoiceRow;

/// What happens while a payment is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A mail that says so.
    Reminder,
    /// A mail that urges.
    Urgent,
    /// Access becomes read only, with a mail.
    Restrict,
    /// The last mail.
    Final,
    /// The subscription ends.
    Cancel,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::Reminder, Self::Urgent, Self::Restrict, Self::Final, Self::Cancel];

    /// Its word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reminder => "reminder",
            Self::Urgent => "urgent",
            Self::Restrict => "restrict",
            Self::Final => "final",
            Self::Cancel => "cancel",
        }
    }

    /// Its day after the first failure: of 24 hours each from that moment on, so that no month and no time zone is longer.
    pub const fn day(self, policy: &Dunning) -> u16 {
        match self {
            Self::Reminder => policy.reminder,
            Self::Urgent => policy.urgent,
            Self::Restrict => policy.restrict,
            Self::Final => policy.last,
            Self::Cancel => policy.cancel,
        }
    }

    /// What the audit calls it.
    pub const fn action(self) -> &'static str {
        match self {
            Self::Reminder => "dunning.reminded",
            Self::Urgent => "dunning.urged",
            Self::Restrict => "dunning.restricted",
            Self::Final => "dunning.warned",
            Self::Cancel => "dunning.cancelled",
        }
    }

    /// The key of its line in a timeline.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Reminder => "dunning-step-reminder",
            Self::Urgent => "dunning-step-urgent",
            Self::Restrict => "dunning-step-restrict",
            Self::Final => "dunning-step-final",
            Self::Cancel => "dunning-step-cancel",
        }
    }

    /// The mail that goes with it. The end of a subscription has its own, from whatever cause it ends.
    pub fn letter(self, facts: Unpaid) -> Option<Letter> {
        match self {
            Self::Reminder => Some(Letter::PaymentFailed(facts)),
            Self::Urgent => Some(Letter::PaymentUrgent(facts)),
            Self::Restrict => Some(Letter::AccessRestricted(facts)),
            Self::Final => Some(Letter::PaymentFinal(facts)),
            Self::Cancel => None,
        }
    }

    /// The kind of that mail.
    pub fn mail(self) -> Option<Kind> {
        let facts = Unpaid {
            invoice: String::new(),
            number: None,
            amount: Money::zero(Currency::EUR),
            failed_at: 0,
            restricts_at: None,
            cancels_at: None,
        };
        self.letter(facts).map(|letter| letter.kind())
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|step| step.as_str() == text).ok_or_else(|| format!("no step: {text}"))
    }
}

crate::text_column!(Step);

/// Where an invoice stands, as far as its payment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payment {
    /// It failed and is missing.
    Missing,
    /// It arrived, or nothing is owed any more.
    Arrived,
    /// It is no longer asked for.
    Waived,
    /// Neither: a draft, not tried yet, to be paid by transfer, or the first one, which Checkout sees to.
    Quiet,
}

/// Where the payment of an invoice stands.
pub fn payment(invoice: &InvoiceRow) -> Payment {
    let is_automatic = invoice.collection_method.as_deref() != Some("send_invoice");
    let is_first = invoice.billing_reason.as_deref() == Some("subscription_create");
    match &invoice.status {
        InvoiceStatus::Paid => Payment::Arrived,
        InvoiceStatus::Void | InvoiceStatus::Uncollectible => Payment::Waived,
        InvoiceStatus::Open
            if is_automatic && !is_first && invoice.attempt_count > 0 && invoice.amount_remaining > 0 =>
        {
            Payment::Missing
        }
        _ => Payment::Quiet,
    }
}

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The payment is missing.
    Open,
    /// It arrived.
    Paid,
    /// It is no longer asked for.
    Void,
    /// The subscription is over.
    Ended,
}

impl State {
    /// Its word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Void => "void",
            Self::Ended => "ended",
        }
    }

    /// The key of its name.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Open => "dunning-state-open",
            Self::Paid => "dunning-state-paid",
            Self::Void => "dunning-state-void",
            Self::Ended => "dunning-state-ended",
        }
    }

    /// How it looks on a badge.
    pub const fn tone(self) -> &'static str {
        match self {
            Self::Open => "danger",
            Self::Paid => "success",
            Self::Void | Self::Ended => "info",
        }
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Open, Self::Paid, Self::Void, Self::Ended]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("no state of a case: {text}"))
    }
}

crate::text_column!(State);

/// The steps of a case that was opened at `opened_at`.
pub fn plan(opened_at: i64, policy: &Dunning) -> [(Step, i64); 5] {
    Step::ALL.map(|step| (step, opened_at.saturating_add(i64::from(step.day(policy)) * DAY)))
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The step to carry out.
    pub step: Step,
    /// Steps whose time went by while nobody looked: one mail says all.
    pub skipped: Vec<Step>,
    /// The new day of the end, where the last mail comes late: nobody loses a subscription unannounced.
    pub cancels_at: Option<i64>,
}

/// What is to be done of the steps at a moment: the latest that is due. The end only comes after the last mail, and where that
/// is late by more than a day, leaves the time between the two that was planned.
pub fn due(steps: &[Planned], now: Timestamp) -> Option<Due> {
    let now = now.as_second();
    let waiting: Vec<_> = steps.iter().filter(|step| step.is_waiting() && step.due_at <= now).collect();
    let latest = waiting.iter().map(|planned| planned.step).max()?;
    let warning = waiting.iter().find(|planned| planned.step == Step::Final);
    let end = steps.iter().find(|planned| planned.step == Step::Cancel);
    let (step, cancels_at) = match warning.zip(end) {
        Some((warning, end)) if latest >= Step::Final => {
            let is_late = latest == Step::Cancel || now - warning.due_at > DAY;
            (Step::Final, is_late.then(|| now.saturating_add(end.due_at - warning.due_at)))
        }
        _ => (latest, None),
    };
    let skipped = waiting.iter().map(|planned| planned.step).filter(|other| *other < step).collect();
    Some(Due { step, skipped, cancels_at })
}

/// A line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// The key of its words.
    pub key: &'static str,
    /// Whether it lies behind.
    pub is_done: bool,
    /// Whether it takes something away.
    pub is_grave: bool,
}

/// The course of a case, the same for the tenant and for staff: what happened, and, while it is open, what will.
pub fn timeline(case: &Case, steps: &[Planned]) -> Vec<Line> {
    let line = |at: i64, key, is_done, is_grave| Line { at: from_seconds(at), key, is_done, is_grave };
    let mut lines = vec![line(case.opened_at, "dunning-opened", true, true)];
    for planned in steps {
        let is_grave = matches!(planned.step, Step::Restrict | Step::Cancel);
        match planned.done_at {
            Some(at) if planned.state == "done" => lines.push(line(at, planned.step.key(), true, is_grave)),
            // Its mail was left out, but time restricted access all the same.
            Some(_) if planned.step == Step::Restrict && planned.state == "skipped" => {
                lines.push(line(planned.due_at, planned.step.key(), true, is_grave));
            }
            None if case.state == State::Open => {
                lines.push(line(planned.due_at, planned.step.key(), false, is_grave));
            }
            _ => {}
        }
    }
    if let Some(at) = case.closed_at {
        lines.push(line(at, case.state.key(), true, case.state == State::Ended));
    }
    lines
}

/// What the banner of a case says where `access` is what the tenant may do: the key of its words, and the day that they name.
pub fn banner(case: &Case, access: &Access, now: Timestamp) -> (&'static str, Option<Timestamp>) {
    let ahead = |at: Option<i64>| at.filter(|at| *at > now.as_second()).map(from_seconds);
    let dated = match (access.level, access.reason) {
        (Level::Full, Reason::PastDue) => ("dunning-banner-restricts", ahead(case.restricts_at)),
        (Level::ReadOnly, Reason::Overdue) => ("dunning-banner-cancels", ahead(case.cancels_at)),
        (Level::Blocked, _) => match ahead(case.cancels_at) {
            Some(at) => ("dunning-banner-blocked", Some(at)),
            None => return ("dunning-banner-over", None),
        },
        _ => return ("dunning-banner-new", None),
    };
    // The days are fixed in the first moments of a case; until then no day can be named.
    if dated.1.is_some() { dated } else { ("dunning-banner-new", None) }
}
