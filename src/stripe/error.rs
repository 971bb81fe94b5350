//! What can go wrong with a call to Stripe, named for what the caller can do about it.

use std::fmt;

use serde::Deserialize;

/// What a call to Stripe came to, when it did not come to an answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Stripe understood and said no: a declined card, a wrong parameter, a state that does not allow it.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// There is no such object in this account and mode.
    #[error("Stripe knows no such object ({})", request_id.as_deref().unwrap_or("no request id"))]
    NotFound {
        /// Stripe's name for the request.
        request_id: Option<String>,
    },
    /// The key is wrong, revoked, or may not do this.
    #[error("Stripe does not accept the key for this ({status}, {})", request_id.as_deref().unwrap_or("no request id"))]
    Unauthorized {
        /// 401 or 403.
        status: u16,
        /// Stripe's name for the request.
        request_id: Option<String>,
    },
    /// Too many requests, said Stripe or our own limit below it, until the budget was over.
    #[error("too many requests to Stripe at once")]
    RateLimited,
    /// No answer, or one of the kind that passes: a network error, a 5xx, a 409 that stayed.
    #[error("Stripe cannot be reached or cannot answer now ({})", status.map_or_else(|| "no answer".to_owned(), |s| s.to_string()))]
    Unavailable {
        /// The status, where there was an answer.
        status: Option<u16>,
    },
    /// The budget was over before there was an answer. The deed may have been done.
    #[error("Stripe did not answer in time")]
    Timeout,
    /// An answer that is not what Stripe's API describes.
    #[error("Stripe's answer cannot be read at {path}: {reason}")]
    Unreadable {
        /// Where in the answer, such as `items.data[0].price`.
        path: String,
        /// What was wrong there; kinds and positions, never values.
        reason: String,
    },
    /// The request could not be built or the client could not be set up; says what to change.
    #[error("{0}")]
    Setup(String),
}

/// `std::result::Result` with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whether the same call, under the same idempotency key, may well succeed later. Each POST carries such a key, so that
    /// asking again cannot do a thing twice.
    pub fn is_safe_to_retry(&self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable { .. } | Self::Timeout)
    }

    /// Stripe's short code, such as `card_declined`, where it refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.code.as_deref(),
            _ => None,
        }
    }
}

/// Stripe's reasons for a refusal, as its API gives them.
///
/// Printing it leaves the message out: Stripe repeats in it what was sent, an e-mail address for example.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status, 400 to 499.
    pub status: u16,
    /// The kind of error: `card_error`, `invalid_request_error`, `idempotency_error`.
    pub kind: Option<String>,
    /// The short code, such as `card_declined` or `resource_missing`.
    pub code: Option<String>,
    /// The bank's reason, such as `insufficient_funds`.
    pub decline_code: Option<String>,
    /// The parameter it is about, such as `items[0][price]`.
    pub param: Option<String>,
    /// Words for a person where `kind` is `card_error`, for a developer otherwise. May repeat what was sent: not for logs.
    pub message: Option<String>,
    /// Stripe's name for the request.
    pub request_id: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.code.as_deref().or(self.kind.as_deref()).unwrap_or("no code");
        write!(f, "Stripe refused: {} {kind}", self.status)?;
        for (name, value) in
            [("decline", &self.decline_code), ("param", &self.param), ("request", &self.request_id)]
        {
            if let Some(value) = value {
                write!(f, ", {name} {value}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Refusal {}

#[derive(Deserialize)]
struct Envelope {
    error: Described,
}

#[derive(Default, Deserialize)]
struct Described {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    param: Option<String>,
    message: Option<String>,
}

/// What an answer outside of 2xx means. A body that is not Stripe's (a proxy's page) leaves the status to speak.
pub(super) fn from_answer(status: u16, body: &[u8], request_id: Option<String>) -> Error {
    match status {
        401 | 403 => return Error::Unauthorized { status, request_id },
        404 => return Error::NotFound { request_id },
        429 => return Error::RateLimited,
        // 409: another request under the same idempotency key, or on the same object, is still running.
        409 | 424 | 500.. => return Error::Unavailable { status: Some(status) },
        _ => {}
    }
    let Some(Envelope { error }) = serde_json::from_slice(body).ok() else {
        return Error::Unreadable {
            path: "error".to_owned(),
            reason: format!("status {status} without Stripe's error object"),
        };
    };
    let Described { kind, code, decline_code, param, message } = error;
    Error::Refused(Box::new(Refusal { status, kind, code, decline_code, param, message, request_id }))
}

/// Reads JSON and names the place where it does not fit.
pub(super) fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T> {
    let mut json = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        Error::Unreadable { path, reason: reason(&inner) }
    })
}

/// serde's words without the value it met, which may be a person's.
fn reason(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "cut off",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Data => "a value of another kind, or one that is missing",
        serde_json::error::Category::Eof => "ends too early",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_message_out_of_what_is_printed() {
        let body = br#"{"error":{"type":"invalid_request_error","code":"email_invalid","param":"email","message":"Invalid email: ann@example.com"}}"#;
        let error = from_answer(400, body, Some("req_1".to_owned()));
        for shown in [format!("{error}"), format!("{error:?}")] {
            assert!(!shown.contains("ann@"), "{shown}");
            assert!(shown.contains("email_invalid") && shown.contains("req_1"), "{shown}");
        }
        assert!(
            matches!(error, Error::Refused(r) if r.message.as_deref() == Some("Invalid email: ann@example.com"))
        );
    }

    #[test]
    fn the_reason_names_the_place_and_not_the_value() {
        #[derive(Debug, Deserialize)]
        struct Outer {
            #[expect(dead_code, reason = "only read")]
            items: Vec<Inner>,
        }
        #[derive(Debug, Deserialize)]
        struct Inner {
            #[expect(dead_code, reason = "only read")]
            amount: i64,
        }
        let error = read::<Outer>(br#"{"items":[{"amount":1},{"amount":"ann@example.com"}]}"#).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains("items[1].amount"), "{shown}");
        assert!(!shown.contains("ann@"), "{shown}");
    }

    #[test]
    fn only_what_may_pass_is_safe_to_ask_again() {
        for status in [409, 429, 500, 502, 503, 504] {
            assert!(
                from_answer(status, br#"{"error":{"type":"api_error"}}"#, None).is_safe_to_retry(),
                "{status}"
            );
        }
        for status in [400, 401, 402, 403, 404] {
            assert!(
                !from_answer(status, br#"{"error":{"type":"invalid_request_error"}}"#, None)
                    .is_safe_to_retry(),
                "{status}"
            );
        }
    }
}
