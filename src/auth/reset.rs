//! Choosing a new password: by the link of a mail, or on one's own page with the old one.

use std::net::IpAddr;

use askama::Template;
use axum::Router;
use axum::extract::{FromRef, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use serde::Deserialize;
use tower_sessions::Session;

use super::account::handle;
use super::link::Purpose;
use super::sign_in::Outcome;
use super::store::{self, links};
use super::token::over;
use super::{Auth, Password, PasswordFault, SignedIn, Token, UserId};
use crate::audit::{self, Actor, Entry};
use crate::db::{SessionStore, Tx};
use crate::error::{Error, FieldError, Result};
use crate::tenants::TenantId;
use crate::web::{ClientAddress, Flash, Form, Html, Page, no_referrer, redirect};

/// The routes of passwords.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S>
where
    Auth: FromRef<S>,
{
    Router::new()
        .route("/password/{token}", get(show_reset).post(reset))
        .route("/account/password", get(show_change).post(change))
}

/// What is wrong with a password, at the field that it was typed into.
pub(crate) fn password_error(field: &str, fault: PasswordFault) -> FieldError {
    let key = match fault {
        PasswordFault::TooShort => "auth-password-short",
        PasswordFault::TooLong => "auth-password-long",
        PasswordFault::Common => "auth-password-common",
    };
    FieldError::new(field, key)
}

impl Auth {
    /// Everything that a new password brings with it: all sessions of the user end but the one with the handle `keep`, links that
    /// were not used work no more, and the audit says so. The handles of the ended sessions are to be forgotten after the commit.
    async fn seal_password(
        &self,
        tx: &mut Tx,
        user: &UserId,
        tenant: Option<&TenantId>,
        keep: Option<&str>,
        from: IpAddr,
    ) -> Result<Vec<String>> {
        links::take_back(tx, user, self.clock.wall().as_second()).await?;
        let ended = SessionStore::end_others_within(tx, user.as_str(), keep).await?;
        let id = user.as_str().to_owned();
        let mut entry = Entry::new(Actor::User(id.clone()), "password.changed", self.clock.now())
            .object(id)
            .address(from.to_string());
        entry.tenant = tenant.map(ToString::to_string);
        audit::record(tx, &entry).await?;
        Ok(ended)
    }
}

#[derive(Template)]
#[template(path = "auth/reset.html")]
struct ResetPage {
    page: Page,
    email: String,
    /// The form's own address, secret and all.
    action: String,
}

async fn show_reset(page: Page, State(auth): State<Auth>, Path(token): Path<String>) -> Result<Response> {
    let token = Token::of_path(&token)?;
    let link = auth.look_up(&token, Purpose::PasswordReset).await?;
    let headers = no_referrer(page.site());
    let action = Purpose::PasswordReset.path(&token);
    Ok((headers, Html(ResetPage { page, email: link.email.as_str().to_owned(), action })).into_response())
}

#[derive(Deserialize)]
struct NewPassword {
    password: String,
}

async fn reset(
    page: Page,
    State(auth): State<Auth>,
    ClientAddress(address): ClientAddress,
    Path(token): Path<String>,
    Form(form): Form<NewPassword>,
) -> Result<Response> {
    let token = Token::of_path(&token)?;
    let known = match auth.look_up(&token, Purpose::PasswordReset).await {
        Ok(link) => link,
        Err(refusal) => {
            let mut tx = auth.db.write().await?;
            auth.use_up(&mut tx, &token, Purpose::PasswordReset, address).await?;
            tx.commit().await?;
            return Err(refusal);
        }
    };
    let password = match Password::new(&form.password, &known.email) {
        Ok(password) => password,
        Err(fault) => {
            let headers = no_referrer(page.site());
            let page = page.with_errors(vec![password_error("password", fault)]);
            let email = known.email.as_str().to_owned();
            let again = ResetPage { page, email, action: Purpose::PasswordReset.path(&token) };
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, headers, Html(again)).into_response());
        }
    };
    let hash = auth.hasher.hash(&password).await?;
    let mut tx = auth.db.write().await?;
    let Some(link) = auth.use_up(&mut tx, &token, Purpose::PasswordReset, address).await? else {
        tx.commit().await?;
        return Err(over());
    };
    store::set_hash(&mut tx, &link.user_id, &hash).await?;
    let ended = auth.seal_password(&mut tx, &link.user_id, None, None, address).await?;
    tx.commit().await?;
    auth.sessions.forget(&ended);
    Ok(redirect("/sign-in").flash(Flash::success("auth-password-reset")).into_response())
}

#[derive(Template)]
#[template(path = "auth/password.html")]
struct ChangePage {
    page: Page,
    email: String,
    /// Whether there is an old one to ask for.
    has_password: bool,
}

async fn show_change(page: Page, State(auth): State<Auth>, signed_in: SignedIn) -> Result<Response> {
    let email = &signed_in.user().email;
    let known = store::credentials(&mut auth.db.read().await?, email.as_str()).await?;
    let has_password = known.is_some_and(|(_, hash)| hash.is_some());
    let email = email.as_str().to_owned();
    Ok(Html(ChangePage { page, email, has_password }).into_response())
}

#[derive(Deserialize)]
struct Change {
    old: String,
    password: String,
}

async fn change(
    page: Page,
    State(auth): State<Auth>,
    signed_in: SignedIn,
    session: Session,
    ClientAddress(address): ClientAddress,
    Form(form): Form<Change>,
) -> Result<Response> {
    let user = signed_in.user();
    let old = match auth.check(user.email.as_str(), &form.old, address, "password.refused").await? {
        Outcome::Welcome(_) => None,
        Outcome::Wrong => Some(FieldError::new("old", "auth-old-wrong")),
        Outcome::Refused(refused) => {
            let often = FieldError::new("old", "auth-too-often").with("minutes", refused.minutes());
            let headers = [(header::RETRY_AFTER, refused.wait.to_string())];
            let page = again(page, &signed_in, vec![often]);
            return Ok((StatusCode::TOO_MANY_REQUESTS, headers, page).into_response());
        }
    };
    let new = match (old, Password::new(&form.password, &user.email)) {
        (None, Ok(new)) => new,
        (old, new) => {
            let new = new.err().map(|fault| password_error("password", fault));
            return Ok(again(page, &signed_in, old.into_iter().chain(new).collect()));
        }
    };
    let hash = auth.hasher.hash(&new).await?;
    let tenant = signed_in.at.as_ref().map(|here| &here.tenant.id);
    let mut tx = auth.db.write().await?;
    store::set_hash(&mut tx, &user.id, &hash).await?;
    let ended = auth.seal_password(&mut tx, &user.id, tenant, Some(&handle(&session)), address).await?;
    tx.commit().await?;
    auth.sessions.forget(&ended);
    session.cycle_id().await.map_err(|error| Error::Unavailable(error.into()))?;
    Ok(redirect("/account").flash(Flash::success("auth-password-changed")).into_response())
}

/// The form once more, with what is wrong and without what was typed.
fn again(page: Page, signed_in: &SignedIn, errors: Vec<FieldError>) -> Response {
    let email = signed_in.user().email.as_str().to_owned();
    let page = ChangePage { page: page.with_errors(errors), email, has_password: true };
    (StatusCode::UNPROCESSABLE_ENTITY, Html(page)).into_response()
}
