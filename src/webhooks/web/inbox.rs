//! Staff's view of the inbox: what came, what became of it, and the buttons that try again.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State as Shared};
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::audit::{self, Actor, Entry, words};
use crate::auth::Staff;
use crate::clock::from_seconds;
use crate::db::Tx;
use crate::error::{Error, FieldError, Result, WayOn};
use crate::stripe::Budget;
use crate::web::{ClientAddress, Flash, Form, Html, Narrowing, Nothing, Page, narrowed, narrows, redirect};
use crate::webhooks::store::{self, Consequence, Summary};
use crate::webhooks::{Filter, MOST_REPLAYED, State, TYPES, readable, work};

/// Events on a page.
const PAGE: usize = 50;

/// Parked events are counted up to here.
const COUNTED: i64 = 1_000;

/// The pages of staff.
pub fn router() -> Router<App> {
    Router::new()
        .route("/staff/events", get(list))
        .route("/staff/events/replay", post(replay_all))
        .route("/staff/events/recover", post(recover))
        .route("/staff/events/{id}", get(show))
        .route("/staff/events/{id}/replay", post(replay))
}

/// A filter as it stands in addresses and forms.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    r#type: String,
    state: String,
    whose: String,
    from: String,
    to: String,
    /// Time and id of the last event of the page before, with a dash between.
    after: String,
}

impl Asked {
    fn filter(&self, page: &Page) -> Result<Filter, Vec<FieldError>> {
        let mut read = Narrowing::of(page);
        let state = read.choice(("state", "events-state"), &self.state, |text| text.parse().ok());
        let (from, until) = read.days((("from", "events-from"), &self.from), (("to", "events-to"), &self.to));
        let after = read.after_time(&self.after);
        read.filter(Filter {
            kind: self.r#type.trim().to_owned(),
            state,
            whose: self.whose.trim().to_owned(),
            from,
            until,
            after,
        })
    }

    fn fields(&self) -> [(&'static str, &str); 5] {
        [
            ("type", &self.r#type),
            ("state", &self.state),
            ("whose", &self.whose),
            ("from", &self.from),
            ("to", &self.to),
        ]
    }

    fn is_set(&self) -> bool {
        narrows(&self.fields())
    }

    /// The address of the list with this filter, from after an event where there is one.
    fn link(&self, after: Option<&Summary>) -> String {
        let after = after.map(|last| format!("{}-{}", last.received_at, last.id));
        format!("/staff/events?{}", narrowed(&self.fields(), after.as_deref()))
    }
}

#[derive(Template)]
#[template(path = "webhooks/list.html")]
struct ListPage {
    page: Page,
    events: Vec<Summary>,
    asked: Asked,
    parked: i64,
    older: Option<String>,
}

impl ListPage {
    fn when(&self, at: &i64) -> String {
        self.page.date_time(from_seconds(*at))
    }

    /// How many are parked, and whether there are more than were counted.
    fn parked_words(&self) -> String {
        let key = if self.parked >= COUNTED { "events-parked-many" } else { "events-parked" };
        self.page.ta(key, [("count", self.parked)])
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
    let mut tx = app.db.read().await?;
    let mut events = match filter {
        Some(filter) => store::page(&mut tx, &filter, 51).await?,
        None => Vec::new(),
    };
    let parked = store::parked(&mut tx, COUNTED).await?;
    let has_more = events.len() > PAGE;
    events.truncate(PAGE);
    let older = events.last().filter(|_| has_more).map(|last| asked.link(Some(last)));
    Ok((page.status(), Html(ListPage { page, events, asked, parked, older })))
}

#[derive(Template)]
#[template(path = "webhooks/show.html")]
struct ShowPage {
    page: Page,
    event: Summary,
    /// What the table of types says of it.
    reason: Option<&'static str>,
    payload: String,
    conflict: Option<String>,
    led_to: Vec<Consequence>,
}

impl ShowPage {
    fn when(&self, at: &i64) -> String {
        self.page.date_time(from_seconds(*at))
    }

    fn action(&self, action: &str) -> String {
        words::key(action).map_or_else(|| action.to_owned(), |key| self.page.t(key))
    }

    /// Whether working on it again makes sense: not for what cannot be read, nor for what is of the other mode.
    fn can_be_replayed(&self) -> bool {
        is_replayable(&self.event)
    }
}

fn is_replayable(event: &Summary) -> bool {
    event.kind != "unreadable" && (event.state != State::NotNeeded || event.error.is_none())
}

async fn show(
    page: Page,
    Shared(app): Shared<App>,
    _: Staff,
    Path(id): Path<String>,
) -> Result<Html<ShowPage>> {
    let mut tx = app.db.read().await?;
    let full = store::one(&mut tx, &id).await?.ok_or(Error::NotFound)?;
    let led_to = store::consequences(&mut tx, &id).await?;
    let reason = TYPES.iter().find(|(kind, _, _)| *kind == full.summary.kind).map(|(_, _, reason)| *reason);
    let (payload, conflict) = (readable::text(&full.payload), full.conflict.as_deref().map(readable::text));
    Ok(Html(ShowPage { page, event: full.summary, reason, payload, conflict, led_to }))
}

async fn replay(
    Shared(app): Shared<App>,
    staff: Staff,
    ClientAddress(address): ClientAddress,
    Path(id): Path<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response> {
    let back = format!("/staff/events/{id}");
    let mut tx = app.db.write().await?;
    let event = store::one(&mut tx, &id).await?.ok_or(Error::NotFound)?.summary;
    if store::replay(&mut tx, &id, app.clock.wall().as_second()).await? == 0 {
        let way_on = Some(WayOn::new(back, "events-back"));
        return Err(Error::Conflict { reason: "events-not-replayable", way_on });
    }
    let mut entry = entry(&app, &staff, "event.replayed", &address)
        .object(&id)
        .change(Some(json!({ "state": event.state.as_str(), "attempts": event.attempts })), None);
    entry.tenant = event.tenant_id;
    audit::record(&mut tx, &entry).await?;
    done(&app, tx).await?;
    Ok(redirect(back).flash(Flash::success("events-replayed")).into_response())
}

/// All of a filter, the latest first, [`MOST_REPLAYED`] at most.
async fn replay_all(
    page: Page,
    Shared(app): Shared<App>,
    staff: Staff,
    ClientAddress(address): ClientAddress,
    Form(asked): Form<Asked>,
) -> Result<Response> {
    let asked = Asked { after: String::new(), ..asked };
    if !asked.is_set() {
        return Err(Error::field("state", "events-replay-needs-filter"));
    }
    let filter = asked.filter(&page).map_err(Error::Invalid)?;
    let wall = app.clock.wall().as_second();
    let most = i64::try_from(MOST_REPLAYED).unwrap_or(i64::MAX);
    let mut tx = app.db.write().await?;
    let mut again = 0;
    let events = store::page(&mut tx, &filter, most + 1).await?;
    for event in events.iter().take(MOST_REPLAYED) {
        again += store::replay(&mut tx, &event.id, wall).await?;
    }
    let asked_for: serde_json::Map<String, Value> =
        asked.fields().iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let entry = entry(&app, &staff, "events.replayed", &address)
        .change(None, Some(json!({ "filter": asked_for, "count": again })));
    audit::record(&mut tx, &entry).await?;
    done(&app, tx).await?;
    let flash = match again {
        0 => Flash::info("events-replayed-none"),
        _ if events.len() > MOST_REPLAYED => Flash::warning("events-replayed-more").count(again),
        _ => Flash::success("events-replayed-all").count(again),
    };
    Ok(redirect(asked.link(None)).flash(flash).into_response())
}

/// Fetches from Stripe, now, what was not delivered.
async fn recover(
    Shared(app): Shared<App>,
    staff: Staff,
    ClientAddress(address): ClientAddress,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response> {
    let wall = app.clock.wall().as_second();
    let new = work::take_in(&app.inbox, &app.stripe, wall, Budget::page()).await?;
    let mut tx = app.db.write().await?;
    let entry = entry(&app, &staff, "events.recovered", &address).change(None, Some(json!({ "count": new })));
    audit::record(&mut tx, &entry).await?;
    done(&app, tx).await?;
    let count = u64::try_from(new).unwrap_or(u64::MAX);
    let flash = match count {
        0 => Flash::info("events-none-missing"),
        _ => Flash::success("events-recovered").count(count),
    };
    Ok(redirect("/staff/events").flash(flash).into_response())
}

fn entry(app: &App, staff: &Staff, action: &'static str, address: &std::net::IpAddr) -> Entry {
    let actor = Actor::User(staff.user.id.as_str().to_owned());
    Entry::new(actor, action, app.clock.now()).address(address.to_string())
}

/// Commits, and wakes the work.
async fn done(app: &App, tx: Tx) -> Result<()> {
    tx.commit().await?;
    app.bell.ring();
    Ok(())
}
