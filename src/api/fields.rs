//! Reading what a program sent, field by field, so that one answer names everything that is wrong with it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::error::{Error, FieldError, Result};
use crate::web::{Site, local_path};

/// An object that was sent, and what is wrong with it so far. Each method takes one field; `finish` refuses
/// those that nobody asked for. A field that is `null` counts as absent.
#[derive(Debug)]
pub struct Fields {
    given: Map<String, Value>,
    /// Where the object is: empty, or `events[3].`.
    at: String,
    /// Values are text whatever they mean, as in a query.
    is_text: bool,
    site: Arc<Site>,
    errors: Vec<FieldError>,
}

/// A field's value.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    value: &'a Value,
    is_text: bool,
}

/// What is wrong with a value: the key of the text, and its variables.
pub type Wrong = FieldError;

fn wrong(key: &'static str) -> Wrong {
    FieldError::new("", key)
}

impl Fields {
    /// The fields of a JSON object.
    pub(super) fn of_object(given: Map<String, Value>, site: Arc<Site>) -> Self {
        Self { given, at: String::new(), is_text: false, site, errors: Vec::new() }
    }

    /// The parameters of a query. One that comes twice is wrong.
    pub(super) fn of_query(query: &str, site: Arc<Site>) -> Self {
        let mut fields = Self { is_text: true, ..Self::of_object(Map::new(), site) };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if fields.given.insert(name.to_string(), value.into()).is_some() {
                fields.refuse(&name, wrong("api-field-twice"));
            }
        }
        fields
    }

    /// Whether a field was given, rightly or wrongly, and not taken yet.
    pub fn has(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|value| !value.is_null())
    }

    /// A field that must be there. None where it is not, or is wrong: then that is noted.
    pub fn required<T>(&mut self, name: &str, read: impl FnOnce(Given<'_>) -> Result<T, Wrong>) -> Option<T> {
        match self.optional(name, read) {
            Some(None) => {
                self.refuse(name, wrong("api-field-missing"));
                None
            }
            Some(value) => value,
            None => None,
        }
    }

    /// A field that may be absent. The outer none says that it is wrong, which is noted.
    pub fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Given<'_>) -> Result<T, Wrong>,
    ) -> Option<Option<T>> {
        let value = self.given.remove(name).unwrap_or(Value::Null);
        if value.is_null() {
            return Some(None);
        }
        match read(Given { value: &value, is_text: self.is_text }) {
            Ok(value) => Some(Some(value)),
            Err(error) => {
                self.refuse(name, error);
                None
            }
        }
    }

    /// A field that has a value of its own where it is absent.
    pub fn or<T>(
        &mut self,
        name: &str,
        absent: T,
        read: impl FnOnce(Given<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.optional(name, read).map(|value| value.unwrap_or(absent))
    }

    /// A path of ours where somebody is to be sent: relative to the portal, or whole and at its own origin.
    pub fn own_path(&mut self, name: &str) -> Option<Option<String>> {
        let site = Arc::clone(&self.site);
        self.optional(name, |given| {
            local_path(&text(1, 2_000)(given)?, &site).ok_or_else(|| wrong("api-own-address"))
        })
    }

    /// A list of so many objects, each read by `read`; none where one of them could not be.
    pub fn list<T>(
        &mut self,
        name: &str,
        many: RangeInclusive<usize>,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Option<Vec<T>>> {
        let items = match self.given.remove(name).unwrap_or(Value::Null) {
            Value::Null => return Some(None),
            Value::Array(items) if many.contains(&items.len()) => items,
            _ => {
                let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
                let error = wrong("api-field-list").with("least", number(*many.start()));
                self.refuse(name, error.with("most", number(*many.end())));
                return None;
            }
        };
        let mut all = Some(Vec::with_capacity(items.len()));
        for (index, item) in items.into_iter().enumerate() {
            let read = self.inside(&format!("{name}[{index}]"), item, &mut read);
            all = all.zip(read).map(|(mut all, one)| {
                all.push(one);
                all
            });
        }
        all.map(Some)
    }

    /// An object inside this one.
    pub fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.given.remove(name).unwrap_or(Value::Null) {
            Value::Null => Some(None),
            value => self.inside(name, value, read).map(Some),
        }
    }

    fn inside<T>(
        &mut self,
        name: &str,
        value: Value,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let Value::Object(given) = value else {
            self.refuse(name, wrong("api-field-object"));
            return None;
        };
        let at = format!("{}{name}.", self.at);
        let mut inner = Self { at, is_text: self.is_text, ..Self::of_object(given, Arc::clone(&self.site)) };
        let read = read(&mut inner);
        self.errors.append(&mut inner.into_wrong());
        read
    }

    /// Notes that a field is wrong for a reason that shows later, such as one that depends on another field.
    pub fn refuse(&mut self, name: &str, error: Wrong) {
        let field = format!("{}{name}", self.at);
        self.errors.push(FieldError { field, ..error });
    }

    /// As [`refuse`](Self::refuse), by the key of the text.
    pub fn refuse_with(&mut self, name: &str, key: &'static str) {
        self.refuse(name, wrong(key));
    }

    fn refuse_unknown(&mut self) {
        for name in std::mem::take(&mut self.given).into_iter().map(|(name, _)| name).take(50) {
            self.refuse(&name, wrong("api-field-unknown"));
        }
    }

    /// All that is wrong, with what nobody asked for.
    pub(super) fn into_wrong(mut self) -> Vec<FieldError> {
        self.refuse_unknown();
        self.errors
    }

    /// What was read, if nothing was wrong and nothing was left over.
    ///
    /// # Errors
    /// All that is wrong.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T> {
        let wrong = self.into_wrong();
        match read {
            Some(value) if wrong.is_empty() => Ok(value),
            _ if wrong.is_empty() => Err(Error::internal("a body was refused without a reason")),
            _ => Err(Error::Invalid(wrong)),
        }
    }
}

/// Text of that many characters, without control characters; spaces around it are taken away.
pub fn text(least: usize, most: usize) -> impl FnOnce(Given<'_>) -> Result<String, Wrong> {
    move |given| {
        let text = given.value.as_str().ok_or_else(|| wrong("api-field-text"))?.trim();
        if text.chars().any(char::is_control) {
            return Err(wrong("api-field-control"));
        }
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        if (least..=most).contains(&text.chars().count()) {
            Ok(text.to_owned())
        } else {
            Err(wrong("api-field-length").with("least", number(least)).with("most", number(most)))
        }
    }
}

/// Text that means something: an address, an id, a word. `key` says what, where it does not.
pub fn parsed<T: std::str::FromStr>(key: &'static str) -> impl FnOnce(Given<'_>) -> Result<T, Wrong> {
    move |given| {
        let text = given.value.as_str().ok_or_else(|| wrong("api-field-text"))?;
        text.trim().parse().map_err(|_| wrong(key))
    }
}

/// One of these words.
pub fn one_of<T: Copy>(choices: &[(&'static str, T)]) -> impl FnOnce(Given<'_>) -> Result<T, Wrong> {
    move |given| {
        let text = given.value.as_str().unwrap_or_default();
        let words = || choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let found = choices.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| wrong("api-field-choice").with("choices", words()))
    }
}

/// A whole number of a range.
pub fn integer(least: i64, most: i64) -> impl FnOnce(Given<'_>) -> Result<i64, Wrong> {
    move |given| {
        let number = match given.value {
            Value::Number(number) if !given.is_text => number.as_i64(),
            Value::String(text) if given.is_text => text.parse().ok(),
            _ => return Err(wrong("api-field-integer")),
        };
        match number {
            Some(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(wrong("api-field-range").with("least", least).with("most", most)),
        }
    }
}

/// Yes or no.
///
/// # Errors
/// It is neither.
pub fn boolean(given: Given<'_>) -> Result<bool, Wrong> {
    match given.value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if given.is_text && (text == "true" || text == "false") => Ok(text == "true"),
        _ => Err(wrong("api-field-boolean")),
    }
}

/// A moment, in RFC 3339 with its offset.
///
/// # Errors
/// It is none.
pub fn moment(given: Given<'_>) -> Result<Timestamp, Wrong> {
    let text = given.value.as_str().unwrap_or_default();
    text.parse().map_err(|_| wrong("api-field-moment"))
}

/// A day, `YYYY-MM-DD`.
///
/// # Errors
/// It is none.
pub fn day(given: Given<'_>) -> Result<Date, Wrong> {
    let text = given.value.as_str().unwrap_or_default();
    let day = if text.len() == 10 { text.parse().ok() } else { None };
    day.ok_or_else(|| wrong("api-field-day"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use serde_json::json;

    fn site() -> Arc<Site> {
        Arc::new(Site::new("https://billing.example.com/".parse().expect("a url"), Clock::system()))
    }

    fn fields(value: Value) -> Fields {
        match value {
            Value::Object(given) => Fields::of_object(given, site()),
            _ => unreachable!(),
        }
    }

    fn named(error: &Error) -> Vec<(&str, &str)> {
        match error {
            Error::Invalid(fields) => fields.iter().map(|field| (field.field.as_str(), field.key)).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let mut fields = fields(json!({
            "name": "", "count": "3", "when": "tomorrow", "extra": 1,
            "events": [{ "n": 1 }, { "n": 0, "m": 2 }, 7],
        }));
        let name = fields.required("name", text(1, 10));
        let count = fields.required("count", integer(1, 10));
        let when = fields.optional("when", moment);
        let kind = fields.required("kind", one_of(&[("a", 1), ("b", 2)]));
        let events = fields.list("events", 1..=5, |event| event.required("n", integer(1, 5)));
        assert!(name.is_none() && count.is_none() && when.is_none() && kind.is_none() && events.is_none());
        let error = fields.finish(Some(())).expect_err("errors");
        assert_eq!(
            named(&error),
            [
                ("name", "api-field-length"),
                ("count", "api-field-integer"),
                ("when", "api-field-moment"),
                ("kind", "api-field-missing"),
                ("events[1].n", "api-field-range"),
                ("events[1].m", "api-field-unknown"),
                ("events[2]", "api-field-object"),
                ("extra", "api-field-unknown"),
            ]
        );
    }

    #[test]
    fn what_is_right_is_read() {
        let mut fields = fields(json!({ "name": " Norte ", "count": 3, "flag": true, "none": null }));
        assert_eq!(fields.required("name", text(1, 10)).as_deref(), Some("Norte"));
        assert_eq!(fields.or("count", 1, integer(1, 10)), Some(3));
        assert_eq!(fields.or("absent", 1, integer(1, 10)), Some(1));
        assert_eq!(fields.required("flag", boolean), Some(true));
        assert_eq!(fields.optional("none", boolean), Some(None));
        assert!(fields.finish(Some(())).is_ok());
    }

    #[test]
    fn a_query_is_read_as_text() {
        let mut query = Fields::of_query("limit=20&paid=true&from=2026-11-01&limit=3", site());
        assert_eq!(query.required("limit", integer(1, 100)), Some(3));
        assert_eq!(query.required("paid", boolean), Some(true));
        assert_eq!(query.required("from", day).map(|day| day.day()), Some(1));
        assert_eq!(named(&query.finish(Some(())).expect_err("twice")), [("limit", "api-field-twice")]);
    }
}
