//! Stripe's own API description, held against every request the portal sends and every answer the sandbox gives.
//!
//! The description is a data file outside the repository, named by `STRIPE_OPENAPI`. Without it these checks say that they
//! were skipped; where `CI` is set, they fail instead. The file describes a version some months older than the one we pin:
//! [`overlay`] writes down what has changed since, each line from the official client of the pinned version.

mod convert;
mod form;
mod overlay;
mod values;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Registry, ValidationError, Validator};
use serde_json::{Value, json};

/// The address under which the description is registered, so that schemas can point into it.
const BASE: &str = "https://stripe.invalid/description";

/// One request and its answer, as they went over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    /// Path alone, without the query: `/v1/customers`.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) answer: Vec<u8>,
}

/// What the description says about exchanges.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Breaks the description.
    pub(crate) violations: Vec<String>,
    /// Values that a closed list of the description does not name: newer versions add such values.
    pub(crate) warnings: Vec<String>,
}

impl Verdict {
    /// Fails the test with every violation; warnings are printed.
    pub(crate) fn assert_clean(&self) {
        for warning in &self.warnings {
            println!("warning: {warning}");
        }
        assert!(
            self.violations.is_empty(),
            "{} violations of Stripe's API description:\n{}",
            self.violations.len(),
            self.violations.join("\n")
        );
    }
}

/// Stripe's API description, ready to judge.
pub(crate) struct Description {
    document: Value,
    schemas: Registry<'static>,
    operations: Vec<Operation>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

struct Operation {
    method: String,
    path: String,
    /// A schema of the query's parameters as one closed object.
    query: Value,
}

/// The description, loaded once; `None`, and a line that says so, where `STRIPE_OPENAPI` is not set outside CI.
pub(crate) fn description() -> Option<&'static Description> {
    static LOADED: OnceLock<Option<Description>> = OnceLock::new();
    LOADED
        .get_or_init(|| {
            let Some(path) = std::env::var_os("STRIPE_OPENAPI") else {
                assert!(
                    std::env::var_os("CI").is_none(),
                    "STRIPE_OPENAPI must name Stripe's API description in CI"
                );
                println!("skipped: STRIPE_OPENAPI is not set");
                return None;
            };
            let text = std::fs::read(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
            Some(Description::from_openapi(
                serde_json::from_slice(&text).expect("the API description is JSON"),
            ))
        })
        .as_ref()
}

impl Description {
    fn from_openapi(mut document: Value) -> Self {
        overlay::apply(&mut document);
        let operations = operations(&document);
        let schemas = Registry::new().add(BASE, convert::to_json_schema(&document)).expect("a valid address");
        let schemas = schemas.prepare().expect("every reference resolves");
        Self { schemas, operations, document, validators: Mutex::default() }
    }

    /// Judges one exchange: its query and body against the operation's parameters, its answer against the operation's
    /// answer, or against the error object where the status is an error. Paths outside `/v1/` are not Stripe's API.
    pub(crate) fn judge(&self, exchange: &Exchange) -> Verdict {
        let mut verdict = Verdict::default();
        if !exchange.path.starts_with("/v1/") {
            return verdict;
        }
        let name = format!("{} {}", exchange.method, exchange.path);
        let Some(operation) = self.operation(&exchange.method, &exchange.path) else {
            if exchange.status != 404 {
                verdict.violations.push(format!("{name}: no such operation"));
            }
            return verdict;
        };
        // What was refused as malformed was meant to be malformed, by a test of refusals.
        if exchange.status != 400 {
            self.judge_request(&name, operation, exchange, &mut verdict);
        }
        self.judge_answer(&name, operation, exchange, &mut verdict);
        verdict
    }

    /// Judges an object by what its `object` field says it is, as the payload of an event is.
    pub(crate) fn judge_object(&self, name: &str, object: &Value) -> Verdict {
        let mut verdict = Verdict::default();
        match self.schema_of(object) {
            Some(schema) => self.hold(
                &format!("{name} ({schema})"),
                &pointer(&["components", "schemas", &schema]),
                object,
                &mut verdict,
            ),
            None => verdict.violations.push(format!("{name}: no schema for object {}", object["object"])),
        }
        verdict
    }

    fn judge_request(&self, name: &str, operation: &Operation, exchange: &Exchange, verdict: &mut Verdict) {
        let sent = form::decode(exchange.query.as_bytes());
        let query = form::coerce(&operation.query, &sent);
        let pointer = pointer(&["paths", &operation.path, &operation.method, "query"]);
        self.hold(&format!("{name}?{}", exchange.query), &pointer, &query, verdict);
        match form::body_schema(&self.document["paths"][&operation.path][&operation.method]) {
            Some(schema) => {
                let body = form::coerce(schema, &form::decode(&exchange.body));
                let pointer = pointer_to_body(operation);
                self.hold(&format!("{name} request {}", text(&exchange.body)), &pointer, &body, verdict);
            }
            None if exchange.body.is_empty() => {}
            None => verdict.violations.push(format!("{name}: takes no body, got {}", text(&exchange.body))),
        }
    }

    fn judge_answer(&self, name: &str, operation: &Operation, exchange: &Exchange, verdict: &mut Verdict) {
        let Ok(answer) = serde_json::from_slice::<Value>(&exchange.answer) else {
            verdict.violations.push(format!(
                "{name}: the answer ({}) is not JSON: {}",
                exchange.status,
                text(&exchange.answer)
            ));
            return;
        };
        let status = if exchange.status < 300 { "200" } else { "default" };
        let name = format!("{name} answer {}", exchange.status);
        self.hold(&name, &pointer_to_answer(operation, status), &answer, verdict);
        self.judge_events(&name, &answer, verdict);
    }

    /// The description leaves an event's payload open; the payload itself says what it is.
    fn judge_events(&self, name: &str, answer: &Value, verdict: &mut Verdict) {
        let listed = answer["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        for event in std::iter::once(answer).chain(listed).filter(|value| value["object"] == "event") {
            let mut object = event["data"]["object"].clone();
            // An invoice that is yet to come has no id.
            if event["type"] == "invoice.upcoming" {
                object["id"] = "in_upcoming".into();
            }
            let of_object = self.judge_object(&format!("{name} {}", event["type"]), &object);
            verdict.violations.extend(of_object.violations);
            verdict.warnings.extend(of_object.warnings);
        }
    }

    fn hold(&self, name: &str, pointer: &str, value: &Value, verdict: &mut Verdict) {
        let broken = violations(&self.validator(pointer), value);
        if !broken.is_empty() {
            verdict.violations.extend(broken.into_iter().map(|violation| format!("{name}: {violation}")));
            return;
        }
        let mut unlisted = Vec::new();
        if let Some(schema) = self.document.pointer(&pointer.replace("%7B", "{").replace("%7D", "}")) {
            values::unlisted(&self.document, schema, value, "", &mut unlisted);
        }
        verdict.warnings.extend(unlisted.into_iter().map(|warning| format!("{name}: {warning}")));
    }

    fn validator(&self, pointer: &str) -> Arc<Validator> {
        if let Some(validator) = self.validators.lock().unwrap().get(pointer) {
            return Arc::clone(validator);
        }
        let schema = json!({ "$ref": format!("{BASE}#{pointer}") });
        let built = jsonschema::options().with_registry(&self.schemas).build(&schema);
        let validator = Arc::new(built.unwrap_or_else(|e| panic!("{pointer}: {e}")));
        self.validators.lock().unwrap().insert(pointer.to_owned(), Arc::clone(&validator));
        validator
    }

    /// The operation of a path; one without placeholders wins over one with.
    fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        let method = method.to_lowercase();
        let fits = |operation: &&Operation| operation.method == method && matches(&operation.path, path);
        self.operations.iter().filter(fits).min_by_key(|operation| operation.path.matches('{').count())
    }

    fn schema_of(&self, object: &Value) -> Option<String> {
        let kind = object["object"].as_str()?;
        let deleted = object["deleted"] == true;
        let schemas = self.document["components"]["schemas"].as_object()?;
        let fits = |schema: &Value| {
            schema["properties"]["object"]["enum"] == json!([kind])
                && schema["properties"]["deleted"].is_object() == deleted
        };
        // Of several, the resource itself: its name is the object's, with or without the group before the dot.
        let named = schemas.iter().filter(|(_, schema)| fits(schema)).map(|(name, _)| name);
        named.min_by_key(|name| (name.as_str() != kind, name.len())).cloned()
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            operations.push(Operation {
                method: method.clone(),
                path: path.clone(),
                query: convert::query_schema(operation),
            });
        }
    }
    operations
}

fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut got) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), got.next()) {
            (None, None) => return true,
            (Some(wanted), Some(got)) if wanted == got || (wanted.starts_with('{') && !got.is_empty()) => {}
            _ => return false,
        }
    }
}

fn pointer(parts: &[&str]) -> String {
    let mut pointer = String::new();
    for part in parts {
        let escaped = part.replace('~', "~0").replace('/', "~1").replace('{', "%7B").replace('}', "%7D");
        write!(pointer, "/{escaped}").expect("a string takes text");
    }
    pointer
}

fn pointer_to_body(operation: &Operation) -> String {
    pointer(&[
        "paths",
        &operation.path,
        &operation.method,
        "requestBody",
        "content",
        form::CONTENT_TYPE,
        "schema",
    ])
}

fn pointer_to_answer(operation: &Operation, status: &str) -> String {
    pointer(&[
        "paths",
        &operation.path,
        &operation.method,
        "responses",
        status,
        "content",
        "application/json",
        "schema",
    ])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn violations(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).flat_map(|error| explain(&error)).collect()
}

/// A choice that none of the alternatives fits is explained by the alternative that came closest.
fn explain(error: &ValidationError<'_>) -> Vec<String> {
    if let ValidationErrorKind::AnyOf { context } = error.kind() {
        let closest = context.iter().min_by_key(|errors| errors.iter().map(distance).sum::<usize>());
        return closest.into_iter().flatten().flat_map(explain).collect();
    }
    let shown = error.instance().to_string().chars().take(120).collect::<String>();
    vec![format!("at {}: {} (found {shown})", error.instance_path(), error.masked())]
}

/// How far a value is from an alternative: another kind of value, or another kind of object, is furthest.
fn distance(error: &ValidationError<'_>) -> usize {
    match error.kind() {
        ValidationErrorKind::Type { .. } | ValidationErrorKind::Enum { .. }
            if error.instance_path().as_str().matches('/').count() == 0 =>
        {
            1000
        }
        ValidationErrorKind::Enum { .. } if error.instance_path().as_str().ends_with("/object") => 1000,
        ValidationErrorKind::AnyOf { context } => {
            context.iter().map(|errors| errors.iter().map(distance).sum()).min().unwrap_or(1)
        }
        _ => 1,
    }
}
