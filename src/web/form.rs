//! Forms: what was posted cannot be reached before it is known to come from a page of ours.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Visit;
use crate::error::{Error, FieldError, Result};

/// The most that a form may hold, in bytes.
pub const FORM_LIMIT: usize = 64 * 1024;

/// The name of the field that carries the token.
const TOKEN: &str = "csrf";

/// A posted form, checked: not from another site, and with the token that our page gave this very visitor.
///
/// The value is for `T` to read, field by field; what a page must say about each field is decided by the feature. A form
/// that lacks a field altogether was not made by our page: it is refused with the name of the field.
#[derive(Debug)]
pub struct Form<T>(pub T);

/// A form that says nothing but that it is ours.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Nothing {}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let visit = request.extensions().get::<Arc<Visit>>().cloned();
        let visit = visit.ok_or_else(|| Error::internal("the routes are not furnished"))?;
        check_kind(request.headers())?;
        let bytes = collect(request.into_body(), FORM_LIMIT).await?;
        let token = form_urlencoded::parse(&bytes).find(|(name, _)| name == TOKEN);
        if !token.is_some_and(|(_, token)| visit.is_form_token(&token)) {
            return Err(Error::Forged("the token is missing or not this visitor's"));
        }
        read(&bytes).map(Self)
    }
}

/// What stands in for a field that is wrong while the others are read: a text, a number, a yes.
const STAND_INS: [&str; 3] = ["", "0", "true"];

/// Most fields that one answer names.
const MOST_WRONG: usize = 50;

/// Reads a form. Where a field is missing or of the wrong kind, what else is wrong is looked for as if it were not.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut body = Cow::Borrowed(bytes);
    let mut wrong: Vec<FieldError> = Vec::new();
    let mut tried = 0;
    loop {
        let fields = serde_urlencoded::Deserializer::new(form_urlencoded::parse(&body));
        let error = match serde_path_to_error::deserialize(fields) {
            Ok(form) if wrong.is_empty() => return Ok(form),
            Ok(_) => return Err(Error::Invalid(wrong)),
            Err(error) => unreadable(&error),
        };
        let field = error.field.clone();
        if wrong.last().is_some_and(|last| last.field == field) {
            tried += 1;
        } else {
            tried = 0;
            wrong.push(error);
        }
        let Some(stand_in) = STAND_INS.get(tried).filter(|_| wrong.len() <= MOST_WRONG) else {
            return Err(Error::Invalid(wrong));
        };
        let others = form_urlencoded::parse(&body).filter(|(name, _)| *name != field);
        let mut again = form_urlencoded::Serializer::new(String::new());
        body = Cow::Owned(again.extend_pairs(others).append_pair(&field, stand_in).finish().into_bytes());
    }
}

fn check_kind(headers: &HeaderMap) -> Result<()> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Error::UnsupportedMediaType);
    }
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > FORM_LIMIT) { Err(Error::PayloadTooLarge) } else { Ok(()) }
}

/// A whole body, if it is no larger than `most` bytes.
///
/// # Errors
/// It is larger, or broke off.
pub(crate) async fn collect(body: Body, most: usize) -> Result<bytes::Bytes> {
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::PayloadTooLarge),
        Err(_) => Err(Error::Unreadable("the body broke off")),
    }
}

fn unreadable(error: &serde_path_to_error::Error<serde_urlencoded::de::Error>) -> FieldError {
    let path = error.path().to_string();
    let words = error.inner().to_string();
    let missing = words.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match missing {
        Some(field) => FieldError::new(field, "web-field-missing").with("field", field),
        None => FieldError::new(path.as_str(), "web-field-unreadable").with("field", &path),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is never read whole")]
    struct Typed {
        name: String,
        email: String,
        seats: u32,
        agreed: bool,
    }

    #[test]
    fn every_field_that_is_missing_or_of_another_kind_is_named() {
        let wrong = read::<Typed>(b"name=Ana&seats=many&csrf=x").expect_err("three are wrong");
        let Error::Invalid(fields) = wrong else { unreachable!() };
        let mut named: Vec<_> = fields.iter().map(|field| field.field.as_str()).collect();
        named.sort_unstable();
        assert_eq!(named, ["agreed", "email", "seats"]);
        assert!(read::<Typed>(b"name=Ana&email=&seats=2&agreed=true").is_ok());
    }
}
