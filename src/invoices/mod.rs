//! Invoices, kept from Stripe: the list with its filters, one invoice, the accountant's file.
//!
//! Rows are written by `sync` alone. Links to Stripe's own pages and PDFs are never kept: they run out, so each is fetched when
//! somebody wants it.

mod act;
pub mod api;
mod query;
pub mod store;
pub mod web;

pub use act::{find, link_of};
pub use query::{Cursor, Filter, NotACursor, StatusFilter, span};

use jiff::Timestamp;
use serde::Deserialize;

use crate::i18n::Plain;
use crate::money::{Currency, Money};
use crate::stripe::InvoiceId;
use crate::stripe::snapshot::InvoiceStatus;

/// Invoices on a page of the list.
pub const PAGE: i64 = 20;

/// An invoice in a list. Amounts are minor units of `currency`.
#[derive(Clone, Debug)]
pub struct Invoice {
    /// Stripe's id.
    pub id: InvoiceId,
    /// The number on paper, once it is final.
    pub number: Option<String>,
    /// Where it stands.
    pub status: InvoiceStatus,
    /// What it is in.
    pub currency: Currency,
    /// Before discounts and taxes.
    pub subtotal: i64,
    /// What was taken off.
    pub discount: i64,
    /// Taxes.
    pub tax: i64,
    /// After discounts and taxes.
    pub total: i64,
    /// What the customer's balance changed of it: credit is negative.
    pub starting_balance: i64,
    /// What was to be paid.
    pub due: i64,
    /// What was paid.
    pub paid: i64,
    /// What is still to be paid.
    pub remaining: i64,
    /// The period it is for.
    pub period: (Timestamp, Timestamp),
    /// When it was made.
    pub created_at: Timestamp,
    /// When it must be paid.
    pub due_at: Option<Timestamp>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// When Stripe tries again by itself.
    pub next_attempt_at: Option<Timestamp>,
    /// How often a payment was tried.
    pub attempts: i64,
    /// What went back to the customer.
    pub refunded: i64,
}

impl Invoice {
    /// An amount of this invoice.
    pub fn money(&self, minor: impl Plain<i64>) -> Money {
        Money::new(minor.plain(), self.currency)
    }

    /// How it is called: by its number, or by Stripe's id where it has none.
    pub fn name(&self) -> &str {
        self.number.as_deref().unwrap_or(self.id.as_str())
    }

    /// Where it stands, in the words of whoever pays it.
    pub fn state(&self, now: Timestamp) -> State {
        match &self.status {
            InvoiceStatus::Paid if self.refunded > 0 && self.refunded >= self.paid => State::Refunded,
            InvoiceStatus::Paid if self.refunded > 0 => State::PartlyRefunded,
            InvoiceStatus::Paid => State::Paid,
            InvoiceStatus::Open if self.due_at.is_some_and(|due| due < now) => State::Overdue,
            InvoiceStatus::Open if self.attempts > 0 => State::Failed,
            InvoiceStatus::Open => State::Open,
            InvoiceStatus::Draft => State::Draft,
            InvoiceStatus::Uncollectible => State::Uncollectible,
            InvoiceStatus::Void => State::Void,
            InvoiceStatus::Other(_) => State::Unknown,
        }
    }

    /// Where it stands, in the words of the API. The same decision as the condition of `store::page`.
    pub fn word(&self) -> Word {
        match &self.status {
            InvoiceStatus::Paid if self.refunded > 0 && self.refunded >= self.paid => Word::Refunded,
            InvoiceStatus::Paid => Word::Paid,
            InvoiceStatus::Open if self.attempts > 0 => Word::Failed,
            InvoiceStatus::Uncollectible => Word::Failed,
            InvoiceStatus::Void => Word::Canceled,
            InvoiceStatus::Open | InvoiceStatus::Draft | InvoiceStatus::Other(_) => Word::Pending,
        }
    }

    /// Its place in the list.
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at.as_second(), id: self.id.as_str().to_owned() }
    }

    /// Whether it can still be paid.
    pub fn is_payable(&self) -> bool {
        matches!(self.status, InvoiceStatus::Open | InvoiceStatus::Uncollectible) && self.remaining > 0
    }
}

/// Where an invoice stands, in the words of whoever pays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Can still change.
    Draft,
    /// To be paid.
    Open,
    /// To be paid, and a payment failed.
    Failed,
    /// To be paid since a while.
    Overdue,
    /// Paid.
    Paid,
    /// Paid, and the money went back.
    Refunded,
    /// Paid, and some of the money went back.
    PartlyRefunded,
    /// Given up.
    Uncollectible,
    /// Taken back.
    Void,
    /// A state that Stripe has added since.
    Unknown,
}

impl State {
    /// The key of its word.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Draft => "invoices-draft",
            Self::Open => "invoices-open",
            Self::Failed => "invoices-failed",
            Self::Overdue => "invoices-overdue",
            Self::Paid => "invoices-paid",
            Self::Refunded => "invoices-refunded",
            Self::PartlyRefunded => "invoices-partly-refunded",
            Self::Uncollectible => "invoices-uncollectible",
            Self::Void => "invoices-void",
            Self::Unknown => "invoices-unknown",
        }
    }

    /// Its look.
    pub const fn tone(self) -> &'static str {
        match self {
            Self::Paid => "success",
            Self::Open | Self::PartlyRefunded | Self::Refunded => "info",
            Self::Failed | Self::Overdue | Self::Uncollectible => "danger",
            Self::Draft | Self::Void | Self::Unknown => "",
        }
    }
}

/// Where an invoice stands, in the words of the API: what its payer must do, not what Stripe calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// To be paid.
    Pending,
    /// Paid.
    Paid,
    /// A payment failed, or it was given up.
    Failed,
    /// Paid, and all of it went back.
    Refunded,
    /// Taken back.
    Canceled,
}

impl Word {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Paid, Self::Failed, Self::Refunded, Self::Canceled];

    /// As it stands in addresses and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Refunded => "refunded",
            Self::Canceled => "canceled",
        }
    }
}

/// An invoice with everything on it.
#[derive(Clone, Debug)]
pub struct Detail {
    /// The invoice.
    pub invoice: Invoice,
    /// What is billed.
    pub lines: Vec<Line>,
    /// Its taxes.
    pub taxes: Vec<Tax>,
    /// What was paid, and went back.
    pub payments: Vec<Payment>,
}

/// A line of an invoice.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    /// The words on paper.
    #[serde(default)]
    pub description: Option<String>,
    /// Minor units.
    pub amount: i64,
    /// How many.
    #[serde(default)]
    pub quantity: Option<i64>,
    /// Unix seconds.
    #[serde(default)]
    pub period_start: Option<i64>,
    /// Unix seconds.
    #[serde(default)]
    pub period_end: Option<i64>,
    /// Whether it settles a change within a period.
    #[serde(default)]
    pub proration: bool,
}

/// A tax on an invoice.
#[derive(Clone, Debug, Deserialize)]
pub struct Tax {
    /// Minor units.
    pub amount: i64,
    /// Whether it is contained in the prices.
    #[serde(default)]
    pub inclusive: bool,
}

/// A payment, from the charges of a tenant.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Stripe's id.
    pub id: String,
    /// What was paid or tried.
    pub amount: Money,
    /// What went back.
    pub refunded: Money,
    /// Whether the money came.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// When money first went back.
    pub refunded_at: Option<Timestamp>,
}

/// What became of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money came.
    Succeeded,
    /// The money came, and the card's owner asks for it back.
    Disputed,
    /// The bank has still to say.
    Pending,
    /// It did not come.
    Failed,
}

impl Outcome {
    /// The key of its word.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Succeeded => "invoices-payment-succeeded",
            Self::Disputed => "invoices-payment-disputed",
            Self::Pending => "invoices-payment-pending",
            Self::Failed => "invoices-payment-failed",
        }
    }

    /// Its look.
    pub const fn tone(self) -> &'static str {
        match self {
            Self::Succeeded => "success",
            Self::Pending => "info",
            Self::Disputed => "warning",
            Self::Failed => "danger",
        }
    }
}
