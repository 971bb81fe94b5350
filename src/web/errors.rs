//! Errors as pages: in the visitor's language, with a way on and the number of the request; as JSON for programs.

use std::sync::Arc;

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::{Html, Page, Visit, redirect};
use crate::error::{Error, FieldError, WayOn};
use crate::i18n::Language;

/// The error that an answer came of, left on it for who writes refusals down.
#[derive(Clone, Debug)]
pub struct Told(pub Arc<Error>);

/// Dresses an answer that is an error and has no words yet; leaves every other as it is.
pub(super) fn render(visit: &Arc<Visit>, mut response: Response) -> Response {
    let error = response.extensions_mut().remove::<Arc<Error>>();
    let error = match error {
        Some(error) => error,
        None => match undressed(&response) {
            Some(error) => Arc::new(error),
            None => return response,
        },
    };
    let is_program = visit.is_program();
    let mut dressed = if is_program { json(&error) } else { page(visit, &error) };
    if dressed.status() != StatusCode::SEE_OTHER {
        let status = if response.status().is_success() { error.status() } else { response.status() };
        *dressed.status_mut() = if is_program { program_status(&error, status) } else { status };
    }
    keep(response.headers(), dressed.headers_mut());
    // What layers further in have left on the answer stays with it.
    *dressed.extensions_mut() = std::mem::take(response.extensions_mut());
    dressed.extensions_mut().insert(Told(error));
    dressed
}

/// Dresses an answer of the API whose error has no words yet.
pub(crate) fn for_program(mut response: Response) -> Response {
    let Some(error) = response.extensions_mut().remove::<Arc<Error>>() else { return response };
    let mut dressed = json(&error);
    *dressed.status_mut() = program_status(&error, response.status());
    keep(response.headers(), dressed.headers_mut());
    *dressed.extensions_mut() = std::mem::take(response.extensions_mut());
    dressed.extensions_mut().insert(Told(error));
    dressed
}

/// A page that comes back with its form is 422; programs are told 400, as everywhere.
fn program_status(error: &Error, status: StatusCode) -> StatusCode {
    if matches!(error, Error::Invalid(_)) { StatusCode::BAD_REQUEST } else { status }
}

/// An error that a library answered, such as an extractor that could not read a path.
fn undressed(response: &Response) -> Option<Error> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || is_dressed(response.headers()) {
        return None;
    }
    Some(match status {
        StatusCode::NOT_FOUND => Error::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Error::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Error::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::UnsupportedMediaType,
        StatusCode::FORBIDDEN => Error::Forbidden,
        _ if status.is_client_error() => Error::Unreadable("an extractor refused it"),
        _ => Error::internal(format!("answered {status} without words")),
    })
}

/// Whether somebody gave the answer words of their own: a form with errors, JSON, the plain word of a health check.
///
/// Extractors answer `text/plain` too, but never under an address that a feature dresses itself.
fn is_dressed(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let ours = ["text/html", "application/json", "application/problem+json", "text/csv"];
    ours.iter().any(|known| kind.starts_with(known)) || headers.contains_key(super::health::PLAIN)
}

/// Headers that say more about the error than its page does.
fn keep(from: &HeaderMap, to: &mut HeaderMap) {
    for name in [header::ALLOW, header::RETRY_AFTER, header::SET_COOKIE, header::WWW_AUTHENTICATE] {
        for value in from.get_all(&name) {
            to.append(&name, value.clone());
        }
    }
}

/// The page of an error.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    page: Page,
    status: u16,
    title: String,
    text: String,
    details: Vec<String>,
    way_on: Option<WayOn>,
    is_ours: bool,
}

fn page(visit: &Arc<Visit>, error: &Error) -> Response {
    if let Error::SignInRequired { next } = error {
        let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        return redirect(format!("/sign-in?next={next}")).into_response();
    }
    let page = Page::new(Arc::clone(visit));
    let language = page.language();
    let (title, text) = words(error);
    let text = match error {
        Error::TooManyRequests { retry_after } => {
            language.text(text, &[("minutes", retry_after.div_ceil(60).max(1))])
        }
        _ => language.word(text),
    };
    let details = match error {
        Error::Invalid(fields) => fields.iter().map(|field| page.message(field)).collect(),
        _ => Vec::new(),
    };
    let way_on = way_on(error);
    let is_ours = error.status().is_server_error();
    let status = error.status().as_u16();
    Html(ErrorPage { title: language.word(title), text, details, way_on, is_ours, status, page })
        .into_response()
}

/// The keys of an error's title and text.
fn words(error: &Error) -> (&'static str, &'static str) {
    match error {
        Error::NotFound => ("web-not-found-title", "web-not-found-text"),
        Error::MethodNotAllowed => ("web-method-title", "web-method-text"),
        Error::SignInRequired { .. } => ("web-sign-in-title", "web-sign-in-text"),
        Error::Forbidden => ("web-forbidden-title", "web-forbidden-text"),
        Error::Restricted(restricted) => ("access-restricted-title", restricted.key),
        Error::Refused(_) => ("web-conflict-title", "web-unreadable-text"),
        Error::Forged(_) => ("web-forged-title", "web-forged-text"),
        Error::Unreadable(_) | Error::UnsupportedMediaType => ("web-unreadable-title", "web-unreadable-text"),
        Error::Invalid(_) => ("web-invalid-title", "web-invalid-text"),
        Error::Conflict { reason, .. } => ("web-conflict-title", reason),
        Error::Gone { reason, .. } => ("web-gone-title", reason),
        Error::TooManyRequests { .. } => ("web-too-many-title", "web-too-many-text"),
        Error::PayloadTooLarge => ("web-too-large-title", "web-too-large-text"),
        Error::StripeUnavailable { .. } => ("web-stripe-title", "web-stripe-text"),
        Error::StripeFailed(_) => ("web-stripe-failed-title", "web-stripe-failed-text"),
        Error::PageNotAllowed(_) => ("web-stripe-page-title", "web-stripe-page-text"),
        Error::Unavailable(_) => ("web-unavailable-title", "web-unavailable-text"),
        Error::Internal(_) => ("web-internal-title", "web-internal-text"),
    }
}

fn way_on(error: &Error) -> Option<WayOn> {
    match error {
        Error::Conflict { way_on, .. } | Error::Gone { way_on, .. } => way_on.clone(),
        Error::Restricted(restricted) => Some(restricted.way_on.clone()),
        _ => None,
    }
    .or_else(|| Some(WayOn::new("/", "web-go-home")))
}

/// `{"error": words for a developer, "code": …, "details": {…}}`. The number of the request is in the header `X-Request-Id`.
fn json(error: &Error) -> Response {
    let details = match error {
        Error::Invalid(fields) => {
            let said = fields.iter().map(|field| (field.field.clone(), said(field).into()));
            serde_json::Value::Object(said.collect())
        }
        Error::Refused(refusal) => refusal.details.clone(),
        Error::Restricted(why) => serde_json::json!({ "level": why.level, "reason": why.reason }),
        _ => serde_json::json!({}),
    };
    let body =
        serde_json::json!({ "error": developer_words(error), "code": error.code(), "details": details });
    axum::Json(body).into_response()
}

/// Developers read English; nothing of the inside is in it.
fn developer_words(error: &Error) -> String {
    match error {
        Error::TooManyRequests { retry_after } => format!("too many requests, try again in {retry_after} s"),
        Error::Conflict { reason, .. } | Error::Gone { reason, .. } => Language::En.word(reason),
        Error::Restricted(why) => Language::En.word(why.key),
        Error::Invalid(_) => "some fields cannot be accepted; details names each".to_owned(),
        Error::Refused(refusal) => refusal.words.clone(),
        Error::StripeUnavailable { .. } => {
            "Stripe could not be reached; nothing changed, a retry is safe".to_owned()
        }
        Error::StripeFailed(_) => {
            "Stripe's answer could not be used; ask for the state of things before you try again".to_owned()
        }
        Error::PageNotAllowed(_) => {
            "the portal is not set up to send browsers to Stripe's page; nothing changed".to_owned()
        }
        Error::Unavailable(_) => "temporarily unavailable; a retry is safe".to_owned(),
        other => other.to_string(),
    }
}

fn said(field: &FieldError) -> String {
    Language::En.text(field.key, &field.args)
}
