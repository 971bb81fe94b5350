//! Automatic tax: a small table of standard rates by country, and the rules that matter for subscriptions.

use serde_json::{Value, json};

use super::decimal::share;
use crate::sandbox::json::Json;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// Country, rate in hundredths of a per cent, what the tax is called, its type.
const RATES: &[(&str, i64, &str, &str)] = &[
    ("AT", 2000, "VAT", "vat"),
    ("AU", 1000, "GST", "gst"),
    ("BE", 2100, "VAT", "vat"),
    ("BG", 2000, "VAT", "vat"),
    ("CA", 500, "GST", "gst"),
    ("CH", 810, "VAT", "vat"),
    ("CY", 1900, "VAT", "vat"),
    ("CZ", 2100, "VAT", "vat"),
    ("DE", 1900, "VAT", "vat"),
    ("DK", 2500, "VAT", "vat"),
    ("EE", 2400, "VAT", "vat"),
    ("ES", 2100, "VAT", "vat"),
    ("FI", 2550, "VAT", "vat"),
    ("FR", 2000, "VAT", "vat"),
    ("GB", 2000, "VAT", "vat"),
    ("GR", 2400, "VAT", "vat"),
    ("HR", 2500, "VAT", "vat"),
    ("HU", 2700, "VAT", "vat"),
    ("IE", 2300, "VAT", "vat"),
    ("IT", 2200, "VAT", "vat"),
    ("JP", 1000, "JCT", "jct"),
    ("LT", 2100, "VAT", "vat"),
    ("LU", 1700, "VAT", "vat"),
    ("LV", 2100, "VAT", "vat"),
    ("MT", 1800, "VAT", "vat"),
    ("MX", 1600, "VAT", "vat"),
    ("NL", 2100, "VAT", "vat"),
    ("NO", 2500, "VAT", "vat"),
    ("NZ", 1500, "GST", "gst"),
    ("PL", 2300, "VAT", "vat"),
    ("PT", 2300, "VAT", "vat"),
    ("RO", 2100, "VAT", "vat"),
    ("SE", 2500, "VAT", "vat"),
    ("SI", 2200, "VAT", "vat"),
    ("SK", 2300, "VAT", "vat"),
];

/// Members of the European Union, where a business with a VAT number accounts for the tax itself.
const UNION: &[&str] = &[
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT",
    "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// How a customer is taxed.
#[derive(Debug, Clone)]
pub(crate) struct Taxation {
    /// Hundredths of a per cent.
    rate: i64,
    name: &'static str,
    kind: &'static str,
    country: String,
    reason: &'static str,
}

/// Whether a customer can be taxed: Stripe's `automatic_tax` of a customer.
pub(crate) fn standing(customer: &Value) -> &'static str {
    match (customer.maybe_text("/address/country"), customer.text("tax_exempt")) {
        (None, _) => "unrecognized_location",
        (Some(country), _) if rate_of(country).is_some() => "supported",
        _ => "not_collecting",
    }
}

fn rate_of(country: &str) -> Option<&'static (&'static str, i64, &'static str, &'static str)> {
    RATES.iter().find(|(code, ..)| *code == country)
}

/// How a customer is taxed; none while the place is unknown.
pub(crate) fn of(state: &State, customer: &Value) -> Option<Taxation> {
    let country = customer.maybe_text("/address/country")?.to_uppercase();
    let Some((_, rate, name, kind)) = rate_of(&country) else {
        return Some(Taxation { rate: 0, name: "Tax", kind: "sales_tax", country, reason: "not_collecting" });
    };
    let id = customer.text("id");
    let numbered = || {
        state
            .store
            .all(Kind::TaxId)
            .any(|tax_id| tax_id.text("customer") == id && tax_id.text("type") == "eu_vat")
    };
    let abroad = country != state.settings.country && UNION.contains(&country.as_str());
    let (rate, reason) = match customer.text("tax_exempt") {
        "exempt" => (0, "customer_exempt"),
        "reverse" => (0, "reverse_charge"),
        _ if abroad && UNION.contains(&state.settings.country.as_str()) && numbered() => {
            (0, "reverse_charge")
        }
        _ => (*rate, "standard_rated"),
    };
    Some(Taxation { rate, name, kind, country, reason })
}

impl Taxation {
    /// The tax on an amount: within it when `inclusive`, on top otherwise.
    pub(crate) fn on(&self, amount: i64, inclusive: bool) -> i64 {
        if inclusive {
            amount - share(amount, 10_000, 10_000 + self.rate)
        } else {
            share(amount, self.rate, 10_000)
        }
    }

    /// The entry of a line's `taxes`.
    pub(crate) fn entry(&self, state: &mut State, amount: i64, inclusive: bool) -> Value {
        let tax = self.on(amount, inclusive);
        json!({
            "amount": tax,
            "tax_behavior": if inclusive { "inclusive" } else { "exclusive" },
            "tax_rate_details": { "tax_rate": self.rate_object(state, inclusive) },
            "taxability_reason": self.reason,
            "taxable_amount": if inclusive { amount - tax } else { amount },
            "type": "tax_rate_details",
        })
    }

    /// The id of the tax rate object, made when it is first needed.
    fn rate_object(&self, state: &mut State, inclusive: bool) -> String {
        let mark = format!("{}-{}-{}-{inclusive}", self.country, self.rate, self.reason);
        let known = state.store.all(Kind::TaxRate).find(|rate| rate.note("mark").as_str() == Some(&mark));
        if let Some(rate) = known {
            return rate.id();
        }
        let id = state.id("txr_");
        let percentage = super::discounts::percentage(self.rate);
        let mut rate = json!({
            "id": id, "object": "tax_rate", "active": true, "country": self.country, "created": state.at,
            "description": null, "display_name": self.name, "effective_percentage": percentage, "flat_amount": null,
            "inclusive": inclusive, "jurisdiction": self.country, "jurisdiction_level": "country", "livemode": false,
            "metadata": {}, "percentage": percentage, "rate_type": "percentage", "state": null, "tax_type": self.kind,
        });
        rate.set_note("mark", json!(mark));
        state.store.put(Kind::TaxRate, rate);
        id
    }
}

/// Whether a price's amounts contain their tax.
pub(crate) fn inclusive(price: &Value) -> bool {
    price.text("tax_behavior") == "inclusive"
}
