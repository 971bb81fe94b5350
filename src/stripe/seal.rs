//! Small secrets kept encrypted: readable only to whoever has the account's secret key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::Stripe;

impl Stripe {
    /// Encrypts a text for keeping, with a key that is derived from the secret key for this purpose alone. `about` names what
    /// it belongs to: sealed for one thing, it opens for no other. None where the cipher refuses, which it does for gigabytes.
    pub fn seal(&self, purpose: &str, about: &str, text: &str) -> Option<String> {
        // 96 random bits: two of a few thousand seals would have to meet by chance.
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = text.as_bytes().to_vec();
        let key = self.sealing_key(purpose)?;
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(about.as_bytes()),
            &mut sealed,
        )
        .ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what [`Stripe::seal`] made. None where it was made with another secret key or for another thing, or was changed.
    pub fn unseal(&self, purpose: &str, about: &str, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut rest = rest.to_vec();
        let key = self.sealing_key(purpose)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = key.open_in_place(nonce, Aad::from(about.as_bytes()), &mut rest).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }

    fn sealing_key(&self, purpose: &str) -> Option<LessSafeKey> {
        UnboundKey::new(&CHACHA20_POLY1305, &self.derive_key(purpose)).ok().map(LessSafeKey::new)
    }
}

#[cfg(test)]
mod tests {
    use crate::stripe::{Stripe, StripeConfig};

    fn stripe(key: &str) -> Stripe {
        let config = StripeConfig::new(key.parse().unwrap(), Some("http://127.0.0.1:9".parse().unwrap()));
        Stripe::new(config.unwrap()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_for_the_same_thing_alone() {
        let ours = stripe("sk_test_one");
        let sealed = ours.seal("secrets", "we_1", "whsec_quiet").unwrap();
        assert_eq!(ours.unseal("secrets", "we_1", &sealed).as_deref(), Some("whsec_quiet"));
        assert!(!sealed.contains("quiet"));
        assert_ne!(ours.seal("secrets", "we_1", "whsec_quiet").unwrap(), sealed, "never twice the same");
        assert_eq!(ours.unseal("secrets", "we_2", &sealed), None);
        assert_eq!(ours.unseal("others", "we_1", &sealed), None);
        assert_eq!(stripe("sk_test_two").unseal("secrets", "we_1", &sealed), None);
        for broken in ["", "AAAA", "not base64!", &sealed[..sealed.len() - 2]] {
            assert_eq!(ours.unseal("secrets", "we_1", broken), None, "{broken}");
        }
    }
}
