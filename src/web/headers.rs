//! The headers of every answer, errors included.

use std::fmt::Write as _;

use axum::response::Response;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::{Site, Visit};

/// Two years, as the preload lists of browsers ask.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

const FIXED: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Not `no-referrer`: browsers would then post our own forms with `Origin: null`.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), publickey-credentials-get=(), usb=()",
        ),
    ),
];

/// The header of a page whose address holds a secret: the browser tells nobody where it was, ourselves included.
///
/// The forms of such a page are posted with an origin of `null`, which `origin` takes where the browser vouches for the page. It
/// does so on encrypted sites and on the loopback; elsewhere the origin alone is told, and no address.
pub fn no_referrer(site: &Site) -> [(HeaderName, HeaderValue); 1] {
    let policy = if site.is_vouched_for() { "no-referrer" } else { "strict-origin" };
    [(header::REFERRER_POLICY, HeaderValue::from_static(policy))]
}

/// Adds what an answer lacks; a handler that set a header of its own keeps it.
pub(super) fn furnish(visit: &Visit, mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        add(headers, name, value);
    }
    if visit.site().is_https() {
        add(headers, header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    add(headers, header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::from_str(&content_security_policy(visit)) {
        add(headers, header::CONTENT_SECURITY_POLICY, policy);
    }
    if let Ok(id) = HeaderValue::from_str(visit.request_id()) {
        add(headers, HeaderName::from_static("x-request-id"), id);
    }
    response
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}

/// Nothing but our own files; forms may end on Stripe's pages, because browsers hold `form-action` against every redirect that
/// follows a post.
fn content_security_policy(visit: &Visit) -> String {
    let mut policy = format!(
        "default-src 'none'; script-src 'self' 'nonce-{}'; style-src 'self'; img-src 'self'; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'",
        visit.nonce()
    );
    for origin in &visit.site().redirect_origins {
        let _ = write!(policy, " {}", origin.origin().ascii_serialization());
    }
    policy
}
