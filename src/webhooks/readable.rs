//! Payloads for people: without what nobody needs to see.

use serde_json::Value;

use crate::audit::redact;

/// The most of a payload that a page shows, in characters: an invoice with hundreds of lines is read elsewhere.
const SHOWN: usize = 200_000;

/// A payload without secrets and card numbers; a text where it is no JSON.
pub fn clean(payload: &str) -> Value {
    match serde_json::from_str::<Value>(payload) {
        Ok(json) => redact::redact(json),
        Err(_) => Value::String(redact::without_card_numbers(payload).unwrap_or_else(|| payload.to_owned())),
    }
}

/// The same, set out for reading.
pub fn text(payload: &str) -> String {
    let text = match clean(payload) {
        Value::String(text) => text,
        json => format!("{json:#}"),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}\n…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_secrets_nor_card_numbers_are_shown_whatever_the_payload_is() {
        let json = r#"{"client_secret":"cs_quiet","note":"4242 4242 4242 4242","id":"in_1"}"#;
        for shown in [clean(json).to_string(), text(json), text("note 4242 4242 4242 4242")] {
            assert!(!shown.contains("4242 4242") && !shown.contains("cs_quiet"), "{shown}");
        }
        assert!(text(json).contains("in_1"));
        assert!(text(&"x".repeat(SHOWN + 5)).ends_with('…'));
    }
}
