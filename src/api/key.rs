//! Keys of the API: how they are made, and what is kept of them.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::Scope;
use crate::tenants::words;

/// Of how many random letters a key consists, behind its prefix: five bits each.
const LETTERS: usize = 32;

/// A key itself: shown once and never kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new key, for real money or for trying things out.
    pub(super) fn random(livemode: bool) -> Self {
        Self(format!("{}{}", prefix(livemode), crate::id::secret_text()))
    }

    /// The key of an `Authorization` header, if it is one by its form.
    pub(super) fn read(text: &str) -> Option<Self> {
        let rest = [true, false].into_iter().find_map(|mode| text.strip_prefix(prefix(mode)))?;
        let fits = rest.len() == LETTERS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then(|| Self(text.to_owned()))
    }

    /// Whether it is for real money.
    pub(super) fn is_live(&self) -> bool {
        self.0.starts_with(prefix(true))
    }

    /// What is kept of it.
    pub(super) fn hash(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    /// How it begins, for lists.
    pub(super) fn beginning(&self) -> &str {
        &self.0[..prefix(self.is_live()).len() + 4]
    }

    /// How it ends, for lists.
    pub(super) fn last4(&self) -> &str {
        &self.0[self.0.len() - 4..]
    }

    /// The key itself: to be shown this once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[hidden]", self.beginning())
    }
}

/// How the keys of a mode begin: the mode of the portal's Stripe key.
const fn prefix(livemode: bool) -> &'static str {
    if livemode { "bp_live_" } else { "bp_test_" }
}

/// Bytes as people copy them.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or_default());
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or_default());
        text
    })
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, `key_…`.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// How it begins.
    pub prefix: String,
    /// How it ends.
    pub last4: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// Whether it is for real money.
    pub livemode: bool,
    /// When it was made, unix seconds.
    pub created_at: i64,
    /// Who made it; none for the command line.
    pub created_by: Option<String>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<i64>,
    /// When it was revoked; none while it works.
    pub revoked_at: Option<i64>,
}

impl ApiKey {
    /// Whether it may be used for that.
    pub fn may(&self, wanted: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.covers(wanted))
    }
}

/// A key that is to be made, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    pub(super) name: String,
    pub(super) scopes: Vec<Scope>,
    pub(super) livemode: bool,
    pub(super) created_by: Option<String>,
}

/// Why a key cannot be as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The name is empty or too long.
    #[error("the name is 1 to 200 characters, none of them a control character")]
    Name,
    /// It could be used for nothing.
    #[error("a key needs at least one scope")]
    NoScope,
}

impl NewKey {
    /// A key of a mode, by a user or, without one, by the command line.
    ///
    /// # Errors
    /// The name is none, there is no scope, or both.
    pub fn new(
        name: &str,
        scopes: &[Scope],
        livemode: bool,
        created_by: Option<String>,
    ) -> Result<Self, Vec<Fault>> {
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        match words(name) {
            Some(name) if !scopes.is_empty() => Ok(Self { name, scopes, livemode, created_by }),
            Some(_) => Err(vec![Fault::NoScope]),
            None if scopes.is_empty() => Err(vec![Fault::Name, Fault::NoScope]),
            None => Err(vec![Fault::Name]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_recognised_by_its_form_and_not_shown_by_accident() {
        let key = Secret::random(false);
        assert_eq!(Secret::read(key.expose()), Some(key.clone()));
        assert!(!key.is_live() && Secret::random(true).is_live());
        assert_eq!(key.expose().len(), "bp_test_".len() + LETTERS);
        assert!(!format!("{key:?}").contains(&key.expose()[14..]));
        assert_ne!(Secret::random(false), Secret::random(false));
        for text in ["", "bp_test_", "bp_test_abc", "sk_test_abcdefghabcdefghabcdefghabcdefgh", "bp_other_x"]
        {
            assert_eq!(Secret::read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_kept_of_a_key_is_its_hash() {
        let key = Secret::read("bp_test_0123456789abcdef0123456789abcdef").expect("a key");
        assert_eq!(key.hash(), hex(&Sha256::digest("bp_test_0123456789abcdef0123456789abcdef")));
        assert_eq!((key.beginning(), key.last4()), ("bp_test_0123", "cdef"));
    }

    #[test]
    fn a_key_that_could_be_used_for_nothing_is_not_made() {
        assert_eq!(NewKey::new("host", &[], false, None), Err(vec![Fault::NoScope]));
        assert_eq!(NewKey::new(" ", &[Scope::All], false, None), Err(vec![Fault::Name]));
        assert_eq!(NewKey::new(" ", &[], false, None), Err(vec![Fault::Name, Fault::NoScope]));
        let key = NewKey::new("host", &[Scope::UsageWrite, Scope::UsageWrite], false, None).expect("a key");
        assert_eq!(key.scopes, [Scope::UsageWrite]);
    }
}
