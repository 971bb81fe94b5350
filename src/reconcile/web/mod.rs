//! Runs and findings as pages of the staff.

mod finding;
pub(super) mod validation;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use http_body_util::channel::Channel;
use serde::Deserialize;

use super::export::{self, Form as FileForm, Report};
use super::store::{self, Counts, Filter, FindingRow, Listed, Run};
use super::work;
use super::{Kind, RunState, Severity, Stage, State};
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::auth::Staff;
use crate::clock::from_seconds;
use crate::error::{Error, FieldError, Result, WayOn};
use crate::money::{Currency, Money};
use crate::web::{ClientAddress, Flash, Form, Html, Narrowing, Nothing, Page, narrowed, narrows, redirect};

/// Runs on a page, and findings.
const RUNS: usize = 25;
const FINDINGS: usize = 50;

/// The routes of this feature.
pub fn router() -> Router<App> {
    Router::new()
        .route("/staff/reconciliation", get(runs).post(begin))
        .route("/staff/reconciliation/{run}", get(one))
        .route("/staff/reconciliation/{run}/report.json", get(json))
        .route("/staff/reconciliation/{run}/report.csv", get(csv))
        .route("/staff/reconciliation/{run}/repair", post(repair))
        .route("/staff/reconciliation/findings/{id}", get(finding::show).post(finding::repair))
        .route("/staff/validation", get(validation::latest))
        .route("/staff/validation/{id}", get(validation::one))
        .route("/staff/validation/{id}/report.json", get(validation::json))
        .route("/staff/validation/{id}/report.csv", get(validation::csv))
}

#[derive(Deserialize)]
struct Asked {
    /// Time and id of the last run of the page before, with a dash between.
    #[serde(default)]
    after: String,
}

#[derive(Template)]
#[template(path = "reconcile/runs.html")]
struct RunsPage {
    page: Page,
    runs: Vec<Listed>,
    is_running: bool,
    older: Option<String>,
}

impl RunsPage {
    fn when(&self, seconds: &i64) -> String {
        self.page.date_time(from_seconds(*seconds))
    }
}

async fn runs(
    page: Page,
    Shared(app): Shared<App>,
    _: Staff,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let mut read = Narrowing::of(&page);
    let after = read.after_time(&asked.after);
    let after = read.filter(after);
    let (page, after) = page.narrowed(after);
    let mut runs = match &after {
        Some(after) => {
            let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
            store::runs(&mut app.db.read().await?, after, 26).await?
        }
        None => Vec::new(),
    };
    let has_more = runs.len() > RUNS;
    runs.truncate(RUNS);
    let older =
        runs.last().filter(|_| has_more).map(|last| format!("{}-{}", last.run.started_at, last.run.id));
    let is_running = runs.iter().any(|listed| listed.run.state == RunState::Running);
    let again = look_again(is_running, 10);
    let status = page.status();
    Ok((status, again, Html(RunsPage { page, runs, is_running, older })).into_response())
}

/// Has the browser look again after so many seconds, without script, as long as a run goes on.
fn look_again(is_running: bool, seconds: u8) -> Option<[(HeaderName, String); 1]> {
    is_running.then(|| [(HeaderName::from_static("refresh"), seconds.to_string())])
}

#[derive(Deserialize)]
struct Wish {
    /// `look` or `repair`.
    mode: String,
}

async fn begin(
    Shared(app): Shared<App>,
    staff: Staff,
    ClientAddress(address): ClientAddress,
    Form(wish): Form<Wish>,
) -> Result<Response> {
    let repairs = match wish.mode.as_str() {
        "look" => false,
        "repair" => true,
        _ => return Err(Error::field("mode", "reconcile-no-such-mode")),
    };
    let actor = Actor::User(staff.user.id.as_str().to_owned());
    let mut tx = app.db.write().await?;
    let begun = work::begin(&mut tx, &app.clock, repairs, &actor, Some(&address.to_string()), None).await?;
    tx.commit().await?;
    Ok(match begun {
        Some(run) => {
            redirect(format!("/staff/reconciliation/{run}")).flash(Flash::success("reconcile-begun"))
        }
        None => redirect("/staff/reconciliation").flash(Flash::warning("reconcile-under-way")),
    }
    .into_response())
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Narrow {
    kind: String,
    severity: String,
    state: String,
    after: String,
}

impl Narrow {
    fn filter(&self, page: &Page) -> Result<Filter, Vec<FieldError>> {
        let mut read = Narrowing::of(page);
        let severity =
            read.choice(("severity", "reconcile-severity"), &self.severity, |text| text.parse().ok());
        let kind = read.choice(("kind", "reconcile-kind"), &self.kind, |text| text.parse().ok());
        let state = read.choice(("state", "reconcile-state"), &self.state, |text| {
            text.parse().ok().filter(|state| *state != State::Checking)
        });
        let after = read.after(&self.after, |text| {
            text.split_once('-').map(|(severity, id)| (severity.to_owned(), id.to_owned()))
        });
        read.filter(Filter { kind, severity, state, after })
    }

    fn fields(&self) -> [(&'static str, &str); 3] {
        [("kind", &self.kind), ("severity", &self.severity), ("state", &self.state)]
    }

    fn is_set(&self) -> bool {
        narrows(&self.fields())
    }

    fn query(&self, last: &FindingRow) -> String {
        let after = format!("{}-{}", last.severity.as_str(), last.id);
        narrowed(&self.fields(), Some(&after))
    }
}

#[derive(Template)]
#[template(path = "reconcile/run.html")]
struct RunPage {
    page: Page,
    run: Run,
    counts: Vec<Counts>,
    findings: Vec<FindingRow>,
    narrow: Narrow,
    older: Option<String>,
    now: i64,
}

impl RunPage {
    fn when(&self, seconds: &i64) -> String {
        self.page.date_time(from_seconds(*seconds))
    }

    fn open(&self) -> i64 {
        export::sum(&self.counts, State::Open)
    }

    fn repaired(&self) -> i64 {
        export::sum(&self.counts, State::Repaired)
    }

    /// Findings that the portal can put right without anybody's word.
    fn repairable(&self) -> i64 {
        let open = self.counts.iter().filter(|one| one.state == State::Open && one.repair.is_automatic());
        open.map(|one| one.count).sum()
    }

    fn is_running(&self) -> bool {
        self.run.state == RunState::Running
    }

    /// Seconds that the comparison took, or has taken so far.
    fn seconds(&self) -> i64 {
        self.run.progress.seconds.unwrap_or((self.now - self.run.started_at).max(0))
    }

    /// Customers of the list, of about so many where that is known.
    fn customers(&self) -> String {
        let seen = self.page.number(self.run.progress.customers);
        match self.run.progress.total.filter(|_| self.run.stage == Stage::Customers && self.is_running()) {
            Some(total) => {
                let args = [("part", seen), ("of", self.page.number(total))];
                self.page.ta("reconcile-seen-of", args)
            }
            None => seen,
        }
    }

    fn paid(&self) -> Vec<String> {
        let sums = self.run.progress.paid.iter().filter(|(_, minor)| **minor != 0);
        sums.map(|(currency, minor): (&Currency, &i64)| self.page.money(Money::new(*minor, *currency)))
            .collect()
    }
}

async fn one(
    page: Page,
    Shared(app): Shared<App>,
    _: Staff,
    Path(id): Path<String>,
    Query(narrow): Query<Narrow>,
) -> Result<Response> {
    let filter = narrow.filter(&page);
    let (page, filter) = page.narrowed(filter);
    let mut tx = app.db.read().await?;
    let run = store::run(&mut tx, &id).await?.ok_or(Error::NotFound)?;
    let counts = store::count(&mut tx, &id).await?;
    let mut findings = match filter {
        Some(filter) => store::list(&mut tx, &id, &filter, 51).await?,
        None => Vec::new(),
    };
    drop(tx);
    let has_more = findings.len() > FINDINGS;
    findings.truncate(FINDINGS);
    let older = findings.last().filter(|_| has_more).map(|last| narrow.query(last));
    let now = app.clock.wall().as_second();
    let again = look_again(run.state == RunState::Running, 3);
    let status = page.status();
    Ok((status, again, Html(RunPage { page, run, counts, findings, narrow, older, now })).into_response())
}

async fn json(Shared(app): Shared<App>, _: Staff, Path(id): Path<String>) -> Result<Response> {
    file(&app, &id, FileForm::Json).await
}

async fn csv(Shared(app): Shared<App>, _: Staff, Path(id): Path<String>) -> Result<Response> {
    file(&app, &id, FileForm::Csv).await
}

/// A file that is written while it is being read.
async fn file(app: &App, id: &str, form: FileForm) -> Result<Response> {
    let run = store::run(&mut app.db.read().await?, id).await?.ok_or(Error::NotFound)?;
    let (mut sender, body) = Channel::<Bytes, crate::db::Error>::new(2);
    let name = format!("attachment; filename=\"reconciliation.{}\"", form.ending());
    let db = app.db.clone();
    tokio::spawn(async move {
        let mut report = Report::new(run, form);
        loop {
            match report.next(&db).await {
                Ok(None) => return,
                Ok(Some(text)) => {
                    if sender.send_data(text.into()).await.is_err() {
                        return;
                    }
                }
                // A broken file ends without its last chunk, so that nobody takes it for a whole one.
                Err(error) => {
                    tracing::warn!(%error, "a report of reconciliation broke off");
                    return sender.abort(error);
                }
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(form.content_type())),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(Error::internal)?),
    ];
    Ok((headers, axum::body::Body::new(body)).into_response())
}

/// Has a run that is through put right what it found, in the background.
async fn repair(
    Shared(app): Shared<App>,
    staff: Staff,
    ClientAddress(address): ClientAddress,
    Path(id): Path<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response> {
    let back = format!("/staff/reconciliation/{id}");
    let mut tx = app.db.write().await?;
    store::run(&mut tx, &id).await?.ok_or(Error::NotFound)?;
    let actor = Actor::User(staff.user.id.as_str().to_owned());
    if !store::reopen(&mut tx, &id, &actor, app.clock.wall().as_second()).await? {
        let way_on = Some(WayOn { to: back, label: "reconcile-back" });
        return Err(Error::Conflict { reason: "reconcile-not-now", way_on });
    }
    let entry = Entry::new(actor, "reconciliation.started", app.clock.now())
        .object(&id)
        .address(address.to_string())
        .change(None, Some(serde_json::json!({ "repairs": true })));
    audit::record(&mut tx, &entry).await?;
    tx.commit().await?;
    Ok(redirect(back).flash(Flash::success("reconcile-repairs-begun")).into_response())
}
