//! Endpoints of the tests' own, under the layer that every endpoint is under.

use axum::Router;
use axum::extract::State;
use billing_portal::api::caller::{ReadTenants, WriteUsage};
use billing_portal::api::fields::{boolean, integer, text};
use billing_portal::api::{self, Fields, For, Input, Json, KeyFor, TenantManager, TenantReader};
use billing_portal::app::App;
use billing_portal::audit;
use billing_portal::error::{Error, Refusal};
use billing_portal::web;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::support::portal::Portal;

/// Lets through one deed of the amount [`WAITS`].
pub(crate) static GATE: Semaphore = Semaphore::const_new(0);
pub(crate) const WAITS: i64 = 7;
pub(crate) const CONFLICTS: i64 = 409;
pub(crate) const BUSY: i64 = 410;
pub(crate) const FAILS: i64 = 500;

pub(crate) struct Deed {
    amount: i64,
}

impl Input for Deed {
    const LIMIT: usize = 1_000;

    fn read(fields: &mut Fields) -> Option<Self> {
        let amount = fields.required("amount", integer(1, 1_000));
        let note = fields.optional("note", text(0, 10_000));
        let flag = fields.or("flag", false, boolean);
        note?;
        flag?;
        Some(Self { amount: amount? })
    }
}

#[utoipa::path(post, path = "/deeds", responses((status = 201)))]
async fn deed(
    State(app): State<App>,
    manager: TenantManager,
    Json(deed): Json<Deed>,
) -> Result<(StatusCode, axum::Json<Value>), Error> {
    if deed.amount == WAITS {
        GATE.acquire().await.unwrap().forget();
    }
    let mut tx = app.db.write().await?;
    let entry = manager.caller.entry("tenant.changed", app.clock.now()).tenant(manager.tenant.id.as_str());
    audit::record(&mut tx, &entry).await?;
    tx.commit().await?;
    match deed.amount {
        CONFLICTS => Err(Refusal::new(StatusCode::CONFLICT, "no_more", "there is no more").into()),
        BUSY => {
            Err(Refusal::new(StatusCode::CONFLICT, "busy", "somebody else is at it").retry_after(1).into())
        }
        FAILS => Err(Error::internal("on purpose")),
        amount => Ok((
            StatusCode::CREATED,
            axum::Json(json!({ "amount": amount, "id": billing_portal::id::random("deed") })),
        )),
    }
}

#[utoipa::path(get, path = "/deeds", responses((status = 200)))]
async fn deeds(reader: TenantReader) -> axum::Json<Value> {
    axum::Json(
        json!({ "tenant": reader.tenant.id.as_str(), "actor": format!("{:?}", reader.caller.actor()) }),
    )
}

#[utoipa::path(post, path = "/reports", responses((status = 200)))]
async fn reports(reporter: For<WriteUsage>) -> axum::Json<Value> {
    axum::Json(json!({ "tenant": reporter.tenant.id.as_str() }))
}

#[utoipa::path(get, path = "/companies", responses((status = 200)))]
async fn companies(_: KeyFor<ReadTenants>) -> axum::Json<Value> {
    axum::Json(json!({}))
}

#[utoipa::path(post, path = "/others", responses((status = 200)))]
async fn others(_: TenantManager, Json(_): Json<Deed>) -> axum::Json<Value> {
    axum::Json(json!({ "id": billing_portal::id::random("other") }))
}

/// A portal's router with these endpoints in the place of its own.
pub(crate) fn router(portal: &Portal) -> Router {
    on(&portal.app)
}

pub(crate) fn on(app: &App) -> Router {
    let endpoints = OpenApiRouter::default()
        .routes(routes!(deed, deeds))
        .routes(routes!(reports))
        .routes(routes!(companies))
        .routes(routes!(others));
    web::furnish(api::mount(app, endpoints), app.config.site.clone()).with_state(app.clone())
}
