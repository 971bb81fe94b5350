//! The pricing page.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;

use super::policy::Catalog;
use super::pricing::{self, Action, Cell, Compared, Looker, Shown};
use super::{Interval, Offer, store};
use crate::app::App;
use crate::auth::{Administrator, Visitor};
use crate::error::{FieldError, Result};
use crate::money::Currency;
use crate::subscription::view::{Banner, Help};
use crate::subscription::{self, Billing};
use crate::tenants::Tenant;
use crate::web::{Html, Page};

/// The routes of the catalogue.
pub fn router() -> Router<App> {
    Router::new().route("/plans", get(plans))
}

/// What the address of the pricing page says.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    interval: String,
    #[serde(default)]
    currency: String,
}

/// What was typed into one of the page's forms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typed {
    pub(crate) plan: String,
    pub(crate) interval: String,
    pub(crate) currency: Option<String>,
    pub(crate) quantity: Option<String>,
}

/// Who looks at the page.
#[derive(Clone, Copy, Debug, Default)]
struct Eyes<'a> {
    tenant: Option<&'a Tenant>,
    signed_in: bool,
    may_buy: bool,
}

/// A switch between intervals or currencies: a link that works without script.
struct Choice {
    name: String,
    query: String,
    is_current: bool,
    saving: Option<String>,
}

/// A plan in its column.
struct Card {
    slug: String,
    name: String,
    description: String,
    price: Option<String>,
    per: String,
    note: String,
    features: Vec<String>,
    is_highlighted: bool,
    is_current: bool,
    per_seat: bool,
    /// Seats there are, or one; or what was typed.
    seats: String,
    action: Action,
}

#[derive(Template)]
#[template(path = "catalog/plans.html")]
struct Plans {
    page: Page,
    banner: Option<Banner>,
    intervals: Vec<Choice>,
    currencies: Vec<Choice>,
    locked: Option<String>,
    cards: Vec<Card>,
    names: Vec<String>,
    comparison: Vec<Compared>,
    metered: Vec<String>,
    interval: Interval,
    currency: Currency,
    may_change: bool,
    here: String,
}

async fn plans(
    page: Page,
    State(app): State<App>,
    Visitor(visitor): Visitor,
    Query(asked): Query<Asked>,
) -> Result<Html<Plans>> {
    let at = visitor.as_ref().and_then(|visitor| visitor.at.as_ref()).filter(|at| at.role.reads_billing());
    let eyes = Eyes {
        tenant: at.map(|at| &at.tenant),
        signed_in: visitor.is_some(),
        may_buy: at.is_some_and(|at| at.role.manages_billing()),
    };
    pricing_page(page, &app, eyes, &asked, None).await.map(Html)
}

/// The page again, with what was typed and the errors that `page` has.
pub(crate) async fn again(page: Page, app: &App, who: &Administrator, typed: Typed) -> Result<Response> {
    let eyes = Eyes { tenant: Some(&who.tenant), signed_in: true, may_buy: true };
    let asked =
        Asked { interval: typed.interval.clone(), currency: typed.currency.clone().unwrap_or_default() };
    let shown = pricing_page(page, app, eyes, &asked, Some(&typed)).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(shown)).into_response())
}

async fn pricing_page(
    page: Page,
    app: &App,
    eyes: Eyes<'_>,
    asked: &Asked,
    typed: Option<&Typed>,
) -> Result<Plans> {
    let mut tx = app.db.read().await?;
    let offer = store::offer(&mut tx).await?;
    let billing = match eyes.tenant {
        Some(tenant) => subscription::store::billing(&mut tx, tenant.id.as_str()).await?,
        None => Billing::default(),
    };
    drop(tx);

    let ids = eyes.tenant.map(Tenant::ids).unwrap_or_default();
    let live = billing.live();
    let looker = Looker {
        ids: &ids,
        may_buy: eyes.may_buy,
        signed_in: eyes.signed_in,
        trial_used: billing.trial_used,
        current: live.and_then(|live| Some((live.product_id.as_deref()?, live.price_id.as_deref()))),
    };
    let locked = billing.customer.as_ref().and_then(|customer| customer.currency);
    let currencies = pricing::currencies(&offer, app.catalog.currency);
    let currency = locked.unwrap_or_else(|| asked_currency(asked, &currencies, app.catalog.currency));
    let interval = asked_interval(asked, &offer, &billing);
    let shown = pricing::shown(&offer, &looker, interval, currency);
    let seats = live.map_or(1, |live| live.quantity);
    let cards = shown.iter().map(|shown| {
        let typed = typed.filter(|typed| shown.plan.is_called(&typed.plan));
        let typed = typed.and_then(|typed| typed.quantity.clone());
        card(&page, shown, interval, typed.unwrap_or_else(|| seats.to_string()))
    });
    let cards = cards.collect();
    let page = beside(page, typed, &shown);
    Ok(Plans {
        banner: billing
            .subscription
            .as_ref()
            .and_then(|subscription| Banner::new(&page, &billing, subscription)),
        intervals: interval_choices(&page, &shown, interval, currency),
        currencies: if locked.is_some() {
            Vec::new()
        } else {
            currency_choices(&currencies, interval, currency)
        },
        locked: locked.filter(|_| currencies.len() > 1).map(|currency| currency.code().to_ascii_uppercase()),
        cards,
        names: shown.iter().map(|shown| shown.plan.name(page.language()).to_owned()).collect(),
        comparison: pricing::comparison(&app.catalog, &shown, page.language()),
        metered: metered(&page, &app.catalog, &offer, interval, currency),
        here: form_urlencoded::byte_serialize(page.here().as_bytes()).collect(),
        may_change: looker.may_buy,
        interval,
        currency,
        page,
    })
}

/// The errors at the places of this page: seats stand in the form of their plan, and a plan that is not shown has none.
fn beside(page: Page, typed: Option<&Typed>, shown: &[Shown<'_>]) -> Page {
    let Some(typed) = typed else { return page };
    let own = shown.iter().find(|shown| shown.plan.is_called(&typed.plan));
    let errors = page.errors().iter().cloned().map(|error| {
        let field = match (error.field.as_str(), own) {
            ("quantity", Some(own)) => format!("quantity-{}", own.plan.slug),
            ("plan", Some(own)) => format!("plan-{}", own.plan.slug),
            ("quantity", None) => "plan".to_owned(),
            (same, _) => same.to_owned(),
        };
        FieldError { field, ..error }
    });
    let errors = errors.collect();
    page.with_errors(errors)
}

/// The currency asked for, if a plan has it.
fn asked_currency(asked: &Asked, known: &[Currency], default: Currency) -> Currency {
    asked.currency.parse().ok().filter(|currency| known.contains(currency)).unwrap_or(default)
}

/// The interval asked for, else the one that the tenant pays by, else the month.
fn asked_interval(asked: &Asked, offer: &Offer, billing: &Billing) -> Interval {
    let paid_by = || {
        let price = billing.live()?.price_id.as_deref()?;
        offer.plans.iter().flat_map(|plan| &plan.prices).find(|own| own.id == price).map(|own| own.interval)
    };
    match asked.interval.parse().ok().or_else(paid_by) {
        Some(Interval::Year) => Interval::Year,
        _ => Interval::Month,
    }
}

fn interval_choices(page: &Page, shown: &[Shown<'_>], interval: Interval, currency: Currency) -> Vec<Choice> {
    let saving = pricing::saving(shown, currency)
        .map(|percent| page.ta("catalog-save", [("share", page.percent(percent * 100))]));
    let choice = |of: Interval, name: &str, saving| Choice {
        name: page.t(name),
        query: format!("interval={of}&currency={currency}"),
        is_current: of == interval,
        saving,
    };
    vec![choice(Interval::Month, "catalog-monthly", None), choice(Interval::Year, "catalog-yearly", saving)]
}

fn currency_choices(known: &[Currency], interval: Interval, currency: Currency) -> Vec<Choice> {
    let choice = |of: &Currency| Choice {
        name: of.code().to_ascii_uppercase(),
        query: format!("interval={interval}&currency={of}"),
        is_current: *of == currency,
        saving: None,
    };
    if known.len() > 1 { known.iter().map(choice).collect() } else { Vec::new() }
}

fn card(page: &Page, shown: &Shown<'_>, interval: Interval, seats: String) -> Card {
    let plan = shown.plan;
    let note = match (shown.action, &shown.instead_of) {
        (Action::Buy { trial_days }, _) if trial_days > 0 => page.ta("catalog-trial", [("days", trial_days)]),
        (_, Some(months)) => page.ta("catalog-instead-of", [("price", page.money_short(months))]),
        (_, None) if interval == Interval::Year => page.t("catalog-billed-yearly"),
        (_, None) => page.t("catalog-billed-monthly"),
    };
    Card {
        slug: plan.slug.clone(),
        name: plan.name(page.language()).to_owned(),
        description: plan.description(page.language()).unwrap_or_default().to_owned(),
        price: shown.price.as_ref().map(|price| page.money_short(price)),
        per: page.t(per(interval, plan.facts.per_seat)),
        note,
        features: plan.marketing_features(page.language()).to_vec(),
        is_highlighted: plan.facts.highlighted,
        is_current: shown.is_current,
        per_seat: plan.facts.per_seat,
        seats,
        action: shown.action,
    }
}

/// The key of the words behind a price.
pub(crate) fn per(interval: Interval, per_seat: bool) -> &'static str {
    match (interval, per_seat) {
        (Interval::Day, false) => "catalog-per-day",
        (Interval::Day, true) => "catalog-per-seat-day",
        (Interval::Week, false) => "catalog-per-week",
        (Interval::Week, true) => "catalog-per-seat-week",
        (Interval::Month, false) => "catalog-per-month",
        (Interval::Month, true) => "catalog-per-seat-month",
        (Interval::Year, false) => "catalog-per-year",
        (Interval::Year, true) => "catalog-per-seat-year",
    }
}

/// A line for each thing that is billed after use: “AI tokens: €3.00 for 1,000,000, billed after use”.
fn metered(
    page: &Page,
    catalog: &Catalog,
    offer: &Offer,
    interval: Interval,
    currency: Currency,
) -> Vec<String> {
    let line = |metered: &super::Metered| {
        let price = metered.price(interval, currency).or_else(|| metered.price(Interval::Month, currency))?;
        let amount = price.amounts.get(&currency)?;
        let decimal = amount.decimal.clone().or_else(|| amount.unit.map(|unit| unit.to_string()))?;
        let declared = catalog.metered.iter().find(|declared| declared.metric == metered.metric);
        let units = declared.map_or(1, |declared| declared.shown_per);
        let name = catalog
            .metric(&metered.metric)
            .map_or(metered.metric.as_str(), |m| pricing::words(&m.name, page.language()));
        let cost = page.language().unit_price(&decimal, units, currency)?;
        let args = [("name", page.arg(name)), ("price", page.arg(&cost)), ("units", page.arg(&units))];
        Some(page.ta("catalog-metered", args))
    };
    offer.metered.iter().filter_map(line).collect()
}
