//! Where an answer may send the browser.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use url::Url;

use super::flash::Leave;
use super::{Flash, Site};
use crate::error::{Error, Result};

/// After a post: 303 to a page, with a message for it if wanted.
#[derive(Clone, Debug)]
pub struct Redirect {
    to: String,
    flash: Option<Flash>,
}

/// See other: the page at a path of ours. The path is made by the program; what a visitor gave goes through [`local_path`] first.
pub fn redirect(to: impl Into<String>) -> Redirect {
    Redirect { to: to.into(), flash: None }
}

/// See other: a page of Stripe's.
///
/// # Errors
/// Where the address is not at one of the origins that the configuration lists: a browser would refuse it anyway.
pub fn redirect_out(to: &str, site: &Site) -> Result<Redirect> {
    let url = Url::parse(to).map_err(Error::internal)?;
    if !site.is_redirect_target(&url) {
        return Err(Error::PageNotAllowed(url.origin().ascii_serialization()));
    }
    Ok(Redirect { to: url.into(), flash: None })
}

/// A visitor's wish where to go next, as a path of ours; nothing if it leads anywhere else.
///
/// Read the way a browser reads it, as an address relative to ours: `//other.example` and `/\other.example` are other sites.
pub fn local_path(wish: &str, site: &Site) -> Option<String> {
    let url = site.public_url.join(wish).ok()?;
    if !site.is_own(&url) || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let mut path = url.path().to_owned();
    if path.starts_with("//") {
        return None;
    }
    for (mark, part) in [('?', url.query()), ('#', url.fragment())] {
        if let Some(part) = part {
            path.push(mark);
            path.push_str(part);
        }
    }
    Some(path)
}

impl Redirect {
    /// Leaves a message for the page.
    #[must_use]
    pub fn flash(mut self, flash: Flash) -> Self {
        self.flash = Some(flash);
        self
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        let Ok(location) = HeaderValue::from_str(&self.to) else {
            return Error::internal("the address of a redirect is no header value").into_response();
        };
        let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
        if let Some(flash) = self.flash {
            response.extensions_mut().insert(Leave(flash));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn site() -> Site {
        Site::new("https://billing.example.com/".parse().expect("a url"), Clock::system())
    }

    #[test]
    fn a_wish_leads_to_our_own_pages_only() {
        let site = site();
        assert_eq!(local_path("/invoices?page=2#top", &site).as_deref(), Some("/invoices?page=2#top"));
        assert_eq!(local_path("https://billing.example.com/plans", &site).as_deref(), Some("/plans"));
        assert_eq!(local_path("", &site).as_deref(), Some("/"));
        for foreign in [
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "http:evil.example",
            "javascript:alert(1)",
            "http://billing.example.com/",
            "https://billing.example.com.evil.example/",
            "https://billing.example.com@evil.example/",
            "https://me:secret@billing.example.com/",
            "/\t/evil.example",
            "https://billing.example.com//evil.example",
            "data:text/html,hi",
        ] {
            assert_eq!(local_path(foreign, &site), None, "{foreign}");
        }
    }

    #[test]
    fn stripe_pages_are_known_by_their_origin() {
        let site = site();
        assert!(redirect_out("https://checkout.stripe.com/c/pay/cs_1", &site).is_ok());
        for foreign in [
            "https://checkout.stripe.com.evil.example/",
            "http://checkout.stripe.com/",
            "https://checkout.stripe.com:8443/",
            "x",
        ] {
            assert!(redirect_out(foreign, &site).is_err(), "{foreign}");
        }
    }
}
