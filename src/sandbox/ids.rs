//! Ids as Stripe makes them: a prefix that says the kind, then letters and digits.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A source of ids; the same seed gives the same ids in the same order.
pub(crate) struct Ids(StdRng);

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Ids {
    /// From a seed, or from the system's randomness.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(StdRng::seed_from_u64(seed.unwrap_or_else(rand::random)))
    }

    /// A new id such as `cus_N4f…`; `length` letters after the prefix.
    pub(crate) fn make(&mut self, prefix: &str, length: usize) -> String {
        let mut id = String::with_capacity(prefix.len() + length);
        id.push_str(prefix);
        for _ in 0..length {
            id.push(char::from(ALPHABET[self.0.random_range(0..ALPHABET.len())]));
        }
        id
    }

    /// Random bits, for choices such as the order of shuffled deliveries.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.random()
    }
}
