//! Billing details as programs send and see them: a part of `PUT /subscription/update`.

use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

use super::change::{Change, Lines};
use super::{Known, MOST_TAX_IDS, TAX_ID_KINDS, TypedTaxId, countries};
use crate::api::Fields;
use crate::api::fields::{parsed, text};
use crate::auth::Email;

/// An address. In a change, what is not named stays and an empty line is taken away.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingAddress)]
#[serde(deny_unknown_fields)]
pub struct AddressShown {
    /// Street and number.
    #[schema(max_length = 200, example = "Calle Mayor 1")]
    line1: Option<String>,
    /// Floor, suite.
    #[schema(max_length = 200)]
    line2: Option<String>,
    #[schema(max_length = 200, example = "Madrid")]
    city: Option<String>,
    /// State, county, province.
    #[schema(max_length = 200)]
    state: Option<String>,
    #[schema(max_length = 200, example = "28013")]
    postal_code: Option<String>,
    /// Two letters (ISO 3166).
    #[schema(max_length = 2, example = "ES")]
    country: Option<String>,
}

/// A tax id that a company is to have.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the description of the body")]
pub struct NewTaxId {
    /// Stripe's word for its kind.
    #[schema(min_length = 1, max_length = 50, example = "eu_vat")]
    r#type: String,
    /// The number.
    #[schema(min_length = 1, max_length = 50, example = "ESB12345678")]
    value: String,
}

/// Billing details as they are.
#[derive(Debug, Serialize, ToSchema)]
pub struct BillingDetails {
    /// The name on invoices.
    #[schema(example = "Norte Logistics SL")]
    name: String,
    /// Where bills go.
    #[schema(example = "billing@norte.example")]
    email: String,
    address: AddressShown,
    tax_ids: Vec<TaxIdShown>,
}

/// A tax id.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingTaxId)]
struct TaxIdShown {
    /// Stripe's word for its kind.
    #[serde(rename = "type")]
    #[schema(example = "eu_vat")]
    kind: String,
    #[schema(example = "ESB12345678")]
    value: String,
    /// What the authority said of it: `pending`, `verified`, `unverified`, `unavailable`; null where it was not asked.
    #[schema(example = "verified")]
    verification: Option<String>,
}

impl From<Known> for BillingDetails {
    fn from(known: Known) -> Self {
        let address = known.address;
        Self {
            name: known.name,
            email: known.email,
            address: AddressShown {
                line1: address.line1,
                line2: address.line2,
                city: address.city,
                state: address.state,
                postal_code: address.postal_code,
                country: address.country,
            },
            tax_ids: known
                .tax_ids
                .into_iter()
                .map(|one| TaxIdShown { kind: one.kind, value: one.value, verification: one.verification })
                .collect(),
        }
    }
}

/// A word that names one of a list.
struct Word(String);

/// A country.
struct Country(String);

impl FromStr for Word {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if TAX_ID_KINDS.contains(&text) { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

impl FromStr for Country {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let code = text.to_uppercase();
        if countries::key(&code).is_some() { Ok(Self(code)) } else { Err(()) }
    }
}

/// The fields of a change. All may be absent; those whose form is wrong are left out and noted.
pub fn read(fields: &mut Fields) -> Change {
    let name = fields.optional("name", text(1, 200));
    let email = fields.optional("email", parsed::<Email>("details-wrong-email"));
    let address = fields.object("address", lines);
    let tax_ids = fields.list("tax_ids", 0..=MOST_TAX_IDS, |one| {
        let kind = one.required("type", parsed::<Word>("details-wrong-kind"));
        let value = one.required("value", text(1, 50));
        let kind = kind.map(|kind| kind.0).unwrap_or_default();
        Some(TypedTaxId { kind, value: value.unwrap_or_default() })
    });
    Change {
        name: name.flatten(),
        email: email.flatten().map(|email| email.as_str().to_owned()),
        address: address.flatten().unwrap_or_default(),
        tax_ids: tax_ids.flatten(),
    }
}

fn lines(fields: &mut Fields) -> Option<Lines> {
    let mut line = |name| fields.optional(name, text(0, 200)).flatten();
    let (line1, line2, city) = (line("line1"), line("line2"), line("city"));
    let (state, postal_code) = (line("state"), line("postal_code"));
    let country = fields.optional("country", parsed::<Country>("details-wrong-country"));
    Some(Lines {
        line1,
        line2,
        city,
        state,
        postal_code,
        country: country.flatten().map(|country| country.0),
    })
}
