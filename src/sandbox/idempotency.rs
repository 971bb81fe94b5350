//! Idempotency keys: the first answer is kept for a day and given again to the same request.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::errors::{Answer, ApiError};
use super::settings::DAY;

/// How many answers are kept.
const KEPT: usize = 20_000;

/// An answer as it was given.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Bytes,
    /// The id of the request that made it.
    pub(crate) request: String,
}

#[derive(Debug)]
struct Entry {
    fingerprint: Vec<u8>,
    since: i64,
    answer: Option<Kept>,
}

/// The keys in use.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    entries: HashMap<String, Entry>,
    order: VecDeque<String>,
}

impl Keys {
    /// Claims a key for a request; gives the answer to repeat when there is one.
    ///
    /// The same key with another request is refused with 400 `idempotency_error`, while the first is in flight with 409.
    pub(crate) fn claim(&mut self, key: &str, fingerprint: Vec<u8>, now: i64) -> Answer<Option<Kept>> {
        while let Some(oldest) = self.order.front() {
            let expired = self.entries.get(oldest).is_none_or(|entry| entry.since <= now - DAY);
            if !expired && self.order.len() < KEPT {
                break;
            }
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
        if let Some(entry) = self.entries.get(key) {
            if entry.fingerprint != fingerprint {
                return Err(ApiError::new(
                    400,
                    "idempotency_error",
                    format!(
                        "Keys for idempotent requests can only be used with the same parameters they were first used \
                         with. Try using a key other than '{key}' if you meant to execute a different request."
                    ),
                ));
            }
            return match &entry.answer {
                Some(kept) => Ok(Some(kept.clone())),
                None => Err(ApiError::new(
                    409,
                    "idempotency_error",
                    format!(
                        "There is currently another in-progress request using this Idempotent Key '{key}'."
                    ),
                )
                .code("idempotency_key_in_use")),
            };
        }
        self.entries.insert(key.to_owned(), Entry { fingerprint, since: now, answer: None });
        self.order.push_back(key.to_owned());
        Ok(None)
    }

    /// Keeps the answer of a claimed key. An answer from before the work began (bad parameters, say) is not kept: the key is
    /// free again, as with Stripe.
    pub(crate) fn settle(&mut self, key: &str, answer: Kept) {
        if answer.status < 400 || answer.status == 402 || answer.status >= 500 {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.answer = Some(answer);
            }
        } else {
            self.release(key);
        }
    }

    /// Frees a key whose request gave no answer.
    pub(crate) fn release(&mut self, key: &str) {
        self.entries.remove(key);
    }
}
