//! `POST /subscription/create`: the way to Stripe Checkout.

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::start::Asked;
use super::{MAX_QUANTITY, MAX_TRIAL_DAYS, Refusal, Trust, Wish, place, start};
use crate::api::fields::{integer, one_of, parsed, text};
use crate::api::view::{named, told};
use crate::api::{Draft, Fields, Input, TenantManager};
use crate::app::App;
use crate::change::api::{BillingInterval, INTERVALS};
use crate::error::{FieldError, Result};
use crate::money::Currency;
use crate::stripe::Budget;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(create))
}

/// What is to be bought.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the description of the body")]
struct CreateSubscription {
    /// Id or slug of the plan.
    #[schema(min_length = 1, max_length = 100, example = "professional")]
    plan_id: String,
    billing_interval: BillingInterval,
    /// Seats, where the plan is sold by seat.
    #[schema(minimum = 1, maximum = 10000, default = 1)]
    quantity: Option<i64>,
    /// The currency [default: the catalogue's, or the one that the tenant has paid in before].
    #[schema(pattern = "^[A-Za-z]{3}$", example = "eur")]
    currency: Option<String>,
    /// Days that are free first, for a tenant that never had a trial [default: the plan's]. More than the plan's only with a
    /// key.
    #[schema(minimum = 0, maximum = 30)]
    trial_days: Option<i64>,
    /// A promotion code; with a key also the id of a coupon. Absent: the customer may type a code on Stripe's page.
    #[schema(min_length = 1, max_length = 200, example = "50OFF")]
    coupon: Option<String>,
    /// Where the browser ends up after paying: a path of the portal, or a whole address at its own origin [default: the
    /// overview].
    #[schema(max_length = 2000)]
    success_url: Option<String>,
    /// Where it ends up when the customer turns back, of the same kind [default: the pricing page].
    #[schema(max_length = 2000)]
    cancel_url: Option<String>,
}

impl Input for Wish {
    fn read(fields: &mut Fields) -> Option<Self> {
        let plan = fields.required("plan_id", text(1, 100));
        let interval = fields.required("billing_interval", one_of(&INTERVALS));
        let quantity = fields.optional("quantity", integer(1, MAX_QUANTITY));
        let currency = fields.optional("currency", parsed::<Currency>("api-currency"));
        let trial_days = fields.optional("trial_days", integer(0, MAX_TRIAL_DAYS.into()));
        let coupon = fields.optional("coupon", text(1, 200));
        let success = fields.own_path("success_url");
        let cancel = fields.own_path("cancel_url");
        Some(Self {
            plan: plan.unwrap_or_default(),
            interval: interval.map(|interval| interval.as_str().to_owned()).unwrap_or_default(),
            quantity: quantity.flatten().map(|quantity| quantity.to_string()),
            currency: currency.flatten().map(|currency| currency.to_string()),
            trial_days: trial_days.flatten().and_then(|days| u16::try_from(days).ok()),
            coupon: coupon.flatten(),
            success: success.flatten(),
            cancel: cancel.flatten(),
        })
    }
}

/// The way to pay.
#[derive(Debug, Serialize, ToSchema)]
struct Created {
    /// Null until the customer has paid: then `GET /subscription` shows it.
    #[schema(example = json!(null))]
    subscription_id: Option<String>,
    /// `awaits_checkout`: the customer has to go through Stripe's page.
    #[schema(example = "awaits_checkout")]
    status: &'static str,
    /// Send the browser there. Good for 23 hours, or until another order is placed.
    #[schema(
        example = "https://checkout.stripe.com/c/pay/cs_test_a1YS1URlnyQCN5fUUduORoQ7Pw41PJqDWkIVQCpJPqkfIhd6tVY8XB1OLY"
    )]
    redirect_to_stripe: String,
}

/// Subscribe: make a session of Stripe Checkout.
///
/// A tenant has one open session and one subscription: the same order gets the session that is open, another order closes it,
/// and 409 `live_subscription` leads to `POST /subscription/preview` where a subscription is in force. Nothing is granted before
/// Stripe says that it is paid.
#[utoipa::path(
    post, path = "/subscription/create", tag = "subscription", operation_id = "create_subscription",
    request_body = CreateSubscription,
    security(("key" = ["billing:write"]), ("token" = ["owner", "admin"])),
    responses((status = 201, description = "The session is open.", body = Created))
)]
async fn create(
    State(app): State<App>,
    manager: TenantManager,
    draft: Draft<Wish>,
) -> Result<(StatusCode, axum::Json<Created>)> {
    let (tenant, caller, budget) = (&manager.tenant, &manager.caller, Budget::page());
    // A key is the host application's own word; a token speaks for one of its customers.
    let trust = if caller.role().is_none() { Trust::Host } else { Trust::Customer };
    let asked = Asked { tenant, actor: &caller.actor(), wish: &draft.value, trust };
    let named = |refusals: Vec<Refusal>| refusals.into_iter().map(|refusal| named(FieldError::from(refusal)));
    if draft.is_wrong() {
        // Placed all the same, so that one answer names all; what cannot be asked now says nothing against it.
        let refusals = place(&app, asked, budget).await.ok().and_then(Result::err).unwrap_or_default();
        return Err(draft.refused(named(refusals)));
    }
    let url = Box::pin(start(&app, asked, tenant.language, budget)).await.map_err(told)?;
    let url = url.map_err(|refusals| draft.refused(named(refusals)))?;
    let created = Created { subscription_id: None, status: "awaits_checkout", redirect_to_stripe: url };
    Ok((StatusCode::CREATED, axum::Json(created)))
}
