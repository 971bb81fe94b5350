//! `POST /subscription/cancel` and `/subscription/resume`.

use axum::extract::State;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Deed, LONGEST_COMMENT, REASONS, act};
use crate::api::fields::{boolean, text};
use crate::api::view::told;
use crate::api::{Fields, Input, Json, TenantAdministrator};
use crate::app::App;
use crate::error::Result;
use crate::stripe::Budget;
use crate::stripe::calls::subscriptions::Reason;
use crate::subscription::api::Current;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(cancel)).routes(routes!(resume))
}

/// When it is to end, and why.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Cancel)]
#[expect(dead_code, reason = "the description of the body")]
struct Asked {
    /// False: at once, without a refund, where the catalogue's policy or the subscription's state allows it.
    #[schema(default = true)]
    at_period_end: Option<bool>,
    /// `too_expensive`, `missing_features`, `switched_service`, `unused`, `customer_service`, `too_complex`, `low_quality`,
    /// `other`; or words of its own.
    #[schema(min_length = 1, max_length = 500, example = "too_expensive")]
    reason: Option<String>,
}

struct Leaving(Deed);

impl Input for Leaving {
    fn read(fields: &mut Fields) -> Option<Self> {
        let at_period_end = fields.or("at_period_end", true, boolean);
        let given = fields.optional("reason", text(1, LONGEST_COMMENT.into()));
        let reason = match given? {
            Some(word) if REASONS.contains(&word.as_str()) => Reason { feedback: Some(word), comment: None },
            Some(words) => Reason { feedback: Some("other".to_owned()), comment: Some(words) },
            None => Reason { feedback: None, comment: None },
        };
        Some(Self(if at_period_end? { Deed::CancelAtPeriodEnd(reason) } else { Deed::CancelNow(reason) }))
    }
}

/// Cancel the subscription.
///
/// With its period, as a rule: until then it can be resumed. 409 `not_in_this_state` where there is nothing to cancel, or the
/// catalogue's policy allows no end at once; nothing has changed then.
#[utoipa::path(
    post, path = "/subscription/cancel", tag = "subscription", operation_id = "cancel_subscription",
    request_body = Asked,
    security(("key" = ["billing:write"]), ("token" = ["owner", "admin"])),
    responses((status = 200, description = "The subscription as it is now.", body = Current))
)]
async fn cancel(
    State(app): State<App>,
    manager: TenantAdministrator,
    Json(Leaving(deed)): Json<Leaving>,
) -> Result<axum::Json<Current>> {
    perform(&app, &manager, &deed).await
}

/// Nothing but who asks.
struct Nothing;

impl Input for Nothing {
    fn read(_: &mut Fields) -> Option<Self> {
        Some(Self)
    }
}

/// Take a cancellation back, or wake a subscription that Stripe paused.
///
/// 409 `not_in_this_state` where it is neither. What Stripe paused is woken by a payment: where that fails or asks for
/// authentication, `status` is `paused` still, and the open invoice is to be paid.
#[utoipa::path(
    post, path = "/subscription/resume", tag = "subscription", operation_id = "resume_subscription",
    security(("key" = ["billing:write"]), ("token" = ["owner", "admin"])),
    responses((status = 200, description = "The subscription as it is now.", body = Current))
)]
async fn resume(
    State(app): State<App>,
    manager: TenantAdministrator,
    Json(Nothing): Json<Nothing>,
) -> Result<axum::Json<Current>> {
    perform(&app, &manager, &Deed::Resume).await
}

async fn perform(app: &App, manager: &TenantAdministrator, deed: &Deed) -> Result<axum::Json<Current>> {
    let (tenant, caller) = (&manager.tenant, &manager.caller);
    act::perform(app, tenant, &caller.actor(), deed, Budget::page()).await.map_err(told)?;
    Current::latest(app, tenant, caller).await.map(axum::Json)
}
