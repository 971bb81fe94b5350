//! Bodies and queries of the API as extractors.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{Extensions, HeaderMap, header};
use serde_json::Value;

use super::fields::Fields;
use crate::error::{Error, FieldError, Result};
use crate::web::{Site, Visit, collect};

/// What a body or a query becomes. Each field is taken from `fields`, which notes what is wrong.
pub trait Input: Sized {
    /// The most that a body may hold, in bytes.
    const LIMIT: usize = 64 * 1024;

    /// Reads it. None where a field is wrong; what is taken as a [`Draft`] reads on without that field where the others can be
    /// judged by themselves.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// A JSON body. An absent one is an empty object. 413 above the limit, 415 for what is not JSON, 400 with the name of every
/// wrong field.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// A JSON body whose meaning is judged also where the form of a field is wrong, so that one answer names both.
#[derive(Clone, Debug)]
pub struct Draft<T> {
    /// What could be read: without the fields whose form is wrong.
    pub value: T,
    wrong: Vec<FieldError>,
}

impl<T> Draft<T> {
    /// Whether the form of a field is wrong: then nothing may come of it but [`refused`](Self::refused).
    pub fn is_wrong(&self) -> bool {
        !self.wrong.is_empty()
    }

    /// The refusal, with what is wrong by its meaning as well. A field whose form is wrong is named for that alone.
    pub fn refused(self, meaning: impl IntoIterator<Item = FieldError>) -> Error {
        let mut wrong = self.wrong;
        for error in meaning {
            if wrong.iter().all(|known| known.field != error.field) {
                wrong.push(error);
            }
        }
        Error::Invalid(wrong)
    }
}

/// The query of the address: 400 with the name of every wrong parameter.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: Input> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let mut fields = body::<T>(request).await?;
        let value = T::read(&mut fields);
        fields.finish(value).map(Self)
    }
}

impl<S: Send + Sync, T: Input> FromRequest<S> for Draft<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let mut fields = body::<T>(request).await?;
        match T::read(&mut fields) {
            Some(value) => Ok(Self { value, wrong: fields.into_wrong() }),
            None => fields.finish(None),
        }
    }
}

impl<S: Send + Sync, T: Input> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let site = site(&parts.extensions)?;
        let mut fields = Fields::of_query(parts.uri.query().unwrap_or_default(), site);
        let value = T::read(&mut fields);
        fields.finish(value).map(Self)
    }
}

/// The fields of a body that may be as large as `T` says.
async fn body<T: Input>(request: Request) -> Result<Fields> {
    let (parts, body) = request.into_parts();
    let site = site(&parts.extensions)?;
    let length = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > T::LIMIT) {
        return Err(Error::PayloadTooLarge);
    }
    let bytes = collect(body, T::LIMIT).await?;
    if bytes.is_empty() {
        return Ok(Fields::of_object(serde_json::Map::new(), site));
    }
    if !is_json(&parts.headers) {
        return Err(Error::UnsupportedMediaType);
    }
    // serde_json stops at a depth of 128.
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(given)) => Ok(Fields::of_object(given, site)),
        Ok(_) => Err(Error::Unreadable("the body must be a JSON object")),
        Err(_) => Err(Error::Unreadable("the body is not JSON")),
    }
}

fn site(extensions: &Extensions) -> Result<Arc<Site>> {
    let visit =
        extensions.get::<Arc<Visit>>().ok_or_else(|| Error::internal("the routes are not furnished"))?;
    Ok(Arc::clone(visit.site()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
