//! A case and its steps, as they stand in rows.

use jiff::Timestamp;

use super::{DAY, State, Step};
use crate::catalog::policy::Dunning;
use crate::mail::letter::Unpaid;
use crate::money::{Currency, Money};

/// A case.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Case {
    /// Stripe's id of the invoice.
    pub invoice_id: String,
    /// Whose it is.
    pub tenant_id: String,
    /// Stripe's customer.
    pub customer_id: String,
    /// What the invoice is for.
    pub subscription_id: Option<String>,
    /// The invoice's number on paper.
    pub number: Option<String>,
    /// What is missing is in.
    pub currency: Currency,
    /// What is missing, minor units.
    pub amount: i64,
    /// Where it stands.
    pub state: State,
    /// When the payment first failed; unix seconds.
    pub opened_at: i64,
    /// When access is, or was, restricted; none until the days are fixed.
    pub restricts_at: Option<i64>,
    /// When the subscription ends.
    pub cancels_at: Option<i64>,
    /// Tries of the step that is next.
    pub attempts: i64,
    /// When it was closed.
    pub closed_at: Option<i64>,
    /// When Stripe's own status restricted access before the days of the case did; unix seconds.
    pub barred_at: Option<i64>,
}

impl Case {
    /// What is missing.
    pub fn owed(&self) -> Money {
        Money::new(self.amount, self.currency)
    }

    /// How the invoice is called.
    pub fn name(&self) -> &str {
        self.number.as_deref().unwrap_or(&self.invoice_id)
    }

    /// The facts of its mails.
    pub fn facts(&self) -> Unpaid {
        Unpaid {
            invoice: self.invoice_id.clone(),
            number: self.number.clone(),
            amount: self.owed(),
            failed_at: self.opened_at,
            restricts_at: self.restricts_at,
            cancels_at: self.cancels_at,
        }
    }

    /// Since when, and for how long.
    pub fn missing(&self) -> Missing {
        let Self { opened_at, restricts_at, cancels_at, .. } = *self;
        Missing { opened_at, restricts_at, cancels_at }
    }

    /// Whole days since the payment first failed.
    pub fn days(&self, now: Timestamp) -> i64 {
        self.missing().days(now)
    }

    /// Whether access was restricted for it, by its days or by Stripe's status. What holds at this moment is for `access` to say:
    /// the payment that closes a case may have mended the status already.
    pub fn was_restricted(&self, now: Timestamp) -> bool {
        [self.barred_at, self.restricts_at].into_iter().flatten().any(|at| at <= now.as_second())
    }
}

/// A payment that is missing, as far as time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// When it first failed; unix seconds.
    pub opened_at: i64,
    /// When access is restricted for it; none until the days are fixed.
    pub restricts_at: Option<i64>,
    /// When the subscription ends for it.
    pub cancels_at: Option<i64>,
}

impl Missing {
    /// Whole days since it first failed.
    pub fn days(&self, now: Timestamp) -> i64 {
        now.as_second().saturating_sub(self.opened_at).div_euclid(DAY)
    }

    /// The days that hold for it: those that were fixed when the case was opened, whatever the catalogue says today.
    pub fn policy(&self, catalog: &Dunning) -> Dunning {
        let day = |at: Option<i64>, otherwise: u16| {
            at.and_then(|at| u16::try_from((at - self.opened_at).div_euclid(DAY)).ok()).unwrap_or(otherwise)
        };
        Dunning {
            restrict: day(self.restricts_at, catalog.restrict),
            cancel: day(self.cancels_at, catalog.cancel),
            ..*catalog
        }
    }

    /// When access becomes read only; unix seconds.
    pub fn restricts(&self, catalog: &Dunning) -> i64 {
        self.restricts_at.unwrap_or(self.opened_at + i64::from(catalog.restrict) * DAY)
    }

    /// When the subscription ends; unix seconds.
    pub fn cancels(&self, catalog: &Dunning) -> i64 {
        self.cancels_at.unwrap_or(self.opened_at + i64::from(catalog.cancel) * DAY)
    }
}

/// A step of a case.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Planned {
    /// Which.
    pub step: Step,
    /// When; unix seconds.
    pub due_at: i64,
    /// `waiting`, `done`, `skipped`.
    pub state: String,
    /// When it was carried out.
    pub done_at: Option<i64>,
}

impl Planned {
    /// Whether it is still to come.
    pub fn is_waiting(&self) -> bool {
        self.state == "waiting"
    }
}
