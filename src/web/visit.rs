//! One request and its answer, as all layers and the page see it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use http::request::Parts;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::cookies::{self, Kind};
use super::{Flash, Site, address};
use crate::error::Error;
use crate::i18n::Language;

/// Who is signed in, as far as pages show it. `auth` tells it to the [`Visit`].
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Ours.
    pub id: String,
    /// The name to greet them by.
    pub name: String,
    /// The address they sign in with.
    pub email: String,
    /// The tenant whose pages they look at.
    pub tenant: Option<TenantChoice>,
    /// Other tenants they could switch to.
    pub other_tenants: Vec<TenantChoice>,
    /// The key of the text that names their role in the tenant.
    pub role: Option<&'static str>,
    /// Whether the role may see plan, usage and invoices.
    pub reads_billing: bool,
    /// Whether the role may change anything.
    pub manages_billing: bool,
    /// Whether they are of the operator's staff.
    pub staff: bool,
    /// The language they chose for themselves.
    pub language: Option<Language>,
    /// The time zone of the tenant.
    pub time_zone: Option<TimeZone>,
    /// What every page must tell them.
    pub notice: Option<Notice>,
    /// Whom they act as, where they are of the staff and do.
    pub acting: Option<ActingFor>,
}

/// Whom somebody of the staff acts as: a banner on every page says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActingFor {
    /// The member's name.
    pub name: String,
    /// When it is over.
    pub until: Timestamp,
    /// Whether changes are allowed.
    pub changes: bool,
}

/// A tenant to switch to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantChoice {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A banner on every page of a tenant, with the button that helps.
#[derive(Clone, Debug)]
pub struct Notice {
    /// How bad it is: `info`, `warning`, `danger`.
    pub tone: super::Tone,
    /// What happened and what happens next, in the visitor's language.
    pub text: String,
    /// The button.
    pub action: Option<NoticeAction>,
}

/// The button of a [`Notice`].
#[derive(Clone, Debug)]
pub struct NoticeAction {
    /// A path of ours.
    pub to: String,
    /// The words on it.
    pub words: String,
    /// Whether it is a form that is posted there, not a link.
    pub is_form: bool,
}

/// One request and its answer.
#[derive(Debug)]
pub struct Visit {
    site: Arc<Site>,
    request_id: String,
    nonce: String,
    method: Method,
    path: String,
    path_and_query: String,
    route: Option<MatchedPath>,
    address: IpAddr,
    /// `?lang=`: for this answer and, by a cookie, the next ones.
    asked_language: Option<Language>,
    cookie_language: Option<Language>,
    accepted_language: Option<Language>,
    /// The secret that form tokens are bound to: the session's, or one of the visitor's own.
    binding: String,
    binding_is_new: bool,
    /// The secret that takes the session's place where the session turned out to be over.
    rebinding: OnceLock<String>,
    /// The visitor's own secret, if the browser brought one.
    own_secret: Option<String>,
    token_used: AtomicBool,
    flash: Option<Flash>,
    flash_shown: AtomicBool,
    person: OnceLock<Person>,
}

impl Visit {
    pub(super) fn begin(site: Arc<Site>, request: &Request) -> Arc<Self> {
        let jar = cookies::Jar::read(request.headers(), site.is_https());
        let (binding, binding_is_new) = match jar.get(Kind::Session).or_else(|| jar.get(Kind::Form)) {
            Some(secret) => (secret.to_owned(), false),
            None => (random(), true),
        };
        let header =
            |name| request.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let query = request.uri().query().unwrap_or_default();
        let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "lang");
        Arc::new(Self {
            request_id: random(),
            nonce: random(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            path_and_query: request.uri().path_and_query().map_or("/", |whole| whole.as_str()).to_owned(),
            route: request.extensions().get().cloned(),
            address: address::client(request, &site.trusted_proxies),
            asked_language: asked.and_then(|(_, tag)| Language::from_tag(&tag)),
            cookie_language: jar.get(Kind::Language).and_then(Language::from_tag),
            accepted_language: header(http::header::ACCEPT_LANGUAGE).and_then(Language::from_accept),
            flash: jar.get(Kind::Flash).and_then(Flash::from_cookie),
            binding,
            binding_is_new,
            rebinding: OnceLock::new(),
            own_secret: jar.get(Kind::Form).map(str::to_owned),
            token_used: AtomicBool::new(false),
            flash_shown: AtomicBool::new(false),
            person: OnceLock::new(),
            site,
        })
    }

    /// The site.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// The number of the request: in the log, on error pages, in the header `X-Request-Id`.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The address of the client, as far as it can be trusted.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The word that inline scripts of this answer must carry.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path of the request, without its query. May hold a secret: not for the log.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path of the request and its query, for links back to the same page.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// The pattern of the route, for the log: it never holds a secret.
    pub fn route(&self) -> &str {
        self.route.as_ref().map_or("-", |route| route.as_str())
    }

    /// Tells who is signed in. The first word counts.
    pub fn introduce(&self, person: Person) {
        let _ = self.person.set(person);
    }

    /// Tells that the session which the browser named is over: its cookie goes away with this answer, and forms of this answer
    /// are bound to the visitor's own secret.
    pub fn session_is_over(&self) {
        self.rebinding.get_or_init(|| self.own_secret.clone().unwrap_or_else(random));
    }

    /// Who is signed in.
    pub fn person(&self) -> Option<&Person> {
        self.person.get()
    }

    /// The language of the answer: the one just asked for, the person's own, the cookie's, the browser's, English.
    pub fn language(&self) -> Language {
        self.language_for(self.person().and_then(|person| person.language))
    }

    /// The language of the answer for a person who chose one for themselves, or did not.
    pub fn language_for(&self, own: Option<Language>) -> Language {
        self.asked_language.or(own).or(self.cookie_language).or(self.accepted_language).unwrap_or_default()
    }

    /// The time zone of the answer: the tenant's, or UTC.
    pub fn time_zone(&self) -> TimeZone {
        self.person().and_then(|person| person.time_zone.clone()).unwrap_or(TimeZone::UTC)
    }

    /// The time of the business.
    pub fn now(&self) -> Timestamp {
        self.site.clock.now()
    }

    /// Whether a program asked: its errors are JSON, its calls carry keys instead of cookies.
    pub fn is_program(&self) -> bool {
        self.path == "/api" || self.path.starts_with("/api/") || self.path.starts_with("/webhooks/")
    }

    /// The token that forms of this answer carry.
    pub fn form_token(&self) -> String {
        self.token_used.store(true, Ordering::Relaxed);
        URL_SAFE_NO_PAD.encode(token(self.rebinding.get().unwrap_or(&self.binding)))
    }

    /// Whether a form carries the token of this visitor.
    pub fn is_form_token(&self, given: &str) -> bool {
        let given = URL_SAFE_NO_PAD.decode(given).unwrap_or_default();
        !self.binding_is_new && bool::from(given.ct_eq(&token(&self.binding)))
    }

    /// The message that a step before this page left. Shown once.
    pub fn flash(&self) -> Option<&Flash> {
        self.flash_shown.store(true, Ordering::Relaxed);
        self.flash.as_ref()
    }

    pub(super) fn flash_is_done(&self) -> bool {
        self.flash.is_some() && self.flash_shown.load(Ordering::Relaxed)
    }

    /// The visitor's own secret, where a form was rendered for somebody who had none yet.
    pub(super) fn new_binding(&self) -> Option<&str> {
        let new = match self.rebinding.get() {
            Some(secret) => self.own_secret.is_none().then_some(secret.as_str()),
            None => self.binding_is_new.then_some(self.binding.as_str()),
        };
        new.filter(|_| self.token_used.load(Ordering::Relaxed))
    }

    pub(super) fn asked_language(&self) -> Option<Language> {
        self.asked_language
    }
}

/// The visit, for extractors.
pub(super) fn of(parts: &Parts) -> Result<Arc<Visit>, Error> {
    parts
        .extensions
        .get::<Arc<Visit>>()
        .cloned()
        .ok_or_else(|| Error::internal("the routes are not furnished"))
}

/// What a form token is, given the secret it is bound to: not the secret itself, which must not stand in a page.
fn token(binding: &str) -> [u8; 32] {
    Sha256::new_with_prefix(b"form token\0").chain_update(binding).finalize().into()
}

/// 128 random bits as text.
fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}
