//! Stripe's HTTP: keys, versions, ids of requests, idempotency, errors. What a request does is in `objects`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State as From};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use super::drift;
use super::engine::Handle;
use super::errors::{Answer, ApiError};
use super::faults::Fault;
use super::form::{self, Node, Params};
use super::idempotency::Kept;
use super::routes::{self, Call, Route};
use super::state::Cause;
use super::{API_VERSION, control, expand, pages};

/// The largest body taken, in bytes.
const BODY: usize = 1024 * 1024;

/// Everything the sandbox serves.
pub(crate) fn router(handle: Handle) -> Router {
    Router::new()
        .nest("/_sandbox", control::router())
        .merge(pages::router())
        .fallback(api)
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(handle)
}

/// A request of Stripe's API.
async fn api(From(handle): From<Handle>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let path = parts.uri.path().trim_end_matches('/').to_owned();
    let id = handle.peek(|state| state.token("req_", 14));
    let met = handle.peek(|state| state.faults.meet(parts.method.as_str(), &path));
    let incoming = Incoming {
        id,
        method: parts.method,
        path,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    // In a task of its own: what a client sent is carried out though it hangs up, as it would be at Stripe.
    let task = tokio::spawn(async move {
        match met {
            None => incoming.answer(&handle, Duration::ZERO).await,
            Some((Fault::Hang(time), _)) => incoming.answer(&handle, time).await,
            Some((fault, after)) => {
                if after {
                    drop(incoming.answer(&handle, Duration::ZERO).await);
                }
                incoming.fail(&handle, &fault)
            }
        }
    });
    task.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

struct Incoming {
    id: String,
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Incoming {
    /// What makes a request the same as another: its path and its parameters, in whatever order they were sent.
    fn fingerprint(&self) -> Vec<u8> {
        let mut parameters: Vec<&[u8]> = self.body.split(|byte| *byte == b'&').collect();
        parameters.sort_unstable();
        [self.path.as_bytes(), b"\n", &parameters.join(&b'&')].concat()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty())
    }

    async fn answer(&self, handle: &Handle, hang: Duration) -> Response {
        match self.replayed_or_fresh(handle, hang).await {
            Ok((kept, replayed)) => {
                self.respond(handle, kept.status, kept.body, replayed.then_some(kept.request))
            }
            Err(error) => self.refuse(handle, &error),
        }
    }

    fn refuse(&self, handle: &Handle, error: &ApiError) -> Response {
        self.respond(handle, error.status(), self.error_body(error), None)
    }

    fn error_body(&self, error: &ApiError) -> Bytes {
        let mut body = error.body();
        if error.status() != 401 {
            body["error"]["request_log_url"] =
                format!("https://dashboard.stripe.com/test/logs/{}?t=0", self.id).into();
        }
        render(&body)
    }

    async fn replayed_or_fresh(&self, handle: &Handle, hang: Duration) -> Answer<(Kept, bool)> {
        authorize(&self.headers)?;
        let Some((route, args)) = routes::find(self.method.as_str(), &self.path) else {
            return Err(ApiError::new(
                404,
                "invalid_request_error",
                format!("Unrecognized request URL ({}: {}).", self.method, self.path),
            ));
        };
        let key = (self.method == Method::POST).then(|| self.header("idempotency-key")).flatten();
        let Some(key) = key else {
            tokio::time::sleep(hang).await;
            return Ok((self.carry_out(handle, route, args, None), false));
        };
        if key.len() > 255 {
            return Err(ApiError::refused("Idempotency keys can be at most 255 characters long."));
        }
        let fingerprint = self.fingerprint();
        let kept = handle.peek(|state| {
            let now = state.clock.wall();
            state.keys.claim(key, fingerprint, now)
        })?;
        if let Some(kept) = kept {
            return Ok((kept, true));
        }
        // The key is in use while the request hangs.
        tokio::time::sleep(hang).await;
        let answer = self.carry_out(handle, route, args, Some(key));
        handle.peek(|state| state.keys.settle(key, answer.clone()));
        Ok((answer, false))
    }

    fn carry_out(&self, handle: &Handle, route: &Route, args: Vec<&str>, key: Option<&str>) -> Kept {
        let cause = Cause { request: Some(self.id.clone()), key: key.map(str::to_owned) };
        let result = self.parameters().and_then(|node| {
            let call = Call { args, params: Params::new(&node) };
            form::check(&node, &format!("expand[] {}", route.allowed))?;
            handle.run(cause, |state| {
                drift::make_real(state, &self.path, &self.query);
                let mut answer = (route.handler)(state, &call)?;
                expand::apply(state, &mut answer, &call.params.texts("expand"))?;
                Ok(answer)
            })
        });
        match result {
            Ok(value) => Kept { status: 200, body: render(&value), request: self.id.clone() },
            Err(error) => {
                Kept { status: error.status(), body: self.error_body(&error), request: self.id.clone() }
            }
        }
    }

    /// The parameters, of the query and of the body.
    fn parameters(&self) -> Answer<Node> {
        let kind = self.header("content-type").unwrap_or_default();
        if self.path.starts_with("/v2/") && !self.body.is_empty() {
            return json_parameters(kind, &self.body);
        }
        if !self.body.is_empty() && !kind.starts_with("application/x-www-form-urlencoded") {
            return Err(ApiError::refused(format!(
                "Invalid request: requests must be form-encoded (application/x-www-form-urlencoded), not {kind}."
            )));
        }
        let mut bytes = self.query.clone().into_bytes();
        if !bytes.is_empty() && !self.body.is_empty() {
            bytes.push(b'&');
        }
        bytes.extend_from_slice(&self.body);
        form::decode(&bytes)
    }

    /// The answer that a fault asks for.
    fn fail(&self, handle: &Handle, fault: &Fault) -> Response {
        match fault {
            Fault::Status(429, _) => {
                let error = ApiError::new(429, "invalid_request_error", "Request rate limit exceeded.")
                    .code("rate_limit");
                self.refuse(handle, &error)
            }
            Fault::Status(status, fields) => {
                let kind = if *status < 500 { "invalid_request_error" } else { "api_error" };
                let mut error = ApiError::new(*status, kind, "The sandbox was asked to fail here.");
                for (name, value) in fields.as_object().into_iter().flatten() {
                    error = error.with(name, value.clone());
                }
                self.refuse(handle, &error)
            }
            Fault::Garbage | Fault::Hang(_) => {
                self.respond(handle, 200, Bytes::from_static(b"<html>\x00not what you asked for"), None)
            }
            Fault::Cut => Response::new(Body::new(Broken)),
        }
    }

    fn respond(&self, handle: &Handle, status: u16, body: Bytes, original: Option<String>) -> Response {
        let now = handle.peek(|state| state.clock.now());
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set("content-type", "application/json");
        set("cache-control", "no-cache, no-store");
        set("date", &http_date(now));
        set("request-id", &self.id);
        set("stripe-version", self.header("stripe-version").unwrap_or(API_VERSION));
        if let Some(key) = self.header("idempotency-key") {
            set("idempotency-key", key);
            set("original-request", original.as_deref().unwrap_or(&self.id));
        }
        if original.is_some() {
            set("idempotent-replayed", "true");
        }
        response
    }
}

/// The parameters of version 2 of the API, whose bodies are JSON.
fn json_parameters(kind: &str, body: &[u8]) -> Answer<Node> {
    if !kind.starts_with("application/json") {
        return Err(ApiError::refused(format!(
            "Invalid request: requests must be JSON (application/json), not {kind}."
        )));
    }
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::refused(format!("Invalid request: the body is no JSON: {error}")))?;
    Ok(form::of_json(&body))
}

fn render(value: &Value) -> Bytes {
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    Bytes::from(text)
}

/// A body that breaks off: the connection ends in the middle of the answer.
struct Broken;

impl hyper::body::Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionAborted.into())))
    }
}

/// The time in an HTTP header.
fn http_date(at: i64) -> String {
    let at = jiff::Timestamp::from_second(at).unwrap_or_default();
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

/// Takes test keys only, as bearer or as the user name of basic authentication.
fn authorize(headers: &HeaderMap) -> Answer<()> {
    let refused = |message: String| Err(ApiError::new(401, "invalid_request_error", message));
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = match given.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim().to_owned(),
        Some((scheme, code)) if scheme.eq_ignore_ascii_case("basic") => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(code.trim()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            text.split(':').next().unwrap_or_default().to_owned()
        }
        _ => String::new(),
    };
    if key.is_empty() {
        return refused(
            "You did not provide an API key. Provide it with `Authorization: Bearer YOUR_SECRET_KEY`.".into(),
        );
    }
    if key.contains("_live_") {
        return refused(
            "This is a sandbox: it refuses live keys. Nothing was done. Treat a key sent here as exposed."
                .into(),
        );
    }
    let secret =
        ["sk_test_", "rk_test_"].iter().any(|prefix| key.len() > prefix.len() && key.starts_with(prefix));
    if !secret {
        return refused(format!("Invalid API Key provided: {}", masked(&key)));
    }
    Ok(())
}

/// The ends of a key.
fn masked(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    if letters.len() < 12 {
        return "*".repeat(letters.len());
    }
    let (head, tail) = (&letters[..8], &letters[letters.len() - 4..]);
    format!(
        "{}{}{}",
        head.iter().collect::<String>(),
        "*".repeat(letters.len() - 12),
        tail.iter().collect::<String>()
    )
}
