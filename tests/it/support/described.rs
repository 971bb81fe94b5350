//! Holds every answer of the API against the description that the API gives of itself.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use billing_portal::api::{BASE, document};
use http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

/// Panics where an operation that is described answers what its description does not say. Other paths are left alone.
#[track_caller]
pub(crate) fn assert_described(method: &Method, path: &str, status: u16, body: &Value) {
    let Some((template, operation)) = operation(method, path) else { return };
    let answer = &operation["responses"][status.to_string()];
    assert!(answer.is_object(), "{method} {template} answered {status}, which is not described: {body}");
    let Some(schema) = answer["content"]["application/json"].get("schema") else {
        assert!(body.as_str().is_some_and(str::is_empty), "{method} {template} {status} has a body: {body}");
        return;
    };
    static KNOWN: LazyLock<Mutex<HashMap<String, &'static Validator>>> = LazyLock::new(Mutex::default);
    let validator =
        *KNOWN.lock().unwrap().entry(format!("{method} {template} {status}")).or_insert_with(|| {
            let whole = json!({ "allOf": [schema], "components": document::value()["components"] });
            Box::leak(Box::new(jsonschema::validator_for(&whole).unwrap()))
        });
    let wrong: Vec<String> =
        validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{method} {template} {status}: {}\n{body}", wrong.join("\n"));
}

fn operation(method: &Method, path: &str) -> Option<(&'static str, &'static Value)> {
    let path = path.strip_prefix(BASE)?.split('?').next()?;
    let paths = document::value()["paths"].as_object()?;
    let fits = |template: &str| {
        let (known, given) = (template.split('/'), path.split('/'));
        known.clone().count() == given.clone().count()
            && known.zip(given).all(|(known, given)| known.starts_with('{') || known == given)
    };
    // A path that is written out goes before one with a parameter.
    let mut found: Vec<_> = paths.iter().filter(|(template, _)| fits(template)).collect();
    found.sort_by_key(|(template, _)| template.contains('{'));
    let (template, item) = found.first()?;
    Some((template.as_str(), item.get(method.as_str().to_lowercase())?))
}
