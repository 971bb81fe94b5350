//! Invoices, their lines and how they were paid.

use serde::Deserialize;

use super::read;
use super::{List, open_enum};
use crate::money::Currency;
use crate::stripe::{
    ChargeId, CustomerId, InvoiceId, PaymentIntentId, PriceId, ProductId, SubscriptionId, SubscriptionItemId,
};

open_enum! {
    /// Where an invoice stands.
    InvoiceStatus {
        /// Can still change.
        Draft = "draft",
        /// Final, to be paid.
        Open = "open",
        /// Paid, or nothing was due.
        Paid = "paid",
        /// Given up.
        Uncollectible = "uncollectible",
        /// Taken back.
        Void = "void",
    }
}

/// An invoice, or a preview of one. All amounts are minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Invoice {
    /// Stripe's id; a preview may have none.
    pub id: Option<InvoiceId>,
    /// Whose it is.
    #[serde(deserialize_with = "read::id")]
    pub customer: CustomerId,
    /// Where it stands; none in a preview.
    pub status: Option<InvoiceStatus>,
    /// The number on paper, once it is final.
    pub number: Option<String>,
    /// What it is in.
    pub currency: Currency,
    /// Whether it is of live mode.
    #[serde(default)]
    pub livemode: bool,
    /// Before discounts and taxes.
    pub subtotal: i64,
    /// After discounts and taxes.
    pub total: i64,
    /// Discounts, in sum.
    #[serde(default, deserialize_with = "read::nullable")]
    pub total_discount_amounts: Vec<Amount>,
    /// Taxes.
    #[serde(default, deserialize_with = "read::nullable")]
    pub total_taxes: Vec<Tax>,
    /// Of the customer's balance when it became final; negative was credit.
    #[serde(default, deserialize_with = "read::nullable")]
    pub starting_balance: i64,
    /// What is to be paid after the balance.
    pub amount_due: i64,
    /// What was paid.
    pub amount_paid: i64,
    /// What is left.
    pub amount_remaining: i64,
    /// Unix seconds: of what was used, not of what is paid ahead; the lines have that.
    pub period_start: i64,
    /// Unix seconds.
    pub period_end: i64,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds.
    pub due_date: Option<i64>,
    /// Tries to collect it.
    #[serde(default, deserialize_with = "read::nullable")]
    pub attempt_count: i64,
    /// Whether it was tried at all.
    #[serde(default, deserialize_with = "read::nullable")]
    pub attempted: bool,
    /// Unix seconds.
    pub next_payment_attempt: Option<i64>,
    /// Why it was made: `subscription_create`, `subscription_cycle`, `subscription_update`, `manual`, …
    pub billing_reason: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// Stripe's page for it; signed, and not for ever.
    pub hosted_invoice_url: Option<String>,
    /// The PDF; signed, and not for ever.
    pub invoice_pdf: Option<String>,
    /// When it became what.
    #[serde(default, deserialize_with = "read::nullable")]
    pub status_transitions: Transitions,
    /// What made it.
    pub parent: Option<Parent>,
    /// What it bills; the first ten, where it was not asked for more.
    #[serde(default)]
    pub lines: List<Line>,
    /// How it was paid, where that was expanded.
    pub payments: Option<List<InvoicePayment>>,
}

impl Invoice {
    /// The subscription that made it.
    pub fn subscription(&self) -> Option<&SubscriptionId> {
        self.parent.as_ref()?.subscription_details.as_ref()?.subscription.as_ref()
    }

    /// All discounts together.
    pub fn discount(&self) -> i64 {
        self.total_discount_amounts.iter().map(|d| d.amount).fold(0, i64::saturating_add)
    }

    /// All taxes together.
    pub fn tax(&self) -> i64 {
        self.total_taxes.iter().map(|t| t.amount).fold(0, i64::saturating_add)
    }

    /// The taxes that are added to the amounts of the lines; others are contained in them.
    pub fn tax_on_top(&self) -> i64 {
        let added = self.total_taxes.iter().filter(|tax| tax.tax_behavior.as_deref() != Some("inclusive"));
        added.map(|tax| tax.amount).fold(0, i64::saturating_add)
    }
}

/// An amount of a discount.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Amount {
    /// Minor units.
    pub amount: i64,
}

/// A tax on an invoice or a line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tax {
    /// Minor units.
    pub amount: i64,
    /// `inclusive` or `exclusive`.
    pub tax_behavior: Option<String>,
    /// What it was reckoned on, minor units.
    pub taxable_amount: Option<i64>,
    /// Which rate.
    pub tax_rate_details: Option<TaxRateDetails>,
}

/// Which rate a tax was reckoned by.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TaxRateDetails {
    /// Its id.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub tax_rate: Option<String>,
}

/// When an invoice became what. Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Transitions {
    /// Final.
    pub finalized_at: Option<i64>,
    /// Paid.
    pub paid_at: Option<i64>,
    /// Taken back.
    pub voided_at: Option<i64>,
    /// Given up.
    pub marked_uncollectible_at: Option<i64>,
}

/// What made an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Parent {
    /// Where it was a subscription.
    pub subscription_details: Option<SubscriptionDetails>,
}

/// The subscription behind an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SubscriptionDetails {
    /// Its id.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub subscription: Option<SubscriptionId>,
}

/// A line of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// Stripe's id.
    pub id: String,
    /// Words.
    pub description: Option<String>,
    /// Minor units, before discounts and exclusive taxes.
    pub amount: i64,
    /// How many.
    pub quantity: Option<i64>,
    /// What it is for.
    pub period: Period,
    /// What made it.
    pub parent: Option<LineParent>,
    /// By which price.
    pub pricing: Option<Pricing>,
}

impl Line {
    /// Whether it settles a change in the midst of a period.
    pub fn is_proration(&self) -> bool {
        let parent = self.parent.as_ref();
        let details =
            parent.and_then(|p| p.subscription_item_details.as_ref().or(p.invoice_item_details.as_ref()));
        details.is_some_and(|d| d.proration)
    }

    /// The price, where it was made by one.
    pub fn price(&self) -> Option<&PriceId> {
        self.pricing.as_ref()?.price_details.as_ref()?.price.as_ref()
    }
}

/// A span of time, unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Period {
    /// Its first moment.
    pub start: i64,
    /// The moment after its last.
    pub end: i64,
}

/// What made a line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LineParent {
    /// An item of a subscription.
    pub subscription_item_details: Option<LineDetails>,
    /// An item that was put on the invoice by itself.
    pub invoice_item_details: Option<LineDetails>,
}

/// More of what made a line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LineDetails {
    /// Whether it settles a change in the midst of a period.
    #[serde(default, deserialize_with = "read::nullable")]
    pub proration: bool,
    /// The item.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub subscription_item: Option<SubscriptionItemId>,
}

/// By which price a line was reckoned.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pricing {
    /// The price and its product.
    pub price_details: Option<PriceDetails>,
}

/// A price and its product.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PriceDetails {
    /// The price.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub price: Option<PriceId>,
    /// Its product.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub product: Option<ProductId>,
}

/// A payment of an invoice, or a try.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InvoicePayment {
    /// Stripe's id.
    pub id: String,
    /// Of which invoice.
    #[serde(deserialize_with = "read::id")]
    pub invoice: InvoiceId,
    /// Minor units that were asked for.
    #[serde(default, deserialize_with = "read::nullable")]
    pub amount_requested: i64,
    /// Minor units that were paid.
    pub amount_paid: Option<i64>,
    /// `open`, `paid`, `canceled`.
    pub status: String,
    /// By what.
    pub payment: Paid,
}

/// What paid an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Paid {
    /// Where it was an intent.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub payment_intent: Option<PaymentIntentId>,
    /// Where it was a charge alone.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub charge: Option<ChargeId>,
}
