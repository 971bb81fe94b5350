//! The audit as pages and files: a tenant's own entries, and all of them for staff.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::channel::Channel;
use serde::Deserialize;

use super::export::Form;
use super::refusals::{self, By};
use super::words::{self, ACTIONS};
use super::{Actor, ActorKind, Filter, Shown, store};
use crate::app::App;
use crate::auth::{Administrator, Staff};
use crate::clock::from_seconds;
use crate::db::Db;
use crate::error::{Error, FieldError, Result};
use crate::web::{Html, Narrowing, Page, Told, Visit, narrowed, narrows};

/// Entries on a page.
const PAGE: usize = 50;
/// Entries that an export reads at once.
const STEP: i64 = 1_000;

/// The routes of this feature.
pub fn router() -> Router<App> {
    Router::new()
        .route("/audit", get(own))
        .route("/audit.csv", get(own_csv))
        .route("/audit.jsonl", get(own_jsonl))
        .route("/staff/audit", get(all))
        .route("/staff/audit.csv", get(all_csv))
        .route("/staff/audit.jsonl", get(all_jsonl))
}

/// Around everything: writes down whom an answer refused what. An answer that refuses nothing passes by.
pub async fn note_refusals(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let extensions = response.extensions_mut();
    if let (Some(Told(error)), Some(visit)) = (extensions.remove::<Told>(), extensions.remove::<Arc<Visit>>())
        && let Some(action) = refusals::action(&error, visit.route())
        && let Err(error) = note(&app, action, extensions.remove(), error.code(), &visit).await
    {
        tracing::warn!(%error, action, "a refusal was not written down");
    }
    response
}

async fn note(
    app: &App,
    action: &'static str,
    by: Option<By>,
    code: &str,
    visit: &Visit,
) -> crate::db::Result<()> {
    let by = by.unwrap_or_else(|| match visit.person() {
        Some(person) => By {
            actor: Actor::User(person.id.clone()),
            tenant: person.tenant.as_ref().map(|tenant| tenant.id.clone()),
        },
        None => By { actor: Actor::Visitor, tenant: None },
    });
    let address = visit.address().to_string();
    let who = by.actor.id().unwrap_or(&address);
    if !app.auth.refusals.is_new(action, who, visit.route(), app.clock.wall()) {
        return Ok(());
    }
    let entry = refusals::entry(action, by, &address, code, visit.route(), app.clock.now());
    let mut tx = app.db.write().await?;
    store::record(&mut tx, &entry).await?;
    tx.commit().await
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    action: String,
    actor: String,
    object: String,
    tenant: String,
    from: String,
    to: String,
    /// Time and id of the last entry of the page before, with a dash between.
    after: String,
}

impl Asked {
    fn filter(&self, tenant: &str, page: &Page) -> Result<Filter, Vec<FieldError>> {
        let mut read = Narrowing::of(page);
        let actor = read.choice(("actor", "audit-filter-actor"), &self.actor, ActorKind::read);
        let (from, until) =
            read.days((("from", "audit-filter-from"), &self.from), (("to", "audit-filter-to"), &self.to));
        let after = read.after_time(&self.after);
        read.filter(Filter {
            tenant: tenant.to_owned(),
            action: self.action.trim().to_owned(),
            actor: actor.map_or_else(String::new, |kind| kind.as_str().to_owned()),
            object: self.object.trim().to_owned(),
            from,
            until,
            after,
        })
    }

    fn fields(&self) -> [(&'static str, &str); 6] {
        [
            ("action", &self.action),
            ("actor", &self.actor),
            ("object", &self.object),
            ("tenant", &self.tenant),
            ("from", &self.from),
            ("to", &self.to),
        ]
    }

    fn is_set(&self) -> bool {
        narrows(&self.fields())
    }

    /// The same question for a link, from after an entry where there is one.
    fn query(&self, after: Option<&Shown>) -> String {
        let after = after.map(|last| format!("{}-{}", last.row.at, last.row.id));
        narrowed(&self.fields(), after.as_deref())
    }
}

#[derive(Template)]
#[template(path = "audit/list.html")]
struct ListPage {
    page: Page,
    entries: Vec<Shown>,
    asked: Asked,
    /// `/audit`, or `/staff/audit`.
    base: &'static str,
    is_staff: bool,
    export: String,
    older: Option<String>,
}

impl ListPage {
    fn action(&self, action: &str) -> String {
        words::key(action).map_or_else(|| action.to_owned(), |key| self.page.t(key))
    }

    fn who(&self, entry: &Shown) -> String {
        let kind = ActorKind::read(&entry.row.actor_kind).map_or("audit-actor-job", ActorKind::key);
        entry.actor_name.clone().unwrap_or_else(|| self.page.t(kind))
    }

    fn when(&self, entry: &Shown) -> String {
        self.page.date_time(from_seconds(entry.row.at))
    }
}

async fn own(
    page: Page,
    State(app): State<App>,
    manager: Administrator,
    Query(mut asked): Query<Asked>,
) -> Result<(StatusCode, Html<ListPage>)> {
    asked.tenant.clear();
    let filter = asked.filter(manager.tenant.id.as_str(), &page);
    list(page, &app, asked, filter, "/audit").await
}

async fn all(
    page: Page,
    State(app): State<App>,
    _: Staff,
    Query(asked): Query<Asked>,
) -> Result<(StatusCode, Html<ListPage>)> {
    let filter = asked.filter(&asked.tenant, &page);
    list(page, &app, asked, filter, "/staff/audit").await
}

async fn list(
    page: Page,
    app: &App,
    asked: Asked,
    filter: Result<Filter, Vec<FieldError>>,
    base: &'static str,
) -> Result<(StatusCode, Html<ListPage>)> {
    let (page, filter) = page.narrowed(filter);
    let mut entries = match filter {
        Some(filter) => store::list(&mut app.db.read().await?, &filter, 51).await?,
        None => Vec::new(),
    };
    let has_more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let older = entries.last().filter(|_| has_more).map(|last| asked.query(Some(last)));
    let is_staff = base != "/audit";
    let list = ListPage { entries, export: asked.query(None), asked, base, is_staff, older, page };
    Ok((list.page.status(), Html(list)))
}

async fn own_csv(
    page: Page,
    State(app): State<App>,
    manager: Administrator,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    file(&app.db, asked.filter(manager.tenant.id.as_str(), &page), Form::Csv)
}

async fn own_jsonl(
    page: Page,
    State(app): State<App>,
    manager: Administrator,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    file(&app.db, asked.filter(manager.tenant.id.as_str(), &page), Form::Jsonl)
}

async fn all_csv(
    page: Page,
    State(app): State<App>,
    _: Staff,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    file(&app.db, asked.filter(&asked.tenant, &page), Form::Csv)
}

async fn all_jsonl(
    page: Page,
    State(app): State<App>,
    _: Staff,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    file(&app.db, asked.filter(&asked.tenant, &page), Form::Jsonl)
}

/// A file that is written while it is being read: however many entries there are, a thousand of them are in memory.
fn file(db: &Db, filter: Result<Filter, Vec<FieldError>>, form: Form) -> Result<Response> {
    let filter = filter.map_err(Error::Invalid)?;
    let (mut sender, body) = Channel::<Bytes, crate::db::Error>::new(2);
    let db = db.clone();
    tokio::spawn(async move {
        match stream(&db, filter, form, &mut sender).await {
            Ok(()) => {}
            // A broken file ends without its last chunk, so that nobody takes it for a whole one.
            Err(error) => {
                tracing::warn!(%error, "an export of the audit broke off");
                sender.abort(error);
            }
        }
    });
    let name = format!("attachment; filename=\"audit.{}\"", form.ending());
    let name = HeaderValue::from_str(&name).map_err(Error::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(form.content_type())),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::new(body)).into_response())
}

async fn stream(
    db: &Db,
    mut filter: Filter,
    form: Form,
    sender: &mut http_body_util::channel::Sender<Bytes, crate::db::Error>,
) -> crate::db::Result<()> {
    let mut text = form.head();
    loop {
        // Nothing is held while the reader takes its time.
        let entries = store::list(&mut db.read().await?, &filter, STEP).await?;
        for entry in &entries {
            text.push_str(&form.line(&entry.row));
        }
        if !text.is_empty() && sender.send_data(std::mem::take(&mut text).into()).await.is_err() {
            return Ok(());
        }
        let Some(last) = entries.last() else { return Ok(()) };
        filter.after = Some((last.row.at, last.row.id.clone()));
    }
}
