//! Invoices, kept from Stripe: the list with its filters, one invoice, the accountant's file.
//!
//! Rows are written by `sync` alone. Links to Stripe's own pages and PDFs are never kept: they run out, so each is fetched when
//! somebody wants it.

mod act;
pub mod api;
pub mod store;
pub mod web;

pub use act::{find, link_of};

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
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

/// The states that a list can be narrowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFilter {
    /// To be paid.
    Open,
    /// Paid.
    Paid,
    /// Given up.
    Uncollectible,
    /// Taken back.
    Void,
}

impl StatusFilter {
    /// All, in the order of the list.
    pub const ALL: [Self; 4] = [Self::Open, Self::Paid, Self::Uncollectible, Self::Void];

    /// As it stands in rows and in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Uncollectible => "uncollectible",
            Self::Void => "void",
        }
    }

    /// The key of its word.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Open => "invoices-filter-open",
            Self::Paid => "invoices-filter-paid",
            Self::Uncollectible => "invoices-filter-uncollectible",
            Self::Void => "invoices-filter-void",
        }
    }
}

/// Where a page of the list begins: right after this invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Unix seconds.
    pub created_at: i64,
    /// Stripe's id.
    pub id: String,
}

impl Cursor {
    /// As it stands in addresses.
    pub fn text(&self) -> String {
        format!("{}.{}", self.created_at, self.id)
    }
}

/// The text is no place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no place in the list")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (created_at, id) = text.split_once('.').ok_or(NotACursor)?;
        let id: InvoiceId = id.parse().map_err(|_| NotACursor)?;
        let created_at = created_at.parse().map_err(|_| NotACursor)?;
        Ok(Self { created_at, id: id.as_str().to_owned() })
    }
}

/// What was asked of the list, as it was typed.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Query {
    /// A [`StatusFilter`], or nothing.
    #[serde(default)]
    pub status: String,
    /// The first day, `YYYY-MM-DD`.
    #[serde(default)]
    pub from: String,
    /// The last day, `YYYY-MM-DD`.
    #[serde(default)]
    pub to: String,
    /// Where the page begins.
    #[serde(default)]
    pub after: String,
}

/// What was asked of the list, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these.
    pub status: Option<StatusFilter>,
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
    /// Where the page begins.
    pub after: Option<Cursor>,
}

/// Which field of a [`Query`] cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadQuery {
    /// No such state.
    Status,
    /// No such day.
    From,
    /// No such day.
    To,
    /// The last day is before the first.
    Order,
    /// No such page.
    After,
}

impl Query {
    /// Understands what was asked.
    ///
    /// # Errors
    /// Each field that cannot be understood.
    pub fn filter(&self) -> Result<Filter, Vec<BadQuery>> {
        let mut bad = Vec::new();
        let status = StatusFilter::ALL.into_iter().find(|status| status.as_str() == self.status);
        if status.is_none() && !self.status.is_empty() {
            bad.push(BadQuery::Status);
        }
        let mut day = |text: &str, problem| match text.parse() {
            Ok(day) => Some(day),
            Err(_) => {
                bad.extend((!text.is_empty()).then_some(problem));
                None
            }
        };
        let (from, to): (Option<Date>, Option<Date>) =
            (day(&self.from, BadQuery::From), day(&self.to, BadQuery::To));
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            bad.push(BadQuery::Order);
        }
        let after: Option<Cursor> = self.after.parse().ok();
        if after.is_none() && !self.after.is_empty() {
            bad.push(BadQuery::After);
        }
        if bad.is_empty() { Ok(Filter { status, from, to, after }) } else { Err(bad) }
    }
}

impl Filter {
    /// The first second and the second after the last, as unix seconds, of the days in a time zone.
    pub fn span(&self, zone: &TimeZone) -> (i64, i64) {
        let start_of = |day: Date| day.to_zoned(zone.clone()).ok().map(|start| start.timestamp().as_second());
        let from = self.from.and_then(start_of).unwrap_or(i64::MIN);
        let until = self.to.and_then(|day| day.tomorrow().ok()).and_then(start_of).unwrap_or(i64::MAX);
        (from, until)
    }

    /// The same filter in an address, beginning after an invoice if one is given.
    pub fn query(&self, after: Option<&Cursor>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(status) = self.status {
            query.append_pair("status", status.as_str());
        }
        for (name, day) in [("from", self.from), ("to", self.to)] {
            if let Some(day) = day {
                query.append_pair(name, &day.to_string());
            }
        }
        if let Some(after) = after {
            query.append_pair("after", &after.text());
        }
        query.finish()
    }

    /// Whether it narrows anything.
    pub fn is_set(&self) -> bool {
        self.status.is_some() || self.from.is_some() || self.to.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(status: &str, from: &str, to: &str, after: &str) -> Query {
        Query { status: status.into(), from: from.into(), to: to.into(), after: after.into() }
    }

    #[test]
    fn a_filter_is_understood_or_each_bad_field_is_named() {
        let filter = query("paid", "2026-01-01", "2026-01-31", "17.in_1").filter().expect("understood");
        assert_eq!(filter.query(None), "status=paid&from=2026-01-01&to=2026-01-31");
        assert_eq!(filter.after, Some(Cursor { created_at: 17, id: "in_1".into() }));
        assert_eq!(query("", "", "", "").filter(), Ok(Filter::default()));
        let bad = query("lost", "2026-02-30", "tomorrow", "x").filter();
        assert_eq!(bad, Err(vec![BadQuery::Status, BadQuery::From, BadQuery::To, BadQuery::After]));
        assert_eq!(query("", "2026-02-02", "2026-02-01", "").filter(), Err(vec![BadQuery::Order]));
        assert_eq!(query("", "", "", "1.in/../..").filter(), Err(vec![BadQuery::After]));
    }

    #[test]
    fn days_begin_and_end_in_the_time_zone_of_the_tenant() {
        let madrid = TimeZone::get("Europe/Madrid").expect("a zone");
        let filter = query("", "2026-03-29", "2026-03-29", "").filter().expect("understood");
        let (from, until) = filter.span(&madrid);
        assert_eq!(until - from, 23 * 3600, "the day on which the clocks go forward");
    }
}
