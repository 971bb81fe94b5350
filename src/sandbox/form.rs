//! Stripe's form encoding: brackets for nesting, indices for arrays, an empty value to clear a field.
//!
//! [`decode`] makes a tree, [`check`] holds it against an endpoint's list of parameters, [`Params`] reads it with errors that
//! name the parameter as the caller wrote it.

use serde_json::{Value, json};

use super::errors::{Answer, ApiError};

/// A decoded form: a leaf of text, or named branches in order of appearance. Array elements are branches named by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// A value as it was sent.
    Leaf(String),
    /// A hash or an array.
    Branch(Vec<(String, Node)>),
}

impl Default for Node {
    fn default() -> Self {
        Self::Branch(Vec::new())
    }
}

/// How deep brackets may nest.
const DEPTH: usize = 12;

/// Decodes `a[b][0][c]=d&…` into a tree.
pub(crate) fn decode(bytes: &[u8]) -> Answer<Node> {
    let mut root = Node::default();
    for (key, value) in form_urlencoded::parse(bytes) {
        let path = path_of(&key)?;
        insert(&mut root, &path, value.into_owned())
            .map_err(|()| ApiError::invalid(key.clone(), format!("Invalid parameter: {key}")))?;
    }
    Ok(root)
}

/// The tree of a JSON body.
pub(crate) fn of_json(value: &Value) -> Node {
    match value {
        Value::Object(fields) => {
            Node::Branch(fields.iter().map(|(name, value)| (name.clone(), of_json(value))).collect())
        }
        Value::Array(items) => {
            Node::Branch(items.iter().enumerate().map(|(n, item)| (n.to_string(), of_json(item))).collect())
        }
        Value::Null => Node::Leaf(String::new()),
        Value::String(text) => Node::Leaf(text.clone()),
        other => Node::Leaf(other.to_string()),
    }
}

fn path_of(key: &str) -> Answer<Vec<String>> {
    let bad = || ApiError::invalid(key, format!("Invalid parameter name: {key}"));
    let (head, rest) = key.find('[').map_or((key, ""), |at| key.split_at(at));
    let mut path = vec![head.to_owned()];
    let mut rest = rest;
    while !rest.is_empty() {
        let inner = rest.strip_prefix('[').ok_or_else(bad)?;
        let (name, tail) = inner.split_once(']').ok_or_else(bad)?;
        path.push(name.to_owned());
        rest = tail;
    }
    if head.is_empty() || path.len() > DEPTH {
        return Err(bad());
    }
    Ok(path)
}

fn insert(node: &mut Node, path: &[String], value: String) -> Result<(), ()> {
    let Node::Branch(branches) = node else { return Err(()) };
    let Some((name, rest)) = path.split_first() else { return Err(()) };
    let name = if name.is_empty() { branches.len().to_string() } else { name.clone() };
    if rest.is_empty() {
        branches.retain(|(existing, _)| *existing != name);
        branches.push((name, Node::Leaf(value)));
        return Ok(());
    }
    if !branches.iter().any(|(existing, _)| *existing == name) {
        branches.push((name.clone(), Node::default()));
    }
    match branches.iter_mut().find(|(existing, _)| *existing == name) {
        Some((_, child)) => insert(child, rest, value),
        None => Err(()),
    }
}

/// Refuses parameters that are not in `allowed`, with all their names.
///
/// `allowed` is a list of names: `name` takes one value, `name[]` an array of values, `name(…)` a hash with the names in
/// parentheses, `name[](…)` an array of such hashes, `name*` anything.
pub(crate) fn check(node: &Node, allowed: &str) -> Answer<()> {
    let mut unknown = Vec::new();
    walk(node, allowed, "", &mut unknown)?;
    if unknown.is_empty() { Ok(()) } else { Err(ApiError::unknown(&unknown)) }
}

fn walk(node: &Node, allowed: &str, prefix: &str, unknown: &mut Vec<String>) -> Answer<()> {
    let Node::Branch(branches) = node else { return Ok(()) };
    for (name, child) in branches {
        let path = join(prefix, name);
        match (find(allowed, name), child) {
            (None, _) => unknown.push(path),
            (Some(Shape::Any), _) | (Some(Shape::One), Node::Leaf(_)) => {}
            (Some(Shape::One), Node::Branch(_)) => {
                return Err(ApiError::invalid(path.clone(), format!("Invalid string: {path}")));
            }
            (Some(_), Node::Leaf(text)) if text.is_empty() => {}
            (Some(Shape::Hash(_)), Node::Leaf(_)) => {
                return Err(ApiError::invalid(path, "Invalid object"));
            }
            (Some(Shape::Hash(inner)), branch) => walk(branch, inner, &path, unknown)?,
            (Some(Shape::Array(_)), Node::Leaf(_)) => return Err(ApiError::invalid(path, "Invalid array")),
            (Some(Shape::Array(inner)), Node::Branch(elements)) => {
                for (index, element) in elements {
                    let at = join(&path, index);
                    if index.parse::<usize>().is_err() {
                        return Err(ApiError::invalid(path, "Invalid array"));
                    }
                    match (inner.is_empty(), element) {
                        (true, Node::Branch(_)) => return Err(ApiError::invalid(at, "Invalid string")),
                        (true, Node::Leaf(_)) => {}
                        (false, Node::Leaf(_)) => return Err(ApiError::invalid(at, "Invalid object")),
                        (false, element) => walk(element, inner, &at, unknown)?,
                    }
                }
            }
        }
    }
    Ok(())
}

enum Shape<'a> {
    One,
    Any,
    Hash(&'a str),
    /// The names inside each element; empty for plain values.
    Array(&'a str),
}

/// Finds a name at the top level of an allow-list.
fn find<'a>(allowed: &'a str, name: &str) -> Option<Shape<'a>> {
    let mut rest = allowed.trim_start();
    while !rest.is_empty() {
        let end = rest.find([' ', '\n', '[', '(', '*']).unwrap_or(rest.len());
        let (entry, tail) = rest.split_at(end);
        let (array, tail) = tail.strip_prefix("[]").map_or((false, tail), |tail| (true, tail));
        let (shape, tail) = if let Some(tail) = tail.strip_prefix('*') {
            (Shape::Any, tail)
        } else if tail.starts_with('(') {
            let close = closing(tail);
            let inner = tail.get(1..close).unwrap_or_default();
            let shape = if array { Shape::Array(inner) } else { Shape::Hash(inner) };
            (shape, tail.get(close + 1..).unwrap_or_default())
        } else if array {
            (Shape::Array(""), tail)
        } else {
            (Shape::One, tail)
        };
        if entry == name {
            return Some(shape);
        }
        rest = tail.trim_start();
    }
    None
}

/// The place of the parenthesis that closes the first one.
fn closing(text: &str) -> usize {
    let mut depth = 0_i32;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}[{name}]") }
}

/// What an update says about a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given<T> {
    /// Nothing: leave it.
    Absent,
    /// An empty value: clear it.
    Clear,
    /// A new value.
    Set(T),
}

impl<T: Into<Value>> Given<T> {
    /// Applies it to a field of an object.
    pub(crate) fn apply(self, object: &mut Value, field: &str) {
        match self {
            Self::Absent => {}
            Self::Clear => object[field] = Value::Null,
            Self::Set(value) => object[field] = value.into(),
        }
    }
}

/// A place in a form, which knows its own name for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Params<'a> {
    node: Option<&'a Node>,
    path: Path<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Path<'a> {
    Root,
    Under(&'a Params<'a>, &'a str),
    Fixed(&'a str),
}

impl<'a> Params<'a> {
    /// The whole form.
    pub(crate) fn new(node: &'a Node) -> Self {
        Self { node: Some(node), path: Path::Root }
    }

    /// The name of a field as the caller writes it.
    pub(crate) fn name(&self, field: &str) -> String {
        join(&self.path(), field)
    }

    fn path(&self) -> String {
        match self.path {
            Path::Root => String::new(),
            Path::Fixed(path) => path.to_owned(),
            Path::Under(parent, name) => parent.name(name),
        }
    }

    fn child(&self, field: &str) -> Option<&'a Node> {
        match self.node {
            Some(Node::Branch(branches)) => {
                branches.iter().find(|(name, _)| name == field).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    fn leaf(&self, field: &str) -> Option<&'a str> {
        match self.child(field) {
            Some(Node::Leaf(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether the field was sent at all.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.child(field).is_some()
    }

    /// Whether the field was sent empty, which asks to clear it.
    pub(crate) fn clears(&self, field: &str) -> bool {
        self.leaf(field).is_some_and(str::is_empty)
    }

    /// A field that may be absent, cleared or set.
    pub(crate) fn given(&self, field: &str) -> Given<String> {
        match self.leaf(field) {
            None => Given::Absent,
            Some("") => Given::Clear,
            Some(text) => Given::Set(text.to_owned()),
        }
    }

    /// An integer that may be absent, cleared or set.
    pub(crate) fn given_int(&self, field: &str) -> Answer<Given<i64>> {
        if self.clears(field) {
            return Ok(Given::Clear);
        }
        Ok(self.int(field)?.map_or(Given::Absent, Given::Set))
    }

    /// A text that cannot be empty.
    pub(crate) fn text(&self, field: &str) -> Answer<Option<&'a str>> {
        match self.leaf(field) {
            Some("") => {
                let name = self.name(field);
                let message = format!(
                    "You passed an empty string for '{name}'. We assume empty values are an attempt to unset a \
                     parameter; however '{name}' cannot be unset."
                );
                Err(ApiError::invalid(name, message).code("parameter_invalid_empty"))
            }
            other => Ok(other),
        }
    }

    /// A text that must be there.
    pub(crate) fn need(&self, field: &str) -> Answer<&'a str> {
        self.text(field)?.ok_or_else(|| ApiError::missing(&self.name(field)))
    }

    /// An integer.
    pub(crate) fn int(&self, field: &str) -> Answer<Option<i64>> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            ApiError::invalid(self.name(field), format!("Invalid integer: {text}"))
                .code("parameter_invalid_integer")
        })
    }

    /// An integer that must not be negative.
    pub(crate) fn count(&self, field: &str) -> Answer<Option<i64>> {
        match self.int(field)? {
            Some(number) if number < 0 => {
                Err(ApiError::invalid(self.name(field), "This value must be greater than or equal to 0.")
                    .code("parameter_invalid_integer"))
            }
            other => Ok(other),
        }
    }

    /// An integer that must be there.
    pub(crate) fn need_int(&self, field: &str) -> Answer<i64> {
        self.int(field)?.ok_or_else(|| ApiError::missing(&self.name(field)))
    }

    /// A flag.
    pub(crate) fn flag(&self, field: &str) -> Answer<Option<bool>> {
        match self.text(field)? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(ApiError::invalid(self.name(field), format!("Invalid boolean: {other}"))),
        }
    }

    /// One of a closed list of words.
    pub(crate) fn word(&self, field: &str, words: &[&str]) -> Answer<Option<&'a str>> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        if words.contains(&text) {
            return Ok(Some(text));
        }
        let name = self.name(field);
        Err(ApiError::invalid(name.clone(), format!("Invalid {name}: must be one of {}", words.join(", "))))
    }

    /// A hash, when it was sent as one.
    pub(crate) fn hash<'b>(&'b self, field: &'b str) -> Option<Params<'b>> {
        match self.child(field) {
            Some(node @ Node::Branch(_)) => Some(Params { node: Some(node), path: Path::Under(self, field) }),
            _ => None,
        }
    }

    /// A hash; every field of it absent when it was not sent.
    pub(crate) fn within<'b>(&'b self, field: &'b str) -> Params<'b> {
        Params { node: self.child(field), path: Path::Under(self, field) }
    }

    /// Runs over the elements of an array of hashes.
    pub(crate) fn each<T>(
        &self,
        field: &str,
        mut read: impl FnMut(&Params<'_>) -> Answer<T>,
    ) -> Answer<Vec<T>> {
        let Some(Node::Branch(elements)) = self.child(field) else { return Ok(Vec::new()) };
        let base = self.name(field);
        elements
            .iter()
            .map(|(index, node)| {
                let path = join(&base, index);
                read(&Params { node: Some(node), path: Path::Fixed(&path) })
            })
            .collect()
    }

    /// The values of an array of texts.
    pub(crate) fn texts(&self, field: &str) -> Vec<&'a str> {
        let Some(Node::Branch(elements)) = self.child(field) else { return Vec::new() };
        elements
            .iter()
            .filter_map(|(_, node)| match node {
                Node::Leaf(text) => Some(text.as_str()),
                Node::Branch(_) => None,
            })
            .collect()
    }

    /// The names that were sent here.
    pub(crate) fn names(&self) -> Vec<&'a str> {
        match self.node {
            Some(Node::Branch(branches)) => branches.iter().map(|(name, _)| name.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    /// The hash as a JSON object of texts, empty ones null: addresses and the like.
    pub(crate) fn strings(&self, field: &str, keys: &[&str]) -> Option<Value> {
        let hash = self.hash(field)?;
        let mut object = json!({});
        for key in keys {
            object[*key] =
                hash.leaf(key).filter(|text| !text.is_empty()).map_or(Value::Null, |text| json!(text));
        }
        Some(object)
    }

    /// Merges `metadata` into an object: a key set to the empty string goes, an empty `metadata` clears all.
    ///
    /// Stripe's rules: at most 50 keys, names of at most 40 characters without brackets, values of at most 500.
    pub(crate) fn metadata(&self, object: &mut Value) -> Answer<()> {
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        if self.clears("metadata") {
            object["metadata"] = json!({});
        }
        let Some(hash) = self.hash("metadata") else { return Ok(()) };
        for key in hash.names() {
            let name = hash.name(key);
            let value = hash.leaf(key).ok_or_else(|| ApiError::invalid(name.clone(), "Invalid string"))?;
            if key.chars().count() > 40 {
                return Err(ApiError::invalid(name, "Metadata keys can be at most 40 characters long."));
            }
            if value.chars().count() > 500 {
                return Err(ApiError::invalid(name, "Metadata values can be at most 500 characters long."));
            }
            if let Some(fields) = object["metadata"].as_object_mut() {
                if value.is_empty() {
                    fields.remove(key);
                } else {
                    fields.insert(key.to_owned(), json!(value));
                }
            }
        }
        if object["metadata"].as_object().is_some_and(|fields| fields.len() > 50) {
            return Err(ApiError::invalid("metadata", "You can have at most 50 metadata keys."));
        }
        Ok(())
    }
}
