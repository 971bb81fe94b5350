//! From OpenAPI 3.0 to JSON Schema.

use serde_json::{Map, Value, json};

/// What to do with the description's lists of values.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Enums {
    /// Drop them, but for lists of one value, which tell one object from another.
    Open,
    /// Keep them.
    Closed,
}

/// The whole document with each schema converted. Answers' objects are closed: a key that the description does not name is
/// a key that no client of Stripe knows.
pub(crate) fn to_json_schema(document: &Value, enums: Enums) -> Value {
    let mut schemas = Map::new();
    for (name, schema) in object(&document["components"]["schemas"]) {
        schemas.insert(name.clone(), convert(schema, enums));
    }
    let mut paths = Map::new();
    for (path, methods) in object(&document["paths"]) {
        let mut converted = Map::new();
        for (method, operation) in object(methods) {
            converted.insert(method.clone(), convert_operation(operation, enums));
        }
        paths.insert(path.clone(), Value::Object(converted));
    }
    json!({ "components": { "schemas": schemas }, "paths": paths })
}

/// The query parameters of an operation as one closed object.
pub(crate) fn query_schema(operation: &Value) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for parameter in operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|parameter| parameter["in"] == "query")
    {
        let name = parameter["name"].as_str().unwrap_or_default();
        properties.insert(name.to_owned(), parameter["schema"].clone());
        if parameter["required"] == true {
            required.push(name);
        }
    }
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn convert_operation(operation: &Value, enums: Enums) -> Value {
    let mut contents = operation.clone();
    let bodies = contents["requestBody"]["content"].as_object_mut().into_iter().flatten();
    for (_, body) in bodies {
        body["schema"] = convert(&body["schema"], enums);
    }
    for (_, answer) in contents["responses"].as_object_mut().into_iter().flatten() {
        for (_, content) in answer["content"].as_object_mut().into_iter().flatten() {
            content["schema"] = convert(&content["schema"], enums);
        }
    }
    json!({
        "query": convert(&query_schema(operation), enums),
        "requestBody": contents["requestBody"],
        "responses": contents["responses"],
    })
}

fn convert(schema: &Value, enums: Enums) -> Value {
    let Some(schema) = schema.as_object() else { return schema.clone() };
    let mut converted = Map::new();
    for (key, value) in schema {
        let value = match key.as_str() {
            "properties" => Value::Object(
                object(value).map(|(name, schema)| (name.clone(), convert(schema, enums))).collect(),
            ),
            "items" => convert(value, enums),
            "additionalProperties" if value.is_object() => convert(value, enums),
            "anyOf" | "oneOf" | "allOf" => {
                value.as_array().into_iter().flatten().map(|schema| convert(schema, enums)).collect()
            }
            "enum" if enums == Enums::Open && value.as_array().is_some_and(|values| values.len() > 1) => {
                continue;
            }
            "type" | "enum" | "required" | "additionalProperties" | "maxLength" | "pattern" | "$ref" => {
                value.clone()
            }
            _ => continue,
        };
        converted.insert(key.clone(), value);
    }
    let named = converted
        .get("properties")
        .and_then(Value::as_object)
        .is_some_and(|properties| !properties.is_empty());
    if named && !converted.contains_key("additionalProperties") {
        converted.insert("additionalProperties".to_owned(), false.into());
    }
    if schema.get("nullable") == Some(&Value::Bool(true)) {
        return json!({ "anyOf": [converted, { "type": "null" }] });
    }
    Value::Object(converted)
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
