//! Customers, their tax ids, and what Stripe shows of a payment method.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::List;
use super::read::{self, Expandable};
use crate::money::Currency;
use crate::stripe::{CustomerId, PaymentMethodId, TaxIdId};

/// A customer. One that is gone has its id and `deleted` alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Customer {
    /// Stripe's id.
    pub id: CustomerId,
    /// Whether it is gone for good.
    #[serde(default)]
    pub deleted: bool,
    /// Unix seconds.
    pub created: Option<i64>,
    /// Whether it is of live mode.
    #[serde(default)]
    pub livemode: bool,
    /// Where bills go.
    pub email: Option<String>,
    /// The name on invoices.
    pub name: Option<String>,
    /// The billing address.
    pub address: Option<Address>,
    /// What the customer was first billed in; it cannot change.
    pub currency: Option<Currency>,
    /// Minor units; negative is credit for the next invoice.
    #[serde(default, deserialize_with = "read::nullable")]
    pub balance: i64,
    /// Whether the latest charge of an invoice failed.
    #[serde(default, deserialize_with = "read::nullable")]
    pub delinquent: bool,
    /// Ours: `tenant_id` is in it.
    #[serde(default, deserialize_with = "read::nullable")]
    pub metadata: BTreeMap<String, String>,
    /// Defaults for invoices.
    #[serde(default, deserialize_with = "read::nullable")]
    pub invoice_settings: InvoiceSettings,
    /// Tax numbers, where they were expanded.
    pub tax_ids: Option<List<TaxId>>,
    /// The test clock it lives on: its events carry another time than ours.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub test_clock: Option<String>,
}

impl Customer {
    /// The tenant that the portal wrote into it when it was made.
    pub fn tenant(&self) -> Option<&str> {
        self.metadata.get("tenant_id").map(String::as_str)
    }

    /// The default payment method, where it was expanded.
    pub fn payment_method(&self) -> Option<&PaymentMethod> {
        self.invoice_settings.default_payment_method.as_ref().and_then(Expandable::object)
    }
}

/// Defaults for a customer's invoices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct InvoiceSettings {
    /// What invoices are paid with.
    pub default_payment_method: Option<Expandable<PaymentMethodId, PaymentMethod>>,
}

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Street and number.
    pub line1: Option<String>,
    /// Floor, suite.
    pub line2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State, county, province.
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Two letters, ISO 3166.
    pub country: Option<String>,
}

/// A tax number of a customer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TaxId {
    /// Stripe's id.
    pub id: TaxIdId,
    /// Its kind, such as `eu_vat`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The number.
    pub value: String,
    /// What the authority said of it.
    pub verification: Option<Verification>,
}

/// What a tax authority said of a number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Verification {
    /// `pending`, `verified`, `unverified`, `unavailable`.
    pub status: String,
}

/// A way to pay. Of a card, Stripe gives a server the brand, the last four digits and the expiry, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PaymentMethod {
    /// Stripe's id.
    pub id: PaymentMethodId,
    /// Its kind: `card`, `sepa_debit`, `link`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Whose it is; null once it was taken off the customer: then nothing can be charged to it any more.
    pub customer: Option<CustomerId>,
    /// Where it is a card.
    pub card: Option<Card>,
    /// Where it is a SEPA debit.
    pub sepa_debit: Option<Debit>,
    /// Where it is a debit of an account in the United States.
    pub us_bank_account: Option<Debit>,
}

impl PaymentMethod {
    /// The last four digits, of the card or of the account.
    pub fn last4(&self) -> Option<&str> {
        let debit = self.sepa_debit.as_ref().or(self.us_bank_account.as_ref());
        self.card.as_ref().map(|card| card.last4.as_str()).or_else(|| debit?.last4.as_deref())
    }
}

/// What is shown of a card.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Card {
    /// `visa`, `mastercard`, …
    pub brand: String,
    /// The last four digits.
    pub last4: String,
    /// Month of expiry, 1 to 12.
    pub exp_month: i64,
    /// Year of expiry, four digits.
    pub exp_year: i64,
}

/// What is shown of a bank account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Debit {
    /// The last four digits.
    pub last4: Option<String>,
}
