//! Values that a list of the description does not name.
//!
//! Lists grow from version to version, so these are warnings. What is walked has passed as to its shape.

use serde_json::Value;

use super::form;

/// Each such value with its place; schemas are resolved in `document`.
pub(super) fn unlisted(
    document: &Value,
    schema: &Value,
    value: &Value,
    place: &str,
    found: &mut Vec<String>,
) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null);
        return unlisted(document, schema, value, place, found);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let resolve = |choice: &Value| {
            let name = choice["$ref"].as_str().unwrap_or("#/nowhere");
            document.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null).clone()
        };
        let is_it = |choice: &&Value| match choice["$ref"].is_string() {
            true => is_object(&resolve(choice), value),
            false => form::fits(choice, value),
        };
        if let Some(choice) = choices.iter().find(is_it) {
            unlisted(document, choice, value, place, found);
        }
        return;
    }
    let listed = schema["enum"].as_array();
    if value.is_string() && listed.is_some_and(|values| !values.contains(value)) {
        found.push(format!("at {place}: {value} is on no list"));
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        unlisted(document, &schema["properties"][key], inner, &format!("{place}/{key}"), found);
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        unlisted(document, &schema["items"], inner, &format!("{place}/{index}"), found);
    }
}

/// Whether a value is of the kind of object that a schema describes.
fn is_object(schema: &Value, value: &Value) -> bool {
    let kind = schema["properties"]["object"]["enum"].as_array();
    value.is_object() && kind.is_none_or(|kinds| kinds.contains(&value["object"]))
}
