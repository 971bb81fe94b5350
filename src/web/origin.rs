//! Forged posts, first fence: what the browser itself says about where a request comes from.

use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;

use super::Visit;
use crate::error::{Error, Result};

/// Refuses a request that would change something and comes from another site.
///
/// Browsers send `Origin` with every form post, and `Sec-Fetch-Site` in recent years; a request with neither is no browser's and
/// still has to carry the token. Programs bring keys instead of cookies and are not asked.
pub(super) fn check(visit: &Visit, headers: &HeaderMap) -> Result<()> {
    let safe = matches!(*visit.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    if safe || visit.is_program() {
        return Ok(());
    }
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return Err(Error::Forged("posted from another site"));
    }
    // A page that tells nobody where it is, as that of a one-time link, posts with an origin of `null`. The browser itself then
    // says that the page was ours; no script can.
    let is_ours = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
    if is_ours && headers.get(header::ORIGIN).is_some_and(|origin| origin == "null") {
        return Ok(());
    }
    match headers.get(header::ORIGIN).map(HeaderValue::to_str) {
        None => Ok(()),
        Some(Ok(origin)) if Url::parse(origin).is_ok_and(|origin| visit.site().is_own(&origin)) => Ok(()),
        Some(_) => Err(Error::Forged("posted from another origin")),
    }
}
