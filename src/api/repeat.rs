//! `Idempotency-Key`: a POST that comes again under the same key gets the answer that was given, and is not carried out again.
//!
//! The key holds for one caller, one tenant and one route, for 24 hours. What was decided is kept (2xx, 3xx, 409, 410, 422);
//! what was refused at the door (400, 401, 403, 404, 413, 415, 429), failed (5xx) or passes (whatever says when to come back) is
//! not: nothing was done, and the same key may be used for the corrected request. The same request is one of the same role
//! too: an answer is not for who may no longer ask. An answer that is being made is finished even when its client goes away.
//!
//! Answers are sealed with a key made of the Stripe key, since one may hold a link that signs somebody in.

use std::fmt;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;

use super::caller::Caller;
use super::key::hex;
use super::store::{self, Asked, Known};
use crate::app::App;
use crate::auth::Role;
use crate::error::{Error, Refusal, Result};
use crate::id;
use crate::web::collect;

/// The header.
pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// How long an answer is kept, in seconds.
pub(super) const KEPT: i64 = 24 * 60 * 60;
/// After how long, in seconds, an answer that is still being made was given up, by a crash: longer than any request takes.
const ABANDONED: i64 = 60;
/// The largest body that any endpoint reads, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Seals answers. What it is made of never leaves the process.
pub(super) struct Seal([u8; 32]);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

/// An answer as it is kept.
#[derive(Deserialize, Serialize)]
struct Answer {
    content_type: Option<String>,
    location: Option<String>,
    body: String,
}

impl Seal {
    /// A seal of 256 bits.
    pub(super) const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    fn key(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&CHACHA20_POLY1305, &self.0).ok().map(LessSafeKey::new)
    }

    fn close(&self, scope: &str, answer: &Answer) -> Result<String> {
        let mut bytes = serde_json::to_vec(answer).map_err(Error::internal)?;
        let nonce: [u8; NONCE_LEN] = rand::random();
        let nonced = Nonce::assume_unique_for_key(nonce);
        let sealed = self.key().map(|key| key.seal_in_place_append_tag(nonced, Aad::from(scope), &mut bytes));
        if !matches!(sealed, Some(Ok(()))) {
            return Err(Error::internal("an answer cannot be sealed"));
        }
        Ok(STANDARD.encode([&nonce[..], &bytes].concat()))
    }

    /// None for what was sealed with another key, or for another request.
    fn open(&self, scope: &str, sealed: &str) -> Option<Answer> {
        let mut bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.key()?.open_in_place(nonce, Aad::from(scope), rest).ok()?;
        serde_json::from_slice(plain).ok()
    }
}

/// Answers a request, for the first time or again.
pub(super) async fn answer(app: &App, caller: Option<&Caller>, request: Request, next: Next) -> Response {
    match (caller, request.headers().get(HEADER)) {
        (Some(caller), Some(_)) if request.method() == Method::POST => {
            once(app, caller, request, next).await.unwrap_or_else(IntoResponse::into_response)
        }
        _ => next.run(request).await,
    }
}

async fn once(app: &App, caller: &Caller, request: Request, next: Next) -> Result<Response> {
    let key = key(request.headers())?;
    let route = request.extensions().get::<axum::extract::MatchedPath>();
    let route = route.map_or_else(|| request.uri().path().to_owned(), |route| route.as_str().to_owned());
    let (parts, body) = request.into_parts();
    let body = collect(body, LARGEST).await?;
    let tenant = caller.tenant().map_or("", |tenant| tenant.id.as_str());
    let header = |name| parts.headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let (kind, accept) = (header(header::CONTENT_TYPE), header(header::ACCEPT));
    let role = caller.role().map_or("", Role::as_str);
    let asked = Asked {
        scope: hash(&[caller.name().as_bytes(), tenant.as_bytes(), route.as_bytes(), key.as_bytes()]),
        fingerprint: hash(&[parts.uri.to_string().as_bytes(), kind, accept, role.as_bytes(), &body]),
        claim: id::random_text(),
    };
    let now = app.clock.wall().as_second();
    let mut tx = app.db.write().await?;
    let known = store::claim(&mut tx, &asked, now, now - ABANDONED, now - KEPT).await?;
    tx.commit().await?;
    if let Some(known) = known {
        return again(app, &asked, &known, now);
    }
    let app = app.clone();
    let request = Request::from_parts(parts, Body::from(body));
    // A task of its own: what was begun is finished and kept, whether or not somebody is still waiting for it.
    let work = async move { carry_out(&app, &asked, request, next).await };
    tokio::spawn(work.in_current_span()).await.map_err(Error::internal)?
}

/// The answer that was given, or why there is none.
fn again(app: &App, asked: &Asked, known: &Known, now: i64) -> Result<Response> {
    if known.fingerprint != asked.fingerprint {
        let words = "this Idempotency-Key was used for another request; use a new one";
        return Err(Refusal::new(StatusCode::CONFLICT, "idempotency_key_reused", words).into());
    }
    let Some(status) = known.status else {
        let words = "the first request with this Idempotency-Key is still being answered";
        let wait = u64::try_from(known.claimed_at + ABANDONED - now).unwrap_or(1).clamp(1, 2);
        return Err(Refusal::new(StatusCode::CONFLICT, "idempotency_key_in_use", words)
            .retry_after(wait)
            .into());
    };
    let answer = known.answer.as_deref().and_then(|sealed| app.api.seal.open(&asked.scope, sealed));
    let Some(answer) = answer else {
        let words =
            "the request was carried out, but its answer can no longer be read: ask for the state of things";
        return Err(Refusal::new(StatusCode::CONFLICT, "idempotency_answer_lost", words).into());
    };
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = (status.unwrap_or(StatusCode::OK), answer.body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    for (name, value) in [(header::CONTENT_TYPE, answer.content_type), (header::LOCATION, answer.location)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

async fn carry_out(app: &App, asked: &Asked, request: Request, next: Next) -> Result<Response> {
    // Errors get their words here: what is kept must have them. After a panic nothing is kept, and the key is free again
    // after a while.
    let response = crate::web::for_program(next.run(request).await);
    let status = response.status();
    let decided = status.is_success()
        || status.is_redirection()
        || matches!(status, StatusCode::CONFLICT | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY);
    if !decided || response.headers().contains_key(header::RETRY_AFTER) {
        let mut tx = app.db.write().await?;
        store::release(&mut tx, asked).await?;
        tx.commit().await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(Error::internal)?.to_bytes();
    let text = |name: HeaderName| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
    let answer = Answer {
        content_type: text(header::CONTENT_TYPE),
        location: text(header::LOCATION),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let sealed = app.api.seal.close(&asked.scope, &answer)?;
    let mut tx = app.db.write().await?;
    store::keep(&mut tx, asked, parts.status.as_u16(), &sealed).await?;
    tx.commit().await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn key(headers: &HeaderMap) -> Result<String> {
    let mut all = headers.get_all(HEADER).iter();
    let text = match (all.next(), all.next()) {
        (Some(one), None) => one.to_str().unwrap_or_default(),
        _ => "",
    };
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text.to_owned()) } else { Err(Error::field("Idempotency-Key", "api-idempotency-key")) }
}

/// A hash over parts that cannot run into one another.
fn hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_opens_for_its_own_request_alone() {
        let seal = Seal::new([7; 32]);
        let answer = Answer { content_type: None, location: Some("/x".into()), body: "secret".into() };
        let sealed = seal.close("scope", &answer).expect("a seal");
        assert!(!STANDARD.decode(&sealed).expect("base64").windows(6).any(|part| part == b"secret"));
        assert_eq!(seal.open("scope", &sealed).expect("an answer").body, "secret");
        assert!(seal.open("another", &sealed).is_none());
        assert!(Seal::new([8; 32]).open("scope", &sealed).is_none());
        assert!(seal.open("scope", "").is_none());
    }

    #[test]
    fn parts_do_not_run_into_one_another() {
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
    }
}
