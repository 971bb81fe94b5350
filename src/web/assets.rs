//! Style, script and pictures: embedded under names that hold a hash of the content, so that browsers keep them for ever.

use std::borrow::Cow;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::RustEmbed;

use crate::error::{Error, Result};

/// What the build made of `static/`: hashed names and their compressed twins.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/static"]
struct Files;

/// Plain name and hashed name of each file.
const NAMES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The address of a file of `static/`.
pub fn address(name: &str) -> String {
    match NAMES.iter().find(|(plain, _)| *plain == name) {
        Some((_, hashed)) => format!("/static/{hashed}"),
        None => {
            tracing::error!(name, "no such asset");
            format!("/static/{name}")
        }
    }
}

pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/static/{name}", get(serve))
}

async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Result<Response> {
    if !NAMES.iter().any(|(_, hashed)| *hashed == name) {
        return Err(Error::NotFound);
    }
    let twin = if accepts_gzip(&headers) { Files::get(&format!("{name}.gz")) } else { None };
    let compressed = twin.is_some();
    let file = twin.or_else(|| Files::get(&name)).ok_or(Error::NotFound)?;
    let tag = format!("\"{name}{}\"", if compressed { ".gz" } else { "" });
    let mut answer = if is_known(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let body = match file.data {
            Cow::Borrowed(bytes) => axum::body::Body::from(bytes),
            Cow::Owned(bytes) => axum::body::Body::from(bytes),
        };
        ([(header::CONTENT_TYPE, HeaderValue::from_static(kind(&name)))], body).into_response()
    };
    let out = answer.headers_mut();
    out.insert(header::CACHE_CONTROL, FOR_EVER);
    out.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    out.insert(header::ETAG, HeaderValue::from_str(&tag).map_err(Error::internal)?);
    if compressed && answer.status() == StatusCode::OK {
        answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(answer)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

/// Whether the browser takes gzip and does not weigh it with nought.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused =
            weight.trim().strip_prefix("q=").is_some_and(|q| q.chars().all(|c| c == '0' || c == '.'));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag || known.trim() == "*")
}
