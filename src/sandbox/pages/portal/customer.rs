//! The customer's billing information.

use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as From};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::super::answer::{self, Fields, Frame, Problem};
use super::super::{missing, tax_id_type};
use super::{Portal, within};
use crate::sandbox::actions;
use crate::sandbox::engine::Handle;
use crate::sandbox::errors::Answer;
use crate::sandbox::json::Json as _;
use crate::sandbox::state::State;

pub(super) fn router() -> Router<Handle> {
    Router::new().route("/p/session/{id}/customer", get(ask).post(save))
}

/// A field of the form: its name in it, its place in the customer, the update that allows it, its label, how browsers fill
/// it, its kind.
struct Known {
    name: &'static str,
    at: &'static str,
    update: &'static str,
    label: &'static str,
    autocomplete: &'static str,
    kind: &'static str,
}

const FIELDS: [Known; 6] = [
    Known {
        name: "name",
        at: "/name",
        update: "name",
        label: "company-or-name",
        autocomplete: "organization",
        kind: "text",
    },
    Known {
        name: "email",
        at: "/email",
        update: "email",
        label: "email",
        autocomplete: "email",
        kind: "email",
    },
    Known { name: "phone", at: "/phone", update: "phone", label: "phone", autocomplete: "tel", kind: "tel" },
    Known {
        name: "line1",
        at: "/address/line1",
        update: "address",
        label: "street",
        autocomplete: "address-line1",
        kind: "text",
    },
    Known {
        name: "postal_code",
        at: "/address/postal_code",
        update: "address",
        label: "postcode",
        autocomplete: "postal-code",
        kind: "text",
    },
    Known {
        name: "city",
        at: "/address/city",
        update: "address",
        label: "city",
        autocomplete: "address-level2",
        kind: "text",
    },
];

#[derive(Template)]
#[template(path = "sandbox/portal_customer.html")]
struct CustomerPage {
    frame: Frame,
    seller: String,
    back: (String, String),
    fields: Vec<Shown>,
    /// The chosen country, where an address may be given.
    country: Option<String>,
    /// The tax id, where one may be given.
    tax_id: Option<String>,
    action: String,
}

struct Shown {
    name: &'static str,
    label: &'static str,
    value: String,
    autocomplete: &'static str,
    kind: &'static str,
}

fn may(portal: &Portal, update: &str) -> bool {
    let feature = portal.feature("customer_update");
    feature.flag("enabled") && feature.items("allowed_updates").iter().any(|allowed| allowed == update)
}

async fn ask(From(handle): From<Handle>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    within(&handle, &id, &headers, |_, portal| {
        if !portal.allows("customer_update") {
            return missing(&headers);
        }
        let page = CustomerPage::new(portal, None, Vec::new());
        answer::page(StatusCode::OK, &page.frame, &page)
    })
}

async fn save(
    From(handle): From<Handle>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = Fields::parse(&body);
    within(&handle, &id, &headers, |state, portal| {
        if !portal.allows("customer_update") {
            return missing(&headers);
        }
        let mut problems = Vec::new();
        if may(portal, "email") && !fields.get("email").contains('@') {
            problems.push(Problem::of("email", portal.words.say("email-wrong")));
        }
        if problems.is_empty()
            && let Err(error) = state.attempt(|state| carry_out(state, portal, &fields))
        {
            let field = if error.field("param").starts_with("value") { "tax_id" } else { "" };
            problems.push(Problem { field, message: error.field("message").to_owned() });
        }
        if problems.is_empty() {
            return portal.done("billing-updated");
        }
        let page = CustomerPage::new(portal, Some(&fields), problems);
        answer::page(StatusCode::UNPROCESSABLE_ENTITY, &page.frame, &page)
    })
}

fn carry_out(state: &mut State, portal: &Portal, fields: &Fields) -> Answer<()> {
    let mut changed = json!({});
    for field in FIELDS.iter().filter(|field| field.update != "address" && may(portal, field.update)) {
        changed[field.name] = given(fields.get(field.name));
    }
    if may(portal, "address") {
        let mut address = portal.customer.look("address").clone();
        for name in ["line1", "postal_code", "city", "country"] {
            address[name] = given(fields.get(name));
        }
        for name in ["line2", "state"] {
            address[name] = address.look(name).clone();
        }
        changed["address"] = address;
    }
    actions::update_customer(state, portal.customer(), &changed)?;
    let tax_id = fields.get("tax_id").to_uppercase();
    if may(portal, "tax_id") && !tax_id.is_empty() {
        let kind = tax_id_type(fields.get("country"), &tax_id);
        actions::add_tax_id(state, portal.customer(), kind, &tax_id)?;
    }
    Ok(())
}

/// An empty field is no value.
fn given(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

impl CustomerPage {
    fn new(portal: &Portal, sent: Option<&Fields>, problems: Vec<Problem>) -> Self {
        let value = |name: &str, at: &str| {
            sent.map_or_else(|| portal.customer.text(at).to_owned(), |sent| sent.get(name).to_owned())
        };
        let fields = FIELDS.iter().filter(|field| may(portal, field.update)).map(|field| Shown {
            name: field.name,
            label: field.label,
            value: value(field.name, field.at),
            autocomplete: field.autocomplete,
            kind: field.kind,
        });
        Self {
            frame: portal.frame(portal.words.say("edit-billing")).with_errors(problems),
            seller: portal.seller.clone(),
            back: portal.back(),
            fields: fields.collect(),
            country: may(portal, "address").then(|| value("country", "/address/country")),
            tax_id: may(portal, "tax_id")
                .then(|| sent.map_or_else(String::new, |sent| sent.get("tax_id").to_owned())),
            action: portal.path("/customer"),
        }
    }
}
