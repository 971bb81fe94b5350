//! Off to Stripe Checkout, and back.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderName, StatusCode};
use serde::Deserialize;

use super::start::{self, Asked};
use super::{Trust, Wish, store};
use crate::app::App;
use crate::auth::{Manager, Reader};
use crate::catalog;
use crate::catalog::web::Typed;
use crate::error::{Error, FieldError, Result};
use crate::stripe::Budget;
use crate::stripe::snapshot::{CheckoutStatus, PaymentStatus};
use crate::web::{Flash, Form, Html, Page, local_path, redirect, redirect_out};

/// How long the way back waits for Stripe before it shows the waiting page.
const PATIENCE: Duration = Duration::from_secs(4);

/// Looks after which the waiting page says that it takes long, and looks less often.
const MANY_LOOKS: u32 = 5;

/// Looks after which the page stops looking by itself.
const MOST_LOOKS: u32 = 40;

/// The routes of this folder.
pub fn router() -> Router<App> {
    Router::new()
        .route("/checkout", post(subscribe))
        .route("/checkout/return", get(come_back))
        .route("/checkout/cancelled", get(turned_back))
}

/// Starts, or goes on with, the tenant's Checkout session.
async fn subscribe(
    State(app): State<App>,
    page: Page,
    who: Manager,
    Form(wish): Form<Wish>,
) -> Result<Response> {
    let budget = Budget::page();
    let asked = Asked { tenant: &who.tenant, actor: &who.actor(), wish: &wish, trust: Trust::Customer };
    let url = Box::pin(start::start(&app, asked, page.language(), budget)).await?;
    match url {
        Ok(url) => Ok(redirect_out(&url, page.site())?.into_response()),
        Err(refusals) => {
            let page = page.with_errors(refusals.into_iter().map(FieldError::from).collect());
            let Wish { plan, interval, currency, quantity, .. } = wish;
            catalog::web::again(page, &app, &who, Typed { plan, interval, currency, quantity }).await
        }
    }
}

#[derive(Deserialize)]
struct Back {
    #[serde(default)]
    session_id: String,
    /// How often the waiting page has looked.
    #[serde(default)]
    look: u32,
}

#[derive(Template)]
#[template(path = "checkout/waiting.html")]
struct Waiting {
    page: Page,
    again: String,
    is_long: bool,
}

/// The way back from Stripe. Reaching it proves nothing: what counts is what Stripe says of the session.
async fn come_back(
    State(app): State<App>,
    page: Page,
    who: Reader,
    Query(back): Query<Back>,
) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let tenant = who.tenant.id.as_str();
    let session = store::of_stripe_id(&mut tx, tenant, &back.session_id).await?.ok_or(Error::NotFound)?;
    drop(tx);
    let id = session.stripe_id.as_deref().unwrap_or_default().parse().map_err(|_| Error::NotFound)?;
    let seen = match tokio::time::timeout(PATIENCE, super::refresh(&app, &id, Budget::of(PATIENCE))).await {
        Ok(Ok(seen)) => seen,
        // Stripe is slow, or down: the webhook will bring it, and the page goes on looking.
        Ok(Err(Error::StripeUnavailable { .. })) | Err(_) => return Ok(wait(page, &back)),
        Ok(Err(error)) => return Err(error),
    };
    Ok(match (&seen.status, &seen.payment_status) {
        (Some(CheckoutStatus::Complete), Some(PaymentStatus::Unpaid)) => wait(page, &back),
        (Some(CheckoutStatus::Complete), _) => {
            let buyer = store::buyer(&mut app.db.read().await?, tenant).await?.unwrap_or_default();
            if start::has_arrived(&buyer) {
                let next = session.order.success.unwrap_or_else(|| "/".to_owned());
                redirect(next).flash(Flash::success("checkout-welcome")).into_response()
            } else {
                wait(page, &back)
            }
        }
        (Some(CheckoutStatus::Expired), _) => {
            redirect("/plans").flash(Flash::warning("checkout-expired")).into_response()
        }
        _ => redirect("/plans").flash(Flash::info("checkout-still-open")).into_response(),
    })
}

/// An honest page that looks again by itself, more seldom with time, without script.
fn wait(page: Page, back: &Back) -> Response {
    let look = back.look.saturating_add(1);
    let id: String = form_urlencoded::byte_serialize(back.session_id.as_bytes()).collect();
    let again = format!("/checkout/return?session_id={id}&look={look}");
    let is_long = look > MANY_LOOKS;
    let seconds = if is_long { 10 } else { 2 };
    let refresh = (look <= MOST_LOOKS)
        .then(|| [(HeaderName::from_static("refresh"), format!("{seconds};url={again}"))]);
    (StatusCode::OK, refresh, Html(Waiting { page, again, is_long })).into_response()
}

#[derive(Deserialize)]
struct Way {
    next: Option<String>,
}

/// Back without having paid. The session stays open: whoever subscribes again goes on with it.
async fn turned_back(page: Page, _: Reader, Query(way): Query<Way>) -> Response {
    let next = way.next.and_then(|next| local_path(&next, page.site()));
    redirect(next.unwrap_or_else(|| "/plans".to_owned()))
        .flash(Flash::info("checkout-cancelled"))
        .into_response()
}
