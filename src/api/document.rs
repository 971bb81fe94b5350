//! The description of the API, OpenAPI 3.1: what the endpoints say of themselves, and what holds for all of them.

use std::sync::LazyLock;

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{BASE, Scope, router, view};

/// What every refusal and failure looks like.
#[derive(Serialize, ToSchema)]
pub struct Problem {
    /// Words for a developer.
    #[schema(example = "some fields cannot be accepted; details names each")]
    error: String,
    /// The word to tell refusals apart by; it never changes.
    #[schema(example = "invalid_input")]
    code: String,
    /// More about it, by the name of what it is about: for `invalid_input`, words for each wrong field.
    details: Map<String, Value>,
}

/// What each status says, and when an operation can answer it.
const PROBLEMS: [(&str, &str, When); 13] = [
    ("400", "The request cannot be accepted; `details` names every wrong field.", When::Always),
    ("401", "No credential, or one that opens nothing.", When::Called),
    (
        "403",
        "The key lacks the scope, the role may not, or the tenant's access is restricted: `access_restricted`.",
        When::Called,
    ),
    ("404", "There is nothing here, or nothing that this caller may know of.", When::Always),
    (
        "409",
        "The state of things does not allow it: `code` says why, and `details.next` what helps; or the `Idempotency-Key` was used for another request.",
        When::Changed,
    ),
    ("410", "It was there and is over: a quote that has expired.", When::Changed),
    ("413", "The body is too large.", When::Changed),
    ("415", "The body is not JSON.", When::Changed),
    ("422", "The request is well formed and was refused; `code` says why.", When::Changed),
    ("429", "Too many calls; `Retry-After` says when another makes sense.", When::Always),
    ("500", "A fault of ours.", When::Always),
    (
        "502",
        "Stripe answered what cannot be used, or does not take our key. Ask for the state of things before a retry.",
        When::Changed,
    ),
    ("503", "Stripe or the database cannot be reached. Nothing changed; a retry is safe.", When::Always),
];

/// Which operations a status concerns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// With a credential.
    Called,
    /// POST and PUT.
    Changed,
}

/// The description.
pub fn value() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(make);
    &DOCUMENT
}

/// The description as text.
pub(super) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| value().to_string());
    &TEXT
}

fn make() -> Value {
    let (_, api) = router::endpoints().split_for_parts();
    let mut document = serde_json::to_value(api).unwrap_or_default();
    document["openapi"] = "3.1.0".into();
    document["info"] = json!({
        "title": "Billing portal",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "The JSON API of the billing portal, for the application that sells the plans. \
            Times are RFC 3339 in UTC; money is in whole minor units, with its currency. Beside what is described here, Stripe \
            itself may deliver its events to `POST /webhooks/payment`: the same as `/webhooks/stripe` of the portal, signed by \
            Stripe, and for nobody else.",
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
    });
    document["servers"] = json!([{ "url": BASE }]);
    let scopes = Scope::ALL.map(|scope| format!("`{scope}`")).join(", ");
    document["components"]["securitySchemes"] = json!({
        "key": {
            "type": "http", "scheme": "bearer", "bearerFormat": "bp_live_… or bp_test_…",
            "description": format!("A key: the host application itself. Each operation names the scope that the key \
                must have, of {scopes}. Tenants are named by the header `X-Tenant-Id`, the path or the body."),
        },
        "token": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "A token that the host application signed: the user `sub` of the tenant `company_id`, with \
                `role`. Each operation names the roles that it is for.",
        },
    });
    document["components"]["schemas"]["Problem"] = problem();
    if let Some(paths) = document["paths"].as_object_mut() {
        for item in paths.values_mut().filter_map(Value::as_object_mut) {
            for (method, operation) in item.iter_mut() {
                complete(method, operation);
            }
        }
    }
    document
}

fn problem() -> Value {
    let mut problem = serde_json::to_value(<Problem as utoipa::PartialSchema>::schema()).unwrap_or_default();
    let code = &mut problem["properties"]["code"]["description"];
    let mut words = code.as_str().unwrap_or_default().to_owned();
    words.push_str("\n\nWhat stands in the way of a call, with 409 or 410:\n");
    for (code, reason) in view::codes() {
        words.push_str(&format!("\n- `{code}`: {reason}"));
    }
    *code = words.into();
    problem
}

/// Adds to an operation what holds for all of its kind.
fn complete(method: &str, operation: &mut Value) {
    if !operation.is_object() {
        return;
    }
    let is_public = is_public(operation);
    for (status, words, when) in PROBLEMS {
        let concerns = match when {
            When::Always => true,
            When::Called => !is_public,
            When::Changed => matches!(method, "post" | "put"),
        };
        if concerns && operation["responses"].get(status).is_none() {
            operation["responses"][status] = json!({
                "description": words,
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            });
        }
    }
    let mut headers = Vec::new();
    if names_tenant(operation) {
        let for_key_alone = !takes_token(operation);
        let words = if for_key_alone {
            "The tenant, by the portal's id or the host application's own."
        } else {
            "With a key: the tenant, by the portal's id or the host application's own. A token names its tenant itself."
        };
        headers.push(header("X-Tenant-Id", words, 200, for_key_alone));
    }
    if method == "post" && !is_public {
        headers.push(header(
            "Idempotency-Key",
            "Visible ASCII. The same key with the same request gets the same answer for 24 hours, and nothing is done twice.",
            255,
            false,
        ));
    }
    if !headers.is_empty() {
        match operation["parameters"].as_array_mut() {
            Some(parameters) => parameters.extend(headers),
            None => operation["parameters"] = headers.into(),
        }
    }
}

/// Whether an operation is for anybody.
pub(super) fn is_public(operation: &Value) -> bool {
    operation["security"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one.as_object().is_some_and(Map::is_empty)))
}

/// Whether a key must name the tenant in the header: where a token could be used too, or the permission is one of a tenant.
/// Tenants themselves are named by the path or the body.
fn names_tenant(operation: &Value) -> bool {
    takes_token(operation) || demands_of_key(operation).any(|scope| !scope.starts_with("tenants:"))
}

fn takes_token(operation: &Value) -> bool {
    operation["security"].as_array().into_iter().flatten().any(|one| one.get("token").is_some())
}

/// The scopes that an operation asks of a key.
fn demands_of_key(operation: &Value) -> impl Iterator<Item = &str> {
    let all = operation["security"].as_array().into_iter().flatten();
    all.filter_map(|one| one["key"].as_array()).flatten().filter_map(Value::as_str)
}

fn header(name: &str, words: &str, most: u16, is_required: bool) -> Value {
    json!({
        "name": name, "in": "header", "required": is_required, "description": words,
        "schema": { "type": "string", "minLength": 1, "maxLength": most, "pattern": "^[!-~]+$" },
    })
}
