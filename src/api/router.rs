//! The one place where endpoints come together, and what happens to each of their calls.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{StatusCode, header};
use utoipa_axum::router::OpenApiRouter;

use super::caller::{self, Found, Uses};
use super::limit::{Limits, Rates};
use super::repeat::{self, Seal};
use super::{BASE, document};
use crate::app::App;
use crate::audit::refusals::By;
use crate::error::{Error, Result};
use crate::stripe::Stripe;
use crate::web::Visit;
use crate::{access, auth, cancel, catalog, change, checkout, invoices, subscription, tenants, usage};

/// What the API keeps between calls.
#[derive(Debug)]
pub struct Api {
    limits: Limits,
    pub(super) seal: Seal,
    pub(super) uses: Uses,
}

impl Api {
    /// Nothing has been called yet.
    pub fn new(stripe: &Stripe, rates: Rates) -> Self {
        Self {
            limits: Limits::new(rates),
            seal: Seal::new(stripe.derive_key("answers of the API")),
            uses: Uses::default(),
        }
    }
}

/// The endpoints of all features, each with its documentation.
pub(super) fn endpoints() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .merge(catalog::api::router())
        .merge(subscription::api::router())
        .merge(checkout::api::router())
        .merge(change::api::router())
        .merge(cancel::api::router())
        .merge(invoices::api::router())
        .merge(usage::api::router())
        .merge(access::api::router())
        .merge(tenants::api::router())
        .merge(auth::api::router())
}

/// The API. It stands outside of the session layer: what a browser holds counts for nothing here.
pub fn router(app: &App) -> Router<App> {
    mount(app, endpoints())
        .route("/api/openapi.json", get(description))
        .route("/api/{*elsewhere}", any(|| async { Error::NotFound }))
}

/// Endpoints under the base path, with what happens to every call around them.
pub fn mount(app: &App, endpoints: OpenApiRouter<App>) -> Router<App> {
    let (endpoints, _) = endpoints.split_for_parts();
    Router::new().nest(BASE, endpoints.layer(from_fn_with_state(app.clone(), admit)))
}

/// The description of the API.
async fn description() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")],
        document::text(),
    )
}

/// Who calls, whether too often, and whether this was asked before.
async fn admit(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match begin(&app, &mut request).await {
        Ok(found) => {
            let caller = found.0.as_ref().ok().cloned();
            request.extensions_mut().insert(found);
            let mut response = repeat::answer(&app, caller.as_ref(), request, next).await;
            if response.status() == StatusCode::FORBIDDEN
                && let Some(caller) = caller
            {
                let tenant = caller.tenant().map(|tenant| tenant.id.to_string());
                response.extensions_mut().insert(By { actor: caller.actor(), tenant });
            }
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn begin(app: &App, request: &mut Request) -> Result<Found> {
    let visit = request.extensions().get::<Arc<Visit>>();
    let address = visit.ok_or_else(|| Error::internal("the routes are not furnished"))?.address();
    let found = caller::find(app, request.headers(), address).await?;
    match &found {
        Ok(caller) => app.api.limits.admit(caller)?,
        Err(_) => app.api.limits.admit_address(address)?,
    }
    Ok(Found(found))
}
