//! The page of the billing details.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;

use super::countries::{self, COUNTRIES};
use super::{Details, TAX_ID_KINDS, TaxId, Typed, TypedTaxId, act, parts_of_kind, sort_by_name, store};
use crate::app::App;
use crate::audit::Actor;
use crate::auth::{Administrator, Reader};
use crate::error::{Error, FieldError, Result};
use crate::stripe::Budget;
use crate::web::{Flash, Form, Html, Page, Redirect, redirect};

/// The routes of this folder.
pub fn router() -> Router<App> {
    Router::new()
        .route("/billing-details", get(show).post(save))
        .route("/billing-details/tax-ids", post(add))
        .route("/billing-details/tax-ids/remove", post(remove))
}

#[derive(Template)]
#[template(path = "details/details.html")]
struct DetailsPage {
    page: Page,
    may_change: bool,
    typed: Typed,
    /// The address line by line, for who may only read.
    address: Vec<String>,
    countries: Vec<(&'static str, String)>,
    tax_ids: Vec<TaxIdRow>,
    kinds: Vec<(&'static str, String)>,
    new: TypedTaxId,
    is_taxed: bool,
}

/// A tax id, in words.
struct TaxIdRow {
    id: String,
    kind: String,
    value: String,
    /// Tone and key of the words.
    badge: Option<(&'static str, &'static str)>,
}

/// What somebody typed that could not be accepted: it stays in its form.
#[derive(Default)]
struct Again {
    typed: Option<Typed>,
    new: TypedTaxId,
}

async fn show(page: Page, State(app): State<App>, reader: Reader) -> Result<Response> {
    let may_change = reader.role.manages_billing();
    let shown = details_page(page, &app, reader.tenant.id.as_str(), may_change, Again::default()).await?;
    Ok(Html(shown).into_response())
}

async fn details_page(
    page: Page,
    app: &App,
    tenant: &str,
    may_change: bool,
    again: Again,
) -> Result<DetailsPage> {
    let known = store::known(&mut app.db.read().await?, tenant).await?.ok_or(Error::NotFound)?;
    let typed = again.typed.unwrap_or_else(|| Typed::of(&known));
    let mut countries: Vec<_> = COUNTRIES.iter().map(|(code, key)| (*code, page.t(key))).collect();
    sort_by_name(&mut countries);
    let mut kinds: Vec<_> = TAX_ID_KINDS.iter().map(|kind| (*kind, kind_in_words(&page, kind))).collect();
    sort_by_name(&mut kinds);
    Ok(DetailsPage {
        address: address(&page, &typed),
        tax_ids: known.tax_ids.into_iter().map(|tax_id| row(&page, tax_id)).collect(),
        is_taxed: app.catalog.policy.automatic_tax,
        may_change,
        typed,
        countries,
        kinds,
        new: again.new,
        page,
    })
}

fn address(page: &Page, typed: &Typed) -> Vec<String> {
    let country = countries::key(&typed.country).map(|key| page.t(key)).unwrap_or_default();
    let town = format!("{} {}", typed.postal_code, typed.city).trim().to_owned();
    let lines = [typed.line1.clone(), typed.line2.clone(), town, typed.state.clone(), country];
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

/// “Spain: CIF”.
fn kind_in_words(page: &Page, kind: &str) -> String {
    let (country, name) = parts_of_kind(kind);
    let country = match countries::key(&country) {
        Some(key) => page.t(key),
        None if country == "EU" => page.t("details-union"),
        None => country,
    };
    page.ta("details-kind-of", [("country", country), ("name", name)])
}

fn row(page: &Page, tax_id: TaxId) -> TaxIdRow {
    let badge = match tax_id.verification.as_deref() {
        Some("verified") => Some(("success", "details-verified")),
        Some("unverified") => Some(("warning", "details-unverified")),
        Some("pending") => Some(("info", "details-pending")),
        _ => None,
    };
    TaxIdRow { kind: kind_in_words(page, &tax_id.kind), id: tax_id.id, value: tax_id.value, badge }
}

async fn save(
    page: Page,
    State(app): State<App>,
    who: Administrator,
    Form(typed): Form<Typed>,
) -> Result<Response> {
    let done = match typed.check() {
        Ok(details) => tell(&app, &page, &who, &details).await,
        Err(errors) => Err(Error::Invalid(errors)),
    };
    answer(done, "details-saved", page, &app, &who, Again { typed: Some(typed), ..Again::default() }).await
}

async fn tell(app: &App, page: &Page, who: &Administrator, details: &Details) -> Result<()> {
    act::save(app, &who.tenant, &actor(who), page.language(), details, Budget::page()).await
}

fn actor(who: &Administrator) -> Actor {
    Actor::User(who.user.id.as_str().to_owned())
}

/// Back to the page with a message; or the page again, with what was typed and what is wrong with it.
async fn answer(
    done: Result<()>,
    key: &'static str,
    page: Page,
    app: &App,
    who: &Administrator,
    again: Again,
) -> Result<Response> {
    let errors: Vec<FieldError> = match done {
        Ok(()) => return Ok(redirect("/billing-details").flash(Flash::success(key)).into_response()),
        Err(Error::Invalid(errors)) => errors,
        Err(error) => return Err(error),
    };
    let page = page.with_errors(errors);
    let shown = details_page(page, app, who.tenant.id.as_str(), true, again).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(shown)).into_response())
}

async fn add(
    page: Page,
    State(app): State<App>,
    who: Administrator,
    Form(typed): Form<TypedTaxId>,
) -> Result<Response> {
    let done =
        act::add_tax_id(&app, &who.tenant, &actor(&who), page.language(), &typed, Budget::page()).await;
    answer(done, "details-tax-id-added", page, &app, &who, Again { typed: None, new: typed }).await
}

#[derive(Deserialize)]
struct Which {
    tax_id: String,
}

async fn remove(State(app): State<App>, who: Administrator, Form(which): Form<Which>) -> Result<Redirect> {
    act::remove_tax_id(&app, &who.tenant, &actor(&who), &which.tax_id, Budget::page()).await?;
    Ok(redirect("/billing-details").flash(Flash::success("details-tax-id-removed")))
}
