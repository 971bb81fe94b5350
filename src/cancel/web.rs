//! The page that asks why and shows the consequences, and the buttons.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Deed, LONGEST_COMMENT, Options, Outcome, REASONS, act, options};
use crate::app::App;
use crate::auth::{Administrator, Manager};
use crate::catalog::policy::{Catalog, Metric};
use crate::catalog::pricing::words;
use crate::catalog::product::Limit;
use crate::catalog::{self, Offer, Plan};
use crate::error::{Error, FieldError, Result, WayOn};
use crate::stripe::Budget;
use crate::stripe::calls::subscriptions::Reason;
use crate::stripe::snapshot::SubscriptionStatus;
use crate::subscription::{Billing, Subscription, store};
use crate::web::{Flash, Form, Html, Nothing, Page, Redirect, redirect};

/// The routes of this folder.
pub fn router() -> Router<App> {
    Router::new()
        .route("/subscription/cancel", get(ask).post(cancel))
        .route("/subscription/resume", get(ask_resume).post(resume))
        .route("/subscription/pause", get(ask_pause).post(pause))
        .route("/subscription/collect", get(ask_collect).post(collect))
}

#[derive(Template)]
#[template(path = "cancel/cancel.html")]
struct CancelPage {
    page: Page,
    plan: String,
    ends_at: Option<Timestamp>,
    lost: Vec<String>,
    /// Limits that shrink to those of the free plan: “Chatbots: 1 instead of 5”.
    limits: Vec<String>,
    /// The plan of a change that was agreed for later, and falls.
    planned: Option<String>,
    options: Options,
    reasons: Vec<(&'static str, String)>,
    /// What was chosen and typed, kept after an error.
    chosen: String,
    comment: String,
    now: bool,
}

#[derive(Default, Deserialize)]
struct Leaving {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    comment: String,
    /// `now`, or anything else for the end of the period.
    #[serde(default)]
    when: String,
}

async fn ask(page: Page, State(app): State<App>, who: Administrator) -> Result<Response> {
    Ok(Html(cancel_page(page, &app, &who, Leaving::default()).await?).into_response())
}

async fn cancel_page(page: Page, app: &App, who: &Administrator, typed: Leaving) -> Result<CancelPage> {
    let mut tx = app.db.read().await?;
    let billing = store::billing(&mut tx, who.tenant.id.as_str()).await?;
    let offer = catalog::store::offer(&mut tx).await?;
    drop(tx);
    let live = billing.live().ok_or_else(nothing)?;
    let options = options(&billing, live, &app.catalog.policy);
    if !options.cancel_at_period_end && !options.cancel_now {
        return Err(nothing());
    }
    let plan = live.price_id.as_deref().and_then(|price| offer.plan_of_price(price));
    let features = plan.map(|plan| plan.facts.features.as_slice()).unwrap_or_default();
    let named = app.catalog.features.iter().filter(|feature| features.contains(&feature.id));
    Ok(CancelPage {
        plan: plan
            .map_or_else(|| page.t("subscription-own-plan"), |plan| plan.name(page.language()).to_owned()),
        ends_at: ends_at(live),
        lost: named.map(|feature| words(&feature.name, page.language()).to_owned()).collect(),
        limits: plan.map(|plan| shrinking(&page, &app.catalog, plan)).unwrap_or_default(),
        planned: planned(&page, &offer, live),
        options,
        reasons: REASONS.iter().map(|reason| (*reason, page.t(reason_key(reason)))).collect(),
        chosen: typed.reason,
        comment: typed.comment,
        now: typed.when == "now",
        page,
    })
}

/// The limits that the free plan has less of, each in a sentence.
fn shrinking(page: &Page, catalog: &Catalog, plan: &Plan) -> Vec<String> {
    let most = |limit: Option<&Limit>| limit.map_or(Some(0), |limit| limit.limit);
    let shown = |most: Option<i64>| most.map_or_else(|| page.t("change-unlimited"), |most| page.number(most));
    let sentence = |metric: &Metric| {
        let (now, then) =
            (most(plan.facts.limits.get(&metric.id)), most(catalog.free.limits.get(&metric.id)));
        let shrinks = match (now, then) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(now), Some(then)) => then < now,
        };
        let name = words(&metric.name, page.language()).to_owned();
        let args = [("metric", name), ("now", shown(now)), ("then", shown(then))];
        shrinks.then(|| page.ta("cancel-limit", args))
    };
    catalog.metrics.iter().filter_map(sentence).collect()
}

/// The name of the plan that was to come.
fn planned(page: &Page, offer: &Offer, live: &Subscription) -> Option<String> {
    let change = live.pending_change.as_ref()?;
    let plan = offer.plan_of_price(change.price.as_deref().or(live.price_id.as_deref())?)?;
    Some(plan.name(page.language()).to_owned())
}

/// When it ends if it is cancelled with its period.
fn ends_at(live: &Subscription) -> Option<Timestamp> {
    live.period_end.or(live.trial_end)
}

/// The key of the words of a reason.
fn reason_key(reason: &str) -> &'static str {
    match reason {
        "too_expensive" => "cancel-reason-too-expensive",
        "missing_features" => "cancel-reason-missing-features",
        "switched_service" => "cancel-reason-switched-service",
        "unused" => "cancel-reason-unused",
        "customer_service" => "cancel-reason-customer-service",
        "too_complex" => "cancel-reason-too-complex",
        "low_quality" => "cancel-reason-low-quality",
        _ => "cancel-reason-other",
    }
}

async fn cancel(
    page: Page,
    State(app): State<App>,
    who: Administrator,
    Form(leaving): Form<Leaving>,
) -> Result<Response> {
    let comment = leaving.comment.trim();
    let mut errors = Vec::new();
    if !leaving.reason.is_empty() && !REASONS.contains(&leaving.reason.as_str()) {
        errors.push(FieldError::new("reason", "cancel-no-such-reason"));
    }
    if comment.chars().count() > usize::from(LONGEST_COMMENT) {
        errors
            .push(FieldError::new("comment", "cancel-comment-long").with("most", i64::from(LONGEST_COMMENT)));
    }
    if !errors.is_empty() {
        let page = page.with_errors(errors);
        let again = Html(cancel_page(page, &app, &who, leaving).await?);
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, again).into_response());
    }
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let reason = Reason { feedback: text(&leaving.reason), comment: text(comment) };
    let (deed, flash) = if leaving.when == "now" {
        (Deed::CancelNow(reason), Flash::success("cancel-done-now"))
    } else {
        (Deed::CancelAtPeriodEnd(reason), Flash::success("cancel-done"))
    };
    act::perform(&app, &who.tenant, &who.actor(), &deed, Budget::page()).await?;
    Ok(redirect("/").flash(flash).into_response())
}

#[derive(Template)]
#[template(path = "cancel/confirm.html")]
struct ConfirmPage {
    page: Page,
    /// The keys of the heading and of the button.
    words: (&'static str, &'static str),
    action: &'static str,
    consequences: Vec<(&'static str, String)>,
}

/// The page that shows what follows before it is done.
async fn confirm_page(
    page: Page,
    app: &App,
    who: &Administrator,
    deed: &Deed,
    words: (&'static str, &'static str),
    action: &'static str,
    consequences: fn(&Page, &Billing, &Subscription) -> Vec<(&'static str, String)>,
) -> Result<Response> {
    let billing = store::billing(&mut app.db.read().await?, who.tenant.id.as_str()).await?;
    let live = billing.live().filter(|live| deed.is_among(options(&billing, live, &app.catalog.policy)));
    let consequences = consequences(&page, &billing, live.ok_or_else(nothing)?);
    Ok(Html(ConfirmPage { page, words, action, consequences }).into_response())
}

async fn ask_resume(page: Page, State(app): State<App>, who: Administrator) -> Result<Response> {
    let words = ("cancel-resume-title", "cancel-resume");
    confirm_page(page, &app, &who, &Deed::Resume, words, "/subscription/resume", |page, _, live| {
        if live.status == SubscriptionStatus::Paused {
            return vec![("alert", page.t("cancel-wake-text"))];
        }
        let renews = live.period_end.map(|at| page.ta("cancel-resume-renews", [("date", page.date(at))]));
        renews
            .map(|text| ("calendar", text))
            .into_iter()
            .chain([("check", page.t("cancel-resume-text"))])
            .collect()
    })
    .await
}

async fn ask_pause(page: Page, State(app): State<App>, who: Manager) -> Result<Response> {
    let words = ("cancel-pause-title", "cancel-pause");
    confirm_page(page, &app, &who, &Deed::Pause, words, "/subscription/pause", |page, _, _| {
        vec![
            ("card", page.t("cancel-pause-text")),
            ("check", page.t("cancel-pause-keeps")),
            ("info", page.t("cancel-pause-back")),
        ]
    })
    .await
}

async fn ask_collect(page: Page, State(app): State<App>, who: Administrator) -> Result<Response> {
    let words = ("cancel-collect-title", "cancel-collect");
    let action = "/subscription/collect";
    confirm_page(page, &app, &who, &Deed::ResumeCollection, words, action, |page, billing, live| {
        let next = billing.customer.as_ref().and_then(|customer| customer.next_invoice.as_ref());
        let next = next.map(|next| page.money(next.amount())).zip(live.period_end);
        let next = next.map(|(amount, at)| {
            page.ta("cancel-collect-next", [("amount", amount), ("date", page.date(at))])
        });
        let next = next.map(|text| ("calendar", text));
        [("card", page.t("cancel-collect-text"))].into_iter().chain(next).collect()
    })
    .await
}

async fn resume(
    State(app): State<App>,
    who: Administrator,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Redirect> {
    let outcome = act::perform(&app, &who.tenant, &who.actor(), &Deed::Resume, Budget::page()).await?;
    Ok(redirect("/").flash(match outcome {
        Outcome::Done => Flash::success("cancel-resumed"),
        Outcome::StillPaused => Flash::warning("cancel-still-paused"),
    }))
}

async fn pause(State(app): State<App>, who: Manager, Form(Nothing {}): Form<Nothing>) -> Result<Redirect> {
    act::perform(&app, &who.tenant, &who.actor(), &Deed::Pause, Budget::page()).await?;
    Ok(redirect("/").flash(Flash::success("cancel-paused")))
}

async fn collect(
    State(app): State<App>,
    who: Administrator,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Redirect> {
    act::perform(&app, &who.tenant, &who.actor(), &Deed::ResumeCollection, Budget::page()).await?;
    Ok(redirect("/").flash(Flash::success("cancel-collecting")))
}

fn nothing() -> Error {
    Error::Conflict { reason: "cancel-not-now", way_on: Some(WayOn::new("/", "checkout-to-plan")) }
}
