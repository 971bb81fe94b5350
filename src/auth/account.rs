//! A person's own page: who they are here, how dates and words are for them, and where they are signed in.

use askama::Template;
use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tower_sessions::Session;

use super::{Auth, Device, Membership, SignedIn, User, Visitor, store};
use crate::audit::{self, Actor, Entry};
use crate::clock::from_seconds;
use crate::db::{SessionInfo, SessionStore};
use crate::error::{Error, FieldError, Result};
use crate::i18n::{self, Language};
use crate::tenants::words;
use crate::web::{ClientAddress, Flash, Form, Html, LanguageChoice, Nothing, Page, redirect};

/// The routes of the account.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S>
where
    Auth: FromRef<S>,
{
    Router::new()
        .route("/account", get(show).post(describe))
        .route("/account/sessions/end", post(end))
        .route("/account/sessions/end-others", post(end_others))
        .route("/language", post(speak))
}

#[derive(Template)]
#[template(path = "auth/account.html")]
struct AccountPage {
    page: Page,
    email: String,
    memberships: Vec<Membership>,
    sessions: Vec<Line>,
    /// What the fields hold: what is kept, or what was typed and could not be.
    typed: Description,
    zones: Vec<String>,
}

/// What somebody says about themselves.
#[derive(Clone, Deserialize)]
struct Description {
    name: String,
    /// A code, or nothing for the browser's.
    language: String,
    /// An IANA name, or nothing for the tenant's.
    time_zone: String,
}

impl Description {
    fn of(user: &User) -> Self {
        let zone = user.time_zone.as_ref().and_then(|zone| zone.iana_name());
        Self {
            name: user.name.clone(),
            language: user.language.map(Language::code).unwrap_or_default().to_owned(),
            time_zone: zone.unwrap_or_default().to_owned(),
        }
    }

    /// The name, the language and the zone, or each field that cannot be.
    fn check(&self) -> Result<(String, Option<Language>, Option<String>), Vec<FieldError>> {
        let name = words(&self.name);
        let language = Language::ALL.into_iter().find(|language| language.code() == self.language);
        let zone = i18n::zone(&self.time_zone);
        let mut errors = Vec::new();
        if name.is_none() {
            errors.push(FieldError::new("name", "auth-name-wrong"));
        }
        if language.is_none() && !self.language.is_empty() {
            errors.push(FieldError::new("language", "web-language-unknown"));
        }
        if zone.is_none() && !self.time_zone.is_empty() {
            errors.push(FieldError::new("time_zone", "auth-zone-wrong"));
        }
        match name {
            Some(name) if errors.is_empty() => Ok((name, language, zone)),
            _ => Err(errors),
        }
    }
}

/// One session of the list.
struct Line {
    id: String,
    device: Device,
    address: String,
    since: Timestamp,
    seen: Timestamp,
    is_current: bool,
}

impl Line {
    fn of(info: SessionInfo, current: &str) -> Self {
        Self {
            device: Device::of(&info.agent),
            address: info.address,
            since: from_seconds(info.created_at),
            seen: from_seconds(info.seen_at),
            is_current: info.id == current,
            id: info.id,
        }
    }

    /// The device in the words of the page.
    fn name(&self, page: &Page) -> String {
        match (self.device.browser, self.device.system) {
            (Some(browser), Some(system)) => {
                page.ta("auth-session-on", [("browser", browser), ("system", system)])
            }
            (Some(known), None) | (None, Some(known)) => known.to_owned(),
            (None, None) => page.t("auth-session-unknown"),
        }
    }
}

async fn show(
    page: Page,
    State(auth): State<Auth>,
    signed_in: SignedIn,
    session: Session,
) -> Result<Response> {
    let typed = Description::of(signed_in.user());
    Ok(Html(account(page, &auth, &signed_in, &session, typed).await?).into_response())
}

async fn account(
    page: Page,
    auth: &Auth,
    signed_in: &SignedIn,
    session: &Session,
    typed: Description,
) -> Result<AccountPage> {
    let current = handle(session);
    let sessions = auth.sessions.of_user(signed_in.user().id.as_str()).await?;
    let sessions = sessions.into_iter().map(|info| Line::of(info, &current)).collect();
    let zones = i18n::zones_with(&typed.time_zone);
    let email = signed_in.user().email.as_str().to_owned();
    Ok(AccountPage { page, email, memberships: signed_in.memberships().to_vec(), sessions, typed, zones })
}

/// Keeps name, language and time zone.
async fn describe(
    page: Page,
    State(auth): State<Auth>,
    signed_in: SignedIn,
    session: Session,
    ClientAddress(address): ClientAddress,
    Form(typed): Form<Description>,
) -> Result<Response> {
    let (name, language, zone) = match typed.check() {
        Ok(checked) => checked,
        Err(errors) => {
            let page = page.with_errors(errors);
            let again = account(page, &auth, &signed_in, &session, typed).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(again)).into_response());
        }
    };
    let user = signed_in.user();
    let before = Description::of(user);
    let after = json!({ "name": name, "language": language.map(Language::code), "time_zone": zone });
    let before = json!({
        "name": before.name, "language": user.language.map(Language::code),
        "time_zone": Some(&before.time_zone).filter(|zone| !zone.is_empty()),
    });
    if before != after {
        let mut tx = auth.db.write().await?;
        store::describe(&mut tx, &user.id, &name, language, zone.as_deref()).await?;
        let entry = auth.entry(&signed_in, "user.changed", &address.to_string());
        audit::record(&mut tx, &entry.object(user.id.as_str()).change(Some(before), Some(after))).await?;
        tx.commit().await?;
    }
    Ok(redirect("/account").flash(Flash::success("auth-described")).into_response())
}

#[derive(Deserialize)]
struct Which {
    session: String,
}

async fn end(
    State(auth): State<Auth>,
    signed_in: SignedIn,
    ClientAddress(address): ClientAddress,
    Form(which): Form<Which>,
) -> Result<Response> {
    // Another person's session is as one that does not exist.
    if !auth.sessions.end(signed_in.user().id.as_str(), &which.session).await? {
        return Err(Error::NotFound);
    }
    auth.ended_elsewhere(&signed_in, Some(&which.session), address).await?;
    Ok(redirect("/account").flash(Flash::success("auth-session-ended")).into_response())
}

async fn end_others(
    State(auth): State<Auth>,
    signed_in: SignedIn,
    session: Session,
    ClientAddress(address): ClientAddress,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response> {
    auth.sessions.end_others(signed_in.user().id.as_str(), Some(&handle(&session))).await?;
    auth.ended_elsewhere(&signed_in, None, address).await?;
    Ok(redirect("/account").flash(Flash::success("auth-sessions-ended")).into_response())
}

/// The switch in the footer of every page: kept with the person, or in the cookie of who is nobody yet.
async fn speak(
    page: Page,
    State(auth): State<Auth>,
    Visitor(visitor): Visitor,
    ClientAddress(address): ClientAddress,
    Form(choice): Form<LanguageChoice>,
) -> Result<Response> {
    let language = choice.language()?;
    if let Some(signed_in) = visitor {
        let user = &signed_in.user().id;
        let entry = Entry::new(Actor::User(user.as_str().to_owned()), "user.changed", auth.clock.now())
            .object(user.as_str())
            .change(None, Some(json!({ "language": language.code() })))
            .address(address.to_string());
        let mut tx = auth.db.write().await?;
        store::speak(&mut tx, user, language).await?;
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
    }
    choice.answer(&page)
}

/// What names the session of this request in the list.
pub(super) fn handle(session: &Session) -> String {
    session.id().map_or_else(String::new, |id| SessionStore::handle(&id))
}
