//! The overview, and the way into Stripe's customer portal.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;

use super::view::{Banner, Help, payment_method, tone};
use super::{Billing, Collection, Subscription, Task, pause_told, portal, standing, store};
use crate::app::App;
use crate::audit::Actor;
use crate::auth::{Administrator, Reader};
use crate::cancel::{self, Options};
use crate::catalog::web::per;
use crate::catalog::{self, Offer};
use crate::clock::from_seconds;
use crate::error::{Error, Result};
use crate::stripe::Budget;
use crate::sync;
use crate::usage;
use crate::usage::view::{Brief, briefs};
use crate::web::{Flash, Form, Html, Page, Redirect, Tone, local_path, redirect, redirect_out};

/// How long the way back waits for Stripe.
const PATIENCE: Duration = Duration::from_secs(4);

/// How many metrics the overview shows: those nearest to their limits.
const METRICS_SHOWN: usize = 4;

/// The routes of the subscription.
pub fn router() -> Router<App> {
    Router::new()
        .route("/", get(overview))
        .route("/billing-portal", post(open_portal))
        .route("/billing-portal/return", get(come_back))
}

#[derive(Template)]
#[template(path = "subscription/overview.html")]
struct Overview {
    page: Page,
    plan: Plan,
    badge: (Tone, &'static str),
    banner: Option<Banner>,
    dates: Vec<(&'static str, Timestamp)>,
    pending: Option<String>,
    /// That payments are not collected, where the banner tells something else.
    paused: Option<String>,
    next_invoice: Option<Next>,
    payment: Option<Payment>,
    details_seen_at: Option<Timestamp>,
    usage: Vec<Brief>,
    is_live: bool,
    /// Stripe has paused it: waking it begins a period and charges for it.
    is_asleep: bool,
    may_change: bool,
    options: Options,
}

/// The plan, in words.
struct Plan {
    name: String,
    price: Option<String>,
    per: String,
    seats: Option<String>,
    description: String,
}

/// The next invoice, in words.
struct Next {
    amount: String,
    at: Option<Timestamp>,
}

/// What is on file to pay with, in words.
struct Payment {
    name: String,
    expiry: Option<String>,
    has_run_out: bool,
}

async fn overview(page: Page, State(app): State<App>, reader: Reader) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let billing = store::billing(&mut tx, reader.tenant.id.as_str()).await?;
    let Some(subscription) = billing.live() else {
        return Ok(redirect("/plans").into_response());
    };
    let offer = catalog::store::offer(&mut tx).await?;
    let used = usage::store::standings(&mut tx, &reader.tenant.id, &app.catalog, page.now()).await?;
    drop(tx);

    let standing = standing(&billing, subscription);
    let customer = billing.customer.as_ref();
    let next_invoice = customer.and_then(|customer| customer.next_invoice.as_ref());
    Ok(Html(Overview {
        plan: plan(&page, &offer, subscription),
        badge: (tone(standing.weight), standing.badge),
        banner: Banner::new(&page, &billing, subscription),
        dates: dates(subscription),
        pending: pending(&page, &offer, subscription),
        paused: paused(&page, subscription),
        next_invoice: next_invoice
            .filter(|_| subscription.cancel_at.is_none() && subscription.collection == Collection::On)
            .map(|next| Next { amount: page.money(next.amount()), at: next.at.map(from_seconds) }),
        payment: payment(&page, &billing),
        details_seen_at: customer.and_then(|customer| customer.details_seen_at),
        usage: briefs(&page, &app.catalog, used.as_deref().unwrap_or_default(), METRICS_SHOWN),
        is_live: true,
        is_asleep: subscription.status == super::Status::Paused,
        options: cancel::options(&billing, subscription, &app.catalog.policy),
        may_change: reader.role.manages_billing(),
        page,
    })
    .into_response())
}

fn plan(page: &Page, offer: &Offer, subscription: &Subscription) -> Plan {
    let language = page.language();
    let by_product = |product: &str| offer.plans.iter().find(|plan| plan.product_id == product);
    let plan = subscription.product_id.as_deref().and_then(by_product);
    let price = plan
        .and_then(|plan| plan.prices.iter().find(|price| Some(&price.id) == subscription.price_id.as_ref()));
    let amount = price.and_then(|price| price.amount(subscription.currency));
    let per_seat = plan.is_some_and(|plan| plan.facts.per_seat);
    Plan {
        name: plan.map_or_else(|| page.t("subscription-own-plan"), |plan| plan.name(language).to_owned()),
        price: amount.map(|amount| page.money(amount)),
        per: price.map(|price| page.t(per(price.interval, per_seat))).unwrap_or_default(),
        seats: (per_seat || subscription.quantity > 1).then(|| page.number(subscription.quantity)),
        description: plan.and_then(|plan| plan.description(language)).unwrap_or_default().to_owned(),
    }
}

/// The dates ahead, each with the key of its name.
fn dates(subscription: &Subscription) -> Vec<(&'static str, Timestamp)> {
    let mut dates = Vec::new();
    let is_trialing = subscription.status == super::Status::Trialing;
    dates.extend(subscription.trial_end.filter(|_| is_trialing).map(|end| ("subscription-trial-ends", end)));
    match subscription.cancel_at {
        Some(end) => dates.push(("subscription-ends", end)),
        None => dates
            .extend(subscription.period_end.filter(|_| !is_trialing).map(|end| ("subscription-renews", end))),
    }
    dates
}

/// That payments are not collected for now. In order, the banner says it; in trouble, it has more urgent things to say.
fn paused(page: &Page, subscription: &Subscription) -> Option<String> {
    let Collection::Paused(until) = subscription.collection else { return None };
    let is_told = subscription.status == super::Status::Active
        && subscription.cancel_at.is_none()
        && !subscription.pending_update;
    let date = until.map(|until| page.date(until)).unwrap_or_default();
    (!is_told).then(|| page.ta(pause_told(until), [("date", date)]))
}

/// What was agreed for later: “From Dec 21, 2026: Starter, €29.00 per month.”
fn pending(page: &Page, offer: &Offer, subscription: &Subscription) -> Option<String> {
    let change = subscription.pending_change.as_ref()?;
    let id = change.price.as_deref().or(subscription.price_id.as_deref())?;
    let plan = offer.plan_of_price(id)?;
    let price = plan.prices.iter().find(|price| price.id == id)?;
    let amount = price.amount(subscription.currency)?;
    let args = [
        ("date", page.date(from_seconds(change.at))),
        ("plan", plan.name(page.language()).to_owned()),
        ("price", page.money(amount)),
        ("per", page.t(per(price.interval, plan.facts.per_seat))),
        ("seats", page.number(change.quantity.unwrap_or(subscription.quantity))),
    ];
    Some(
        page.ta(
            if plan.facts.per_seat { "subscription-pending-seats" } else { "subscription-pending" },
            args,
        ),
    )
}

fn payment(page: &Page, billing: &Billing) -> Option<Payment> {
    let method = billing.customer.as_ref()?.payment_method.as_ref()?;
    let expiry = method.exp_month.zip(method.exp_year);
    let today = page.now().to_zoned(page.time_zone());
    let has_run_out =
        expiry.is_some_and(|(month, year)| (year, month) < (today.year().into(), today.month().into()));
    let expiry = expiry.map(|(month, year)| format!("{month:02}/{:02}", year.rem_euclid(100)));
    Some(Payment { name: payment_method(page, method), expiry, has_run_out })
}

/// Which task, and where to come back to.
#[derive(Deserialize)]
struct Errand {
    #[serde(default)]
    flow: String,
    #[serde(default)]
    next: String,
}

async fn open_portal(
    page: Page,
    State(app): State<App>,
    manager: Administrator,
    Form(errand): Form<Errand>,
) -> Result<Redirect> {
    let task = Task::parse(&errand.flow).ok_or_else(|| Error::field("flow", "subscription-no-such-task"))?;
    let next = local_path(&errand.next, page.site()).unwrap_or_else(|| "/".to_owned());
    let opened = portal::open(&app, &manager.tenant, task, &next, page.language(), Budget::page()).await;
    match (opened, task.own_page()) {
        (Ok(url), _) => redirect_out(&url, page.site()),
        (Err(Error::Conflict { reason: portal::NOT_OFFERED, .. }), Some(ours)) => Ok(redirect(ours)),
        (Err(error), _) => Err(error),
    }
}

#[derive(Deserialize)]
struct Back {
    #[serde(default)]
    next: String,
}

/// Back from the customer portal, to where the visitor left, with the state that Stripe has now. It proves nothing and grants
/// nothing; where Stripe is slow, the webhooks bring the state a moment later.
async fn come_back(
    page: Page,
    State(app): State<App>,
    reader: Reader,
    Query(back): Query<Back>,
) -> Result<Redirect> {
    let next = local_path(&back.next, page.site()).unwrap_or_else(|| "/".to_owned());
    let billing = store::billing(&mut app.db.read().await?, reader.tenant.id.as_str()).await?;
    let Some(customer) = billing.customer else { return Ok(redirect(next)) };
    let actor = Actor::Job("customer-portal");
    let fetched = sync::refetch(&app.db, &app.stripe, &app.clock, &customer.id, &actor, Budget::of(PATIENCE));
    match tokio::time::timeout(PATIENCE, fetched).await {
        Ok(Ok(())) => return Ok(redirect(next)),
        Ok(Err(error)) => tracing::warn!(%error, customer = %customer.id, "the state comes later"),
        Err(_) => {}
    }
    Ok(redirect(next).flash(Flash::info("subscription-soon")))
}
