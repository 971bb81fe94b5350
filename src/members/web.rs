//! The page of a tenant's members.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use tower_sessions::Session;

use super::act::{self, By, Fault};
use super::store::{self, Line};
use super::{Refusal, gifts, may_touch};
use crate::app::App;
use crate::audit::Actor;
use crate::auth::{Administrator, Email, Manager, Role, UserId};
use crate::clock::from_seconds;
use crate::error::{Error, FieldError, Result};
use crate::web::{ClientAddress, Flash, Form, Html, Nothing, Page, redirect};

/// Members on a page.
const PAGE: usize = 50;

/// The routes of this feature.
pub fn router() -> Router<App> {
    Router::new()
        .route("/members", get(list).post(invite))
        .route("/members/{user}/role", post(change_role))
        .route("/members/{user}/remove", post(remove))
        .route("/members/invitations/{id}/resend", post(resend))
        .route("/members/invitations/{id}/withdraw", post(withdraw))
        .merge(super::invitation::router())
}

#[derive(Template)]
#[template(path = "members/list.html")]
struct ListPage {
    page: Page,
    people: Vec<Person>,
    /// The roles that the reader may give.
    roles: Vec<Role>,
    /// What was typed, kept after an error.
    typed: Invite,
    /// The address of the last one, where there are more.
    more: Option<String>,
    is_first: bool,
}

/// A member or an open invitation, and what the reader may do about it.
struct Person {
    line: Line,
    is_me: bool,
    may_touch: bool,
    /// Until when they may accept, and whether that is over.
    invited: Option<(Timestamp, bool)>,
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    after: String,
}

#[derive(Default, Deserialize)]
struct Invite {
    email: String,
    role: String,
}

async fn list(
    page: Page,
    State(app): State<App>,
    manager: Administrator,
    Query(asked): Query<Asked>,
) -> Result<Html<ListPage>> {
    members(page, &app, &manager, &asked.after, Invite::default()).await
}

async fn members(
    page: Page,
    app: &App,
    manager: &Administrator,
    after: &str,
    typed: Invite,
) -> Result<Html<ListPage>> {
    let mut lines = store::list(&mut app.db.read().await?, &manager.tenant.id, after, 51).await?;
    let has_more = lines.len() > PAGE;
    lines.truncate(PAGE);
    let more = lines.last().filter(|_| has_more).map(|last| last.email.as_str().to_owned());
    let wall = app.clock.wall().as_second();
    let people = lines.into_iter().map(|line| Person {
        is_me: line.id == manager.user.id.as_str(),
        may_touch: may_touch(manager.role, line.role) && !line.is_last_owner(),
        invited: line.until.map(|until| (from_seconds(until), until <= wall)),
        line,
    });
    let (roles, is_first) = (gifts(manager.role), after.is_empty());
    Ok(Html(ListPage { people: people.collect(), roles, typed, more, is_first, page }))
}

/// Who did it: a member, from where.
fn by(app: &App, manager: &Administrator, address: ClientAddress) -> By {
    By {
        actor: Actor::User(manager.user.id.as_str().to_owned()),
        user: Some(manager.user.clone()),
        address: Some(address.0.to_string()),
        now: app.clock.now(),
        wall: app.clock.wall().as_second(),
    }
}

async fn invite(
    page: Page,
    State(app): State<App>,
    manager: Manager,
    address: ClientAddress,
    Form(form): Form<Invite>,
) -> Result<Response> {
    let mut errors = Vec::new();
    let email = form.email.parse::<Email>();
    if email.is_err() {
        errors.push(FieldError::new("email", "auth-email-malformed"));
    }
    let role = form.role.parse::<Role>().ok().filter(|role| gifts(manager.role).contains(role));
    if role.is_none() {
        errors.push(FieldError::new("role", "members-role-wrong"));
    }
    if let (Ok(email), Some(role)) = (email, role) {
        let mut tx = app.db.write().await?;
        match act::invite(&mut tx, &manager.tenant.id, &by(&app, &manager, address), &email, role).await {
            Ok(_) => {
                tx.commit().await?;
                return Ok(redirect("/members").flash(Flash::success("members-invited")).into_response());
            }
            Err(Fault::Refused(refusal)) => errors.push(FieldError::new("email", explain(refusal)?)),
            Err(fault) => return Err(fault.into()),
        }
    }
    let again = members(page.with_errors(errors), &app, &manager, "", form).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, again).into_response())
}

/// What stands at the address; refusals that are not about it are errors of the whole page.
fn explain(refusal: Refusal) -> Result<&'static str> {
    match refusal {
        Refusal::Member => Ok("members-is-member"),
        Refusal::Invited => Ok("members-is-invited"),
        Refusal::TooMany => Ok("members-too-many"),
        other => Err(Fault::Refused(other).into()),
    }
}

#[derive(Deserialize)]
struct NewRole {
    role: String,
}

async fn change_role(
    State(app): State<App>,
    manager: Manager,
    session: Session,
    address: ClientAddress,
    Path(user): Path<String>,
    Form(form): Form<NewRole>,
) -> Result<Response> {
    let user: UserId = user.parse().map_err(|_| Error::NotFound)?;
    let role: Role = form.role.parse().map_err(|_| Error::field("role", "members-role-wrong"))?;
    let mut tx = app.db.write().await?;
    act::change_role(&mut tx, &manager.tenant.id, &by(&app, &manager, address), &user, role).await?;
    tx.commit().await?;
    let to = after_change(&session, &manager, &user, role.manages_billing()).await?;
    Ok(redirect(to).flash(Flash::success("members-changed")).into_response())
}

/// Taking access away stays possible at any level: a leak does not wait for a payment.
async fn remove(
    State(app): State<App>,
    manager: Administrator,
    session: Session,
    address: ClientAddress,
    Path(user): Path<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response> {
    let user: UserId = user.parse().map_err(|_| Error::NotFound)?;
    let mut tx = app.db.write().await?;
    act::remove(&mut tx, &manager.tenant.id, &by(&app, &manager, address), &user).await?;
    tx.commit().await?;
    let to = after_change(&session, &manager, &user, false).await?;
    Ok(redirect(to).flash(Flash::success("members-removed")).into_response())
}

/// Where to go next. Who has changed their own rights goes on under another session id, and not to a page that is closed now.
async fn after_change(
    session: &Session,
    manager: &Administrator,
    user: &UserId,
    manages: bool,
) -> Result<&'static str> {
    if *user != manager.user.id {
        return Ok("/members");
    }
    session.cycle_id().await.map_err(|error| Error::Unavailable(error.into()))?;
    Ok(if manages { "/members" } else { "/account" })
}

async fn resend(
    State(app): State<App>,
    manager: Manager,
    address: ClientAddress,
    Path(id): Path<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response> {
    let mut tx = app.db.write().await?;
    act::resend(&mut tx, &manager.tenant.id, &by(&app, &manager, address), &id).await?;
    tx.commit().await?;
    Ok(redirect("/members").flash(Flash::success("members-invited")).into_response())
}

async fn withdraw(
    State(app): State<App>,
    manager: Administrator,
    address: ClientAddress,
    Path(id): Path<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response> {
    let mut tx = app.db.write().await?;
    act::withdraw(&mut tx, &manager.tenant.id, &by(&app, &manager, address), &id).await?;
    tx.commit().await?;
    Ok(redirect("/members").flash(Flash::success("members-withdrawn")).into_response())
}
