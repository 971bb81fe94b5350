//! The review of a change, its confirmation, and its undoing.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jiff::Timestamp;
use serde::Deserialize;

use super::quote::{Fault, Quote};
use super::{Bought, LimitChange, Outcome, Review, Timing, Verdict, Wish, act};
use crate::app::App;
use crate::auth::Manager;
use crate::catalog;
use crate::catalog::policy::Catalog;
use crate::catalog::pricing::words as words_of;
use crate::catalog::web::Typed;
use crate::clock::from_seconds;
use crate::error::{Error, Result, WayOn};
use crate::stripe::Budget;
use crate::web::{Flash, Form, Html, Nothing, Page, Redirect, redirect};

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
    /// The key of the words that say why it is shown again.
    again: Option<&'static str>,
    from: String,
    to: String,
    /// When it takes effect; none is now.
    at: Option<Timestamp>,
    /// What is settled now: the key of its name, and the amount.
    rows: Vec<(&'static str, String)>,
    due_today: String,
    credit_kept: Option<String>,
    /// The invoice that follows: its name, and what it asks for.
    next: (String, String),
    /// What the plan costs from then on: the amount, and how often.
    recurring: (String, String),
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
    /// What must be done, or what becomes of it; empty where nothing is to be said.
    verdict: String,
    is_exceeded: bool,
}

async fn review(
    page: Page,
    State(app): State<App>,
    who: Manager,
    Form(wish): Form<Wish>,
) -> Result<Response> {
    match review_page(page.clone(), &app, &who, &wish, None).await {
        Err(Error::Invalid(errors)) => {
            let typed =
                Typed { plan: wish.plan, interval: wish.interval, currency: None, quantity: wish.quantity };
            catalog::web::again(page.with_errors(errors), &app, &who, typed).await
        }
        review => Ok(Html(review?).into_response()),
    }
}

async fn review_page(
    page: Page,
    app: &App,
    who: &Manager,
    wish: &Wish,
    again: Option<&'static str>,
) -> Result<ReviewPage> {
    let facts = super::facts(app, &who.tenant).await?;
    let (from, to) = super::decide(wish, &who.tenant, &facts).map_err(act::refused)?;
    let review = super::review(app, &who.tenant, &facts, &from, &to, Budget::page()).await?;
    let at = match review.quote.timing {
        Timing::Now => None,
        Timing::PeriodEnd(at) => Some(from_seconds(at)),
    };
    let difference = super::difference(from.plan, to.plan, &facts.used, review.quote.timing);
    let quote = review.quote.sign(&app.stripe.derive_key("quote"));
    let names = |ids: &[String]| ids.iter().map(|id| feature(&page, &app.catalog, id)).collect();
    Ok(ReviewPage {
        again,
        from: words(&page, &from, &review),
        to: words(&page, &to, &review),
        rows: if at.is_none() { rows(&page, &review) } else { Vec::new() },
        due_today: page.money(review.money(review.figures.due)),
        credit_kept: (review.figures.credit_kept != 0)
            .then(|| page.money(review.money(review.figures.credit_kept))),
        next: next(&page, &review),
        recurring: (
            page.money(review.money(review.recurring)),
            page.t(catalog::web::per(to.price.interval, false)),
        ),
        gained: names(&difference.gained),
        lost: names(&difference.lost),
        limits: difference.limits.iter().map(|limit| limit_row(&page, &app.catalog, limit, at)).collect(),
        at,
        quote,
        page,
    })
}

/// What is settled, row by row, so that the rows add up to what is due or to the credit that stays.
fn rows(page: &Page, review: &Review) -> Vec<(&'static str, String)> {
    let figures = &review.figures;
    let optional = [
        ("change-discount", figures.discount.saturating_neg()),
        ("change-tax", figures.tax),
        ("change-tax-included", figures.tax_included),
        (if figures.balance < 0 { "change-balance-credit" } else { "change-balance-owed" }, figures.balance),
    ];
    let credit = Some(("change-credit", figures.credit)).filter(|(_, amount)| *amount != 0);
    let charge = [("change-charge", figures.charge)];
    let all = credit.into_iter().chain(charge).chain(optional.into_iter().filter(|(_, amount)| *amount != 0));
    all.map(|(name, amount)| (name, page.money(review.money(amount)))).collect()
}

/// The invoice that follows: “Next invoice on Dec 21, 2026”, “€361.79”.
fn next(page: &Page, review: &Review) -> (String, String) {
    let Some(next) = review.next else { return (page.t("change-next"), page.t("change-next-none")) };
    let name = match next.at {
        Some(at) => page.ta("change-next-on", [("date", page.date(from_seconds(at)))]),
        None => page.t("change-next"),
    };
    (name, page.money(review.money(next.due)))
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

/// What to do about a limit before the change takes effect, `at` or now.
fn verdict(page: &Page, verdict: Verdict, at: Option<Timestamp>) -> String {
    let count = verdict.beyond().map(|beyond| page.number(beyond)).unwrap_or_default();
    let date = at.map(|at| page.date(at)).unwrap_or_default();
    let key = match (verdict, at) {
        (Verdict::Fits, _) => return String::new(),
        (Verdict::Reduce(_), Some(_)) => "change-reduce-by",
        (Verdict::Reduce(_), None) => "change-reduce-now",
        (Verdict::Over(_), _) => "change-over",
        (Verdict::StartsAnew, _) => "change-starts-anew",
    };
    page.ta(key, [("count", count), ("date", date)])
}

fn limit_row(page: &Page, catalog: &Catalog, limit: &LimitChange, at: Option<Timestamp>) -> LimitRow {
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
        verdict: verdict(page, limit.verdict, at),
        is_exceeded: limit.verdict.beyond().is_some(),
    }
}

#[derive(Deserialize)]
struct Confirmation {
    quote: String,
}

async fn confirm(
    page: Page,
    State(app): State<App>,
    who: Manager,
    Form(form): Form<Confirmation>,
) -> Result<Response> {
    let key = app.stripe.derive_key("quote");
    let quote = match Quote::open(&form.quote, &key, who.tenant.id.as_str(), app.clock.now()) {
        Ok(quote) => quote,
        Err(Fault::Forged) => return Err(Error::field("quote", "change-forged")),
        Err(Fault::Expired(quote)) => {
            let over = Error::Gone { reason: "change-expired", way_on: Some(to_plans()) };
            return ask_again(page, &app, &who, &quote, "change-expired", over).await;
        }
    };
    let flash = match act::confirm(&app, &who.tenant, &who.actor(), &quote, Budget::page()).await {
        Ok(Outcome::Changed) => Flash::success("change-done"),
        Ok(Outcome::Scheduled) => Flash::success("change-scheduled"),
        Ok(Outcome::WaitsForPayment) => Flash::warning("change-waits"),
        Err(error @ Error::Conflict { reason: act::MEANWHILE, .. }) => {
            return ask_again(page, &app, &who, &quote, act::MEANWHILE, error).await;
        }
        Err(error) => return Err(error),
    };
    Ok(redirect("/").flash(flash).into_response())
}

fn to_plans() -> WayOn {
    WayOn::new("/plans", "checkout-to-plans")
}

/// The review again with the amounts of this moment, under the status of the error that it answers; the error itself where the
/// change cannot be had any more.
async fn ask_again(
    page: Page,
    app: &App,
    who: &Manager,
    quote: &Quote,
    why: &'static str,
    error: Error,
) -> Result<Response> {
    let offer = catalog::store::offer(&mut app.db.read().await?).await?;
    let Some(wish) = super::wish_of(quote, &offer) else { return Err(error) };
    match review_page(page, app, who, &wish, Some(why)).await {
        Ok(review) => Ok((error.status(), Html(review)).into_response()),
        Err(Error::Invalid(_) | Error::Conflict { .. }) => Err(error),
        Err(other) => Err(other),
    }
}

async fn undo(State(app): State<App>, who: Manager, Form(Nothing {}): Form<Nothing>) -> Result<Redirect> {
    act::undo(&app, &who.tenant, &who.actor(), Budget::page()).await?;
    Ok(redirect("/").flash(Flash::success("change-undone")))
}
