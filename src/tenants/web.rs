//! Going from one of one's tenants to another.

use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use tower_sessions::Session;

use super::TenantId;
use crate::auth::{Auth, SignedIn};
use crate::error::{Error, Result};
use crate::web::{Form, redirect};

/// The routes of this feature.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S>
where
    Auth: FromRef<S>,
{
    Router::new().route("/tenants/switch", post(switch))
}

#[derive(Deserialize)]
struct SwitchForm {
    tenant: String,
}

async fn switch(
    State(auth): State<Auth>,
    signed_in: SignedIn,
    session: Session,
    Form(form): Form<SwitchForm>,
) -> Result<Response> {
    // A tenant that one does not belong to is as one that does not exist.
    let wanted: TenantId = form.tenant.parse().map_err(|_| Error::NotFound)?;
    let mut mine = signed_in.memberships().iter().map(|membership| &membership.tenant.id);
    let tenant = mine.find(|id| **id == wanted).ok_or(Error::NotFound)?;
    auth.move_to(&session, tenant).await?;
    Ok(redirect("/").into_response())
}
