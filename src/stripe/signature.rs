//! Stripe's signatures of webhook deliveries: made and checked over the raw bytes (<https://docs.stripe.com/webhooks#verify-manually>).

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

/// How far the time in a signature may be from ours, in seconds, both ways: Stripe's libraries use the same.
pub const TOLERANCE: i64 = 300;

/// A header longer than this is not Stripe's. Two secrets during a rotation make some 170 bytes.
const LONGEST_HEADER: usize = 4096;

/// A signing secret of a webhook endpoint, `whsec_…`. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The text is no signing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a webhook signing secret is visible text without spaces, at least 8 characters long: Stripe's start with whsec_"
)]
pub struct NotASecret;

impl FromStr for Secret {
    type Err = NotASecret;

    fn from_str(text: &str) -> Result<Self, NotASecret> {
        let fits = (8..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b',');
        if fits { Ok(Self(text.to_owned())) } else { Err(NotASecret) }
    }
}

impl Secret {
    /// The secret itself: for showing it once to whoever made the endpoint.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whsec_[hidden]")
    }
}

/// Why a delivery is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.words())]
pub enum Refused {
    /// There is no `Stripe-Signature` header.
    Missing,
    /// The header has no single time or no `v1` signature. One of `v0` alone is this too.
    Malformed,
    /// Well signed, but more than [`TOLERANCE`] ago, or ahead: a replay, or one of the two clocks is wrong.
    Stale,
    /// No signature matches any of the secrets.
    Mismatch,
}

impl Refused {
    /// What is wrong, for whoever set the endpoint up.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Missing => "the Stripe-Signature header is missing",
            Self::Malformed => "the Stripe-Signature header has no time or no v1 signature",
            Self::Stale => "the signature is more than five minutes old or ahead: check the server's clock",
            Self::Mismatch => "the signature matches none of the endpoint's secrets",
        }
    }
}

/// Checks that `body` was signed with one of `secrets` and not too long ago.
///
/// Any `v1` may match any secret, so that secrets can be rotated. The signature is judged before the time, so that only
/// whoever has the secret learns that a clock is wrong.
///
/// # Errors
/// See [`Refused`].
pub fn verify(header: Option<&str>, body: &[u8], secrets: &[Secret], now: Timestamp) -> Result<(), Refused> {
    let header = header.ok_or(Refused::Missing)?;
    let (time, signatures) = parse(header).ok_or(Refused::Malformed)?;
    let matches = |secret: &Secret| {
        signatures.iter().any(|signature| mac(secret, time, body).verify_slice(signature).is_ok())
    };
    if !secrets.iter().any(matches) {
        return Err(Refused::Mismatch);
    }
    let seconds: i64 = time.parse().map_err(|_| Refused::Malformed)?;
    if now.as_second().saturating_sub(seconds).saturating_abs() > TOLERANCE {
        return Err(Refused::Stale);
    }
    Ok(())
}

/// The header for a body, as Stripe would send it at `at`: for the sandbox's peers and for tests.
pub fn sign(body: &[u8], secret: &Secret, at: Timestamp) -> String {
    let time = at.as_second().to_string();
    let signature = mac(secret, &time, body).finalize().into_bytes();
    let mut header = format!("t={time},v1=");
    for byte in signature {
        use fmt::Write as _;
        let _ = write!(header, "{byte:02x}");
    }
    header
}

/// The time as it stands in the header, and its `v1` signatures. Two times, or digits that are not, make it unreadable.
fn parse(header: &str) -> Option<(&str, Vec<[u8; 32]>)> {
    if header.len() > LONGEST_HEADER {
        return None;
    }
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=')? {
            ("t", value)
                if time.is_none() && !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) =>
            {
                time = Some(value);
            }
            ("t", _) => return None,
            ("v1", value) => signatures.extend(hex(value)),
            _ => {}
        }
    }
    (!signatures.is_empty()).then_some((time?, signatures))
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let text = text.as_bytes();
    if text.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn mac(secret: &Secret, time: &str, body: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.0.as_bytes()).expect("a key of any length");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_seconds;

    const BODY: &[u8] = br#"{"id":"evt_test_webhook","object":"event"}"#;

    fn secret(text: &str) -> Secret {
        text.parse().unwrap()
    }

    /// Made with `openssl dgst -sha256 -hmac whsec_test_secret_1234` over `1700000000.` and the body.
    const VECTOR: &str = "8ed790b908d19d65b99ec0507bbc80f108899c9c2adc31e7eada58ba7b792026";

    #[test]
    fn a_signature_made_by_another_program_is_accepted_and_ours_is_the_same() {
        let secret = secret("whsec_test_secret_1234");
        let header = format!("t=1700000000,v1={VECTOR}");
        assert_eq!(
            verify(Some(&header), BODY, std::slice::from_ref(&secret), from_seconds(1_700_000_000)),
            Ok(())
        );
        assert_eq!(sign(BODY, &secret, from_seconds(1_700_000_000)), header);
    }

    #[test]
    fn five_minutes_both_ways_and_not_a_second_more() {
        let secret = secret("whsec_test_secret_1234");
        let header = sign(BODY, &secret, from_seconds(10_000));
        let at = |now| verify(Some(&header), BODY, std::slice::from_ref(&secret), from_seconds(now));
        assert_eq!([at(10_300), at(9_700)], [Ok(()); 2]);
        assert_eq!([at(10_301), at(9_699)], [Err(Refused::Stale); 2]);
    }

    #[test]
    fn any_of_several_signatures_may_match_any_of_several_secrets() {
        let (old, new) = (secret("whsec_old_secret_00"), secret("whsec_new_secret_00"));
        let now = from_seconds(1_000);
        let (by_old, by_new) = (sign(BODY, &old, now), sign(BODY, &new, now));
        let both = format!("{by_old},{}", by_new.split_once(',').unwrap().1);
        assert_eq!(verify(Some(&both), BODY, std::slice::from_ref(&new), now), Ok(()));
        assert_eq!(verify(Some(&by_old), BODY, &[new.clone(), old], now), Ok(()));
        assert_eq!(verify(Some(&by_old), BODY, &[new], now), Err(Refused::Mismatch));
        assert_eq!(verify(Some(&by_old), BODY, &[], now), Err(Refused::Mismatch));
    }

    #[test]
    fn a_changed_body_or_time_does_not_match() {
        let secret = secret("whsec_test_secret_1234");
        let now = from_seconds(1_000);
        let header = sign(BODY, &secret, now);
        let check =
            |header: &str, body: &[u8]| verify(Some(header), body, std::slice::from_ref(&secret), now);
        assert_eq!(check(&header, b"{}"), Err(Refused::Mismatch));
        assert_eq!(check(&header.replace("t=1000", "t=1001"), BODY), Err(Refused::Mismatch));
        assert_eq!(check(&header.replace("t=1000", "t=01000"), BODY), Err(Refused::Mismatch));
    }

    #[test]
    fn headers_that_say_nothing_are_refused() {
        let secret = secret("whsec_test_secret_1234");
        let now = from_seconds(1_000);
        let good = sign(BODY, &secret, now);
        let v0 = good.replace("v1=", "v0=");
        let twice = format!("t=1,{good}");
        let long = format!("{good},x={}", "y".repeat(LONGEST_HEADER));
        for header in
            ["", "garbage", "t=1000", "t=,v1=ab", "v1=00", "t=1000,v1=zz", "t=-5,v1=00", &v0, &twice, &long]
        {
            assert_eq!(
                verify(Some(header), BODY, std::slice::from_ref(&secret), now),
                Err(Refused::Malformed),
                "{header}"
            );
        }
        assert_eq!(verify(None, BODY, &[secret], now), Err(Refused::Missing));
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert!(!format!("{:?}", secret("whsec_test_secret_1234")).contains("1234"));
        for bad in ["", "short", "whsec_with space in it", "whsec_a,whsec_bbbbbbbbbb"] {
            assert_eq!(bad.parse::<Secret>(), Err(NotASecret), "{bad}");
        }
    }
}
