//! Reading and changing plain JSON objects without ceremony.
//!
//! The sandbox keeps every object as the JSON that Stripe would answer. What only the sandbox knows of an object stands
//! under the key [`HIDDEN`] and never leaves.

use serde_json::{Map, Value};

/// The key of an object's private notes; removed before it is shown.
pub(crate) const HIDDEN: &str = "_";

/// Short readers for a JSON object: a missing key reads as empty, zero, false or none.
pub(crate) trait Json {
    /// The text at a key or, with a leading slash, at a JSON pointer; empty when absent.
    fn text(&self, at: &str) -> &str;
    /// The text, or none when absent, null or empty.
    fn maybe_text(&self, at: &str) -> Option<&str>;
    /// The integer, zero when absent.
    fn int(&self, at: &str) -> i64;
    /// The integer, or none.
    fn maybe_int(&self, at: &str) -> Option<i64>;
    /// The flag, false when absent.
    fn flag(&self, at: &str) -> bool;
    /// The elements of the array, or of the list object, at a key.
    fn items(&self, at: &str) -> &[Value];
    /// The value at a key or pointer; `Null` when absent.
    fn look(&self, at: &str) -> &Value;
    /// A private note.
    fn note(&self, key: &str) -> &Value;
    /// Writes a private note; `Null` removes it.
    fn set_note(&mut self, key: &str, value: Value);
    /// The object's id.
    fn id(&self) -> String;
}

impl Json for Value {
    fn text(&self, at: &str) -> &str {
        self.look(at).as_str().unwrap_or_default()
    }

    fn maybe_text(&self, at: &str) -> Option<&str> {
        self.look(at).as_str().filter(|text| !text.is_empty())
    }

    fn int(&self, at: &str) -> i64 {
        self.maybe_int(at).unwrap_or_default()
    }

    fn maybe_int(&self, at: &str) -> Option<i64> {
        self.look(at).as_i64()
    }

    fn flag(&self, at: &str) -> bool {
        self.look(at).as_bool().unwrap_or_default()
    }

    fn items(&self, at: &str) -> &[Value] {
        let found = self.look(at);
        let array = found.as_array().or_else(|| found.get("data").and_then(Value::as_array));
        array.map_or(&[], Vec::as_slice)
    }

    fn look(&self, at: &str) -> &Value {
        let found = if at.starts_with('/') { self.pointer(at) } else { self.get(at) };
        found.unwrap_or(&Value::Null)
    }

    fn note(&self, key: &str) -> &Value {
        self.get(HIDDEN).and_then(|notes| notes.get(key)).unwrap_or(&Value::Null)
    }

    fn set_note(&mut self, key: &str, value: Value) {
        let Some(object) = self.as_object_mut() else { return };
        let notes = object.entry(HIDDEN).or_insert_with(|| Value::Object(Map::new()));
        let Some(notes) = notes.as_object_mut() else { return };
        if value.is_null() {
            notes.remove(key);
        } else {
            notes.insert(key.to_owned(), value);
        }
    }

    fn id(&self) -> String {
        self.text("id").to_owned()
    }
}

/// The object as the world sees it: without private notes, at any depth.
pub(crate) fn public(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields.iter().filter(|(key, _)| *key != HIDDEN).map(|(k, v)| (k.clone(), public(v))).collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(public).collect()),
        other => other.clone(),
    }
}

/// A Stripe list object.
pub(crate) fn list(data: Vec<Value>, has_more: bool, url: &str) -> Value {
    serde_json::json!({ "object": "list", "data": data, "has_more": has_more, "url": url })
}

/// Adds the fields of one object to another.
pub(crate) fn merge(mut object: Value, more: Value) -> Value {
    if let (Some(fields), Value::Object(more)) = (object.as_object_mut(), more) {
        fields.extend(more);
    }
    object
}
