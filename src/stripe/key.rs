//! The account's secret key, and the keys that make a repeated request harmless.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The secret (or restricted) key of the Stripe account. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// The key itself: for the `Authorization` header alone.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// A key of our own, made of this one: the same in every process of the installation, another for each purpose.
    pub(super) fn derive(&self, purpose: &str) -> [u8; 32] {
        Sha256::new_with_prefix(purpose).chain_update([0]).chain_update(&self.0).finalize().into()
    }

    /// Whether it moves real money: `sk_live_…` and `rk_live_…` do.
    pub fn is_live(&self) -> bool {
        self.0.starts_with("sk_live_") || self.0.starts_with("rk_live_")
    }
}

/// The text is no secret key of Stripe's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASecretKey {
    /// A publishable key, which may do nothing that a server needs.
    #[error("this is a publishable key; the portal needs the secret key, which starts with sk_ or rk_")]
    Publishable,
    /// Anything else.
    #[error(
        "a secret key of Stripe's starts with sk_test_, sk_live_, rk_test_ or rk_live_ and has no spaces"
    )]
    Malformed,
}

impl FromStr for SecretKey {
    type Err = NotASecretKey;

    fn from_str(text: &str) -> Result<Self, NotASecretKey> {
        if text.starts_with("pk_") {
            return Err(NotASecretKey::Publishable);
        }
        let prefix = ["sk_test_", "sk_live_", "rk_test_", "rk_live_"]
            .into_iter()
            .find(|prefix| text.starts_with(prefix));
        let plain = text.len() <= 255 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match prefix {
            Some(prefix) if plain && text.len() > prefix.len() => Ok(Self(text.to_owned())),
            _ => Err(NotASecretKey::Malformed),
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_live() { "sk_live_[hidden]" } else { "sk_test_[hidden]" })
    }
}

/// An idempotency key: Stripe answers a POST that comes again under the same key with its first answer (kept 24 hours or
/// longer), and refuses the key for another request. Whoever starts something that must happen once stores the key first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

/// A key has 1 to 255 visible ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to 255 visible ASCII characters")]
pub struct NotAKey;

impl Key {
    /// A key made of what identifies the deed, such as `checkout-<id of the row>`.
    ///
    /// # Errors
    /// Where the text is empty, longer than 255 or not visible ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self, NotAKey> {
        let text = text.into();
        let fits = !text.is_empty() && text.len() <= 255 && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err(NotAKey) }
    }

    /// A key for a deed that nobody will have to repeat after a restart: its tries alone share it.
    pub fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    /// The key as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Key {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<Self, NotAKey> {
        Self::new(text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_key_is_recognised_and_never_shown() {
        let live: SecretKey = "sk_live_abc123".parse().unwrap();
        let test: SecretKey = "rk_test_abc123".parse().unwrap();
        assert!(live.is_live() && !test.is_live());
        for shown in [format!("{live}"), format!("{live:?}"), format!("{test}"), format!("{test:#?}")] {
            assert!(!shown.contains("abc123"), "{shown}");
        }
        assert_eq!("pk_live_abc".parse::<SecretKey>(), Err(NotASecretKey::Publishable));
        for bad in ["", "sk_live_", "sk_abc", "sk_test_a b", "sk_test_a\r\nX: y", "whsec_abc"] {
            assert_eq!(bad.parse::<SecretKey>(), Err(NotASecretKey::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn an_idempotency_key_fits_in_a_header() {
        assert!(Key::new("checkout-1").is_ok());
        for bad in [String::new(), "a b".to_owned(), "a\n".to_owned(), "é".to_owned(), "a".repeat(256)] {
            assert_eq!(Key::new(bad), Err(NotAKey));
        }
        assert_ne!(Key::random(), Key::random());
    }
}
