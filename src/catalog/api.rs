//! `GET /plans`: what is for sale.

use axum::extract::{Path, State};
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::product::Limit as PlanLimit;
use super::{Interval, Offer, Plan as Row, store};
use crate::api::fields::parsed;
use crate::api::{Fields, Input, MaybeCaller, Query};
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::i18n::Language;
use crate::money::Currency;
use crate::subscription;
use crate::tenants::Tenant;

/// The endpoints of the catalogue.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(plans)).routes(routes!(plan))
}

/// Plans in the order of the pricing page.
#[derive(Debug, Serialize, ToSchema)]
struct Plans {
    data: Vec<Plan>,
}

/// A plan.
#[derive(Debug, Serialize, ToSchema)]
struct Plan {
    /// Stripe's product.
    id: String,
    /// How the other endpoints may call it, too.
    #[schema(example = "professional")]
    slug: String,
    /// In the language of `Accept-Language`.
    name: String,
    plan_type: PlanType,
    description: Option<String>,
    /// Minor units of `currency` for a month; null where it is not sold so.
    #[schema(example = 9900)]
    price_monthly: Option<i64>,
    /// Minor units of `currency` for a year; null where it is not sold so.
    #[schema(example = 99000)]
    price_yearly: Option<i64>,
    #[schema(example = "eur")]
    currency: String,
    /// Everything that it costs, in every currency.
    prices: Vec<Price>,
    /// Ids of what it unlocks.
    features: Vec<String>,
    /// What the pricing page says of it.
    marketing_features: Vec<String>,
    limits: Vec<Limit>,
    /// Whether `quantity` counts seats.
    per_seat: bool,
    /// Days that are free for a tenant that never had a trial.
    trial_days: u16,
    /// Marked on the pricing page.
    highlighted: bool,
}

/// What kind of plan it is: one of the three of the default catalogue, or one of your own.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum PlanType {
    Starter,
    Professional,
    Enterprise,
    Custom,
}

/// A price in one currency.
#[derive(Debug, Serialize, ToSchema)]
struct Price {
    /// Stripe's price.
    id: String,
    /// `month` or `year`, as a rule; `day` and `week` are possible.
    #[schema(example = "month")]
    interval: &'static str,
    /// Every how many intervals.
    interval_count: i64,
    currency: String,
    /// Minor units.
    amount: i64,
}

/// How much of a metric it contains.
#[derive(Debug, Serialize, ToSchema)]
struct Limit {
    #[schema(example = "messages")]
    metric_type: String,
    /// Null: unlimited.
    limit_value: Option<i64>,
    /// Whether it can never be passed; a soft limit is passed and reported.
    is_hard_limit: bool,
}

/// What may be asked of plans.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the description of the query")]
struct Asked {
    /// The currency of `price_monthly` and `price_yearly` [default: the catalogue's].
    #[param(required = false, pattern = "^[A-Za-z]{3}$", example = "eur")]
    currency: Option<String>,
}

struct In {
    currency: Option<Currency>,
}

impl Input for In {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { currency: fields.optional("currency", parsed("api-currency"))? })
    }
}

/// List the plans for sale.
///
/// Plans that were made for chosen tenants are shown to these alone, with a credential.
#[utoipa::path(
    get, path = "/plans", tag = "plans", operation_id = "list_plans", params(Asked), security(()),
    responses((status = 200, description = "The plans, in the order of the pricing page.", body = Plans))
)]
async fn plans(
    State(app): State<App>,
    MaybeCaller(caller): MaybeCaller,
    Query(asked): Query<In>,
    headers: HeaderMap,
) -> Result<axum::Json<Plans>> {
    let offer = store::offer(&mut app.db.read().await?).await?;
    let ids = caller.as_ref().and_then(|caller| caller.tenant()).map(Tenant::ids).unwrap_or_default();
    let currency = asked.currency.unwrap_or(app.catalog.currency);
    let language = language(&headers);
    let plans = offer.plans.iter().filter(|plan| plan.is_for_sale_to(&ids));
    Ok(axum::Json(Plans { data: plans.map(|plan| shown(plan, currency, language)).collect() }))
}

/// Show one plan, by its id or its slug.
///
/// With a credential also the plan that the tenant has, when it is not for sale any more.
#[utoipa::path(
    get, path = "/plans/{id}", tag = "plans", operation_id = "get_plan", security(()),
    params(("id" = String, Path, description = "Id or slug of the plan."), Asked),
    responses((status = 200, description = "The plan.", body = Plan))
)]
async fn plan(
    State(app): State<App>,
    MaybeCaller(caller): MaybeCaller,
    Path(id): Path<String>,
    Query(asked): Query<In>,
    headers: HeaderMap,
) -> Result<axum::Json<Plan>> {
    let mut tx = app.db.read().await?;
    let offer = store::offer(&mut tx).await?;
    let tenant = caller.as_ref().and_then(|caller| caller.tenant());
    let ids = tenant.map(Tenant::ids).unwrap_or_default();
    let plan = match (offer.plan_for_sale(&id, &ids), tenant) {
        (Some(plan), _) => Some(plan),
        (None, Some(tenant)) => own(&mut tx, &offer, tenant).await?.filter(|plan| plan.is_called(&id)),
        (None, None) => None,
    };
    drop(tx);
    let plan = plan.ok_or(Error::NotFound)?;
    let currency = asked.currency.unwrap_or(app.catalog.currency);
    Ok(axum::Json(shown(plan, currency, language(&headers))))
}

/// The plan that a tenant has.
async fn own<'a>(tx: &mut Tx, offer: &'a Offer, tenant: &Tenant) -> Result<Option<&'a Row>> {
    let billing = subscription::store::billing(tx, tenant.id.as_str()).await?;
    Ok(billing.live().and_then(|live| offer.plan_of_price(live.price_id.as_deref()?)))
}

fn language(headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).map(HeaderValue::to_str);
    accepted.and_then(|value| Language::from_accept(value.ok()?)).unwrap_or_default()
}

fn shown(plan: &Row, currency: Currency, language: Language) -> Plan {
    let price = |interval| plan.price(interval, currency).and_then(|price| price.amount(currency));
    Plan {
        id: plan.product_id.clone(),
        slug: plan.slug.clone(),
        name: plan.name(language).to_owned(),
        plan_type: match plan.slug.as_str() {
            _ if plan.facts.hidden => PlanType::Custom,
            "starter" => PlanType::Starter,
            "professional" => PlanType::Professional,
            "enterprise" => PlanType::Enterprise,
            _ => PlanType::Custom,
        },
        description: plan.description(language).map(str::to_owned),
        price_monthly: price(Interval::Month).map(|money| money.minor),
        price_yearly: price(Interval::Year).map(|money| money.minor),
        currency: currency.code().to_owned(),
        prices: prices(plan),
        features: plan.facts.features.clone(),
        marketing_features: plan.marketing_features(language).to_vec(),
        limits: plan.facts.limits.iter().map(|(metric, limit)| limit_of(metric, *limit)).collect(),
        per_seat: plan.facts.per_seat,
        trial_days: plan.facts.trial_days,
        highlighted: plan.facts.highlighted,
    }
}

fn prices(plan: &Row) -> Vec<Price> {
    let sold = plan.prices.iter().filter(|price| price.active && !price.metered);
    sold.flat_map(|price| {
        price.amounts.iter().filter_map(|(currency, amount)| {
            Some(Price {
                id: price.id.clone(),
                interval: price.interval.as_str(),
                interval_count: price.interval_count,
                currency: currency.code().to_owned(),
                amount: amount.unit?,
            })
        })
    })
    .collect()
}

fn limit_of(metric: &str, limit: PlanLimit) -> Limit {
    Limit { metric_type: metric.to_owned(), limit_value: limit.limit, is_hard_limit: limit.hard }
}
