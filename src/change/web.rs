//! The review of a change, its confirmation, and its undoing.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jiff::Timestamp;
use serde::Deserialize;

use super::quote::{Fault, Quote};
use super::{Bought, LimitChange, Outcome, Refusal, Review, Timing, Wish, act};
use crate::app::App;
use crate::auth::Manager;
use crate::catalog::policy::Catalog;
use crate::catalog::pricing::words as words_of;
use crate::catalog::{self, Offer};
use crate::clock::from_seconds;
use crate::error::{Error, FieldError, Result, WayOn};
use crate::stripe::Budget;
use crate::subscription::{Billing, store};
use crate::usage;
use crate::web::{Flash, Form, Html, Page, Redirect, redirect};

/// The routes of this folder.
pub fn router() -> Router<App> {
    Router::new()
        .route("/subscription/change/review", post(review))
        .route("/subscription/change", post(confirm))
        .route("/subscription/change/undo", post(undo))
}

#[derive(Template)]
#[template(path = "change/review.html")]
struct ReviewPage {
    page: Page,
    from: String,
    to: String,
    /// When it takes effect; none is now.
    at: Option<Timestamp>,
    credit: Option<String>,
    charge: String,
    tax: Option<String>,
    due_today: String,
    recurring: String,
    gained: Vec<String>,
    lost: Vec<String>,
    limits: Vec<LimitRow>,
    quote: String,
}

struct LimitRow {
    name: String,
    from: String,
    to: String,
    used: String,
    is_exceeded: bool,
}

async fn review(
    page: Page,
    State(app): State<App>,
    who: Manager,
    Form(wish): Form<Wish>,
) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let tenant = who.tenant.id.as_str();
    let offer = catalog::store::offer(&mut tx).await?;
    let billing = store::billing(&mut tx, tenant).await?;
    let summary = usage::store::summary(&mut tx, &who.tenant.id, &app.catalog, app.clock.now()).await?;
    drop(tx);
    let used = summary.into_iter().flat_map(|summary| summary.metrics);
    let used = used.map(|metric| (metric.metric, metric.standing.used)).collect();
    let (from, to) = decide(&wish, &who, &billing, &offer).map_err(|refusal| refuse(&page, refusal))?;
    let difference = super::difference(from.plan, to.plan, &used);
    let review = act::review(&app, tenant, &billing, &offer, &from, &to, Budget::page()).await?;
    let quote = review.quote.sign(&app.stripe.derive_key("quote"));
    let names = |ids: &[String]| ids.iter().map(|id| feature(&page, &app.catalog, id)).collect();
    Ok(Html(ReviewPage {
        from: words(&page, &from, &review),
        to: words(&page, &to, &review),
        at: match review.quote.timing {
            Timing::Now => None,
            Timing::PeriodEnd(at) => Some(from_seconds(at)),
        },
        credit: (review.credit != 0).then(|| page.money(review.money(review.credit))),
        charge: page.money(review.money(review.charge)),
        tax: (review.tax != 0).then(|| page.money(review.money(review.tax))),
        due_today: page.money(review.money(review.due_today)),
        recurring: page.money(review.money(review.recurring)),
        gained: names(&difference.gained),
        lost: names(&difference.lost),
        limits: difference.limits.iter().map(|limit| limit_row(&page, &app.catalog, limit)).collect(),
        quote,
        page,
    })
    .into_response())
}

fn decide<'a>(
    wish: &Wish,
    who: &Manager,
    billing: &Billing,
    offer: &'a Offer,
) -> std::result::Result<(Bought<'a>, Bought<'a>), Refusal> {
    let live = billing.live().ok_or(Refusal::NoSubscription)?;
    super::may_change(live)?;
    let from = super::bought(live, offer)?;
    let ids = [Some(who.tenant.id.as_str()), who.tenant.external_id.as_deref()];
    let ids: Vec<&str> = ids.into_iter().flatten().collect();
    let to = super::wanted(wish, &from, live.currency, offer, &ids)?;
    Ok((from, to))
}

fn refuse(page: &Page, refusal: Refusal) -> Error {
    match refusal.field() {
        None => act::refused(refusal),
        Some(field) => {
            let error = FieldError::new(field, refusal.key());
            Error::Invalid(vec![error.with("most", page.number(crate::checkout::MAX_QUANTITY))])
        }
    }
}

/// “Professional, €99.00 per month”, with its seats where it is sold by seat.
fn words(page: &Page, bought: &Bought<'_>, review: &Review) -> String {
    let per_seat = bought.plan.facts.per_seat;
    let price = bought.price.amount(review.currency).map(|money| page.money(money)).unwrap_or_default();
    let args = [
        ("plan", bought.plan.name(page.language()).to_owned()),
        ("price", price),
        ("per", page.t(catalog::web::per(bought.price.interval, per_seat))),
        ("seats", page.number(bought.quantity)),
    ];
    page.ta(if per_seat { "change-words-seats" } else { "change-words" }, args)
}

fn feature(page: &Page, catalog: &Catalog, id: &str) -> String {
    let known = catalog.features.iter().find(|feature| feature.id == id);
    known.map_or_else(|| id.to_owned(), |feature| words_of(&feature.name, page.language()).to_owned())
}

fn limit_row(page: &Page, catalog: &Catalog, limit: &LimitChange) -> LimitRow {
    let shown = |limit: Option<catalog::product::Limit>| match limit {
        None => page.t("change-not-included"),
        Some(limit) => limit.limit.map_or_else(|| page.t("change-unlimited"), |most| page.number(most)),
    };
    let metric = catalog.metric(&limit.metric);
    LimitRow {
        name: metric.map_or_else(
            || limit.metric.clone(),
            |metric| words_of(&metric.name, page.language()).to_owned(),
        ),
        from: shown(limit.from),
        to: shown(limit.to),
        used: page.number(limit.used),
        is_exceeded: limit.is_exceeded(),
    }
}

#[derive(Deserialize)]
struct Confirmation {
    quote: String,
}

async fn confirm(State(app): State<App>, who: Manager, Form(form): Form<Confirmation>) -> Result<Redirect> {
    let key = app.stripe.derive_key("quote");
    let quote =
        Quote::open(&form.quote, &key, who.tenant.id.as_str(), app.clock.now()).map_err(
            |fault| match fault {
                Fault::Forged => Error::field("quote", "change-forged"),
                Fault::Expired => Error::Gone {
                    reason: "change-expired",
                    way_on: Some(WayOn::new("/plans", "checkout-to-plans")),
                },
            },
        )?;
    let outcome = act::confirm(&app, &who, &quote, Budget::page()).await?;
    Ok(redirect("/").flash(match outcome {
        Outcome::Changed => Flash::success("change-done"),
        Outcome::Scheduled => Flash::success("change-scheduled"),
        Outcome::WaitsForPayment => Flash::warning("change-waits"),
    }))
}

#[derive(Deserialize)]
struct Nothing {}

async fn undo(State(app): State<App>, who: Manager, Form(Nothing {}): Form<Nothing>) -> Result<Redirect> {
    act::undo(&app, &who, Budget::page()).await?;
    Ok(redirect("/").flash(Flash::success("change-undone")))
}
