//! What every page's answer has in common: headers, the way on to another site, the form's fields.

use std::collections::HashMap;

use askama::Template;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};
use http::{HeaderName, StatusCode};

use super::words::Words;

/// The style sheet, and the name under which it is served: it changes with the text, so that caches may keep it for ever.
pub(super) const STYLE: &str = include_str!("style.css");
/// The sandbox's sign, also its favicon.
pub(super) const ICON: &str = include_str!("icon.svg");

/// The address of the style sheet.
pub(super) fn style_path() -> &'static str {
    static PATH: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        use sha2::Digest as _;
        let hash = sha2::Sha256::digest(STYLE);
        let short = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("/assets/sandbox.{short}.css")
    });
    &PATH
}

/// What the frame around a page needs to know.
pub(crate) struct Frame {
    pub(crate) words: Words,
    pub(crate) title: String,
    /// Messages for the fields named beside them, or for the page as a whole where the name is empty.
    pub(crate) errors: Vec<Problem>,
    /// Origins that a form of this page may end at after its redirects.
    targets: Vec<String>,
    pub(crate) style: &'static str,
}

/// Something that stands in the way of what was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    /// The field's name; empty for the page as a whole.
    pub(crate) field: &'static str,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn of_page(message: impl Into<String>) -> Self {
        Self { field: "", message: message.into() }
    }

    pub(crate) fn of(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl Frame {
    pub(crate) fn new(words: Words, title: String) -> Self {
        Self { words, title, errors: Vec::new(), targets: Vec::new(), style: style_path() }
    }

    /// A form of this page ends at another site: browsers follow the redirect only if the policy names it.
    pub(crate) fn leading_to(mut self, address: &str) -> Self {
        if let Some(origin) = url::Url::parse(address).ok().map(|url| url.origin().ascii_serialization()) {
            self.targets.push(origin);
        }
        self
    }

    pub(crate) fn with_errors(mut self, errors: Vec<Problem>) -> Self {
        self.errors = errors;
        self
    }

    /// The message for a field, empty where there is none.
    pub(crate) fn error(&self, field: &str) -> &str {
        self.errors.iter().find(|problem| problem.field == field).map_or("", |problem| &problem.message)
    }

    fn policy(&self) -> String {
        let targets = self.targets.join(" ");
        format!(
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {targets}; base-uri 'none'; \
             frame-ancestors 'none'"
        )
    }
}

/// A page with its headers.
pub(super) fn page(status: StatusCode, frame: &Frame, template: &impl Template) -> Response {
    let Ok(html) = template.render() else {
        tracing::error!("a sandbox page could not be rendered");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let policy =
        HeaderValue::from_str(&frame.policy()).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let headers: [(HeaderName, HeaderValue); 6] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_LANGUAGE, HeaderValue::from_static(frame.words.code())),
    ];
    (status, headers, html).into_response()
}

/// On to another address, by GET.
pub(super) fn see_other(address: &str) -> Response {
    match HeaderValue::from_str(address) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// The fields of a posted form. Never printed: they hold card numbers.
#[derive(Default)]
pub(crate) struct Fields(HashMap<String, String>);

impl Fields {
    pub(super) fn parse(form: &Bytes) -> Self {
        Self(form_urlencoded::parse(form).into_owned().collect())
    }

    /// A field without the blanks around it; empty when absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }
}
