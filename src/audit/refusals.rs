//! Refusals, each of which has its entry: by role, by access, by scope, by signature, for haste.
//!
//! A stranger decides how many there are. So one entry a minute stands for all of the same kind, by the same somebody, at the
//! same door; and what one process writes down in a minute has an end.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::{Actor, Entry};
use crate::error::Error;

/// Refusals that one process writes down in a minute.
pub const MOST: usize = 240;

/// What was written down in this minute. Cloning is cheap; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<Minute>>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    seen: HashSet<u64>,
}

impl Refusals {
    /// Whether a refusal is to be written down: it is the first of its kind, by this somebody, at this door, in the minute of `wall`.
    pub fn is_new(&self, action: &str, who: &str, door: &str, wall: Timestamp) -> bool {
        let mut hash = DefaultHasher::new();
        (action, who, door).hash(&mut hash);
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = wall.as_second().div_euclid(60);
        if minute.number != number {
            *minute = Minute { number, seen: HashSet::new() };
        }
        if minute.seen.len() >= MOST {
            return false;
        }
        minute.seen.insert(hash.finish())
    }
}

/// Who was refused, where a layer further in knows it.
#[derive(Clone, Debug)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// Of which tenant.
    pub tenant: Option<String>,
}

/// What an answer's error is called in the audit; none where nobody was refused anything. `route` is the pattern of the address.
pub fn action(error: &Error, route: &str) -> Option<&'static str> {
    let is_webhook = matches!(route, "/webhooks/stripe" | "/api/billing/webhooks/payment");
    match (error, error.status()) {
        (Error::Unreadable(_), _) if is_webhook => Some("webhook.refused"),
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) if route.starts_with("/api/") => {
            Some("api.refused")
        }
        (Error::Forbidden | Error::Restricted(_) | Error::Forged(_), _) => Some("access.refused"),
        _ => None,
    }
}

/// The entry of a refusal.
pub fn entry(action: &'static str, by: By, address: &str, code: &str, route: &str, now: Timestamp) -> Entry {
    let mut entry = Entry::new(by.actor, action, now)
        .address(address)
        .change(None, Some(json!({ "code": code, "at": route })));
    entry.tenant = by.tenant;
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_stands_for_all_and_a_minute_has_an_end() {
        let refusals = Refusals::default();
        let at = |second| Timestamp::from_second(second).expect("a time");
        assert!(refusals.is_new("api.refused", "192.0.2.1", "/api/x", at(0)));
        assert!(!refusals.is_new("api.refused", "192.0.2.1", "/api/x", at(59)));
        assert!(refusals.is_new("api.refused", "192.0.2.1", "/api/y", at(59)), "another door");
        assert!(refusals.is_new("api.refused", "192.0.2.2", "/api/x", at(59)), "another one");
        assert!(refusals.is_new("access.refused", "192.0.2.1", "/api/x", at(59)), "another kind");
        assert!(refusals.is_new("api.refused", "192.0.2.1", "/api/x", at(60)), "another minute");
        let written = (0..10_000).filter(|n| refusals.is_new("api.refused", &n.to_string(), "/", at(61)));
        assert_eq!(written.count(), MOST - 1);
    }
}
