//! `POST /subscription/preview` and `PUT /subscription/update`: what a change costs, and making it.

mod preview;

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::quote::{Fault, Quote};
use super::{Outcome, Refusal, Timing, Wish, act};
use crate::api::fields::{integer, one_of, text};
use crate::api::view::{named, told};
use crate::api::{Draft, Fields, Input, TenantManager};
use crate::app::App;
use crate::catalog::Interval;
use crate::checkout::MAX_QUANTITY;
use crate::clock::from_seconds;
use crate::details;
use crate::details::api::{AddressShown, BillingDetails, NewTaxId};
use crate::details::change::Change as DetailsChange;
use crate::error::{Error, FieldError, Result};
use crate::stripe::Budget;
use crate::subscription::api::Current;
use crate::tenants::Tenant;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(preview::preview)).routes(routes!(update))
}

/// What the subscription is to become.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedPlan)]
#[expect(dead_code, reason = "the description of the body")]
struct Wanted {
    /// Id or slug of the plan.
    #[schema(min_length = 1, max_length = 100, example = "professional")]
    plan_id: String,
    billing_interval: BillingInterval,
    /// Seats, where the plan is sold by seat [default: as many as now].
    #[schema(minimum = 1, maximum = 10000)]
    quantity: Option<i64>,
}

/// How often it is charged.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum BillingInterval {
    /// Every day.
    Day,
    /// Every week.
    Week,
    /// Every month.
    Month,
    /// Every year.
    Year,
}

/// The intervals, by their words.
pub const INTERVALS: [(&str, Interval); 4] =
    [("month", Interval::Month), ("year", Interval::Year), ("week", Interval::Week), ("day", Interval::Day)];

impl Input for Wish {
    fn read(fields: &mut Fields) -> Option<Self> {
        let plan = fields.required("plan_id", text(1, 100));
        let interval = fields.required("billing_interval", one_of(&INTERVALS));
        let quantity = fields.optional("quantity", integer(1, MAX_QUANTITY));
        Some(wish(plan, interval, quantity.flatten()))
    }
}

fn wish(plan: Option<String>, interval: Option<Interval>, quantity: Option<i64>) -> Wish {
    Wish {
        plan: plan.unwrap_or_default(),
        interval: interval.map(|interval| interval.as_str().to_owned()).unwrap_or_default(),
        quantity: quantity.map(|quantity| quantity.to_string()),
    }
}

fn effective_at(timing: Timing, now: Timestamp) -> Timestamp {
    match timing {
        Timing::Now => now,
        Timing::PeriodEnd(at) => from_seconds(at),
    }
}

fn refuse(refusal: Refusal) -> Error {
    match act::refused(refusal) {
        Error::Invalid(wrong) => Error::Invalid(wrong.into_iter().map(named).collect()),
        state => told(state),
    }
}

/// The fields that are wrong; what else stands in the way waits until they are right.
fn wrong<T>(judged: Result<T>) -> Vec<FieldError> {
    match judged {
        Err(Error::Invalid(wrong)) => wrong,
        _ => Vec::new(),
    }
}

/// A change: the quote of a preview, what the subscription is to become, or billing details. One of the three at a time.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the description of the body")]
struct UpdateSubscription {
    /// The quote of a preview: exactly what it says is charged, or nothing.
    #[schema(min_length = 1, max_length = 10000)]
    quote: Option<String>,
    /// Without a quote: id or slug of the plan. A fresh preview is taken and made.
    #[schema(min_length = 1, max_length = 100, example = "professional")]
    plan_id: Option<String>,
    /// With `plan_id`.
    billing_interval: Option<BillingInterval>,
    /// With `plan_id`: seats, where the plan is sold by seat [default: as many as now].
    #[schema(minimum = 1, maximum = 10000)]
    quantity: Option<i64>,
    /// Billing details: the name on invoices. What is not named stays.
    #[schema(min_length = 1, max_length = 200, example = "Norte Logistics SL")]
    name: Option<String>,
    /// Billing details: where bills go.
    #[schema(min_length = 3, max_length = 254, format = Email)]
    email: Option<String>,
    /// Billing details: the address.
    address: Option<AddressShown>,
    /// Billing details: all tax ids there are to be. Others are removed.
    #[schema(max_items = 5)]
    tax_ids: Option<Vec<NewTaxId>>,
}

enum Asked {
    Quote(String),
    Wish(Wish),
    Details(DetailsChange),
}

impl Input for Asked {
    fn read(fields: &mut Fields) -> Option<Self> {
        let named = |names: &[&'static str]| -> Vec<&'static str> {
            names.iter().copied().filter(|name| fields.has(name)).collect()
        };
        let of_details = !named(&["name", "email", "address", "tax_ids"]).is_empty();
        let others = named(&["quote", "plan_id", "billing_interval", "quantity"]);
        let quote = fields.optional("quote", text(1, 10_000));
        let plan = fields.optional("plan_id", text(1, 100));
        let interval = fields.optional("billing_interval", one_of(&INTERVALS));
        let quantity = fields.optional("quantity", integer(1, MAX_QUANTITY));
        let details = details::api::read(fields);
        match (of_details, others.as_slice()) {
            (true, []) => return Some(Self::Details(details)),
            (true, beside) => beside.iter().for_each(|name| fields.refuse_with(name, "change-details-alone")),
            (false, ["quote"]) => return Some(Self::Quote(quote??)),
            (false, ["quote", ..]) => fields.refuse_with("quote", "change-quote-alone"),
            (false, others) => {
                let missing =
                    ["plan_id", "billing_interval"].into_iter().filter(|name| !others.contains(name));
                missing.for_each(|name| fields.refuse_with(name, "change-or-quote"));
                return Some(Self::Wish(wish(plan.flatten(), interval.flatten(), quantity.flatten())));
            }
        }
        None
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ChangeStatus {
    /// It is in force.
    Changed,
    /// It will be at the end of the period.
    Scheduled,
    /// The payment failed or asks for authentication: the old plan stays in force until the open invoice is paid.
    AwaitsPayment,
    /// It is what there was.
    Unchanged,
}

/// A change that was made.
#[derive(Debug, Serialize, ToSchema)]
struct Updated {
    status: ChangeStatus,
    /// When it takes, or took, effect.
    #[schema(value_type = String, format = DateTime)]
    effective_at: Timestamp,
    /// What was charged, in minor units of the subscription's currency.
    charged: i64,
    /// The billing details as they are now; null where the change was one of the subscription.
    billing_details: Option<BillingDetails>,
    #[serde(flatten)]
    current: Current,
}

/// Change plan, interval or seats, or billing details.
///
/// With the quote of a preview, exactly what was shown is charged; where the subscription or the amount has changed since,
/// nothing is, and the answer is 409 `changed_meanwhile`; a quote that is too old gets 410 `quote_expired`. The same quote twice
/// makes one change.
///
/// Billing details need no subscription and charge nothing; they count from the next invoice on. What is not named stays. Stripe
/// checks addresses and tax ids: what it refuses is named with 400, what came before it in the request is kept, and the
/// corrected request does the rest.
#[utoipa::path(
    put, path = "/subscription/update", tag = "subscription", operation_id = "update_subscription",
    request_body = UpdateSubscription,
    security(("key" = ["billing:write"]), ("token" = ["owner", "admin"])),
    responses((status = 200, description = "What became of it, and the subscription as it is now.", body = Updated))
)]
async fn update(
    State(app): State<App>,
    manager: TenantManager,
    draft: Draft<Asked>,
) -> Result<axum::Json<Updated>> {
    let (tenant, caller, now) = (&manager.tenant, &manager.caller, app.clock.now());
    let budget = Budget::page();
    if draft.is_wrong() {
        let meaning = meaning(&app, tenant, &draft.value).await?;
        return Err(draft.refused(meaning));
    }
    let quote = match draft.value {
        Asked::Quote(text) => Some(open(&app, tenant, &text)?),
        Asked::Wish(wish) => fresh(&app, tenant, &wish, budget).await?,
        Asked::Details(change) => return save_details(&app, &manager, &change, budget).await.map(axum::Json),
    };
    let (status, effective_at, charged) = match &quote {
        None => (ChangeStatus::Unchanged, now, 0),
        Some(quote) => {
            let outcome = act::confirm(&app, tenant, &caller.actor(), quote, budget).await.map_err(told)?;
            let (status, charged) = match outcome {
                Outcome::Changed => (ChangeStatus::Changed, quote.due_today),
                Outcome::Scheduled => (ChangeStatus::Scheduled, 0),
                Outcome::WaitsForPayment => (ChangeStatus::AwaitsPayment, 0),
            };
            (status, effective_at(quote.timing, from_seconds(quote.proration_date)), charged)
        }
    };
    let current = Current::of(&app, tenant, caller).await?;
    Ok(axum::Json(Updated { status, effective_at, charged, billing_details: None, current }))
}

/// The fields of an update that mean nothing to us; Stripe is not asked.
async fn meaning(app: &App, tenant: &Tenant, asked: &Asked) -> Result<Vec<FieldError>> {
    match asked {
        Asked::Quote(text) => Ok(wrong(open(app, tenant, text))),
        Asked::Wish(wish) => {
            let facts = super::facts(app, tenant).await?;
            Ok(wrong(super::decide(wish, tenant, &facts).map_err(refuse)))
        }
        Asked::Details(change) => details::judge(app, tenant, change).await,
    }
}

async fn save_details(
    app: &App,
    manager: &TenantManager,
    change: &DetailsChange,
    budget: Budget,
) -> Result<Updated> {
    let (tenant, caller) = (&manager.tenant, &manager.caller);
    let differed = details::change(app, tenant, &caller.actor(), change, budget).await?;
    let known = details::store::known(&mut app.db.read().await?, tenant.id.as_str()).await?;
    Ok(Updated {
        status: if differed { ChangeStatus::Changed } else { ChangeStatus::Unchanged },
        effective_at: app.clock.now(),
        charged: 0,
        billing_details: known.map(BillingDetails::from),
        current: Current::of(app, tenant, caller).await?,
    })
}

fn open(app: &App, tenant: &Tenant, text: &str) -> Result<Quote> {
    let key = app.stripe.derive_key("quote");
    Quote::open(text, &key, tenant.id.as_str(), app.clock.now()).map_err(|fault| match fault {
        Fault::Forged => Error::field("quote", "change-no-quote"),
        Fault::Expired(_) => told(Error::Gone { reason: "change-expired", way_on: None }),
    })
}

/// A quote of this moment; none where there is nothing to change.
async fn fresh(app: &App, tenant: &Tenant, wish: &Wish, budget: Budget) -> Result<Option<Quote>> {
    let facts = super::facts(app, tenant).await?;
    let (from, to) = match super::decide(wish, tenant, &facts) {
        Ok(sides) => sides,
        Err(Refusal::Same) => return Ok(None),
        Err(refusal) => return Err(refuse(refusal)),
    };
    let review = super::review(app, tenant, &facts, &from, &to, budget).await.map_err(told)?;
    Ok(Some(review.quote))
}
