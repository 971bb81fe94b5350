//! Customers that exist as copies of one: an account of any size in the memory of a small one.
//!
//! A copy is its original with a number in every id, one second older each. Lists show copies like everything else; one that
//! is asked for by its name becomes real (see `drift::make_real`), and can then be changed like any other.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::json::{Json, public};
use super::store::Kind;

/// Where the number of a copy goes.
const MARK: char = '\u{1}';
/// What stands between the id of the original and the number of the copy.
const SIGN: &str = "copy";

/// All copies of one customer with everything that belongs to it.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    count: u64,
    tenants: String,
    /// The ids that get a number.
    ids: Vec<String>,
    originals: BTreeMap<Kind, Vec<String>>,
    /// Those that are real by now.
    real: HashSet<u64>,
}

impl Copies {
    /// `count` copies of these objects, of the tenants `tenants` and the number.
    pub(crate) fn new(objects: &[(Kind, Value)], count: u64, tenants: &str) -> Self {
        let ids: Vec<String> = objects.iter().map(|(_, object)| object.id()).collect();
        let mut originals: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        for (kind, object) in objects {
            let mut text = object.to_string();
            for id in &ids {
                text = text.replace(id.as_str(), &format!("{id}{MARK}"));
            }
            originals.entry(*kind).or_default().push(text);
        }
        Self { count, tenants: tenants.to_owned(), ids, originals, real: HashSet::new() }
    }

    /// The number of the copy that an id names; none for an id of another kind.
    pub(crate) fn number(&self, kind: Kind, id: &str) -> Option<u64> {
        if Kind::of_id(id) != Some(kind) {
            return None;
        }
        self.ids
            .iter()
            .find_map(|original| number(id.strip_prefix(original.as_str())?))
            .filter(|n| *n <= self.count)
    }

    /// The numbers of all copies that a text names and that are not real yet.
    pub(crate) fn named(&self, text: &str) -> Vec<u64> {
        let places = text.match_indices(SIGN).filter_map(|(at, _)| number(&text[at..]));
        let mut numbers: Vec<u64> =
            places.filter(|n| *n > 0 && *n <= self.count && !self.real.contains(n)).collect();
        numbers.dedup();
        numbers
    }

    /// Fills a page with the copies of a kind that come after the number `after` and are wanted; whether there are more.
    pub(crate) fn page(
        &self,
        kind: Kind,
        after: u64,
        limit: usize,
        wanted: impl Fn(&Value) -> bool,
        into: &mut Vec<Value>,
    ) -> bool {
        let Some(originals) = self.originals.get(&kind) else { return false };
        for number in (after + 1..=self.count).filter(|number| !self.real.contains(number)) {
            // A copy is shown whole or not at all: a cursor names the copy, not one of its objects.
            let objects: Vec<Value> = originals
                .iter()
                .map(|text| self.copy(text, number))
                .filter(|object| wanted(object))
                .collect();
            if !objects.is_empty() && into.len() + objects.len() > limit {
                return true;
            }
            into.extend(objects.iter().map(public));
        }
        false
    }

    /// Everything of one copy, which is real from now on.
    pub(crate) fn take(&mut self, number: u64) -> Vec<(Kind, Value)> {
        self.real.insert(number);
        let all = self.originals.iter().flat_map(|(kind, texts)| texts.iter().map(|text| (*kind, text)));
        all.map(|(kind, text)| (kind, self.copy(text, number))).collect()
    }

    fn copy(&self, text: &str, number: u64) -> Value {
        let text = text.replace(MARK, &format!("{SIGN}{number:07}"));
        let mut object: Value = serde_json::from_str(&text).unwrap_or_default();
        if let Some(created) = object.maybe_int("created") {
            object["created"] = json!(created - i64::try_from(number).unwrap_or_default());
        }
        if object["metadata"]["tenant_id"].is_string() {
            object["metadata"]["tenant_id"] = json!(format!("{}{number:07}", self.tenants));
        }
        object
    }
}

/// The number after the sign, at the start of a text.
fn number(text: &str) -> Option<u64> {
    text.strip_prefix(SIGN)?.get(..7)?.parse().ok()
}
