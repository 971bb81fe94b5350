//! The page context: what the layout and every template can say and show.

use std::sync::Arc;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{StatusCode, header};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{ActingFor, Flash, Notice, Person, Site, Visit, assets, visit};
use crate::alarm;
use crate::error::{Error, FieldError, Result};
use crate::i18n::{Arg, Language, Plain, Value};
use crate::money::Money;

/// The context of a page: who looks, in which language, and what the layout needs. The first field of each page struct.
#[derive(Clone, Debug)]
pub struct Page {
    visit: Arc<Visit>,
    errors: Vec<FieldError>,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        visit::of(parts).map(Self::new)
    }
}

impl Page {
    pub(super) fn new(visit: Arc<Visit>) -> Self {
        Self { visit, errors: Vec::new() }
    }

    /// The same page, telling what is wrong with which field. Its title says so, its summary links to the fields.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// The page of a list, with its filter or with what is wrong with that.
    #[must_use]
    pub fn narrowed<F>(self, filter: Result<F, Vec<FieldError>>) -> (Self, Option<F>) {
        match filter {
            Ok(filter) => (self, Some(filter)),
            Err(errors) => (self.with_errors(errors), None),
        }
    }

    /// The status of an answer with this page: 422 where fields could not be accepted.
    pub const fn status(&self) -> StatusCode {
        if self.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }

    /// The fields that could not be accepted.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// What is wrong with a field, in words; empty if nothing is.
    pub fn error_of(&self, field: &str) -> String {
        self.errors
            .iter()
            .find(|error| error.field == field)
            .map(|error| self.message(error))
            .unwrap_or_default()
    }

    /// The words of a field's error.
    pub fn message(&self, error: &FieldError) -> String {
        self.language().text(error.key, &error.args)
    }

    /// The text of a key.
    pub fn t(&self, key: &str) -> String {
        self.language().word(key)
    }

    /// The text of a key with variables. For variables of several kinds, wrap each in [`Page::arg`].
    pub fn ta<'a, A: Arg + 'a>(&self, key: &str, args: impl AsRef<[(&'a str, A)]>) -> String {
        self.language().text(key, args.as_ref())
    }

    /// A variable of any kind.
    pub fn arg<'a, A: Arg + ?Sized>(&self, value: &'a A) -> Value<'a> {
        value.value()
    }

    /// The language of the page.
    pub fn language(&self) -> Language {
        self.visit.language()
    }

    /// Its code, for `lang`.
    pub fn lang(&self) -> &'static str {
        self.language().code()
    }

    /// All languages, for the switch.
    pub fn languages(&self) -> [Language; 2] {
        Language::ALL
    }

    /// The time zone of the tenant, or UTC.
    pub fn time_zone(&self) -> TimeZone {
        self.visit.time_zone()
    }

    /// The time of the business.
    pub fn now(&self) -> Timestamp {
        self.visit.now()
    }

    /// An amount.
    pub fn money(&self, money: impl Plain<Money>) -> String {
        self.language().money(money.plain())
    }

    /// An amount in large print, without decimals that are nought.
    pub fn money_short(&self, money: impl Plain<Money>) -> String {
        self.language().money_short(money.plain())
    }

    /// A whole number.
    pub fn number(&self, number: impl Plain<i64>) -> String {
        self.language().number(number.plain())
    }

    /// A share in hundredths of a per cent.
    pub fn percent(&self, basis_points: impl Plain<i64>) -> String {
        self.language().percent(basis_points.plain())
    }

    /// The day of a time.
    pub fn date(&self, at: impl Plain<Timestamp>) -> String {
        self.language().date(at.plain(), &self.time_zone())
    }

    /// The day of a time, for machines: `<time datetime>`.
    pub fn iso(&self, at: impl Plain<Timestamp>) -> String {
        at.plain().to_string()
    }

    /// Day, time and time zone.
    pub fn date_time(&self, at: impl Plain<Timestamp>) -> String {
        self.language().date_time(at.plain(), &self.time_zone())
    }

    /// How far a day is from today.
    pub fn relative_day(&self, at: impl Plain<Timestamp>) -> String {
        self.language().relative_day(at.plain(), self.now(), &self.time_zone())
    }

    /// The address of a file of `static/`.
    pub fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    /// The word that inline scripts must carry.
    pub fn nonce(&self) -> &str {
        self.visit.nonce()
    }

    /// The token that each form carries in its field `csrf`.
    pub fn csrf(&self) -> String {
        self.visit.form_token()
    }

    /// The message that a step before left.
    pub fn flash(&self) -> Option<&Flash> {
        self.visit.flash()
    }

    /// Who is signed in.
    pub fn person(&self) -> Option<&Person> {
        self.visit.person()
    }

    /// The tenant whose pages these are.
    pub fn tenant_name(&self) -> Option<&str> {
        Some(self.person()?.tenant.as_ref()?.name.as_str())
    }

    /// The name of who is signed in; empty for a visitor.
    pub fn person_name(&self) -> &str {
        self.person().map_or("", |person| person.name.as_str())
    }

    /// The first letters of the person's name, for the picture they do not have.
    pub fn initials(&self) -> String {
        let name = self.person().map_or("", |person| person.name.as_str());
        name.split_whitespace()
            .filter_map(|word| word.chars().next())
            .take(2)
            .flat_map(char::to_uppercase)
            .collect()
    }

    /// What every page of the tenant must tell.
    pub fn notice(&self) -> Option<&Notice> {
        self.person()?.notice.as_ref()
    }

    /// Whom the person acts as, if they do.
    pub fn acting(&self) -> Option<&ActingFor> {
        self.person()?.acting.as_ref()
    }

    /// The pages of the staff: address, key of the name.
    pub fn staff_pages(&self) -> &'static [(&'static str, &'static str)] {
        crate::staff::PAGES
    }

    /// Whether the navigation of the staff marks one of its pages.
    pub fn is_at_staff(&self, page: &str) -> bool {
        crate::staff::is_at(page, self.visit.path())
    }

    /// What every page of staff must tell, to staff.
    pub fn alarms(&self) -> Vec<alarm::Kind> {
        let is_theirs = self.person().is_some_and(|person| person.staff) && self.is_at("/staff");
        if is_theirs { self.site().board.alarms() } else { Vec::new() }
    }

    /// The number of the request.
    pub fn request_id(&self) -> &str {
        self.visit.request_id()
    }

    /// Where to write for help.
    pub fn support_email(&self) -> Option<&str> {
        self.visit.site().support_email.as_deref()
    }

    /// The site.
    pub fn site(&self) -> &Site {
        self.visit.site()
    }

    /// The page itself, for forms that lead back to it. After a post, the address that was posted to.
    pub fn here(&self) -> &str {
        self.visit.path_and_query()
    }

    /// Whether a link of the navigation leads to this page or to one above it.
    pub fn is_at(&self, section: &str) -> bool {
        let path = self.visit.path();
        path == section
            || (section != "/" && path.strip_prefix(section).is_some_and(|rest| rest.starts_with('/')))
    }
}

/// A template as an answer.
#[derive(Clone, Debug)]
pub struct Html<T>(pub T);

impl<T: Template> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
            Err(error) => Error::from(error).into_response(),
        }
    }
}
