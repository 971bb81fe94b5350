//! One tenant: what it has, what it may do and why, everything that happened to it, and what staff can do about it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;

use super::words;
use crate::access::{self, Access, Level};
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::auth::{Role, Staff};
use crate::clock::from_seconds;
use crate::dunning;
use crate::error::{Error, FieldError, Result};
use crate::reconcile::{self, Severity};
use crate::staff::mrr::month_of;
use crate::staff::store::{self, Piece, Sheet};
use crate::staff::timeline::{Kind, Moment, Point};
use crate::stripe::{self, Budget, CustomerId};
use crate::sync;
use crate::usage::view;
use crate::web::{Flash, Form, Html, Narrowing, Nothing, Page, narrowed, redirect};

/// Moments on a page of the timeline.
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "staff/tenant.html")]
pub(super) struct TenantPage {
    page: Page,
    sheet: Sheet,
    access: Access,
    pieces: Vec<Piece>,
    /// Metrics and their names.
    metrics: Vec<(String, String)>,
    /// What was typed as the reason of acting for a member.
    reason: String,
}

impl TenantPage {
    fn of(&self, kind: &str) -> Vec<&Piece> {
        self.pieces.iter().filter(|piece| piece.kind == kind).collect()
    }

    fn status(&self) -> Option<(&'static str, String)> {
        self.sheet.status.as_deref().map(|status| (words::tone(status), words::status(&self.page, status)))
    }

    fn level(&self) -> (&'static str, String) {
        match self.access.level {
            Level::Full => ("success", self.page.t("staff-access-full")),
            Level::ReadOnly => ("warning", self.page.t("staff-access-read-only")),
            Level::Blocked => ("danger", self.page.t("staff-access-blocked")),
        }
    }

    fn mrr(&self) -> Option<String> {
        words::money(&self.page, month_of(self.sheet.annual), self.sheet.currency.as_deref())
    }

    fn date(&self, seconds: &i64) -> String {
        self.page.date(from_seconds(*seconds))
    }

    fn time(&self, seconds: &i64) -> String {
        self.page.date_time(from_seconds(*seconds))
    }

    fn amount(&self, piece: &Piece) -> String {
        words::money(&self.page, piece.amount, piece.extra.as_deref()).unwrap_or_default()
    }

    fn state(&self, piece: &Piece) -> String {
        let state = piece.state.as_deref().unwrap_or_default();
        match piece.kind.as_str() {
            "invoice" => words::invoice(&self.page, state),
            "dunning" => {
                state.parse::<dunning::State>().map_or_else(|_| state.to_owned(), |s| self.page.t(s.key()))
            }
            "finding" => {
                state.parse::<Severity>().map_or_else(|_| state.to_owned(), |one| self.page.t(one.key()))
            }
            "member" => {
                state.parse::<Role>().map_or_else(|_| state.to_owned(), |role| self.page.t(role.key()))
            }
            _ => state.to_owned(),
        }
    }

    fn finding(&self, piece: &Piece) -> String {
        let kind = piece.name.as_deref().unwrap_or_default();
        kind.parse::<reconcile::Kind>().map_or_else(|_| kind.to_owned(), |kind| self.page.t(kind.key()))
    }

    fn metric(&self, piece: &Piece) -> String {
        let name = self.metrics.iter().find(|(id, _)| *id == piece.id);
        name.map_or_else(|| piece.id.clone(), |(_, name)| name.clone())
    }

    fn is_granted(&self, piece: &Piece) -> bool {
        piece.state.as_deref() == Some("granted")
    }

    /// Whether the product itself names the tenant.
    fn is_named(&self, piece: &Piece) -> bool {
        let ids: Vec<String> =
            piece.extra.as_deref().and_then(|ids| serde_json::from_str(ids).ok()).unwrap_or_default();
        ids.iter().any(|id| *id == self.sheet.id || Some(id) == self.sheet.external_id.as_ref())
    }

    /// The customer in Stripe's dashboard, of the right mode.
    fn dashboard(&self) -> Option<String> {
        let customer = self.sheet.customer_id.as_deref()?;
        let mode = if self.sheet.livemode == Some(true) { "" } else { "test/" };
        Some(format!("https://dashboard.stripe.com/{mode}customers/{customer}"))
    }
}

pub(super) async fn show(
    page: Page,
    State(app): State<App>,
    _: Staff,
    Path(id): Path<String>,
) -> Result<Html<TenantPage>> {
    Ok(Html(load(page, &app, &id).await?))
}

/// The page of a tenant: three queries.
async fn load(page: Page, app: &App, id: &str) -> Result<TenantPage> {
    let mut tx = app.db.read().await?;
    let sheet = store::sheet(&mut tx, id).await?.ok_or(Error::NotFound)?;
    let pieces = store::pieces(&mut tx, id, page.now()).await?;
    let access = access::store::of_tenant(&mut tx, id, None, &app.catalog.dunning, page.now()).await?;
    drop(tx);
    let names =
        app.catalog.metrics.iter().map(|metric| (metric.id.clone(), view::name(page.language(), metric)));
    Ok(TenantPage { metrics: names.collect(), reason: String::new(), page, sheet, access, pieces })
}

/// The page again, saying what of a form could not be accepted.
pub(super) async fn refused(
    page: Page,
    app: &App,
    id: &str,
    reason: String,
    error: FieldError,
) -> Result<Response> {
    let again = load(page.with_errors(vec![error]), app, id).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(TenantPage { reason, ..again })).into_response())
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    kind: String,
    after: String,
}

#[derive(Template)]
#[template(path = "staff/timeline.html")]
pub(super) struct TimelinePage {
    page: Page,
    sheet: Sheet,
    kind: Option<Kind>,
    moments: Vec<Moment>,
    older: Option<String>,
    is_newest: bool,
}

impl TimelinePage {
    fn is_of(&self, kind: &Kind) -> bool {
        self.kind == Some(*kind)
    }

    fn when(&self, moment: &Moment) -> String {
        self.page.date_time(from_seconds(moment.at))
    }

    fn what(&self, moment: &Moment) -> String {
        words::what(&self.page, moment)
    }

    fn detail(&self, moment: &Moment) -> String {
        words::detail(&self.page, moment)
    }

    fn amount(&self, moment: &Moment) -> Option<String> {
        words::amount(&self.page, moment)
    }

    fn kind_of(&self, moment: &Moment) -> String {
        Kind::read(&moment.kind).map_or_else(|| moment.kind.clone(), |kind| self.page.t(kind.key()))
    }

    /// The page of the thing itself, where staff have one.
    fn link(&self, moment: &Moment) -> Option<String> {
        match Kind::read(&moment.kind)? {
            Kind::Mail => Some(format!("/staff/mails/{}", moment.id)),
            Kind::Dunning => Some(format!("/staff/dunning/{}", moment.object.as_deref()?)),
            Kind::Event => Some(format!("/staff/events/{}", moment.id)),
            Kind::Audit => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("tenant", &self.sheet.id).append_pair("object", moment.object.as_deref()?);
                Some(format!("/staff/audit?{}", query.finish()))
            }
            Kind::Invoice | Kind::Mrr => None,
        }
    }
}

pub(super) async fn timeline(
    page: Page,
    State(app): State<App>,
    _: Staff,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<(StatusCode, Html<TimelinePage>)> {
    let mut read = Narrowing::of(&page);
    let kind = read.choice(("kind", "staff-kind"), &wanted.kind, Kind::read);
    let point = read.after(&wanted.after, Point::read);
    let is_newest = point.is_none();
    let wish = read.filter((kind, point.unwrap_or_else(Point::newest)));
    let (page, wish) = page.narrowed(wish);
    let mut tx = app.db.read().await?;
    let sheet = store::sheet(&mut tx, &id).await?.ok_or(Error::NotFound)?;
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut moments = match wish {
        Some((kind, point)) => store::timeline(&mut tx, &id, kind, &point, limit).await?,
        None => Vec::new(),
    };
    drop(tx);

    let has_more = moments.len() > PAGE;
    moments.truncate(PAGE);
    let last = moments.last().filter(|_| has_more);
    let older = last.map(|last| narrowed(&[("kind", &wanted.kind)], Some(&Point::of(last))));
    Ok((page.status(), Html(TimelinePage { page, sheet, kind, moments, older, is_newest })))
}

/// Fetches the tenant's customer from Stripe and writes what it says.
pub(super) async fn resync(
    State(app): State<App>,
    staff: Staff,
    Path(id): Path<String>,
    _: Form<Nothing>,
) -> Result<Response> {
    let sheet = store::sheet(&mut app.db.read().await?, &id).await?.ok_or(Error::NotFound)?;
    let back = redirect(format!("/staff/tenants/{id}"));
    let customer = sheet.customer_id.and_then(|customer| customer.parse::<CustomerId>().ok());
    let Some(customer) = customer else {
        return Ok(back.flash(Flash::warning("staff-resync-no-customer")).into_response());
    };
    let actor = Actor::User(staff.user.id.as_str().to_owned());
    let done = sync::refetch(&app.db, &app.stripe, &app.clock, &customer, &actor, Budget::page()).await;
    let flash = match &done {
        Ok(()) => Flash::success("staff-resync-done"),
        Err(sync::Error::Busy | sync::Error::Lost(_)) => Flash::warning("staff-resync-busy"),
        Err(sync::Error::Stripe(stripe::Error::NotFound { .. })) => Flash::danger("staff-resync-gone"),
        Err(sync::Error::Stripe(error)) if error.is_safe_to_retry() => {
            Flash::danger("staff-resync-unreachable")
        }
        Err(sync::Error::Stripe(_)) => Flash::danger("staff-resync-refused"),
        Err(sync::Error::Stranger) => Flash::danger("staff-resync-no-customer"),
        Err(sync::Error::Db(_)) => return done.map_err(Error::from).map(IntoResponse::into_response),
    };
    let told = serde_json::json!({ "error": done.err().map(|error| error.to_string()) });
    let entry = Entry::new(actor, "tenant.resynced", app.clock.now());
    let mut tx = app.db.write().await?;
    audit::record(&mut tx, &entry.tenant(id).object(customer.to_string()).change(None, Some(told))).await?;
    tx.commit().await?;
    app.bell.ring();
    Ok(back.flash(flash).into_response())
}

#[derive(Deserialize)]
pub(super) struct PlanForm {
    product: String,
    show: bool,
}

/// Shows a hidden plan to the tenant, or no more.
pub(super) async fn plans(
    State(app): State<App>,
    staff: Staff,
    Path(id): Path<String>,
    Form(form): Form<PlanForm>,
) -> Result<Response> {
    let now = app.clock.now();
    let by = staff.user.id.as_str();
    let mut tx = app.db.write().await?;
    let done = if form.show {
        store::grant(&mut tx, &id, &form.product, by, now).await?
    } else {
        store::revoke(&mut tx, &id, &form.product).await?
    };
    if !done && store::sheet(&mut tx, &id).await?.is_none() {
        return Err(Error::NotFound);
    }
    let (action, flash) = if form.show {
        ("plan.shown", "staff-plan-is-shown")
    } else {
        ("plan.hidden", "staff-plan-is-hidden")
    };
    if done {
        let entry =
            Entry::new(Actor::User(by.to_owned()), action, now).tenant(id.as_str()).object(form.product);
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
    }
    let flash = if done { Flash::success(flash) } else { Flash::info("staff-plan-unchanged") };
    Ok(redirect(format!("/staff/tenants/{id}")).flash(flash).into_response())
}
