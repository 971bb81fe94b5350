//! What a one-time link carries: 128 random bits. Only its digest is kept.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, WayOn};
use crate::id;

/// The secret of a link. Never printed, never kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one.
    pub fn random() -> Self {
        Self(id::random_text())
    }

    /// What is kept of it. A fast digest is enough: nobody guesses 128 random bits.
    pub fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::new_with_prefix(b"one-time link\0").chain_update(&self.0).finalize())
    }

    /// The secret itself: for the link alone.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secret in the path of a request.
    ///
    /// # Errors
    /// It has not the form of one: told like a link that is over.
    pub fn of_path(text: &str) -> Result<Self, Error> {
        text.parse().map_err(|()| over())
    }
}

/// A link that works no more, or never did: the two are told alike.
pub(crate) fn over() -> Error {
    Error::Gone { reason: "auth-link-over", way_on: Some(WayOn::new("/sign-in", "auth-link-to-sign-in")) }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let fits = text.len() == 26 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_digest_alone_and_never_printed() {
        let token = Token::random();
        assert_eq!(token.expose().parse::<Token>().map(|same| same.digest()), Ok(token.digest()));
        assert_ne!(Token::random().digest(), token.digest());
        assert!(!token.digest().contains(token.expose()));
        assert_eq!(format!("{token:?}"), "Token(hidden)");
        for bad in ["", "short", "../../../../../etc/passwd1", &"x".repeat(27)] {
            assert_eq!(bad.parse::<Token>(), Err(()), "{bad}");
        }
    }
}
