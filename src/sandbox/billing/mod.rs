//! The billing engine: what is due when, what it costs, who pays it.
//!
//! Money is integers in minor units; the only fractions are those of time, tiers and rates, and [`decimal`] is the one place
//! that rounds. A preview runs the same code as the invoice that follows and is rolled back.

pub(crate) mod change;
pub(crate) mod cycle;
pub(crate) mod decimal;
pub(crate) mod discounts;
pub(crate) mod due;
pub(crate) mod end;
pub(crate) mod held;
pub(crate) mod invoices;
pub(crate) mod lines;
pub(crate) mod payments;
pub(crate) mod pending;
pub(crate) mod period;
pub(crate) mod preview;
pub(crate) mod schedules;
pub(crate) mod status;
pub(crate) mod subscribe;
pub(crate) mod tariff;
pub(crate) mod tax;
pub(crate) mod totals;
pub(crate) mod usage;
pub(crate) mod waking;

/// What happens to the unused and the remaining time when a subscription changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proration {
    /// Nothing: the new price holds from the next period.
    None,
    /// Credits and charges wait for the next invoice.
    Create,
    /// Credits and charges are invoiced at once.
    Invoice,
}

/// What happens when a payment does not succeed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentBehavior {
    /// The subscription becomes incomplete or past due.
    Allow,
    /// No payment is tried: the caller confirms it.
    Await,
    /// The whole request is refused.
    Refuse,
    /// The change waits for the payment.
    Hold,
}
