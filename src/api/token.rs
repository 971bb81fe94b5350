//! Tokens that the host application signs for its users.
//!
//! Which algorithms are taken is decided by our configuration and by the kind of the key, never by the token: a shared secret
//! verifies HS256 alone, a public key the one algorithm of its kind. So no public key can be used as a secret, and `none` is
//! nothing. Times are held against our clock.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;

use super::jwks::Jwks;
use crate::auth::Role;

/// How far two clocks may be apart, in seconds.
const SKEW: i64 = 30;

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;

/// The shortest secret for HS256, in bytes: as long as the hash (RFC 7518, 3.2).
const SHORTEST_SECRET: usize = 32;

const UNKNOWN_KEY: &str = "the token is signed with an unknown key";
const WRONG_SIGNATURE: &str = "the token's signature is wrong";
const WRONG_ALGORITHM: &str = "the token is signed with another algorithm";
/// What another key might put right.
const ABOUT_THE_KEY: [&str; 3] = [UNKNOWN_KEY, WRONG_SIGNATURE, WRONG_ALGORITHM];

/// What tokens of the host application are held against. Cloning is cheap.
#[derive(Clone)]
pub struct HostTokens(Arc<Parts>);

struct Parts {
    issuer: String,
    audience: String,
    keys: Keys,
}

enum Keys {
    Secret(Box<DecodingKey>),
    Set(Jwks),
}

impl fmt::Debug for HostTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = match &self.0.keys {
            Keys::Secret(_) => "[hidden]".to_owned(),
            Keys::Set(set) => set.to_string(),
        };
        let Parts { issuer, audience, .. } = &*self.0;
        f.debug_struct("HostTokens")
            .field("issuer", issuer)
            .field("audience", audience)
            .field("keys", &keys)
            .finish()
    }
}

/// The secret is too short to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret for HS256 has at least 32 bytes")]
pub struct ShortSecret;

/// Who a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostUser {
    /// The host's id of the user.
    pub subject: String,
    /// The tenant: our id, or the host's own.
    pub company: String,
    /// What the user is in it.
    pub role: Role,
}

/// Why a token opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no token of ours, or no longer one.
    #[error("{0}")]
    Invalid(&'static str),
    /// The host's keys could not be fetched, so that nobody can tell.
    #[error("the keys that tokens are signed with cannot be fetched")]
    NoKeys,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    company_id: Id,
    role: String,
    exp: serde_json::Number,
    nbf: Option<serde_json::Number>,
}

/// An id as hosts write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(i64),
}

impl HostTokens {
    /// Tokens signed with a secret that the host and we share: HS256.
    ///
    /// # Errors
    /// The secret is shorter than the hash.
    pub fn by_secret(secret: &[u8], issuer: String, audience: String) -> Result<Self, ShortSecret> {
        if secret.len() < SHORTEST_SECRET {
            return Err(ShortSecret);
        }
        let keys = Keys::Secret(Box::new(DecodingKey::from_secret(secret)));
        Ok(Self(Arc::new(Parts { issuer, audience, keys })))
    }

    /// Tokens signed with one of the host's published keys: RS256, ES256 or EdDSA.
    pub fn by_set(set: Jwks, issuer: String, audience: String) -> Self {
        Self(Arc::new(Parts { issuer, audience, keys: Keys::Set(set) }))
    }

    /// Who a token speaks for, at `now`.
    ///
    /// # Errors
    /// It opens nothing.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<HostUser, Refused> {
        if token.len() > LONGEST {
            return Err(Refused::Invalid("the token is too long"));
        }
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| Refused::Invalid("the credential is neither a key nor a token"))?;
        if header.crit.is_some() {
            return Err(Refused::Invalid("the token asks for an extension that is not understood"));
        }
        match &self.0.keys {
            Keys::Secret(key) => self.read(token, key, Algorithm::HS256, now),
            Keys::Set(set) => self.read_by_set(set, token, &header, now).await,
        }
    }

    async fn read_by_set(
        &self,
        set: &Jwks,
        token: &str,
        header: &Header,
        now: Timestamp,
    ) -> Result<HostUser, Refused> {
        let keys = set.holding(header.kid.as_deref()).await.ok_or(Refused::NoKeys)?;
        match self.read_by_keys(&keys, token, header, now) {
            // A token that names no key cannot show that the one key there was has been replaced.
            Err(Refused::Invalid(words)) if header.kid.is_none() && ABOUT_THE_KEY.contains(&words) => {
                let newer = set.newer(Some(&keys)).await.ok_or(Refused::Invalid(words))?;
                self.read_by_keys(&newer, token, header, now)
            }
            answer => answer,
        }
    }

    fn read_by_keys(
        &self,
        keys: &JwkSet,
        token: &str,
        header: &Header,
        now: Timestamp,
    ) -> Result<HostUser, Refused> {
        let fits = |key: &&Jwk| match &header.kid {
            Some(kid) => key.common.key_id.as_ref() == Some(kid),
            None => keys.keys.len() == 1,
        };
        let key = keys.keys.iter().find(fits).ok_or(Refused::Invalid(UNKNOWN_KEY))?;
        let algorithm =
            algorithm(key).ok_or(Refused::Invalid("the token's key is of a kind that is not used here"))?;
        let key =
            DecodingKey::from_jwk(key).map_err(|_| Refused::Invalid("the token's key cannot be read"))?;
        self.read(token, &key, algorithm, now)
    }

    fn read(
        &self,
        token: &str,
        key: &DecodingKey,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<HostUser, Refused> {
        let mut rules = Validation::new(algorithm);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_issuer(&[&self.0.issuer]);
        rules.set_audience(&[&self.0.audience]);
        // The crate reads the system's clock; ours is asked below.
        rules.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &rules)
            .map_err(|error| Refused::Invalid(words(error.kind())))?
            .claims;
        claims.user(now)
    }
}

impl Claims {
    fn user(self, now: Timestamp) -> Result<HostUser, Refused> {
        let expires = seconds(&self.exp).ok_or(Refused::Invalid("exp is no time"))?;
        if now.as_second() >= expires.saturating_add(SKEW) {
            return Err(Refused::Invalid("the token has expired"));
        }
        if let Some(begins) = &self.nbf {
            let begins = seconds(begins).ok_or(Refused::Invalid("nbf is no time"))?;
            if now.as_second() < begins.saturating_sub(SKEW) {
                return Err(Refused::Invalid("the token is not valid yet"));
            }
        }
        let company = match self.company_id {
            Id::Text(text) => text,
            Id::Number(number) => number.to_string(),
        };
        let is_name = |text: &str| (1..=200).contains(&text.len()) && !text.chars().any(char::is_control);
        if !is_name(&self.sub) || !is_name(&company) {
            return Err(Refused::Invalid("sub and company_id are 1 to 200 characters"));
        }
        // A role that is none of ours gives no more than the least of them.
        let role = self.role.parse().unwrap_or(Role::Operator);
        Ok(HostUser { subject: self.sub, company, role })
    }
}

/// Whole seconds of a numeric date, which may have decimals (RFC 7519, 2).
fn seconds(number: &serde_json::Number) -> Option<i64> {
    number.to_string().split('.').next()?.parse().ok()
}

/// The one algorithm that a published key is for.
fn algorithm(key: &Jwk) -> Option<Algorithm> {
    if matches!(&key.common.public_key_use, Some(usage) if *usage != PublicKeyUse::Signature) {
        return None;
    }
    let (algorithm, name) = match &key.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    key.common.key_algorithm.is_none_or(|declared| declared == name).then_some(algorithm)
}

fn words(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => WRONG_SIGNATURE,
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => WRONG_ALGORITHM,
        ErrorKind::MissingRequiredClaim(_) => "the token lacks exp, iss, aud or sub",
        ErrorKind::Json(_) => {
            "the token lacks sub, company_id, role or exp, or one of them is of the wrong type"
        }
        _ => "the token cannot be read",
    }
}
