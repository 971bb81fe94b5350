//! Who pays: the part of the Checkout form that is not about the card.

use serde_json::{Value, json};

use super::answer::{Fields, Problem};
use super::words::Words;
use crate::sandbox::json::Json as _;

/// What the form asks for, by the session's settings.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) email: bool,
    /// Country and postcode.
    pub(super) country: bool,
    /// Name, street and city too.
    pub(super) whole_address: bool,
    pub(super) tax_id: bool,
}

/// What was typed.
#[derive(Clone, Debug, Default)]
pub(super) struct Details {
    pub(super) email: String,
    pub(super) name: String,
    pub(super) line1: String,
    pub(super) postal_code: String,
    pub(super) city: String,
    pub(super) country: String,
    pub(super) tax_id: String,
}

impl Asked {
    pub(super) fn by(session: &Value, customer: &Value) -> Self {
        let whole_address = session.text("billing_address_collection") == "required"
            || session.flag("/automatic_tax/enabled")
            || session.flag("/tax_id_collection/enabled");
        let free =
            session.int("amount_total") == 0 && session.text("payment_method_collection") == "if_required";
        Self {
            email: customer.maybe_text("email").or(session.maybe_text("customer_email")).is_none(),
            country: whole_address || !free,
            whole_address,
            tax_id: session.flag("/tax_id_collection/enabled"),
        }
    }
}

impl Details {
    /// What is known of the payer already.
    pub(super) fn known(session: &Value, customer: &Value) -> Self {
        let text = |at: &str| customer.text(at).to_owned();
        Self {
            email: customer.maybe_text("email").unwrap_or_else(|| session.text("customer_email")).to_owned(),
            name: text("name"),
            line1: text("/address/line1"),
            postal_code: text("/address/postal_code"),
            city: text("/address/city"),
            country: text("/address/country"),
            tax_id: String::new(),
        }
    }

    /// What was sent, where a form was sent.
    pub(super) fn again(self, sent: &Fields) -> Self {
        if sent.get("do") != "pay" {
            return self;
        }
        let email = if sent.get("email").is_empty() { self.email } else { sent.get("email").to_owned() };
        Self { email, ..Self::sent(sent) }
    }

    fn sent(sent: &Fields) -> Self {
        let text = |name: &str| sent.get(name).to_owned();
        Self {
            email: text("email"),
            name: text("name"),
            line1: text("line1"),
            postal_code: text("postal_code"),
            city: text("city"),
            country: text("country"),
            tax_id: text("tax_id").to_uppercase().replace([' ', '-', '.'], ""),
        }
    }

    /// The address as Stripe's object; null where none is asked for, or where only a part is and the customer has one.
    pub(super) fn address(&self, asked: Asked, customer: &Value) -> Value {
        let known = customer.look("address").maybe_text("country").is_some();
        if !asked.country || (known && !asked.whole_address) {
            return Value::Null;
        }
        let given = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
        json!({
            "city": given(&self.city), "country": given(&self.country), "line1": given(&self.line1), "line2": null,
            "postal_code": given(&self.postal_code), "state": null,
        })
    }

    /// Reads what is asked for.
    pub(super) fn read(sent: &Fields, asked: Asked, words: Words) -> Result<Self, Vec<Problem>> {
        let details = Self::sent(sent);
        let mut problems = Vec::new();
        let mut need = |field: &'static str, present: bool, key: &str| {
            if !present {
                problems.push(Problem::of(field, words.say(key)));
            }
        };
        if asked.email {
            let (name, host) = details.email.split_once('@').unwrap_or_default();
            need("email", !name.is_empty() && !host.is_empty(), "email-wrong");
        }
        if asked.whole_address {
            need("name", !details.name.is_empty(), "name-missing");
        }
        if asked.country {
            need("country", details.country.len() == 2, "country-missing");
        }
        if asked.whole_address {
            need("line1", !details.line1.is_empty(), "street-missing");
            need("postal_code", !details.postal_code.is_empty(), "postcode-missing");
            need("city", !details.city.is_empty(), "city-missing");
        }
        if problems.is_empty() { Ok(details) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;

    const ALL: Asked = Asked { email: true, country: true, whole_address: true, tax_id: true };

    fn read(form: &'static str, asked: Asked) -> Result<Details, Vec<&'static str>> {
        let sent = Fields::parse(&Bytes::from_static(form.as_bytes()));
        let read = Details::read(&sent, asked, Words::English);
        read.map_err(|problems| problems.iter().map(|problem| problem.field).collect())
    }

    #[test]
    fn what_is_asked_for_must_be_given() {
        assert_eq!(read("", ALL).unwrap_err(), ["email", "name", "country", "line1", "postal_code", "city"]);
        let form = "email=a%40b.example&name=N&country=DE&line1=L&postal_code=1&city=C&tax_id=de+123.456";
        assert_eq!(read(form, ALL).unwrap().tax_id, "DE123456");
    }

    #[test]
    fn what_is_known_is_not_asked_again() {
        let asked = Asked::by(&json!({ "customer_email": null }), &json!({ "email": "known@example.com" }));
        assert!(!asked.email && asked.country && !asked.whole_address);
        assert!(read("country=DE", asked).is_ok());
    }

    #[test]
    fn a_part_of_an_address_does_not_overwrite_a_whole_one() {
        let asked = Asked::by(&json!({}), &json!({ "email": "known@example.com" }));
        let details = read("country=DE&postal_code=1", asked).unwrap();
        assert_eq!(
            details.address(asked, &json!({ "address": { "country": "ES", "line1": "Calle" } })),
            Value::Null
        );
        assert_eq!(details.address(asked, &json!({}))["country"], "DE");
    }
}
