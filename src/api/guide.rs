//! The description of the API as people read it: chapters, operations, tables of fields.

use std::sync::LazyLock;

use serde_json::Value;

use super::document;

/// How deep objects within objects are shown.
const DEEPEST: usize = 3;

/// Operations about one thing.
#[derive(Debug)]
pub(super) struct Chapter {
    /// What they are about: the tag.
    pub(super) name: String,
    /// In the order of their paths.
    pub(super) operations: Vec<Operation>,
}

/// One method of one path.
#[derive(Debug)]
pub(super) struct Operation {
    /// Its name in the description, and its anchor.
    pub(super) id: String,
    /// In capitals.
    pub(super) method: String,
    /// Below the base path.
    pub(super) path: String,
    /// What it does, in a line.
    pub(super) summary: String,
    /// More about it.
    pub(super) paragraphs: Vec<String>,
    /// Whether it is for anybody.
    pub(super) is_public: bool,
    /// The scope that a key must have; none where no key is taken.
    pub(super) scope: Option<String>,
    /// The roles whose tokens are taken.
    pub(super) roles: Vec<String>,
    /// Of path, query and headers.
    pub(super) parameters: Vec<Row>,
    /// Fields of the body.
    pub(super) body: Vec<Row>,
    /// What is answered when all is well.
    pub(super) answers: Vec<Answer>,
    /// What is answered else.
    pub(super) refusals: Vec<Answer>,
}

/// A status and what comes with it.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: String,
    /// What it means.
    pub(super) words: String,
    /// Fields of the answer.
    pub(super) fields: Vec<Row>,
}

/// A field or a parameter.
#[derive(Debug)]
pub(super) struct Row {
    /// Its name, with the names above it.
    pub(super) name: String,
    /// What it holds.
    pub(super) kind: String,
    /// What it means.
    pub(super) words: String,
    /// Whether it must be there.
    pub(super) is_required: bool,
}

/// All chapters, in the order of the paths.
pub(super) fn chapters() -> &'static [Chapter] {
    static CHAPTERS: LazyLock<Vec<Chapter>> = LazyLock::new(|| read(document::value()));
    &CHAPTERS
}

fn read(document: &Value) -> Vec<Chapter> {
    let mut chapters: Vec<Chapter> = Vec::new();
    let paths = document["paths"].as_object().into_iter().flatten();
    for (path, item) in paths {
        for (method, value) in item.as_object().into_iter().flatten().filter(|(_, value)| value.is_object()) {
            let operation = operation(document, path, method, value);
            let name = text(&value["tags"][0]);
            match chapters.iter_mut().find(|chapter| chapter.name == name) {
                Some(chapter) => chapter.operations.push(operation),
                None => chapters.push(Chapter { name, operations: vec![operation] }),
            }
        }
    }
    chapters
}

fn operation(document: &Value, path: &str, method: &str, value: &Value) -> Operation {
    let (answers, refusals) = answers(document, value)
        .into_iter()
        .partition(|answer| answer.status.starts_with('2') || answer.status.starts_with('3'));
    let demands = |name: &str| -> Vec<String> {
        let all = value["security"].as_array().into_iter().flatten();
        all.filter_map(|one| one[name].as_array()).flatten().map(text).collect()
    };
    Operation {
        id: text(&value["operationId"]),
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        summary: text(&value["summary"]),
        paragraphs: text(&value["description"])
            .split("\n\n")
            .filter(|paragraph| !paragraph.is_empty())
            .map(str::to_owned)
            .collect(),
        is_public: document::is_public(value),
        scope: demands("key").into_iter().next(),
        roles: demands("token"),
        parameters: parameters(document, value),
        body: fields(document, &value["requestBody"]["content"]["application/json"]["schema"]),
        answers,
        refusals: refusals.into_iter().map(|refusal| Answer { fields: Vec::new(), ..refusal }).collect(),
    }
}

fn parameters(document: &Value, operation: &Value) -> Vec<Row> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    all.map(|parameter| Row {
        name: text(&parameter["name"]),
        kind: format!("{}, {}", kind(document, &parameter["schema"]), text(&parameter["in"])),
        words: text(&parameter["description"]),
        is_required: parameter["required"] == true,
    })
    .collect()
}

fn answers(document: &Value, operation: &Value) -> Vec<Answer> {
    let all = operation["responses"].as_object().into_iter().flatten();
    all.map(|(status, answer)| Answer {
        status: status.clone(),
        words: text(&answer["description"]),
        fields: fields(document, &answer["content"]["application/json"]["schema"]),
    })
    .collect()
}

fn fields(document: &Value, schema: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    below(document, schema, "", 0, &mut rows);
    rows
}

/// The fields of an object, each followed by those of the object or the list that it holds.
fn below(document: &Value, schema: &Value, at: &str, depth: usize, rows: &mut Vec<Row>) {
    let schema = resolved(document, schema);
    if depth > DEEPEST {
        return;
    }
    if schema["items"].is_object() {
        below(document, &schema["items"], &format!("{at}[]."), depth, rows);
        return;
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        below(document, part, at, depth, rows);
    }
    for (index, choice) in choices(schema).enumerate() {
        let from = rows.len();
        below(document, choice, at, depth, rows);
        let word = if index == 0 { "Either:" } else { "Or:" };
        for row in rows.iter_mut().skip(from) {
            row.words = format!("{word} {}", row.words).trim().to_owned();
        }
    }
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let at = at.strip_suffix("..").map_or_else(|| at.to_owned(), |at| format!("{at}."));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        rows.push(Row {
            name: format!("{at}{name}"),
            kind: kind(document, field),
            words: words(document, field),
            is_required: required.contains(&name.as_str()),
        });
        let inner = resolved(document, field);
        if inner["items"].is_object() {
            below(document, &inner["items"], &format!("{at}{name}[]."), depth + 1, rows);
        } else {
            below(document, inner, &format!("{at}{name}."), depth + 1, rows);
        }
    }
}

/// What a schema is one of, but null.
fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    schema["oneOf"].as_array().into_iter().flatten().filter(|one| one["type"] != "null")
}

/// What a reference leads to; of a choice between null and something, the something.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return resolved(document, &document["components"]["schemas"][name]);
    }
    let choice = schema["oneOf"].as_array().or_else(|| schema["allOf"].as_array()).into_iter().flatten();
    let mut real = choice.filter(|one| one["type"] != "null");
    match (real.next(), real.next()) {
        (Some(one), None) => resolved(document, one),
        _ => schema,
    }
}

/// A field's own words, or those of what it refers to.
fn words(document: &Value, schema: &Value) -> String {
    let own = text(&schema["description"]);
    let mut words = if own.is_empty() { text(&resolved(document, schema)["description"]) } else { own };
    if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)) {
        words = format!("{words} ({})", example.as_str().map_or_else(|| example.to_string(), str::to_owned));
    }
    words.trim().to_owned()
}

fn kind(document: &Value, schema: &Value) -> String {
    let inner = resolved(document, schema);
    let mut types: Vec<&str> = match &inner["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is_choice = schema["oneOf"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "null"));
    let is_nullable = is_choice || types.contains(&"null");
    types.retain(|name| *name != "null");
    let mut kind = types.join(" | ");
    if let Some(choices) = inner["enum"].as_array() {
        kind = choices.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ");
    } else if kind == "array" {
        kind = format!("list of {}", self::kind(document, &inner["items"]));
    } else if let Some(format) = inner["format"].as_str().filter(|_| kind == "string") {
        kind = format!("{kind} ({format})");
    }
    if is_nullable { format!("{kind} | null") } else { kind }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_sent_or_answered_is_told_field_by_field() {
        let mut told = 0;
        for operation in chapters().iter().flat_map(|chapter| &chapter.operations) {
            let described = &document::value()["paths"][&operation.path][operation.method.to_lowercase()];
            let name = format!("{} {}", operation.method, operation.path);
            assert_eq!(
                described["requestBody"].is_object(),
                !operation.body.is_empty(),
                "the body of {name}"
            );
            for answer in &operation.answers {
                let content = &described["responses"][&answer.status]["content"]["application/json"];
                assert_eq!(content.is_object(), !answer.fields.is_empty(), "{} of {name}", answer.status);
                told += answer.fields.len();
            }
        }
        assert!(told > 100, "{told}");
    }

    #[test]
    fn one_of_several_forms_is_told_as_such() {
        let all = chapters().iter().flat_map(|chapter| &chapter.operations);
        let report = all.into_iter().find(|one| one.path == "/usage/increment").expect("reports of use");
        let words =
            |name: &str| report.body.iter().find(|row| row.name == name).map(|row| row.words.as_str());
        assert!(words("metric_type").is_some_and(|words| words.starts_with("Either: ")), "{:?}", report.body);
        assert!(words("events").is_some_and(|words| words.starts_with("Or:")), "{:?}", report.body);
        assert!(words("events[].metric_type").is_some(), "{:?}", report.body);
    }
}
