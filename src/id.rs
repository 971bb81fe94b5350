//! Our own identifiers: a prefix that says what it is, and 128 random bits.

/// Digits and letters, without those that are read for one another.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A new identifier, such as `ten_3v8…`.
pub fn random(prefix: &str) -> String {
    format!("{prefix}_{}", random_text())
}

/// 128 bits of randomness as 26 letters and digits: unguessable, and fit for a link.
pub fn random_text() -> String {
    let mut bits: u128 = rand::random();
    let mut text = String::with_capacity(26);
    for _ in 0..25 {
        text.push(char::from(ALPHABET[usize::from((bits & 31) as u8)]));
        bits >>= 5;
    }
    text.push(char::from(ALPHABET[usize::from((bits & 7) as u8)]));
    text
}

/// 160 bits of randomness as 32 letters and digits: a secret that a program keeps.
pub fn secret_text() -> String {
    let bytes: [u8; 32] = rand::random();
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()
}
