//! `GET /access`: what a tenant, or a user of it, may do at this moment. Made to be asked with every request of the host.

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Level, store};
use crate::api::For;
use crate::api::caller::ReadAccess;
use crate::app::App;
use crate::error::Result;

/// The endpoint of access.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(access))
}

/// What may be done.
#[derive(Debug, Serialize, ToSchema)]
struct Access {
    level: AccessLevel,
    /// Why: `active`, `trial`, `free`, `ended`, `incomplete`, `past_due`, `overdue`, `unpaid`, `paused`, `role`, `supervisor`,
    /// `unknown_status`.
    #[schema(example = "active")]
    reason: &'static str,
    /// When it becomes less if nothing is paid; null where nothing is about to change.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// The plan that the tenant has; null: the free one.
    #[schema(example = "professional")]
    plan: Option<String>,
    /// Ids of what the plan unlocks.
    features: Vec<String>,
}

/// How much is open.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AccessLevel {
    /// Everything that the plan has.
    Full,
    /// To look, not to change.
    ReadOnly,
    /// Nothing.
    Blocked,
}

/// Ask what a tenant may do now.
///
/// With a token the answer is for the user: an operator has no access to billing, a supervisor reads.
#[utoipa::path(
    get, path = "/access", tag = "access", operation_id = "get_access",
    security(("key" = ["access:read"]), ("token" = ["owner", "admin", "supervisor", "operator"])),
    responses((status = 200, description = "The decision.", body = Access))
)]
async fn access(State(app): State<App>, asker: For<ReadAccess>) -> Result<axum::Json<Access>> {
    let now = app.clock.now();
    let standing = store::standing(&mut app.db.read().await?, asker.tenant.id.as_str()).await?;
    let access = standing.access(asker.caller.role(), &app.catalog.dunning, now);
    Ok(axum::Json(Access {
        level: match access.level {
            Level::Full => AccessLevel::Full,
            Level::ReadOnly => AccessLevel::ReadOnly,
            Level::Blocked => AccessLevel::Blocked,
        },
        reason: access.reason.as_str(),
        until: standing.until(&access, &app.catalog.dunning),
        plan: standing.plan,
        features: standing.features,
    }))
}
