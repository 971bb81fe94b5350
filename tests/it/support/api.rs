//! A program that calls the API.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use billing_portal::api::{self, BASE, HostTokens, NewKey, Scope};
use billing_portal::tenants::Tenant;
use billing_portal::web::Peer;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::described::assert_described;
use super::portal::Portal;

/// The secret that the host of the tests signs its users' tokens with.
pub(crate) const HOST_SECRET: &str = "the host's own secret, of 32 bytes or more";
pub(crate) const ISSUER: &str = "https://host.test";
pub(crate) const AUDIENCE: &str = "billing";

/// What the tokens of the tests are held against.
pub(crate) fn host_tokens() -> HostTokens {
    HostTokens::by_secret(HOST_SECRET.as_bytes(), ISSUER.to_owned(), AUDIENCE.to_owned()).unwrap()
}

/// A token of these claims, signed with the secret of the tests.
pub(crate) fn sign(claims: &Value) -> String {
    let key = EncodingKey::from_secret(HOST_SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

/// A program.
#[derive(Clone)]
pub(crate) struct Program {
    router: Router,
    address: [u8; 4],
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    /// The answer, which must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// A header's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Portal {
    /// A program without a credential.
    pub(crate) fn program(&self) -> Program {
        Program { router: self.router.clone(), address: [192, 0, 2, 7], headers: Vec::new() }
    }

    /// A program without a credential that calls another router.
    pub(crate) fn program_on(&self, router: Router) -> Program {
        Program { router, ..self.program() }
    }

    /// A key with these scopes.
    pub(crate) async fn key(&self, scopes: &[Scope]) -> String {
        let mut tx = self.db.write().await.unwrap();
        let new = NewKey::new("tests", scopes, false, None).unwrap();
        let (_, secret) = api::store::create(&mut tx, &new, self.clock.wall()).await.unwrap();
        tx.commit().await.unwrap();
        secret.expose().to_owned()
    }

    /// The host application, with a new key of these scopes.
    pub(crate) async fn host(&self, scopes: &[Scope]) -> Program {
        self.program().bearer(&self.key(scopes).await)
    }

    /// The claims of a token for a user of a tenant, good for five minutes.
    pub(crate) fn claims(&self, tenant: &Tenant, role: &str) -> Value {
        let now = self.clock.wall().as_second();
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "user-7", "company_id": tenant.id.as_str(), "role": role,
            "nbf": now, "exp": now + 300,
        })
    }

    /// A user of the host, of that role in the tenant.
    pub(crate) fn user_of(&self, tenant: &Tenant, role: &str) -> Program {
        self.program().bearer(&sign(&self.claims(tenant, role)))
    }
}

impl Program {
    /// With a header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this credential.
    pub(crate) fn bearer(self, credential: &str) -> Self {
        self.with("authorization", &format!("Bearer {credential}"))
    }

    /// For this tenant.
    pub(crate) fn tenant(self, tenant: &Tenant) -> Self {
        self.with("x-tenant-id", tenant.id.as_str())
    }

    /// Under this idempotency key.
    pub(crate) fn once(self, key: &str) -> Self {
        self.with("idempotency-key", key)
    }

    /// From another address.
    pub(crate) fn at(mut self, address: [u8; 4]) -> Self {
        self.address = address;
        self
    }

    /// GET below the base path.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, &format!("{BASE}{path}"), None).await
    }

    /// POST of JSON below the base path.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, &format!("{BASE}{path}"), Some(body.to_string())).await
    }

    /// PUT of JSON below the base path.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PUT, &format!("{BASE}{path}"), Some(body.to_string())).await
    }

    /// Any request, to any path.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<String>) -> Reply {
        let mut request = Request::builder().method(method.clone()).uri(path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if body.is_some() && !self.headers.iter().any(|(name, _)| name == "content-type") {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let mut request = request.body(body.map_or_else(Body::empty, Body::from)).unwrap();
        request.extensions_mut().insert(Peer(SocketAddr::from((self.address, 4_000))));
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        assert_described(&method, path, parts.status.as_u16(), &body);
        Reply { status: parts.status, headers: parts.headers, body }
    }
}
