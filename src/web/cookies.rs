//! The cookies of the portal: their names and flags, in one place.

use axum::response::Response;
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};

use super::flash::Leave;
use super::language::Chosen;
use super::visit::Visit;
use crate::i18n::Language;

/// What a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The session; written by the session layer.
    Session,
    /// The secret that forms of visitors without a session are bound to.
    Form,
    /// A message for the next page.
    Flash,
    /// The language that was chosen.
    Language,
}

/// The name of a cookie. `__Host-` makes the browser refuse it from other hosts, other paths and plain connections.
pub const fn name(kind: Kind, https: bool) -> &'static str {
    match (kind, https) {
        (Kind::Session, true) => "__Host-billing_session",
        (Kind::Session, false) => "billing_session",
        (Kind::Form, true) => "__Host-form",
        (Kind::Form, false) => "form",
        (Kind::Flash, true) => "__Host-flash",
        (Kind::Flash, false) => "flash",
        (Kind::Language, true) => "__Host-language",
        (Kind::Language, false) => "language",
    }
}

/// The cookies of a request.
pub(super) struct Jar<'a> {
    pairs: Vec<(&'a str, &'a str)>,
    https: bool,
}

impl<'a> Jar<'a> {
    pub(super) fn read(headers: &'a HeaderMap, https: bool) -> Self {
        let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let pairs =
            lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('=')).collect();
        Self { pairs, https }
    }

    pub(super) fn get(&self, kind: Kind) -> Option<&'a str> {
        let name = name(kind, self.https);
        self.pairs.iter().find(|(given, value)| *given == name && !value.is_empty()).map(|(_, value)| *value)
    }
}

/// Writes the cookies that came up while the answer was made.
pub(super) fn furnish(visit: &Visit, mut response: Response) -> Response {
    let https = visit.site().is_https();
    let flash = response.extensions_mut().remove::<Leave>();
    let language = response.extensions_mut().remove::<Chosen>().map(|Chosen(language)| language);
    let mut set = Vec::new();
    if let Some(secret) = visit.new_binding() {
        set.push(cookie(Kind::Form, https, secret.to_owned()));
    }
    if let Some(language) = language.or(visit.asked_language()) {
        set.push(remembered(language, https));
    }
    match flash {
        Some(Leave(flash)) => set.push(cookie(Kind::Flash, https, flash.to_cookie())),
        None if visit.flash_is_done() => {
            let mut gone = cookie(Kind::Flash, https, String::new());
            gone.set_max_age(time::Duration::ZERO);
            set.push(gone);
        }
        None => {}
    }
    for cookie in set {
        if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

fn remembered(language: Language, https: bool) -> Cookie<'static> {
    let mut cookie = cookie(Kind::Language, https, language.code().to_owned());
    cookie.set_max_age(time::Duration::days(365));
    cookie
}

fn cookie(kind: Kind, https: bool, value: String) -> Cookie<'static> {
    Cookie::build((name(kind, https), value))
        .path("/")
        .http_only(true)
        .secure(https)
        .same_site(SameSite::Lax)
        .build()
}
