//! What never enters the audit: card data, bank accounts, passwords, secrets.
//!
//! Two nets: names of fields that hold such things, and any run of digits that passes as a card number, wherever it stands.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

/// What stands where something was taken out.
pub const REDACTED: &str = "[redacted]";

/// Names of fields whose values are taken out.
const NAMES: [&str; 8] =
    ["card_number", "cvc", "cvv", "exp_month", "exp_year", "account_number", "routing_number", "password"];

/// Parts of names of fields whose values are taken out.
const PARTS: [&str; 3] = ["password", "secret", "token"];

/// Fewest and most digits of a card number.
const SHORTEST: usize = 13;
const LONGEST: usize = 19;

/// Lines of the log from which a number was taken out, since the start of the process.
static TAKEN_OUT: AtomicU64 = AtomicU64::new(0);

/// How many lines of the log something was taken out of, since the start of the process.
pub fn taken_out_of_the_log() -> u64 {
    TAKEN_OUT.load(Ordering::Relaxed)
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
                    (without_card_numbers(&name).unwrap_or(name), value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(redact).collect()),
        Value::String(text) => Value::String(without_card_numbers(&text).unwrap_or(text)),
        Value::Number(number) if holds_card_number(&number.to_string()) => REDACTED.into(),
        other => other,
    }
}

/// Whether the value of a field of this name is taken out, however it is spelled: `cardNumber`, `card-number`, `CVC`.
fn is_secret(name: &str) -> bool {
    let plain = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let name = plain(name);
    NAMES.iter().any(|secret| name == plain(secret)) || PARTS.iter().any(|part| name.contains(part))
}

/// Whether anything in a text passes as a card number: 13 to 19 digits, single spaces or dashes between them at most, whose
/// last digit is right by Luhn's rule.
pub fn holds_card_number(text: &str) -> bool {
    find(text).is_some()
}

/// The text with each such number taken out; none where there is none.
pub fn without_card_numbers(text: &str) -> Option<String> {
    let mut clean = String::new();
    let mut rest = text;
    while let Some((start, end)) = find(rest) {
        clean.push_str(&rest[..start]);
        clean.push_str(REDACTED);
        rest = &rest[end..];
    }
    (!clean.is_empty()).then(|| clean + rest)
}

/// Where the first such number stands: whole groups of digits, one after the other. A group that is too long for a card by itself
/// is searched through, so that digits run together do not hide one.
fn find(text: &str) -> Option<(usize, usize)> {
    let groups = groups(text.as_bytes());
    (0..groups.len()).find_map(|first| {
        let (start, end) = groups[first];
        if end - start > LONGEST {
            return within(text.as_bytes(), start, end);
        }
        let mut digits: Vec<u8> = Vec::with_capacity(LONGEST);
        let mut longest = None;
        let mut reached = start;
        for (from, to) in &groups[first..] {
            let is_next =
                *from == start || (*from == reached + 1 && matches!(text.as_bytes()[reached], b' ' | b'-'));
            if !is_next || digits.len() + to - from > LONGEST {
                break;
            }
            digits.extend(text.as_bytes()[*from..*to].iter().map(|digit| digit - b'0'));
            reached = *to;
            if digits.len() >= SHORTEST && passes_luhn(&digits) {
                longest = Some((start, reached));
            }
        }
        longest
    })
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

/// The first number within one long group.
fn within(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    (start..=end - SHORTEST).find_map(|from| {
        let lengths = (SHORTEST..=LONGEST.min(end - from)).rev();
        let passes = |length: &usize| {
            let digits: Vec<u8> = bytes[from..from + length].iter().map(|digit| digit - b'0').collect();
            passes_luhn(&digits)
        };
        lengths.into_iter().find(passes).map(|length| (from, from + length))
    })
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
            "378282246310005",
            "x4000000000000002y",
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
        assert!(holds_card_number("00004242424242424242424242424242"), "run together");
    }

    #[test]
    fn a_line_of_the_log_goes_through_without_its_card_number_and_is_counted() {
        use std::io::Write as _;
        let before = taken_out_of_the_log();
        let mut log = Clean(Vec::new());
        log.write_all(b"pays with 4242 4242 4242 4242\n").expect("a vector takes everything");
        log.write_all(b"pays 2900\n").expect("a vector takes everything");
        assert_eq!(log.0, b"pays with [redacted]\npays 2900\n");
        assert!(taken_out_of_the_log() > before);
    }

    proptest! {
        #[test]
        fn no_card_number_survives_whatever_is_around_it(before in "([a-z0-9 -]{0,12}[a-z -])?", after in "([a-z -][a-z0-9 -]{0,12})?", body in "[1-9][0-9]{11,17}") {
            let check = (0..10).map(|digit| format!("{body}{digit}")).find(|number| {
                passes_luhn(&number.bytes().map(|byte| byte - b'0').collect::<Vec<_>>())
            }).expect("one of ten digits is right");
            let clean = redact(Value::String(format!("{before}{check}{after}")));
            let clean = clean.as_str().expect("a text");
            prop_assert!(!clean.contains(&check));
            prop_assert!(!holds_card_number(clean), "{clean}");
        }

        #[test]
        fn redacting_twice_is_redacting_once(text in "[0-9 -]{0,40}") {
            let once = redact(Value::String(text));
            prop_assert_eq!(redact(once.clone()), once);
        }
    }
}
