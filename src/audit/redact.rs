//! What never enters the audit: card data, bank accounts, passwords, secrets.
//!
//! Three nets: names of fields that hold such things, any run of digits that passes as a card number, and any word that begins as
//! secrets do, wherever they stand.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

/// What stands where something was taken out.
pub const REDACTED: &str = "[redacted]";

/// Names of fields whose values are taken out.
const NAMES: [&str; 8] =
    ["card_number", "cvc", "cvv", "exp_month", "exp_year", "account_number", "routing_number", "password"];

/// Parts of names of fields whose values are taken out.
const PARTS: [&str; 3] = ["password", "secret", "token"];

/// How secrets begin: Stripe's keys, those that sign webhooks, and our own keys.
const BEGINNINGS: [&str; 7] =
    ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "bp_live_", "bp_test_"];

/// Fewest characters of a secret behind its beginning: fewer are an example in a text, or the beginning that a page shows.
const LEAST: usize = 8;

/// Fewest and most digits of a card number.
const SHORTEST: usize = 13;
const LONGEST: usize = 19;

/// Lines of the log from which a number was taken out and that are not kept in the database yet.
static TAKEN_OUT: AtomicU64 = AtomicU64::new(0);

/// Takes the number of lines of the log that something was taken out of since the last call: whoever takes it has to keep it, or
/// to give it [back](give_back).
pub fn take_count() -> u64 {
    TAKEN_OUT.swap(0, Ordering::Relaxed)
}

/// Gives back a number of lines that could not be kept.
pub fn give_back(lines: u64) {
    TAKEN_OUT.fetch_add(lines, Ordering::Relaxed);
}

/// A writer of log lines that lets no card number through.
#[derive(Debug)]
pub struct Clean<W>(pub W);

impl<W: std::io::Write> std::io::Write for Clean<W> {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let clean = std::str::from_utf8(line).ok().and_then(without_card_numbers);
        match clean {
            None => self.0.write(line),
            Some(clean) => {
                TAKEN_OUT.fetch_add(1, Ordering::Relaxed);
                self.0.write_all(clean.as_bytes()).map(|()| line.len())
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// The value without what must not be kept.
pub fn redact(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let value = if is_secret(&name) { REDACTED.into() } else { redact(value) };
                    (clean(&name).into_owned(), value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(redact).collect()),
        Value::String(text) => Value::String(clean(&text).into_owned()),
        Value::Number(number) if holds_card_number(&number.to_string()) => REDACTED.into(),
        other => other,
    }
}

/// A text without card numbers and secrets.
pub fn clean(text: &str) -> Cow<'_, str> {
    // First, for what is left of a secret without its digits would no longer be known as one.
    let clean = without_secrets(text).map_or(Cow::Borrowed(text), Cow::Owned);
    match without_card_numbers(&clean) {
        Some(cleaner) => Cow::Owned(cleaner),
        None => clean,
    }
}

/// The text with each secret taken out; none where there is none.
fn without_secrets(text: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-+/=".contains(c);
    let next = |from: usize| {
        let starts = BEGINNINGS.iter().filter_map(|beginning| {
            let start = from + text[from..].find(beginning)?;
            Some((start, start + beginning.len()))
        });
        starts.min()
    };
    let (mut clean, mut reached, mut from) = (String::new(), 0, 0);
    while let Some((start, body)) = next(from) {
        let length = text[body..].find(|c| !is_part(c)).unwrap_or(text.len() - body);
        from = body;
        if length >= LEAST {
            clean.push_str(&text[reached..start]);
            clean.push_str(REDACTED);
            (reached, from) = (body + length, body + length);
        }
    }
    (reached > 0).then(|| clean + &text[reached..])
}

/// Whether the value of a field of this name is taken out, however it is spelled: `cardNumber`, `card-number`, `CVC`.
fn is_secret(name: &str) -> bool {
    let plain = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let name = plain(name);
    NAMES.iter().any(|secret| name == plain(secret)) || PARTS.iter().any(|part| name.contains(part))
}

/// Whether anything in a text passes as a card number: 14 to 19 digits (13 of the few issuers that have such), single spaces, dashes
/// or dots between groups of them at most, that begin as card numbers do and whose last digit is right by Luhn's rule. Digits in the
/// middle of a word are none: keys and hashes are full of them. Letters before or after all of a number hide nothing.
pub fn holds_card_number(text: &str) -> bool {
    !find(text).is_empty()
}

/// The text with each such number taken out; none where there is none.
pub fn without_card_numbers(text: &str) -> Option<String> {
    let found = find(text);
    let (mut clean, mut reached) = (String::new(), 0);
    for (start, end) in &found {
        clean.push_str(&text[reached..*start]);
        clean.push_str(REDACTED);
        reached = *end;
    }
    (!found.is_empty()).then(|| clean + &text[reached..])
}

/// Where such numbers stand, in their order, none beside or within another. Every beginning and every end is tried, so that digits
/// that stand beside a number do not hide part of it.
fn find(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut found: Vec<(usize, usize)> = Vec::new();
    let groups = groups(bytes);
    for first in 0..groups.len() {
        let Some((start, end)) = longest(bytes, &groups[first..]) else { continue };
        match found.last_mut() {
            Some((_, reached)) if start < *reached => *reached = end.max(*reached),
            _ => found.push((start, end)),
        }
    }
    found
}

/// The longest number that begins with the first of these groups and is made of whole ones.
fn longest(bytes: &[u8], groups: &[(usize, usize)]) -> Option<(usize, usize)> {
    let (start, _) = *groups.first()?;
    if !matches!(bytes[start], b'2'..=b'6') || !begins_a_word(bytes, start) {
        return None;
    }
    let mut digits: Vec<u8> = Vec::with_capacity(LONGEST);
    let (mut dots, mut longest, mut reached) = (false, None, start);
    for (at, (from, to)) in groups.iter().enumerate() {
        let between = &bytes[reached..*from];
        if (at > 0 && !is_separator(between)) || digits.len() + to - from > LONGEST {
            break;
        }
        dots |= between == b".";
        // With dots between them, groups are those of a number that is read out, and not the parts of a fraction.
        if dots && !groups[..=at].iter().all(|(from, to)| (3..=7).contains(&(to - from))) {
            break;
        }
        digits.extend(bytes[*from..*to].iter().map(|digit| digit - b'0'));
        reached = *to;
        let is_whole = !(dots && at < 2) && ends_a_word(bytes, reached);
        if is_whole
            && is_of_an_issuer(&digits)
            && passes_luhn(&digits)
            && !is_in_a_uuid(bytes, start, reached)
        {
            longest = Some((start, reached));
        }
    }
    longest
}

/// What may stand between two groups of one number: a space, a space that does not break, a dash, a dot.
fn is_separator(between: &[u8]) -> bool {
    matches!(between, b" " | b"-" | b"." | b"\xc2\xa0" | b"\xe2\x80\xaf")
}

/// Whether there is nothing but letters before a place in its word.
fn begins_a_word(bytes: &[u8], start: usize) -> bool {
    let before = bytes[..start].iter().rev().find(|byte| !byte.is_ascii_alphabetic());
    before.is_none_or(|byte| !byte.is_ascii_digit())
}

/// Whether there is nothing but letters after a place in its word.
fn ends_a_word(bytes: &[u8], end: usize) -> bool {
    let after = bytes[end..].iter().find(|byte| !byte.is_ascii_alphabetic());
    after.is_none_or(|byte| !byte.is_ascii_digit())
}

/// Whether digits begin as card numbers do that are so long: those of travel cards, Visa, Mastercard, Maestro, Discover and UnionPay.
/// What begins with 2 is Mastercard's or Mir's alone; and of 13 digits there are only old ones of Visa and Maestro: a time in
/// milliseconds is no card.
fn is_of_an_issuer(digits: &[u8]) -> bool {
    let prefix = digits.iter().take(4).fold(0, |sum: u32, digit| sum * 10 + u32::from(*digit));
    let begins = matches!(prefix, 2200..=2720 | 3000..=6999);
    match digits.len() {
        13 => matches!(prefix, 4000..=4999 | 5000..=5099 | 5600..=6999),
        length => begins && (SHORTEST..=LONGEST).contains(&length),
    }
}

/// Whether a place lies within a UUID, whose first groups can all be digits.
fn is_in_a_uuid(bytes: &[u8], start: usize, end: usize) -> bool {
    const LENGTH: usize = 36;
    let is_uuid = |from: usize| {
        bytes.get(from..from + LENGTH).is_some_and(|word| {
            word.iter().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
        })
    };
    (end.saturating_sub(LENGTH)..=start).any(is_uuid)
}

/// Start and end of each group of digits.
fn groups(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut groups: Vec<(usize, usize)> = Vec::new();
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        match groups.last_mut() {
            Some((_, end)) if *end == at => *end = at + 1,
            _ => groups.push((at, at + 1)),
        }
    }
    groups
}

/// Luhn's rule: every second digit from the right counts double, its cross sum; all together are a multiple of ten.
fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, *digit) {
            (0, digit) => u32::from(digit),
            (_, digit) if digit > 4 => u32::from(digit) * 2 - 9,
            (_, digit) => u32::from(digit) * 2,
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_holds_card_data_is_taken_out_whatever_it_is_called() {
        let entry = json!({
            "card": { "cardNumber": "x", "CVC": 123, "cvv": "1", "exp_month": 4, "exp-year": 2030, "brand": "visa", "last4": "4242" },
            "bank": [{ "account_number": "1", "routing_number": "2" }],
            "password": "p", "new_password": "q", "client_secret": "s", "token": "t", "quantity": 3,
        });
        let r = REDACTED;
        assert_eq!(
            redact(entry),
            json!({
                "card": { "cardNumber": r, "CVC": r, "cvv": r, "exp_month": r, "exp-year": r, "brand": "visa", "last4": "4242" },
                "bank": [{ "account_number": r, "routing_number": r }],
                "password": r, "new_password": r, "client_secret": r, "token": r, "quantity": 3,
            })
        );
    }

    #[test]
    fn a_number_that_passes_as_a_card_is_taken_out_wherever_it_stands() {
        for text in [
            "4242424242424242",
            "4242 4242 4242 4242",
            "4242-4242-4242-4242",
            "4242.4242.4242.4242",
            "4242\u{a0}4242\u{a0}4242\u{202f}4242",
            "378282246310005",
            "3782 822463 10005",
            "30569309025904",
            "2223003122003222",
            "6011111111111117",
            "4222222222222",
            "4000000000000002 12/30 123",
            "30 1234 4242 4242 4242 4242 3rd",
            "4242424242424242.00",
            "visa4242424242424242",
            "x4000000000000002y",
            "card=4242424242424242&cvc=",
        ] {
            assert!(holds_card_number(text), "{text}");
        }
        for text in [
            "4242424242424241",
            "424242424242",
            "0000000000000000",
            "1795240000",
            "4242 - 4242 4242 4242",
            "9900",
        ] {
            assert!(!holds_card_number(text), "{text}");
        }
        assert_eq!(
            redact(json!({ "note": "pay with 4242 4242 4242 4242, please" })),
            json!({ "note": "pay with [redacted], please" })
        );
        assert_eq!(
            redact(json!({ "4242424242424242": [4_242_424_242_424_242_u64] })),
            json!({ REDACTED: [REDACTED] })
        );
        assert_eq!(without_card_numbers("12 4242424242424242"), Some("12 [redacted]".to_owned()));
        assert_eq!(
            without_card_numbers("71 1234 4242 4242 4242 4242, 5555555555554444!").as_deref(),
            Some("71 1234 [redacted], [redacted]!")
        );
    }

    #[test]
    fn what_begins_as_secrets_do_is_taken_out_wherever_it_stands() {
        for (text, left) in [
            ("sk_live_51Habcdefgh", "[redacted]"),
            ("with whsec_abcdEFGH+/12=, then", "with [redacted], then"),
            ("Bearer bp_test_0123456789abcdef", "Bearer [redacted]"),
            ("xrk_test_12345678 sk_test_abcdefgh.", "x[redacted] [redacted]."),
            ("4242 4242 4242 4242 sk_live_4242424242424242", "[redacted] [redacted]"),
            ("sk_live_\u{2026} whsec_tests bp_live_0123", "sk_live_\u{2026} whsec_tests bp_live_0123"),
            ("sk_live_sk_live_abcdefgh", "[redacted]"),
            ("we_1T4242 sub_live_0123456789", "we_1T4242 sub_live_0123456789"),
        ] {
            assert_eq!(clean(text), left, "{text}");
            assert_eq!(redact(json!({ text: [text] })), json!({ left: [left] }));
        }
    }

    #[test]
    fn keys_times_and_fractions_are_no_card_numbers() {
        for text in [
            // Of each, the digits are right by Luhn's rule.
            "9f4242424242424242a7c1",
            "a1b2c3d4e5f4242424242424242",
            "4242424242424242e9b07f12",
            "42424242-4242-4242-8a7b-0123456789ab",
            "00004242424242424242424242424242",
            "1795240000004",
            "2042424242428",
            "2100000000000005",
            "3.14159265358973",
            "42424242.42424242",
            "in_1T4242424242424242Qx",
        ] {
            assert!(!holds_card_number(text), "{text}");
        }
    }

    #[test]
    fn a_line_of_the_log_goes_through_without_its_card_number_and_is_counted() {
        use std::io::Write as _;
        take_count();
        let mut log = Clean(Vec::new());
        log.write_all(b"pays with 4242 4242 4242 4242\n").expect("a vector takes everything");
        log.write_all(b"pays 2900\n").expect("a vector takes everything");
        assert_eq!(log.0, b"pays with [redacted]\npays 2900\n");
        give_back(2);
        assert_eq!((take_count(), take_count()), (3, 0));
    }

    proptest! {
        #[test]
        fn no_card_number_survives_whatever_is_around_it(before in "([a-z0-9 -]{0,12}[ =:-])?[a-z]{0,4}", after in "[a-z]{0,4}([ ,;-][a-z0-9 -]{0,12})?", body in "(22[2-9][0-9]|2[3-6][0-9]{2}|[3-6][0-9]{3})[0-9]{9,14}") {
            let check = (0..10).map(|digit| format!("{body}{digit}")).find(|number| {
                passes_luhn(&number.bytes().map(|byte| byte - b'0').collect::<Vec<_>>())
            }).expect("one of ten digits is right");
            let clean = redact(Value::String(format!("{before}{check}{after}")));
            let clean = clean.as_str().expect("a text");
            prop_assert!(!clean.contains(&check));
            prop_assert!(!holds_card_number(clean), "{clean}");
        }

        #[test]
        fn nor_does_one_that_is_read_out_in_groups(before in "([a-z0-9 .-]{0,12}[ =:])?", after in "([ ,;.-][a-z0-9 .-]{0,12})?", body in "(22[2-9][0-9]|[3-6][0-9]{3})[0-9]{11}", separator in "[ .-]|\u{a0}") {
            let whole = (0..10).map(|digit| format!("{body}{digit}")).find(|number| {
                passes_luhn(&number.bytes().map(|byte| byte - b'0').collect::<Vec<_>>())
            }).expect("one of ten digits is right");
            let groups: Vec<&str> = [0, 4, 8, 12].iter().map(|at| &whole[*at..at + 4]).collect();
            let number = groups.join(&separator);
            let clean = without_card_numbers(&format!("{before}{number}{after}")).expect("a number");
            prop_assert!(!clean.contains(&number), "{clean}");
        }

        #[test]
        fn a_key_of_random_digits_and_letters_holds_none(key in "[0-9a-f]{8}[a-f][0-9a-f]{20}[a-f][0-9][0-9a-f]{2}") {
            prop_assert!(!holds_card_number(&key), "{key}");
        }

        #[test]
        fn redacting_twice_is_redacting_once(text in "[0-9 .-]{0,40}") {
            let once = redact(Value::String(text));
            prop_assert_eq!(redact(once.clone()), once);
        }
    }
}
