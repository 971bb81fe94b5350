//! A person's own page: who they are here, and where they are signed in.

use askama::Template;
use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;
use tower_sessions::Session;

use super::web::Nothing;
use super::{Auth, Device, Membership, SignedIn, User, Visitor, store};
use crate::clock::from_seconds;
use crate::db::{SessionInfo, SessionStore};
use crate::error::{Error, Result};
use crate::web::{ClientAddress, Flash, Form, Html, LanguageChoice, Page, redirect};

/// The routes of the account.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S>
where
    Auth: FromRef<S>,
{
    Router::new()
        .route("/account", get(show))
        .route("/account/sessions/end", post(end))
        .route("/account/sessions/end-others", post(end_others))
        .route("/language", post(speak))
}

#[derive(Template)]
#[template(path = "auth/account.html")]
struct AccountPage {
    page: Page,
    user: User,
    memberships: Vec<Membership>,
    sessions: Vec<Line>,
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
    let current = handle(&session);
    let sessions = auth.sessions.of_user(signed_in.user().id.as_str()).await?;
    let sessions = sessions.into_iter().map(|info| Line::of(info, &current)).collect();
    let (user, memberships) = (signed_in.user().clone(), signed_in.memberships().to_vec());
    Ok(Html(AccountPage { page, user, memberships, sessions }).into_response())
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
    Form(choice): Form<LanguageChoice>,
) -> Result<Response> {
    let language = choice.language()?;
    if let Some(signed_in) = visitor {
        let mut tx = auth.db.write().await?;
        store::speak(&mut tx, &signed_in.user().id, language).await?;
        tx.commit().await?;
    }
    choice.answer(&page)
}

/// What names the session of this request in the list.
fn handle(session: &Session) -> String {
    session.id().map_or_else(String::new, |id| SessionStore::handle(&id))
}
