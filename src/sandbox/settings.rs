//! What an account configures in Stripe's dashboard, here by the control endpoints.

use serde_json::{Value, json};

use super::errors::{Answer, ApiError};
use super::json::Json;

/// A day in seconds.
pub(crate) const DAY: i64 = 86_400;
/// An hour in seconds.
pub(crate) const HOUR: i64 = 3_600;

/// Billing settings of the account.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Days after the first failure on which a payment is tried again.
    pub(crate) retry_days: Vec<i64>,
    /// What a subscription becomes when all tries have failed.
    pub(crate) after_retries: AfterRetries,
    /// Days before a renewal at which `invoice.upcoming` is sent.
    pub(crate) upcoming_days: i64,
    /// Seconds that a renewal's invoice stays a draft.
    pub(crate) draft_seconds: i64,
    /// The seller's country: decides reverse charge.
    pub(crate) country: String,
    /// The account's default currency.
    pub(crate) currency: String,
    /// Whether Stripe Tax lacks nothing.
    pub(crate) tax_is_active: bool,
    /// Whether the account was activated.
    pub(crate) charges_enabled: bool,
    /// Whether each payment has a receipt mailed, as the dashboard's switch has it in live mode.
    pub(crate) mails_receipts: bool,
}

/// What a subscription becomes when all tries to collect have failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterRetries {
    /// It stays past due.
    PastDue,
    /// It becomes unpaid; its invoices stay drafts from then on.
    Unpaid,
    /// It is canceled.
    Cancel,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry_days: vec![3, 5, 7, 14],
            after_retries: AfterRetries::PastDue,
            upcoming_days: 7,
            draft_seconds: HOUR,
            country: "IE".into(),
            currency: "eur".into(),
            tax_is_active: true,
            charges_enabled: true,
            mails_receipts: false,
        }
    }
}

impl Settings {
    /// The settings as JSON.
    pub(crate) fn show(&self) -> Value {
        let after = match self.after_retries {
            AfterRetries::PastDue => "past_due",
            AfterRetries::Unpaid => "unpaid",
            AfterRetries::Cancel => "cancel",
        };
        json!({
            "retry_days": self.retry_days, "after_retries": after, "upcoming_days": self.upcoming_days,
            "draft_seconds": self.draft_seconds, "country": self.country, "currency": self.currency,
            "tax_is_active": self.tax_is_active, "charges_enabled": self.charges_enabled,
            "mails_receipts": self.mails_receipts,
        })
    }

    /// Changes what is given.
    pub(crate) fn change(&mut self, wish: &Value) -> Answer<()> {
        if let Some(days) = wish.look("retry_days").as_array() {
            self.retry_days = days.iter().filter_map(Value::as_i64).filter(|day| *day > 0).collect();
        }
        match wish.text("after_retries") {
            "" => {}
            "past_due" => self.after_retries = AfterRetries::PastDue,
            "unpaid" => self.after_retries = AfterRetries::Unpaid,
            "cancel" => self.after_retries = AfterRetries::Cancel,
            other => return Err(ApiError::invalid("after_retries", format!("unknown: {other}"))),
        }
        if let Some(days) = wish.maybe_int("upcoming_days") {
            self.upcoming_days = days.clamp(0, 365);
        }
        if let Some(seconds) = wish.maybe_int("draft_seconds") {
            self.draft_seconds = seconds.clamp(0, 72 * HOUR);
        }
        if let Some(country) = wish.maybe_text("country") {
            country.clone_into(&mut self.country);
        }
        if let Some(active) = wish.look("tax_is_active").as_bool() {
            self.tax_is_active = active;
        }
        if let Some(enabled) = wish.look("charges_enabled").as_bool() {
            self.charges_enabled = enabled;
        }
        if let Some(mails) = wish.look("mails_receipts").as_bool() {
            self.mails_receipts = mails;
        }
        if let Some(currency) = wish.maybe_text("currency") {
            currency.clone_into(&mut self.currency);
        }
        Ok(())
    }
}
