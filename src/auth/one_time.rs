//! Pages of one-time links: asking to be sent one, and the page that a link to sign in leads to.

use std::net::IpAddr;

use askama::Template;
use axum::Router;
use axum::extract::{FromRef, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use serde::Deserialize;
use tower_sessions::Session;

use super::counting::{Count, admit};
use super::link::Purpose;
use super::store::links::{self, Link};
use super::throttle::{Limit, Refused};
use super::token::over;
use super::web::home;
use super::{Auth, Email, Origin, Token, Visitor};
use crate::audit::{self, Actor, Entry};
use crate::db::Tx;
use crate::error::{FieldError, Result};
use crate::id;
use crate::web::{ClientAddress, Flash, Form, Html, Nothing, Page, no_referrer, redirect};

/// The routes of one-time links.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S>
where
    Auth: FromRef<S>,
{
    Router::new()
        .route("/sign-in/link", get(show_ask_link).post(ask_link))
        .route("/sign-in/link/{token}", get(show_link).post(follow_link))
        .route("/password", get(show_ask_reset).post(ask_reset))
}

impl Auth {
    /// Keeps the wish of somebody who typed an address to be sent a link. What is done takes as long, and leaves the same, for an
    /// address that nobody has; who has it is looked up afterwards, in the background.
    ///
    /// # Errors
    /// The database did not answer. Within: too often, for the address or from there.
    async fn ask(
        &self,
        purpose: Purpose,
        email: &Email,
        from: IpAddr,
    ) -> Result<std::result::Result<(), Refused>> {
        let wall = self.clock.wall().as_second();
        let counts =
            [Count::of_email("mail", email.as_str(), Limit::Mail), Count::of_address("mail-from", from)];
        let mut tx = self.db.write().await?;
        if let Err(refused) = admit(&mut tx, &counts, wall).await? {
            self.note_haste(&mut tx, from, "link.asked").await?;
            tx.commit().await?;
            return Ok(Err(refused));
        }
        let request = links::Request {
            id: id::random("ask"),
            purpose,
            email: email.as_str().to_owned(),
            address: from.to_string(),
        };
        links::ask(&mut tx, &request, wall).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// The link of a token, which would work now.
    ///
    /// # Errors
    /// It would not, or the database did not answer.
    pub(super) async fn look_up(&self, token: &Token, purpose: Purpose) -> Result<Link> {
        let found = links::find(&mut self.db.read().await?, &token.digest(), purpose).await?;
        found.filter(|link| link.works(self.clock.wall().as_second())).ok_or_else(over)
    }

    /// Uses up the link of a token, or writes down that somebody tried to. The caller commits in either case.
    ///
    /// # Errors
    /// There never was such a link, or the database did not answer. Within: it works no more.
    pub(super) async fn use_up(
        &self,
        tx: &mut Tx,
        token: &Token,
        purpose: Purpose,
        from: IpAddr,
    ) -> Result<Option<Link>> {
        let wall = self.clock.wall().as_second();
        let link = links::find(tx, &token.digest(), purpose).await?.ok_or_else(over)?;
        let works = link.works(wall) && links::use_up(tx, &link.id, wall).await?;
        let (actor, action) = match works {
            true => (Actor::User(link.user_id.as_str().to_owned()), "link.used"),
            false => (Actor::Visitor, "link.refused"),
        };
        let mut entry =
            Entry::new(actor, action, self.clock.now()).object(link.id.as_str()).address(from.to_string());
        entry.tenant = link.tenant_id.as_ref().map(ToString::to_string);
        audit::record(tx, &entry).await?;
        Ok(Some(link).filter(|_| works))
    }
}

/// The words of a page that asks for an address.
#[derive(Clone, Copy)]
struct Words {
    path: &'static str,
    title: &'static str,
    text: &'static str,
    button: &'static str,
    purpose: Purpose,
}

const LINK: Words = Words {
    path: "/sign-in/link",
    title: "auth-ask-link-title",
    text: "auth-ask-link-text",
    button: "auth-ask-link",
    purpose: Purpose::SignIn,
};

const RESET: Words = Words {
    path: "/password",
    title: "auth-ask-reset-title",
    text: "auth-ask-reset-text",
    button: "auth-ask-reset",
    purpose: Purpose::PasswordReset,
};

#[derive(Template)]
#[template(path = "auth/ask.html")]
struct AskPage {
    page: Page,
    words: Words,
    email: String,
}

async fn show_ask_link(page: Page, Visitor(visitor): Visitor) -> Html<AskPage> {
    let email = visitor.map(|one| one.user().email.as_str().to_owned()).unwrap_or_default();
    Html(AskPage { page, words: LINK, email })
}

async fn show_ask_reset(page: Page, Visitor(visitor): Visitor) -> Html<AskPage> {
    let email = visitor.map(|one| one.user().email.as_str().to_owned()).unwrap_or_default();
    Html(AskPage { page, words: RESET, email })
}

#[derive(Deserialize)]
struct AskForm {
    email: String,
}

async fn ask_link(
    page: Page,
    State(auth): State<Auth>,
    ClientAddress(address): ClientAddress,
    Form(form): Form<AskForm>,
) -> Result<Response> {
    ask(page, &auth, address, form.email, LINK).await
}

async fn ask_reset(
    page: Page,
    State(auth): State<Auth>,
    ClientAddress(address): ClientAddress,
    Form(form): Form<AskForm>,
) -> Result<Response> {
    ask(page, &auth, address, form.email, RESET).await
}

async fn ask(page: Page, auth: &Auth, address: IpAddr, email: String, words: Words) -> Result<Response> {
    let Ok(parsed) = email.parse::<Email>() else {
        let page = page.with_errors(vec![FieldError::new("email", "auth-email-malformed")]);
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(AskPage { page, words, email })).into_response());
    };
    match auth.ask(words.purpose, &parsed, address).await? {
        Ok(()) => Ok(redirect("/sign-in").flash(Flash::info("auth-link-sent")).into_response()),
        Err(refused) => {
            let often = FieldError::new("email", "auth-too-often").with("minutes", refused.minutes());
            let page = page.with_errors(vec![often]);
            let headers = [(header::RETRY_AFTER, refused.wait.to_string())];
            let again = Html(AskPage { page, words, email });
            Ok((StatusCode::TOO_MANY_REQUESTS, headers, again).into_response())
        }
    }
}

#[derive(Template)]
#[template(path = "auth/link.html")]
struct LinkPage {
    page: Page,
    link: Link,
    /// The form's own address, secret and all.
    action: String,
    /// Who is signed in here at present, if that is somebody else.
    other: Option<String>,
}

async fn show_link(
    page: Page,
    State(auth): State<Auth>,
    Visitor(visitor): Visitor,
    Path(token): Path<String>,
) -> Result<Response> {
    let token = Token::of_path(&token)?;
    let link = auth.look_up(&token, Purpose::SignIn).await?;
    let other = visitor.filter(|one| one.user().id != link.user_id);
    let other = other.map(|one| one.user().email.as_str().to_owned());
    let headers = no_referrer(page.site());
    let action = Purpose::SignIn.path(&token);
    Ok((headers, Html(LinkPage { page, link, action, other })).into_response())
}

async fn follow_link(
    State(auth): State<Auth>,
    from: Origin,
    session: Session,
    Path(token): Path<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response> {
    let token = Token::of_path(&token)?;
    let mut tx = auth.db.write().await?;
    let link = auth.use_up(&mut tx, &token, Purpose::SignIn, from.address).await?;
    tx.commit().await?;
    let link = link.ok_or_else(over)?;
    let signed_in = auth.welcome_at(&session, &link.user_id, link.tenant_id.as_ref(), &from).await?;
    let to = link.return_to.unwrap_or_else(|| home(&signed_in).to_owned());
    Ok(redirect(to).into_response())
}
