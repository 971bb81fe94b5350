//! Acting for a member of a tenant: begin, allow changes, end. What it allows and refuses is decided in `auth`.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tower_sessions::Session;

use super::tenant;
use crate::app::App;
use crate::auth::{SignedIn, Staff};
use crate::error::{Error, FieldError, Result};
use crate::tenants::TenantId;
use crate::web::{Flash, Form, Html, Nothing, Page, Redirect, redirect};

/// The longest reason, in characters.
const LONGEST: usize = 500;

#[derive(Deserialize)]
pub(super) struct BeginForm {
    member: String,
    reason: String,
}

pub(super) async fn begin(
    page: Page,
    State(app): State<App>,
    staff: Staff,
    session: Session,
    Path(id): Path<String>,
    Form(form): Form<BeginForm>,
) -> Result<Response> {
    let tenant: TenantId = id.parse().map_err(|_| Error::NotFound)?;
    let reason = form.reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST || reason.chars().any(char::is_control) {
        let error = FieldError::new("reason", "staff-behalf-bad-reason");
        return tenant::refused(page, &app, &id, form.reason, error).await;
    }
    app.auth.act_as(&session, &staff.user, &tenant, &form.member, reason).await?;
    Ok(redirect("/").into_response())
}

#[derive(Template)]
#[template(path = "staff/behalf.html")]
struct BehalfPage {
    page: Page,
    name: String,
    tenant: String,
    changes: bool,
}

pub(super) async fn show(page: Page, signed_in: SignedIn) -> Result<Response> {
    let behalf = signed_in.behalf().ok_or(Error::NotFound)?;
    let tenant = signed_in.at.as_ref().map(|here| here.tenant.name.clone()).unwrap_or_default();
    Ok(Html(BehalfPage { page, name: behalf.name.clone(), tenant, changes: behalf.changes }).into_response())
}

pub(super) async fn allow(
    State(app): State<App>,
    signed_in: SignedIn,
    session: Session,
    _: Form<Nothing>,
) -> Result<Redirect> {
    app.auth.allow_changes(&session, &signed_in).await?;
    Ok(redirect("/").flash(Flash::warning("staff-behalf-allowed")))
}

pub(super) async fn end(
    State(app): State<App>,
    signed_in: SignedIn,
    session: Session,
    _: Form<Nothing>,
) -> Result<Redirect> {
    let tenant = app.auth.stop_acting(&session, &signed_in).await?;
    let back = tenant.map_or_else(|| "/".to_owned(), |tenant| format!("/staff/tenants/{tenant}"));
    Ok(redirect(back).flash(Flash::success("staff-behalf-ended")))
}
