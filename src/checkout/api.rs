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
use crate::api::view::{field, told};
use crate::api::{Fields, Input, Json, TenantManager};
use crate::app::App;
use crate::change::api::{BillingInterval, INTERVALS};
use crate::error::{Error, FieldError, Result};
use crate::money::Currency;
use crate::stripe::Budget;
use crate::web::local_path;

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
        let success = fields.optional("success_url", text(1, 2_000));
        let cancel = fields.optional("cancel_url", text(1, 2_000));
        Some(Self {
            plan: plan?,
            interval: interval?.as_str().to_owned(),
            quantity: quantity?.map(|quantity| quantity.to_string()),
            currency: currency?.map(|currency| currency.to_string()),
            trial_days: trial_days?.and_then(|days| u16::try_from(days).ok()),
            coupon: coupon?,
            success: success?,
            cancel: cancel?,
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
    Json(mut wish): Json<Wish>,
) -> Result<(StatusCode, axum::Json<Created>)> {
    let (tenant, caller, budget) = (&manager.tenant, &manager.caller, Budget::page());
    let mut wrong = Vec::new();
    for (name, address) in [("success_url", &mut wish.success), ("cancel_url", &mut wish.cancel)] {
        let Some(wished) = address else { continue };
        match local_path(wished, &app.config.site) {
            Some(path) => *wished = path,
            None => wrong.push(FieldError::new(name, "api-own-address")),
        }
    }
    // A key is the host application's own word; a token speaks for one of its customers.
    let trust = if caller.role().is_none() { Trust::Host } else { Trust::Customer };
    let asked = Asked { tenant, actor: &caller.actor(), wish: &wish, trust };
    if !wrong.is_empty() {
        // Asked all the same, so that one answer names all.
        wrong.extend(place(&app, asked, budget).await?.err().into_iter().flatten().map(refuse));
        return Err(Error::Invalid(wrong));
    }
    let url = Box::pin(start(&app, asked, tenant.language, budget)).await.map_err(told)?;
    let url = url.map_err(|refusals| Error::Invalid(refusals.into_iter().map(refuse).collect()))?;
    let created = Created { subscription_id: None, status: "awaits_checkout", redirect_to_stripe: url };
    Ok((StatusCode::CREATED, axum::Json(created)))
}

fn refuse(refusal: Refusal) -> FieldError {
    let error = FieldError::new(field(refusal.field()), refusal.key());
    match refusal {
        Refusal::CurrencyLocked(currency) => error.with("currency", currency.code()),
        Refusal::Quantity => error.with("most", MAX_QUANTITY),
        Refusal::TrialTooLong(most) => error.with("most", i64::from(most)),
        _ => error,
    }
}
