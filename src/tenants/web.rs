//! Going from one of one's tenants to another, and what a tenant says about itself.

use askama::Template;
use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;
use tower_sessions::Session;

use super::provision::{self, Change};
use super::{Tenant, TenantId, words};
use crate::audit::Actor;
use crate::auth::{Administrator, Auth, Manager, SignedIn};
use crate::error::{Error, FieldError, Result};
use crate::i18n::{self, Language};
use crate::members::act::By;
use crate::web::{ClientAddress, Flash, Form, Html, Page, redirect};

/// The routes of this feature.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S>
where
    Auth: FromRef<S>,
{
    Router::new()
        .route("/tenants/switch", post(switch))
        .route("/settings", get(show_settings).post(keep_settings))
}

#[derive(Deserialize)]
struct SwitchForm {
    tenant: String,
}

async fn switch(
    State(auth): State<Auth>,
    signed_in: SignedIn,
    session: Session,
    ClientAddress(address): ClientAddress,
    Form(form): Form<SwitchForm>,
) -> Result<Response> {
    // A tenant that one does not belong to is as one that does not exist.
    let wanted: TenantId = form.tenant.parse().map_err(|_| Error::NotFound)?;
    let mut mine = signed_in.memberships().iter();
    let to = mine.find(|membership| membership.tenant.id == wanted).ok_or(Error::NotFound)?;
    auth.move_to(&session, &to.tenant.id).await?;
    auth.moved(&signed_in, &to.tenant.id, address).await?;
    Ok(redirect("/").into_response())
}

#[derive(Template)]
#[template(path = "tenants/settings.html")]
struct SettingsPage {
    page: Page,
    /// What the fields hold: what is kept, or what was typed and could not be.
    typed: Settings,
    zones: Vec<String>,
}

/// What a tenant says about itself.
#[derive(Clone, Deserialize)]
struct Settings {
    name: String,
    language: String,
    time_zone: String,
}

impl Settings {
    fn of(tenant: &Tenant) -> Self {
        Self {
            name: tenant.name.clone(),
            language: tenant.language.code().to_owned(),
            time_zone: tenant.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        }
    }

    /// What they change, or each field that cannot be.
    fn check(&self) -> Result<Change, Vec<FieldError>> {
        let name = words(&self.name);
        let language = Language::ALL.into_iter().find(|language| language.code() == self.language);
        let zone = i18n::zone(&self.time_zone);
        if name.is_some() && language.is_some() && zone.is_some() {
            return Ok(Change { name, language, time_zone: zone, ..Change::default() });
        }
        let wrong = [
            ("name", "tenants-name-wrong", name.is_none()),
            ("language", "web-language-unknown", language.is_none()),
            ("time_zone", "auth-zone-wrong", zone.is_none()),
        ];
        let wrong = wrong.into_iter().filter(|(.., is_wrong)| *is_wrong);
        Err(wrong.map(|(field, key, _)| FieldError::new(field, key)).collect())
    }
}

async fn show_settings(page: Page, manager: Administrator) -> Html<SettingsPage> {
    let typed = Settings::of(&manager.tenant);
    Html(SettingsPage { page, zones: i18n::zones_with(&typed.time_zone), typed })
}

async fn keep_settings(
    page: Page,
    State(auth): State<Auth>,
    manager: Manager,
    ClientAddress(address): ClientAddress,
    Form(typed): Form<Settings>,
) -> Result<Response> {
    let change = match typed.check() {
        Ok(change) => change,
        Err(errors) => {
            let zones = i18n::zones_with(&typed.time_zone);
            let again = SettingsPage { page: page.with_errors(errors), typed, zones };
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(again)).into_response());
        }
    };
    let by = By {
        actor: Actor::User(manager.user.id.as_str().to_owned()),
        user: None,
        address: Some(address.to_string()),
        now: page.now(),
        wall: page.site().clock.wall().as_second(),
    };
    let mut tx = auth.db.write().await?;
    provision::update(&mut tx, &manager.0.tenant.id, &change, &by).await?;
    tx.commit().await?;
    Ok(redirect("/settings").flash(Flash::success("tenants-saved")).into_response())
}
