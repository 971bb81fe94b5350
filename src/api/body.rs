//! Bodies and queries of the API as extractors.

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderMap, header};
use serde_json::Value;

use super::fields::Fields;
use crate::error::{Error, Result};
use crate::web::collect;

/// What a body or a query becomes. Each field is taken from `fields`; none where one of them is wrong.
pub trait Input: Sized {
    /// The most that a body may hold, in bytes.
    const LIMIT: usize = 64 * 1024;

    /// Reads it.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// A JSON body. An absent one is an empty object. 413 above the limit, 415 for what is not JSON, 400 with the name of every
/// wrong field.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// The query of the address: 400 with the name of every wrong parameter.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: Input> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let length = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > T::LIMIT) {
            return Err(Error::PayloadTooLarge);
        }
        let bytes = collect(body, T::LIMIT).await?;
        if bytes.is_empty() {
            return read(Fields::of_object(serde_json::Map::new())).map(Self);
        }
        if !is_json(&parts.headers) {
            return Err(Error::UnsupportedMediaType);
        }
        // serde_json stops at a depth of 128.
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(given)) => read(Fields::of_object(given)).map(Self),
            Ok(_) => Err(Error::Unreadable("the body must be a JSON object")),
            Err(_) => Err(Error::Unreadable("the body is not JSON")),
        }
    }
}

impl<S: Send + Sync, T: Input> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        read(Fields::of_query(parts.uri.query().unwrap_or_default())).map(Self)
    }
}

fn read<T: Input>(mut fields: Fields) -> Result<T> {
    let value = T::read(&mut fields);
    fields.finish(value)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
