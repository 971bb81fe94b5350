//! Customers and their tax ids.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use stripe_billing::tax_id::{CreateCustomerTaxId, DeleteCustomerTaxId, ListCustomerTaxId};
use stripe_client_core::{RequestBuilder, StripeMethod};
use stripe_core::customer::{
    CreateCustomer, ListCustomer, ListPaymentMethodsCustomer, OptionalFieldsCustomerAddress,
    RetrieveCustomer, UpdateCustomer, UpdateCustomerTax, UpdateCustomerTaxValidateLocation,
};

use super::{get, page, post};
use crate::stripe::snapshot::{Address, Customer, Deleted, List, PaymentMethod, TaxId};
use crate::stripe::{Budget, CustomerId, Fetched, Key, Result, Stripe, TaxIdId};

/// What a customer is made with. Stored before the first try, so that a retry after a restart sends the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCustomer {
    /// Goes into the metadata: by it an event finds its tenant.
    pub tenant_id: String,
    /// The name on invoices.
    pub name: String,
    /// Where bills go.
    pub email: String,
    /// The language of Stripe's mails and pages, such as `es`.
    pub locale: String,
}

/// What of a customer is to change; what is none stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerChange {
    /// The name on invoices.
    pub name: Option<String>,
    /// Where bills go.
    pub email: Option<String>,
    /// The billing address, whole.
    pub address: Option<Address>,
    /// The language of Stripe's mails and pages.
    pub locale: Option<String>,
    /// Whether an address is refused that Stripe cannot reckon taxes for.
    #[serde(default)]
    pub must_be_taxable: bool,
}

/// With the default payment method whole and the tax ids.
fn expanded() -> Vec<String> {
    vec!["invoice_settings.default_payment_method".to_owned(), "tax_ids".to_owned()]
}

/// Makes a customer.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn create(
    stripe: &Stripe,
    new: &NewCustomer,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Customer>> {
    let request = CreateCustomer::new()
        .name(new.name.as_str())
        .email(new.email.as_str())
        .preferred_locales(vec![new.locale.clone()])
        .metadata(HashMap::from([("tenant_id".to_owned(), new.tenant_id.clone())]));
    post(stripe, request, key, budget).await
}

/// One customer, with the default payment method and the tax ids. One that is gone comes with `deleted`.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn get_one(stripe: &Stripe, id: &CustomerId, budget: Budget) -> Result<Fetched<Customer>> {
    get(stripe, RetrieveCustomer::new(id.as_str()).expand(expanded()), budget).await
}

/// A page of all customers, newest first, beginning after `after`, each as [`get_one`] gives it. Those that are gone, or on a
/// test clock, are not among them.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn listed(stripe: &Stripe, after: Option<&str>, budget: Budget) -> Result<Fetched<List<Customer>>> {
    let request =
        ListCustomer::new().expand(expanded().iter().map(|path| format!("data.{path}")).collect::<Vec<_>>());
    stripe.call(page!(request, after), None, budget).await
}

/// Changes a customer.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn update(
    stripe: &Stripe,
    id: &CustomerId,
    change: &CustomerChange,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Customer>> {
    let mut request = UpdateCustomer::new(id.as_str()).expand(expanded());
    if let Some(name) = &change.name {
        request = request.name(name.as_str());
    }
    if let Some(email) = &change.email {
        request = request.email(email.as_str());
    }
    if let Some(address) = &change.address {
        request = request.address(whole(address));
    }
    if let Some(locale) = &change.locale {
        request = request.preferred_locales(vec![locale.clone()]);
    }
    if change.must_be_taxable {
        let mut tax = UpdateCustomerTax::new();
        tax.validate_location = Some(UpdateCustomerTaxValidateLocation::Immediately);
        request = request.tax(tax);
    }
    post(stripe, request, key, budget).await
}

/// An address with an empty text for what it lacks: that is how Stripe is told that a line is gone.
fn whole(address: &Address) -> OptionalFieldsCustomerAddress {
    let line = |value: &Option<String>| Some(value.clone().unwrap_or_default());
    let mut all = OptionalFieldsCustomerAddress::new();
    all.line1 = line(&address.line1);
    all.line2 = line(&address.line2);
    all.city = line(&address.city);
    all.state = line(&address.state);
    all.postal_code = line(&address.postal_code);
    all.country = line(&address.country);
    all
}

/// The ways to pay that are kept for a customer.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn payment_methods(
    stripe: &Stripe,
    id: &CustomerId,
    budget: Budget,
) -> Result<Fetched<Vec<PaymentMethod>>> {
    super::all(
        stripe,
        budget,
        |method: &PaymentMethod| method.id.as_str(),
        |after| page!(ListPaymentMethodsCustomer::new(id.as_str()), after),
    )
    .await
}

/// All tax ids of a customer.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn tax_ids(stripe: &Stripe, id: &CustomerId, budget: Budget) -> Result<Fetched<Vec<TaxId>>> {
    super::all(
        stripe,
        budget,
        |tax: &TaxId| tax.id.as_str(),
        |after| page!(ListCustomerTaxId::new(id.as_str()), after),
    )
    .await
}

/// Adds a tax id. `kind` is one of Stripe's words, such as `eu_vat`.
///
/// # Errors
/// See [`crate::stripe::Error`]; a number that cannot be one is refused with the code `tax_id_invalid`.
pub async fn add_tax_id(
    stripe: &Stripe,
    id: &CustomerId,
    kind: &str,
    value: &str,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<TaxId>> {
    let kind = match kind.parse::<stripe_billing::tax_id::CreateCustomerTaxIdType>() {
        Ok(kind) => kind,
        Err(never) => match never {},
    };
    post(stripe, CreateCustomerTaxId::new(id.as_str(), kind, value), key, budget).await
}

/// Removes a tax id.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn remove_tax_id(
    stripe: &Stripe,
    id: &CustomerId,
    tax_id: &TaxIdId,
    budget: Budget,
) -> Result<Fetched<Deleted>> {
    get(stripe, DeleteCustomerTaxId::new(id.as_str(), tax_id.as_str()), budget).await
}

/// Writes the tenant into a customer that was made elsewhere.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn set_metadata(
    stripe: &Stripe,
    id: &CustomerId,
    pairs: &BTreeMap<String, String>,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Customer>> {
    post(
        stripe,
        UpdateCustomer::new(id.as_str()).metadata(super::metadata(pairs)).expand(expanded()),
        key,
        budget,
    )
    .await
}

/// Deletes a customer for good; its subscriptions end at once.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn delete(stripe: &Stripe, id: &CustomerId, budget: Budget) -> Result<Fetched<Deleted>> {
    stripe.call(RequestBuilder::new(StripeMethod::Delete, format!("/customers/{id}")), None, budget).await
}
