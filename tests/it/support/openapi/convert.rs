//! From OpenAPI 3.0 to JSON Schema.

use serde_json::{Map, Value, json};

/// The whole document with each schema converted. Answers' objects are closed: a key that the description does not name is
/// a key that no client of Stripe knows.
pub(crate) fn to_json_schema(document: &Value) -> Value {
    let mut schemas = Map::new();
    for (name, schema) in object(&document["components"]["schemas"]) {
        schemas.insert(name.clone(), convert(schema));
    }
    let mut paths = Map::new();
    for (path, methods) in object(&document["paths"]) {
        let mut converted = Map::new();
        for (method, operation) in object(methods) {
            converted.insert(method.clone(), convert_operation(operation));
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

fn convert_operation(operation: &Value) -> Value {
    let mut contents = operation.clone();
    let bodies = contents["requestBody"]["content"].as_object_mut().into_iter().flatten();
    for (_, body) in bodies {
        body["schema"] = convert(&body["schema"]);
    }
    for (_, answer) in contents["responses"].as_object_mut().into_iter().flatten() {
        for (_, content) in answer["content"].as_object_mut().into_iter().flatten() {
            content["schema"] = convert(&content["schema"]);
        }
    }
    json!({
        "query": convert(&query_schema(operation)),
        "requestBody": contents["requestBody"],
        "responses": contents["responses"],
    })
}

fn convert(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else { return schema.clone() };
    let mut converted = Map::new();
    for (key, value) in schema {
        let value = match key.as_str() {
            "properties" => {
                Value::Object(object(value).map(|(name, schema)| (name.clone(), convert(schema))).collect())
            }
            "items" => convert(value),
            "additionalProperties" if value.is_object() => convert(value),
            "anyOf" | "oneOf" | "allOf" => value.as_array().into_iter().flatten().map(convert).collect(),
            // A list of one value tells one object from another; longer ones grow from version to version.
            "enum" if value.as_array().is_some_and(|values| values.len() > 1) => {
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
