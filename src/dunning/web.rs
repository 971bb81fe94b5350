//! Missing payments as pages: the tenant's with the way to pay, staff's with all that are open, the same timeline on both; and the
//! banner on every page.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State as Shared};
use axum::routing::get;
use http::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{Case, Line, State, banner, store, timeline};
use crate::access::{self, Access, Level};
use crate::app::App;
use crate::auth::{Reader, Staff};
use crate::clock::from_seconds;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::i18n::Language;
use crate::tenants;
use crate::web::{Html, Narrowing, Notice, NoticeAction, Page, Tone};

/// Cases on a page.
const PAGE: usize = 50;

/// The routes of this feature.
pub fn router() -> Router<App> {
    Router::new()
        .route("/payment", get(own))
        .route("/staff/dunning", get(all))
        .route("/staff/dunning/{invoice}", get(one))
}

/// The banner of a tenant with a missing payment: what failed, what happens next and when, and the button that fixes it. `access`
/// is the tenant's, whoever looks.
pub fn notice(
    case: &Case,
    access: &Access,
    may_pay: bool,
    language: Language,
    zone: &TimeZone,
    now: Timestamp,
) -> Notice {
    let (key, at) = banner(case, access, now);
    let args = [
        ("amount", language.money(case.owed())),
        ("invoice", case.name().to_owned()),
        ("date", at.map(|at| language.date(at, zone)).unwrap_or_default()),
    ];
    let action = if may_pay {
        NoticeAction {
            to: format!("/invoices/{}/pay", case.invoice_id),
            words: language.word("dunning-pay"),
            is_form: true,
        }
    } else {
        NoticeAction { to: "/payment".to_owned(), words: language.word("dunning-details"), is_form: false }
    };
    let tone = if access.level == Level::Full { Tone::Warning } else { Tone::Danger };
    Notice { tone, text: language.text(key, &args), action: Some(action) }
}

/// A case with its course.
struct Course {
    case: Case,
    lines: Vec<Line>,
}

async fn course(tx: &mut Tx, case: Case) -> Result<Course> {
    let steps = store::steps(tx, &case.invoice_id).await?;
    Ok(Course { lines: timeline(&case, &steps), case })
}

#[derive(Template)]
#[template(path = "dunning/own.html")]
struct OwnPage {
    page: Page,
    /// The key of the sentence that says what may be done at this moment.
    access: &'static str,
    open: Vec<Course>,
    closed: Vec<Case>,
    may_pay: bool,
}

async fn own(page: Page, Shared(app): Shared<App>, reader: Reader) -> Result<Html<OwnPage>> {
    let tenant = reader.tenant.id.as_str();
    let mut tx = app.db.read().await?;
    let access = access::store::of_tenant(&mut tx, tenant, None, &app.catalog.dunning, page.now()).await?;
    let cases = store::of_tenant(&mut tx, tenant, 50).await?;
    let (open, closed): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| case.state == State::Open);
    let mut courses = Vec::with_capacity(open.len());
    for case in open {
        courses.push(course(&mut tx, case).await?);
    }
    let may_pay = reader.role.manages_billing();
    Ok(Html(OwnPage { page, access: access.reason.key(), open: courses, closed, may_pay }))
}

#[derive(Deserialize)]
struct Asked {
    /// Time and invoice of the last case of the page before, with a dash between.
    #[serde(default)]
    after: String,
}

#[derive(Template)]
#[template(path = "dunning/all.html")]
struct AllPage {
    page: Page,
    /// Cases, and the names of whose they are.
    cases: Vec<(Case, String)>,
    more: Option<String>,
}

async fn all(
    page: Page,
    Shared(app): Shared<App>,
    _: Staff,
    Query(asked): Query<Asked>,
) -> Result<(StatusCode, Html<AllPage>)> {
    let mut read = Narrowing::of(&page);
    let after = read.after_time(&asked.after);
    let after = read.filter(after.unwrap_or((i64::MIN, String::new())));
    let (page, after) = page.narrowed(after);
    let mut cases = match &after {
        Some((at, id)) => store::all_open(&mut app.db.read().await?, (*at, id), 51).await?,
        None => Vec::new(),
    };
    let has_more = cases.len() > PAGE;
    cases.truncate(PAGE);
    let last = cases.last().filter(|_| has_more);
    let more = last.map(|(case, _)| format!("{}-{}", case.opened_at, case.invoice_id));
    Ok((page.status(), Html(AllPage { page, cases, more })))
}

#[derive(Template)]
#[template(path = "dunning/one.html")]
struct OnePage {
    page: Page,
    tenant: String,
    course: Course,
}

async fn one(
    page: Page,
    Shared(app): Shared<App>,
    _: Staff,
    Path(invoice): Path<String>,
) -> Result<Html<OnePage>> {
    let mut tx = app.db.read().await?;
    let case = store::find(&mut tx, &invoice).await?.ok_or(Error::NotFound)?;
    let tenant = tenants::store::find(&mut tx, &case.tenant_id).await?.ok_or(Error::NotFound)?;
    let course = course(&mut tx, case).await?;
    Ok(Html(OnePage { page, tenant: tenant.name, course }))
}

impl Case {
    fn opened(&self) -> Timestamp {
        from_seconds(self.opened_at)
    }
}
