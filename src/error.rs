//! What can go wrong for the person who asked, named for what they met.
//!
//! A handler returns an [`Error`]; its status is decided here and nowhere else, its cause is logged once and never shown. The
//! answer carries the error to a layer of `web`, which renders it as a page in the visitor's language, or as JSON for programs.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::i18n::{Arg, Value};
use crate::money::MoneyError;

/// What a handler returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A cause that only the log gets to see.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is here, or nothing that this person may know of.
    #[error("not found")]
    NotFound,
    /// The page is there, but not for this method.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// Someone must sign in first; a page sends them there and back to `next`, a path of ours.
    #[error("sign-in required")]
    SignInRequired {
        /// Where they wanted to go.
        next: String,
    },
    /// Their role does not allow it.
    #[error("forbidden")]
    Forbidden,
    /// Their role would, but what the tenant may do at this moment does not.
    #[error("access is restricted: {}", .0.reason)]
    Restricted(Box<Restricted>),
    /// The form did not come from our page, or its session has ended.
    #[error("the form is not one of ours: {0}")]
    Forged(&'static str),
    /// The request cannot be read at all.
    #[error("the request cannot be read: {0}")]
    Unreadable(&'static str),
    /// Fields that cannot be accepted, each named.
    #[error("invalid input: {0:?}")]
    Invalid(Vec<FieldError>),
    /// The state of things does not allow it.
    #[error("conflict: {reason}")]
    Conflict {
        /// The key of the text that says why.
        reason: &'static str,
        /// What to do instead.
        way_on: Option<WayOn>,
    },
    /// It was there and is over: a used link, an old quote.
    #[error("gone: {reason}")]
    Gone {
        /// The key of the text that says why.
        reason: &'static str,
        /// What to do instead.
        way_on: Option<WayOn>,
    },
    /// The API says no, in its own words for a developer.
    #[error("refused: {}", .0.code)]
    Refused(Box<Refusal>),
    /// Too often.
    #[error("too many requests")]
    TooManyRequests {
        /// Seconds until another try makes sense.
        retry_after: u64,
    },
    /// The body is larger than what this address takes.
    #[error("payload too large")]
    PayloadTooLarge,
    /// The body is of a kind that this address does not read.
    #[error("unsupported media type")]
    UnsupportedMediaType,
    /// Stripe could not be reached or did not answer in time: nothing has changed, another try is safe.
    #[error("Stripe is unavailable")]
    StripeUnavailable {
        /// Stripe's own number of the request, if it got as far as that.
        request_id: Option<String>,
    },
    /// A page of Stripe's that browsers may not be sent to, at this origin: the operator has not allowed it.
    #[error("browsers are not sent to {0}: name it in STRIPE_REDIRECT_ORIGINS")]
    PageNotAllowed(String),
    /// Stripe answered what cannot be used: nothing that it calls an answer, or that our key may not do this.
    #[error("Stripe's answer cannot be used")]
    StripeFailed(#[source] Cause),
    /// The database is down or too busy.
    #[error("unavailable")]
    Unavailable(#[source] Cause),
    /// A fault of ours.
    #[error("internal error")]
    Internal(#[source] Cause),
}

/// Why a tenant may change nothing at this moment, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restricted {
    /// How much is open, in the API's word.
    pub level: &'static str,
    /// Why, in the API's word.
    pub reason: &'static str,
    /// The key of the sentence that says why.
    pub key: &'static str,
    /// The page that helps.
    pub way_on: WayOn,
}

/// What the API answers where the general words of an [`Error`] would leave a program in the dark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// The word that programs tell it apart by: it never changes.
    pub code: &'static str,
    /// Words for a developer, in English.
    pub words: String,
    /// What programs may want to know beside the code.
    pub details: serde_json::Value,
    /// Seconds until another try makes sense.
    pub retry_after: Option<u64>,
    /// What the header `WWW-Authenticate` says.
    pub challenge: Option<HeaderValue>,
}

impl Refusal {
    /// A refusal without details.
    pub fn new(status: StatusCode, code: &'static str, words: impl Into<String>) -> Self {
        let details = serde_json::Value::Object(serde_json::Map::new());
        Self { status, code, words: words.into(), details, retry_after: None, challenge: None }
    }

    /// With details, an object.
    #[must_use]
    pub fn details(self, details: serde_json::Value) -> Self {
        Self { details, ..self }
    }

    /// Worth another try after so many seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// With a challenge to bring a credential.
    #[must_use]
    pub fn challenge(self, challenge: HeaderValue) -> Self {
        Self { challenge: Some(challenge), ..self }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// A field that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The name of the field in the form, which is also its `id` in the page.
    pub field: String,
    /// The key of the text that says what is wrong and how to put it right.
    pub key: &'static str,
    /// Variables of that text.
    pub args: Vec<(&'static str, FieldArg)>,
}

/// A variable of a field's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldArg {
    /// A word.
    Text(String),
    /// A number, which decides between singular and plural.
    Number(i64),
}

impl From<&str> for FieldArg {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for FieldArg {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for FieldArg {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for FieldArg {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl Arg for FieldArg {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => text.value(),
            Self::Number(number) => number.value(),
        }
    }
}

impl FieldError {
    /// A field and the key of its message.
    pub fn new(field: impl Into<String>, key: &'static str) -> Self {
        Self { field: field.into(), key, args: Vec::new() }
    }

    /// Adds a variable of the message.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<FieldArg>) -> Self {
        self.args.push((name, value.into()));
        self
    }
}

/// A next step: a page of ours and the words on the button that leads there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayOn {
    /// A path of ours.
    pub to: String,
    /// The key of the words on the button.
    pub label: &'static str,
}

impl WayOn {
    /// A path of ours and the key of the words on the button.
    pub fn new(to: impl Into<String>, label: &'static str) -> Self {
        Self { to: to.into(), label }
    }
}

impl Error {
    /// A fault of ours, with its cause for the log.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// One field that cannot be accepted.
    pub fn field(field: impl Into<String>, key: &'static str) -> Self {
        Self::Invalid(vec![FieldError::new(field, key)])
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::SignInRequired { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::Restricted(_) | Self::Forged(_) => StatusCode::FORBIDDEN,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::Gone { .. } => StatusCode::GONE,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::StripeFailed(_) => StatusCode::BAD_GATEWAY,
            Self::StripeUnavailable { .. } | Self::Unavailable(_) | Self::PageNotAllowed(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word that programs tell errors apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::SignInRequired { .. } => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Restricted(_) => "access_restricted",
            Self::Forged(_) => "forged_form",
            Self::Unreadable(_) => "bad_request",
            Self::Invalid(_) => "invalid_input",
            Self::Conflict { .. } => "conflict",
            Self::Gone { .. } => "gone",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::StripeUnavailable { .. } => "stripe_unavailable",
            Self::StripeFailed(_) => "stripe_failed",
            Self::PageNotAllowed(_) => "stripe_page_not_allowed",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal_error",
        }
    }

    fn log(&self) {
        match self {
            Self::Internal(cause) => tracing::error!(cause = chain(cause.as_ref()), "internal error"),
            Self::StripeFailed(cause) => {
                tracing::error!(cause = chain(cause.as_ref()), "Stripe's answer cannot be used");
            }
            Self::Unavailable(cause) => tracing::error!(cause = chain(cause.as_ref()), "unavailable"),
            Self::PageNotAllowed(_) => tracing::error!(cause = %self, "a page of Stripe's is out of reach"),
            Self::StripeUnavailable { request_id } => {
                tracing::warn!(stripe_request_id = request_id, "Stripe is unavailable");
            }
            Self::Forged(_)
            | Self::Unreadable(_)
            | Self::Forbidden
            | Self::Restricted(_)
            | Self::Refused(_) => {
                tracing::info!(refusal = %self, "refused");
            }
            _ => tracing::debug!(refusal = %self, "refused"),
        }
    }
}

/// An error with all its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl From<crate::db::Error> for Error {
    fn from(error: crate::db::Error) -> Self {
        match error {
            crate::db::Error::Unavailable(_) => Self::Unavailable(error.into()),
            _ => Self::internal(error),
        }
    }
}

impl From<crate::stripe::Error> for Error {
    /// A refusal is for the caller to explain, who knows what was asked for; what reaches this far was not expected.
    fn from(error: crate::stripe::Error) -> Self {
        if error.is_safe_to_retry() {
            tracing::warn!(cause = %error, "a call to Stripe failed");
            return Self::StripeUnavailable { request_id: None };
        }
        match error {
            crate::stripe::Error::Unreadable { .. } | crate::stripe::Error::Unauthorized { .. } => {
                Self::StripeFailed(error.into())
            }
            other => Self::internal(other),
        }
    }
}

impl From<MoneyError> for Error {
    fn from(error: MoneyError) -> Self {
        Self::internal(error)
    }
}

impl From<askama::Error> for Error {
    fn from(error: askama::Error) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.log();
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        match &self {
            Self::TooManyRequests { retry_after } => {
                headers.insert(header::RETRY_AFTER, (*retry_after).into());
            }
            Self::Refused(refusal) => {
                if let Some(seconds) = refusal.retry_after {
                    headers.insert(header::RETRY_AFTER, seconds.into());
                }
                if let Some(challenge) = &refusal.challenge {
                    headers.insert(header::WWW_AUTHENTICATE, challenge.clone());
                }
            }
            _ => {}
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
