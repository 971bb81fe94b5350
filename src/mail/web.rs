//! Staff's view of the outbox: what went out, what did not, how each kind looks.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{StatusCode, header};
use serde::Deserialize;

use super::render::{self, Reader, Written};
use super::samples::variants;
use super::store::{self, MailRow};
use super::{Filter, Kind, State, work};
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::auth::Staff;
use crate::error::{Error, FieldError, Result, WayOn};
use crate::i18n::Language;
use crate::web::{ClientAddress, Flash, Form, Html, Narrowing, Nothing, Page, narrowed, narrows, redirect};

/// Mails on a page.
const PAGE: usize = 50;

/// What a mail may do when it is shown: nothing but its own styles.
const PREVIEW_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";

/// The routes of this feature.
pub fn router() -> Router<App> {
    Router::new()
        .route("/staff/mails", get(list))
        .route("/staff/mails/samples/{kind}", get(sample))
        .route("/staff/mails/{id}", get(show))
        .route("/staff/mails/{id}/html", get(html))
        .route("/staff/mails/{id}/resend", post(resend))
}

/// A filter as it stands in addresses and forms.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    kind: String,
    state: String,
    tenant: String,
    /// Time and id of the last mail of the page before, with a dash between.
    after: String,
}

impl Asked {
    fn filter(&self, page: &Page) -> Result<Filter, Vec<FieldError>> {
        let mut read = Narrowing::of(page);
        let kind = read.choice(("kind", "mail-list-kind"), &self.kind, |text| text.parse().ok());
        let state = read.choice(("state", "mail-list-state"), &self.state, |text| text.parse().ok());
        let after = read.after_time(&self.after);
        let tenant = Some(self.tenant.trim().to_owned()).filter(|tenant| !tenant.is_empty());
        read.filter(Filter { kind, state, tenant, after })
    }

    fn fields(&self) -> [(&'static str, &str); 3] {
        [("kind", &self.kind), ("state", &self.state), ("tenant", &self.tenant)]
    }

    fn is_set(&self) -> bool {
        narrows(&self.fields())
    }

    /// The address of the list with this filter, from after a mail where there is one.
    fn link(&self, after: Option<&MailRow>) -> String {
        let after = after.map(|last| format!("{}-{}", last.created_at, last.id));
        format!("/staff/mails?{}", narrowed(&self.fields(), after.as_deref()))
    }
}

#[derive(Template)]
#[template(path = "mail/list.html")]
struct ListPage {
    page: Page,
    mails: Vec<MailRow>,
    asked: Asked,
    has_server: bool,
    older: Option<String>,
}

impl ListPage {
    /// The names of a kind's samples.
    fn variants(&self, kind: Kind) -> Vec<&'static str> {
        variants(kind).into_iter().map(|(name, _)| name).collect()
    }
}

async fn list(
    page: Page,
    Shared(app): Shared<App>,
    _: Staff,
    Query(asked): Query<Asked>,
) -> Result<(StatusCode, Html<ListPage>)> {
    let filter = asked.filter(&page);
    let (page, filter) = page.narrowed(filter);
    let mut mails = match filter {
        Some(filter) => store::list(&mut app.db.read().await?, &filter, 51).await?,
        None => Vec::new(),
    };
    let has_more = mails.len() > PAGE;
    mails.truncate(PAGE);
    let older = mails.last().filter(|_| has_more).map(|last| asked.link(Some(last)));
    let has_server = app.config.mail.server.is_some();
    Ok((page.status(), Html(ListPage { page, mails, asked, has_server, older })))
}

#[derive(Template)]
#[template(path = "mail/show.html")]
struct ShowPage {
    page: Page,
    mail: MailRow,
    written: Option<Written>,
}

async fn show(
    page: Page,
    Shared(app): Shared<App>,
    _: Staff,
    Path(id): Path<String>,
) -> Result<Html<ShowPage>> {
    let (mail, written) = load(&app, &id).await?;
    Ok(Html(ShowPage { page, mail, written }))
}

async fn html(Shared(app): Shared<App>, _: Staff, Path(id): Path<String>) -> Result<Response> {
    let (_, written) = load(&app, &id).await?;
    Ok(preview(written.ok_or(Error::NotFound)?.html))
}

/// A mail and its words. A link that lets its bearer in is not for other eyes, staff's included.
async fn load(app: &App, id: &str) -> Result<(MailRow, Option<Written>)> {
    let mail = store::find(&mut app.db.read().await?, id).await?.ok_or(Error::NotFound)?;
    let mut claimed = mail.claimed();
    if mail.kind.is_secret()
        && !app.config.mail.reveals_secrets
        && let Some(path) = claimed.data.get_mut("path")
    {
        *path = String::new().into();
    }
    let written = work::write(app, &claimed).await?;
    Ok((mail, written.map(|(_, written)| written)))
}

/// How a sample is to be shown. `language` and not `lang`, which would have the pages too in another language from then on.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Look {
    form: String,
    language: String,
    variant: String,
}

async fn sample(
    page: Page,
    Shared(app): Shared<App>,
    _: Staff,
    Path(kind): Path<String>,
    Query(look): Query<Look>,
) -> Result<Response> {
    let kind: Kind = kind.parse().map_err(|_| Error::NotFound)?;
    let mut variants = variants(kind).into_iter();
    let (_, letter) = variants.find(|(name, _)| *name == look.variant).ok_or(Error::NotFound)?;
    let reader = Reader {
        name: Some("Ana Ruiz".to_owned()),
        tenant: Some("Norte".to_owned()),
        language: Language::from_tag(&look.language).unwrap_or_else(|| page.language()),
        time_zone: page.time_zone(),
    };
    let written = render::write(&letter, &reader, &app.config.site, &app.catalog)?;
    if look.form == "text" {
        let text = format!("{}\n\n{}", written.subject, written.text);
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response());
    }
    Ok(preview(written.html))
}

fn preview(html: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PREVIEW_POLICY),
    ];
    (headers, html).into_response()
}

async fn resend(
    Shared(app): Shared<App>,
    staff: Staff,
    ClientAddress(address): ClientAddress,
    Path(id): Path<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response> {
    let back = format!("/staff/mails/{id}");
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let mail = store::find(&mut tx, &id).await?.ok_or(Error::NotFound)?;
    let way_on = || Some(WayOn { to: back.clone(), label: "mail-show-title" });
    if mail.kind.is_secret() && !app.config.mail.reveals_secrets {
        return Err(Error::Conflict { reason: "mail-not-resendable", way_on: way_on() });
    }
    if !store::resend(&mut tx, &id, now).await? {
        return Err(Error::Conflict { reason: "mail-still-waiting", way_on: way_on() });
    }
    let mut entry = Entry::new(Actor::User(staff.user.id.as_str().to_owned()), "mail.resent", now)
        .object(&id)
        .address(address.to_string());
    entry.tenant = mail.tenant_id;
    audit::record(&mut tx, &entry).await?;
    tx.commit().await?;
    Ok(redirect(back).flash(Flash::success("mail-resent")).into_response())
}
