//! Pages about the API: its documentation for everybody, its keys for staff.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::guide::{self, Chapter};
use super::key::{ApiKey, Fault, NewKey};
use super::{BASE, Scope, store};
use crate::app::App;
use crate::audit::Actor;
use crate::auth::{Staff, Visitor};
use crate::clock::from_seconds;
use crate::error::{Error, FieldError, Result};
use crate::web::{ClientAddress, Flash, Form, Html, Page, redirect};

/// The pages about the API.
pub fn router() -> Router<App> {
    Router::new()
        .route("/api/docs", get(docs))
        .route("/staff/api-keys", get(keys).post(create))
        .route("/staff/api-keys/{id}/revoke", post(revoke))
}

#[derive(Template)]
#[template(path = "api/docs.html")]
struct Docs {
    page: Page,
    chapters: &'static [Chapter],
    base: String,
}

async fn docs(page: Page, State(app): State<App>, _: Visitor) -> Html<Docs> {
    let base = app.config.site.link(BASE);
    Html(Docs { page, chapters: guide::chapters(), base })
}

/// A scope as a choice of the form.
struct Choice {
    scope: Scope,
    is_chosen: bool,
}

impl Choice {
    fn id(&self) -> String {
        format!("scope-{}", self.scope.as_str().replace([':', '_', '*'], "-"))
    }
}

#[derive(Template)]
#[template(path = "api/keys.html")]
struct Keys {
    page: Page,
    keys: Vec<ApiKey>,
    livemode: bool,
    name: String,
    choices: Vec<Choice>,
}

impl Keys {
    fn day(&self, at: &i64) -> String {
        self.page.date_time(from_seconds(*at))
    }

    fn iso(&self, at: &i64) -> Timestamp {
        from_seconds(*at)
    }
}

#[derive(Template)]
#[template(path = "api/key.html")]
struct Made {
    page: Page,
    key: ApiKey,
    secret: String,
}

/// What the form says: a name, and a field for each scope that was ticked.
#[derive(Deserialize)]
struct NewForm {
    name: String,
    #[serde(flatten)]
    ticked: BTreeMap<String, String>,
}

impl NewForm {
    fn scopes(&self) -> Vec<Scope> {
        Scope::ALL.into_iter().filter(|scope| self.ticked.contains_key(&format!("scope.{scope}"))).collect()
    }
}

async fn keys(page: Page, State(app): State<App>, _: Staff) -> Result<Html<Keys>> {
    list(page, &app, String::new(), &[]).await
}

async fn list(page: Page, app: &App, name: String, chosen: &[Scope]) -> Result<Html<Keys>> {
    let keys = store::list(&mut app.db.read().await?).await?;
    let choices = Scope::ALL.map(|scope| Choice { scope, is_chosen: chosen.contains(&scope) });
    Ok(Html(Keys { page, keys, livemode: app.config.livemode, name, choices: choices.into() }))
}

/// Not a redirect, as after other posts: the key is shown with this answer and never again.
async fn create(
    page: Page,
    State(app): State<App>,
    staff: Staff,
    ClientAddress(address): ClientAddress,
    Form(form): Form<NewForm>,
) -> Result<Response> {
    let by = staff.user.id.as_str().to_owned();
    let scopes = form.scopes();
    let new = match NewKey::new(&form.name, &scopes, app.config.livemode, Some(by.clone())) {
        Ok(new) => new,
        Err(faults) => {
            let fields = faults.into_iter().map(|fault| match fault {
                Fault::Name => FieldError::new("name", "api-key-name-wrong"),
                Fault::NoScope => FieldError::new("scopes", "api-key-scope-wrong"),
            });
            let page = list(page.with_errors(fields.collect()), &app, form.name, &scopes).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let mut tx = app.db.write().await?;
    let address = address.to_string();
    let (key, secret) = store::issue(&mut tx, &new, Actor::User(by), Some(&address), &app.clock).await?;
    tx.commit().await?;
    let made = Html(Made { page, key, secret: secret.expose().to_owned() });
    Ok((StatusCode::CREATED, made).into_response())
}

async fn revoke(
    State(app): State<App>,
    staff: Staff,
    ClientAddress(address): ClientAddress,
    Path(id): Path<String>,
    Form(_): Form<BTreeMap<String, String>>,
) -> Result<Response> {
    let by = Actor::User(staff.user.id.as_str().to_owned());
    let mut tx = app.db.write().await?;
    let revoked = store::withdraw(&mut tx, &id, by, Some(&address.to_string()), &app.clock).await?;
    tx.commit().await?;
    revoked.ok_or(Error::NotFound)?;
    Ok(redirect("/staff/api-keys").flash(Flash::success("api-key-revoked")).into_response())
}
