//! Stripe's form encoding: `items[0][price]=price_1&metadata[k]=v`.

use serde_json::{Map, Value};

pub(crate) const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// The schema of an operation's form, where it takes one.
pub(crate) fn body_schema(operation: &Value) -> Option<&Value> {
    operation.pointer("/requestBody/content/application~1x-www-form-urlencoded/schema")
}

/// The form as a tree of objects and strings; lists are still objects with numbers for keys.
pub(crate) fn decode(form: &[u8]) -> Value {
    let mut root = Map::new();
    for (key, value) in form_urlencoded::parse(form) {
        let mut parts = key.split('[').map(|part| part.trim_end_matches(']'));
        let first = parts.next().unwrap_or_default().to_owned();
        insert(&mut root, first, parts.map(str::to_owned).collect(), value.into_owned());
    }
    Value::Object(root)
}

fn insert(into: &mut Map<String, Value>, key: String, rest: Vec<String>, value: String) {
    let key = if key.is_empty() { into.len().to_string() } else { key };
    let mut rest = rest.into_iter();
    match rest.next() {
        None => {
            into.insert(key, Value::String(value));
        }
        Some(next) => {
            let inner = into.entry(key).or_insert_with(|| Value::Object(Map::new()));
            // A key that is a text in one place and a tree in another is left as it came first; the schema refuses it.
            if let Some(inner) = inner.as_object_mut() {
                insert(inner, next, rest.collect(), value);
            }
        }
    }
}

/// Gives each value the type that the schema asks for, where it can be had; what does not fit stays as it was sent, for
/// the schema to refuse.
pub(crate) fn coerce(schema: &Value, sent: &Value) -> Value {
    if let Some(choices) = schema["anyOf"].as_array() {
        let coerced = choices.iter().map(|choice| (choice, coerce(choice, sent)));
        let fitting = coerced.into_iter().find(|(choice, value)| fits(choice, value));
        return fitting.map_or_else(|| sent.clone(), |(_, value)| value);
    }
    match (schema["type"].as_str(), sent) {
        (Some("integer"), Value::String(text)) => {
            text.parse::<i64>().map_or_else(|_| sent.clone(), Value::from)
        }
        (Some("number"), Value::String(text)) => {
            text.parse::<serde_json::Number>().map_or_else(|_| sent.clone(), Value::Number)
        }
        (Some("boolean"), Value::String(text)) => {
            text.parse::<bool>().map_or_else(|_| sent.clone(), Value::from)
        }
        (Some("array"), Value::Object(entries)) if entries.keys().all(|key| key.parse::<usize>().is_ok()) => {
            let mut entries = entries.iter().collect::<Vec<_>>();
            entries.sort_by_key(|(key, _)| key.parse::<usize>().unwrap_or_default());
            entries.into_iter().map(|(_, value)| coerce(&schema["items"], value)).collect()
        }
        (_, Value::Object(entries)) => {
            let of = |key: &String| schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
            entries.iter().map(|(key, value)| (key.clone(), coerce(of(key), value))).collect()
        }
        _ => sent.clone(),
    }
}

/// Whether a value is of the kind that an alternative asks for, looking no deeper than its keys.
pub(super) fn fits(schema: &Value, value: &Value) -> bool {
    let listed = schema["enum"].as_array().is_none_or(|values| values.contains(value));
    listed
        && match schema["type"].as_str() {
            Some("integer") => value.is_i64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            Some("string") => value.is_string(),
            Some("array") => value.is_array(),
            Some("object") => value.as_object().is_some_and(|entries| {
                let known = |key: &String| schema["properties"].get(key).is_some();
                schema["properties"].is_null()
                    || schema["additionalProperties"].is_object()
                    || entries.keys().all(known)
            }),
            _ => true,
        }
}
