//! Pages of sign-in and sign-out.

use askama::Template;
use axum::Router;
use axum::extract::{FromRef, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{StatusCode, header};
use serde::Deserialize;
use tower_sessions::Session;

use super::sign_in::Outcome;
use super::{Auth, Origin, SignedIn, Visitor};
use crate::error::{Error, FieldError, Result};
use crate::web::{ClientAddress, Flash, Form, Html, Nothing, Page, local_path, redirect};

/// The routes of this feature.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S>
where
    Auth: FromRef<S>,
{
    Router::new()
        .route("/sign-in", get(show_sign_in).post(sign_in))
        .route("/sign-out", post(sign_out))
        .merge(super::account::router())
        .merge(super::one_time::router())
        .merge(super::reset::router())
}

/// Where somebody wants to go once they are signed in.
#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "auth/sign_in.html")]
struct SignInPage {
    page: Page,
    /// What was typed, kept after an error.
    email: String,
    /// A path of ours, or nothing.
    next: String,
}

async fn show_sign_in(page: Page, Visitor(visitor): Visitor, Query(wish): Query<Wish>) -> Response {
    let next = local_path(&wish.next, page.site()).filter(|_| !wish.next.is_empty());
    if let Some(signed_in) = visitor {
        return redirect(next.unwrap_or_else(|| home(&signed_in).to_owned())).into_response();
    }
    Html(SignInPage { page, email: String::new(), next: next.unwrap_or_default() }).into_response()
}

#[derive(Deserialize)]
struct SignInForm {
    email: String,
    password: String,
    #[serde(default)]
    next: String,
}

async fn sign_in(
    page: Page,
    State(auth): State<Auth>,
    from: Origin,
    session: Session,
    Form(form): Form<SignInForm>,
) -> Result<Response> {
    let next = local_path(&form.next, page.site()).filter(|_| !form.next.is_empty());
    let user = match auth.sign_in(&form.email, &form.password, from.address).await? {
        Outcome::Welcome(user) => user,
        Outcome::Wrong => {
            let wrong = FieldError::new("email", "auth-wrong");
            return Ok(
                (StatusCode::UNPROCESSABLE_ENTITY, again(page, form.email, next, wrong)).into_response()
            );
        }
        Outcome::Refused(refused) => {
            let often = FieldError::new("email", "auth-too-often").with("minutes", refused.minutes());
            let headers = [(header::RETRY_AFTER, refused.wait.to_string())];
            return Ok((StatusCode::TOO_MANY_REQUESTS, headers, again(page, form.email, next, often))
                .into_response());
        }
    };
    let signed_in = auth.welcome(&session, &user, &from).await?;
    Ok(redirect(next.unwrap_or_else(|| home(&signed_in).to_owned())).into_response())
}

/// The form once more, with what was typed (the password excepted) and what is wrong.
fn again(page: Page, email: String, next: Option<String>, error: FieldError) -> Html<SignInPage> {
    Html(SignInPage { page: page.with_errors(vec![error]), email, next: next.unwrap_or_default() })
}

async fn sign_out(
    State(auth): State<Auth>,
    Visitor(visitor): Visitor,
    ClientAddress(address): ClientAddress,
    session: Session,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response> {
    if let Some(signed_in) = visitor {
        session.flush().await.map_err(|error| Error::Unavailable(error.into()))?;
        auth.farewell(&signed_in, address).await?;
    }
    Ok(redirect("/sign-in").flash(Flash::success("auth-signed-out")).into_response())
}

/// The first page of somebody: what only members may see is not the first page of others.
pub(crate) fn home(signed_in: &SignedIn) -> &'static str {
    if signed_in.at.is_some() { "/" } else { "/plans" }
}
