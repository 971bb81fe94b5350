//! Who to be, and the time machine's buttons.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;
use tower_sessions::Session;

use super::seeds::{CARD_THAT_FAILS, CARD_THAT_PAYS};
use super::{Step, TimeMachine};
use crate::app::App;
use crate::auth::{self, Origin, SignedIn};
use crate::checkout;
use crate::error::{Error, Result};
use crate::web::{Flash, Form, Html, Nothing, Page, local_path, redirect};

/// The demo's own pages.
pub fn router() -> Router<App> {
    Router::new()
        .route("/demo", get(people))
        .route("/demo/sign-in", post(sign_in))
        .route("/demo/outbox", post(outbox))
        .route("/demo/time", post(travel))
        .route("/demo/card", post(card))
}

#[derive(Template)]
#[template(path = "demo/people.html")]
struct People {
    page: Page,
    companies: Vec<CompanyCard>,
}

struct CompanyCard {
    tenant: String,
    name: &'static str,
    story: &'static str,
    people: Vec<PersonButton>,
}

struct PersonButton {
    user: String,
    name: &'static str,
    role: &'static str,
}

async fn people(page: Page, Extension(machine): Extension<Arc<TimeMachine>>) -> Html<People> {
    let companies = machine.cast().iter().map(|company| CompanyCard {
        tenant: company.tenant.as_ref().map(|tenant| tenant.id.to_string()).unwrap_or_default(),
        name: company.name,
        story: company.story,
        people: company
            .people
            .iter()
            .map(|person| PersonButton {
                user: person.user.as_str().to_owned(),
                name: person.name,
                role: person.role.map_or("demo-role-staff", auth::Role::key),
            })
            .collect(),
    });
    Html(People { companies: companies.collect(), page })
}

#[derive(Deserialize)]
struct Choice {
    user: String,
    tenant: String,
}

/// Signs in as one of the cast, and nobody else.
async fn sign_in(
    State(app): State<App>,
    Extension(machine): Extension<Arc<TimeMachine>>,
    from: Origin,
    session: Session,
    Form(choice): Form<Choice>,
) -> Result<Response> {
    let company = machine
        .cast()
        .iter()
        .find(|company| company.tenant.as_ref().map_or("", |tenant| tenant.id.as_str()) == choice.tenant);
    let person =
        company.and_then(|company| company.people.iter().find(|person| person.user.as_str() == choice.user));
    let person = person.ok_or(Error::NotFound)?;
    app.auth.welcome(&session, &person.user, &from).await?;
    let home = if company.is_some_and(|company| company.tenant.is_some()) { "/" } else { "/staff" };
    Ok(redirect(home).into_response())
}

/// Signs in as the staff and opens the mails: every mail of the demo, a click away from whoever it went to.
async fn outbox(
    State(app): State<App>,
    Extension(machine): Extension<Arc<TimeMachine>>,
    from: Origin,
    session: Session,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response> {
    let staff = machine.cast().iter().find(|company| company.tenant.is_none());
    let person = staff.and_then(|company| company.people.first()).ok_or(Error::NotFound)?;
    app.auth.welcome(&session, &person.user, &from).await?;
    Ok(redirect("/staff/mails").into_response())
}

#[derive(Deserialize)]
struct Journey {
    step: String,
    back: String,
}

async fn travel(
    State(app): State<App>,
    page: Page,
    Extension(machine): Extension<Arc<TimeMachine>>,
    Form(journey): Form<Journey>,
) -> Result<Response> {
    let step = match journey.step.as_str() {
        "day" => Step::Day,
        "month" => Step::Month,
        "next" => Step::Next,
        _ => return Err(Error::field("step", "demo-no-such-step")),
    };
    let moved = machine.travel(&app, step).await.map_err(Error::internal)?;
    let flash = if moved { Flash::info("demo-time-passed") } else { Flash::info("demo-nothing-due") };
    Ok(redirect(back(&page, &journey.back)).flash(flash).into_response())
}

#[derive(Deserialize)]
struct Card {
    card: String,
    back: String,
}

async fn card(
    State(app): State<App>,
    page: Page,
    person: SignedIn,
    Extension(machine): Extension<Arc<TimeMachine>>,
    Form(wish): Form<Card>,
) -> Result<Response> {
    let fails = wish.card == "fails";
    let here = person.at.ok_or(Error::NotFound)?;
    let buyer = checkout::store::buyer(&mut app.db.read().await?, here.tenant.id.as_str()).await?;
    let number = if fails { CARD_THAT_FAILS } else { CARD_THAT_PAYS };
    let changed = match buyer.and_then(|buyer| buyer.customer) {
        Some(customer) => machine.card(customer.as_str(), number).await.is_ok(),
        None => false,
    };
    let flash = match (changed, fails) {
        (false, _) => Flash::warning("demo-no-customer"),
        (true, true) => Flash::warning("demo-card-set-fails"),
        (true, false) => Flash::success("demo-card-set-pays"),
    };
    Ok(redirect(back(&page, &wish.back)).flash(flash).into_response())
}

fn back(page: &Page, wish: &str) -> String {
    local_path(wish, page.site()).unwrap_or_else(|| "/".to_owned())
}
