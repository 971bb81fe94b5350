//! `GET /subscription` and `POST /portal`: what a tenant has, and the way into Stripe's customer portal.

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Billing, Subscription as Row, Task, portal, store};
use crate::access::{self, Access};
use crate::api::fields::one_of;
use crate::api::view::{percent, told};
use crate::api::{Caller, Fields, Input, Json, TenantAdministrator, TenantReader};
use crate::app::App;
use crate::catalog::policy::MetricKind;
use crate::catalog::{self, Offer, Plan as Known};
use crate::clock::from_seconds;
use crate::error::Result;
use crate::stripe::Budget;
use crate::tenants::Tenant;
use crate::usage::{self, MetricUse};

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(subscription)).routes(routes!(open_portal))
}

/// What a tenant has.
#[derive(Debug, Serialize, ToSchema)]
pub struct Current {
    /// Null: no subscription is in force, the free plan holds.
    data: Option<Subscription>,
}

/// A subscription.
#[derive(Debug, Serialize, ToSchema)]
pub struct Subscription {
    /// Stripe's subscription.
    #[schema(example = "sub_1PqLk2eZvKYlo2C8xQ0mNabc")]
    id: String,
    /// Null where the subscription is of no plan of the catalogue.
    plan: Option<Plan>,
    /// Stripe's word: `trialing`, `active`, `past_due`, `unpaid`, `canceled`, `incomplete`, `incomplete_expired` or `paused`.
    #[schema(example = "active")]
    status: String,
    /// `month` or `year`, as a rule.
    #[schema(example = "month")]
    billing_interval: Option<&'static str>,
    /// Seats, where the plan is sold by seat; otherwise 1.
    quantity: i64,
    #[schema(example = "eur")]
    currency: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    current_period_start: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    current_period_end: Option<Timestamp>,
    /// When the trial ends, or ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    trial_end: Option<Timestamp>,
    /// Whether it ends with its period.
    cancel_at_period_end: bool,
    /// When it ends, if it was cancelled ahead.
    #[schema(value_type = Option<String>, format = DateTime)]
    cancel_at: Option<Timestamp>,
    /// When it was cancelled.
    #[schema(value_type = Option<String>, format = DateTime)]
    canceled_at: Option<Timestamp>,
    /// A change that was agreed for later.
    pending_change: Option<PendingChange>,
    /// A change waits for its payment; until then the old plan is in force.
    awaits_payment: bool,
    access: AccessShown,
    usage: Vec<Usage>,
}

/// A plan, in short.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanInShort)]
pub struct Plan {
    /// Stripe's product.
    id: String,
    #[schema(example = "professional")]
    slug: String,
    /// In the tenant's language.
    #[schema(example = "Professional")]
    name: String,
}

impl Plan {
    /// A plan in the language of a tenant.
    pub fn new(plan: &Known, tenant: &Tenant) -> Self {
        let name = plan.name(tenant.language).to_owned();
        Self { id: plan.product_id.clone(), slug: plan.slug.clone(), name }
    }
}

/// A change that was agreed for later.
#[derive(Debug, Serialize, ToSchema)]
struct PendingChange {
    plan: Option<Plan>,
    #[schema(example = "month")]
    billing_interval: Option<&'static str>,
    quantity: i64,
    #[schema(value_type = String, format = DateTime)]
    effective_at: Timestamp,
}

/// What may be done at this moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessInShort)]
struct AccessShown {
    /// `full`, `read_only` or `blocked`; with a token, for its role.
    #[schema(example = "full")]
    level: &'static str,
    /// Why: `active`, `trial`, `past_due`, `overdue`, `unpaid`, `paused`, …
    #[schema(example = "active")]
    reason: &'static str,
}

/// How much of a metric is used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageInShort)]
struct Usage {
    #[schema(example = "messages")]
    metric_type: String,
    /// The sum of the period, or the level.
    #[schema(example = 4200)]
    current_value: i64,
    /// Null: unlimited.
    #[schema(example = 10000)]
    limit_value: Option<i64>,
    /// Per cent of the limit, above 100 where a soft one was passed; null without a limit.
    #[schema(example = 42.0)]
    percentage_used: Option<f64>,
}

impl Current {
    /// The tenant's subscription that is in force, for a caller.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn of(app: &App, tenant: &Tenant, caller: &Caller) -> Result<Self> {
        Self::look(app, tenant, caller, |billing| billing.live()).await
    }

    /// The one in force, or the latest that was: the answer to what has just been done with it.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn latest(app: &App, tenant: &Tenant, caller: &Caller) -> Result<Self> {
        Self::look(app, tenant, caller, |billing| billing.subscription.as_ref()).await
    }

    async fn look(
        app: &App,
        tenant: &Tenant,
        caller: &Caller,
        which: impl FnOnce(&Billing) -> Option<&Row>,
    ) -> Result<Self> {
        let now = app.clock.now();
        let mut tx = app.db.read().await?;
        let billing = store::billing(&mut tx, tenant.id.as_str()).await?;
        let Some(row) = which(&billing) else { return Ok(Self { data: None }) };
        let offer = catalog::store::offer(&mut tx).await?;
        let dunning = &app.catalog.dunning;
        let access =
            access::store::of_tenant(&mut tx, tenant.id.as_str(), caller.role(), dunning, now).await?;
        let summary = usage::store::summary(&mut tx, &tenant.id, &app.catalog, now).await?;
        drop(tx);
        let metrics = summary.map(|summary| summary.metrics).unwrap_or_default();
        Ok(Self { data: Some(shown(row, tenant, &offer, access, &metrics)) })
    }
}

fn shown(row: &Row, tenant: &Tenant, offer: &Offer, access: Access, metrics: &[MetricUse]) -> Subscription {
    let price = |id: Option<&str>| {
        let plan = offer.plan_of_price(id?)?;
        plan.prices.iter().find(|price| Some(price.id.as_str()) == id).map(|price| (plan, price))
    };
    let interval = |id| price(id).map(|(_, price)| price.interval.as_str());
    let plan = |id| price(id).map(|(plan, _)| Plan::new(plan, tenant));
    let id = row.price_id.as_deref();
    let counted = metrics.iter().filter(|metric| metric.kind != MetricKind::Rate);
    Subscription {
        id: row.id.to_string(),
        plan: plan(id),
        status: row.status.as_str().to_owned(),
        billing_interval: interval(id),
        quantity: row.quantity,
        currency: row.currency.code().to_owned(),
        current_period_start: row.period_start,
        current_period_end: row.period_end,
        trial_end: row.trial_end,
        cancel_at_period_end: row.cancel_at.is_some() && row.cancel_at == row.period_end,
        cancel_at: row.cancel_at,
        canceled_at: row.canceled_at,
        pending_change: row.pending_change.as_ref().map(|change| {
            let id = change.price.as_deref().or(id);
            PendingChange {
                plan: plan(id),
                billing_interval: interval(id),
                quantity: change.quantity.unwrap_or(row.quantity),
                effective_at: from_seconds(change.at),
            }
        }),
        awaits_payment: row.pending_update,
        access: AccessShown { level: access.level.as_str(), reason: access.reason.as_str() },
        usage: counted
            .map(|metric| Usage {
                metric_type: metric.metric.clone(),
                current_value: metric.standing.used,
                limit_value: metric.standing.limit.limit,
                percentage_used: percent(metric.standing.share()),
            })
            .collect(),
    }
}

/// Show the subscription that is in force.
///
/// Asks the portal's own rows, never Stripe. `data` is null for a tenant without one: it is on the free plan.
#[utoipa::path(
    get, path = "/subscription", tag = "subscription", operation_id = "get_subscription",
    security(("key" = ["billing:read"]), ("token" = ["owner", "admin", "supervisor"])),
    responses((status = 200, description = "The subscription, or null.", body = Current))
)]
async fn subscription(State(app): State<App>, reader: TenantReader) -> Result<axum::Json<Current>> {
    Current::of(&app, &reader.tenant, &reader.caller).await.map(axum::Json)
}

/// Where in Stripe's customer portal a visit begins, and where it ends.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OpenPortal)]
#[expect(dead_code, reason = "the description of the body")]
struct Asked {
    /// A single task; absent is the whole portal.
    flow: Option<Flow>,
    /// Where the visitor comes back to: a path of the portal, or a whole address at its own origin [default: the overview].
    #[schema(max_length = 2000, example = "/invoices")]
    return_url: Option<String>,
}

/// A task in Stripe's customer portal.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", as = PortalFlow)]
#[expect(dead_code, reason = "the description of the body")]
enum Flow {
    PaymentMethodUpdate,
    SubscriptionCancel,
    SubscriptionUpdate,
}

struct Errand {
    task: Task,
    return_url: Option<String>,
}

impl Input for Errand {
    fn read(fields: &mut Fields) -> Option<Self> {
        let tasks = [
            ("payment_method_update", Task::PaymentMethod),
            ("subscription_cancel", Task::Cancel),
            ("subscription_update", Task::Update),
        ];
        let task = fields.or("flow", Task::Whole, one_of(&tasks));
        let return_url = fields.own_path("return_url");
        Some(Self { task: task?, return_url: return_url? })
    }
}

/// A page to send the browser to.
#[derive(Debug, Serialize, ToSchema)]
struct Link {
    /// Stripe's customer portal, for this visit alone: send the browser there at once.
    #[schema(example = "https://billing.stripe.com/p/session/test_YWNjdF8x")]
    url: String,
}

/// Open Stripe's customer portal.
///
/// The address is good for one visit, within minutes.
#[utoipa::path(
    post, path = "/portal", tag = "subscription", operation_id = "open_portal", request_body = Asked,
    security(("key" = ["billing:write"]), ("token" = ["owner", "admin"])),
    responses((status = 200, description = "The address of the visit.", body = Link))
)]
async fn open_portal(
    State(app): State<App>,
    manager: TenantAdministrator,
    Json(errand): Json<Errand>,
) -> Result<axum::Json<Link>> {
    let next = errand.return_url.as_deref().unwrap_or("/");
    let tenant = &manager.tenant;
    let url =
        portal::open(&app, tenant, errand.task, next, tenant.language, Budget::page()).await.map_err(told)?;
    Ok(axum::Json(Link { url }))
}
