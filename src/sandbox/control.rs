//! What Stripe has no endpoint for: the clock, deliveries, failures, settings. JSON, from this machine only.
//!
//! | request | does |
//! |---|---|
//! | `GET clock` | the time, and what is due next |
//! | `POST clock/advance {to \| seconds}` | moves the clock; everything due on the way happens in order |
//! | `POST clock/next` | moves to the next thing due and does it; says what and when |
//! | `POST clock/pass {seconds}` | lets the world's time of a frozen clock pass (signatures carry it) |
//! | `GET deliveries`, `POST deliveries/hold`, `release {order?, copies?}`, `drop {types?}`, `flush` | webhooks |
//! | `GET idle` | answers when no delivery is on its way, or after `?timeout_ms=` (5,000) |
//! | `GET faults`, `POST faults {path, times, status \| hang_ms \| garbage \| cut, after?}`, `DELETE faults` | failures |
//! | `GET settings`, `POST settings {retry_days, after_retries, …}` | what the account configures |
//! | `POST cards {customer, number}` | makes a customer's saved cards behave like another test card |
//! | `POST disputes {charge}` | a cardholder disputes a charge |
//! | `POST quiet {on}` | until it is switched off, nothing that happens leaves an event behind |
//! | `POST drift {id, set: {"/path": value} \| remove: true}` | changes or removes an object without a word |
//! | `POST copies {customer, count, tenants}` | so many more customers like that one, each of the tenant `tenants` + its number |

use std::net::SocketAddr;
use std::time::Duration;

use axum::Json as Body;
use axum::Router;
use axum::extract::{Query, Request, State as From};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::billing::due;
use super::deliver::Order;
use super::drift;
use super::engine::Handle;
use super::errors::{Answer, ApiError};
use super::json::Json;
use super::objects::{disputes, payment_methods};
use super::settings::DAY;
use super::state::{Cause, State};

/// The furthest the clock moves in one go: ten years.
const FURTHEST: i64 = 3_660 * DAY;

/// The address a connection came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The endpoints under `/_sandbox`.
pub(crate) fn router() -> Router<Handle> {
    Router::new()
        .route("/clock", get(clock))
        .route("/clock/advance", post(advance))
        .route("/clock/next", post(next))
        .route("/clock/pass", post(pass))
        .route("/deliveries", get(deliveries))
        .route("/deliveries/hold", post(hold))
        .route("/deliveries/release", post(release))
        .route("/deliveries/drop", post(drop_deliveries))
        .route("/deliveries/flush", post(flush))
        .route("/idle", get(idle))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/settings", get(settings).post(change_settings))
        .route("/cards", post(cards))
        .route("/disputes", post(dispute))
        .route("/counts", get(counts))
        .route("/quiet", post(quiet))
        .route("/drift", post(drift_apart))
        .route("/copies", post(copy))
        .layer(middleware::from_fn(from_here_only))
}

/// Refuses other machines, and browsers that another site's page has sent.
async fn from_here_only(request: Request, next: Next) -> Response {
    let local = request.extensions().get::<Peer>().is_some_and(|Peer(address)| address.ip().is_loopback());
    if !local || request.headers().contains_key(header::ORIGIN) {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

/// The JSON of a body; an empty one is an empty object.
fn read(body: &Bytes) -> Answer {
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body).map_err(|error| ApiError::refused(format!("not JSON: {error}")))
}

fn show(answer: Answer) -> Response {
    match answer {
        Ok(value) => Body(value).into_response(),
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
            (status, Body(error.body())).into_response()
        }
    }
}

fn the_clock(state: &State) -> Value {
    let next = state.store.next_due("");
    json!({
        "now": state.clock.now(),
        "wall": state.clock.wall(),
        "frozen": state.clock.frozen(),
        "next": next.map(|(at, kind, id)| json!({ "at": at, "what": kind.noun(), "id": id })),
    })
}

async fn clock(From(handle): From<Handle>) -> Response {
    show(handle.run(Cause::default(), |state| Ok(the_clock(state))))
}

async fn advance(From(handle): From<Handle>, body: Bytes) -> Response {
    show(read(&body).and_then(|wish| {
        handle.run(Cause::default(), |state| {
            let now = state.clock.now();
            let to = match (wish.maybe_int("to"), wish.maybe_int("seconds")) {
                (Some(to), _) => to,
                (None, Some(seconds)) => now.saturating_add(seconds),
                (None, None) => return Err(ApiError::refused("give `to` (unix seconds) or `seconds`")),
            };
            if to < now || to - now > FURTHEST {
                return Err(ApiError::refused("the clock moves forward only, ten years at most"));
            }
            due::catch_up(state, "", to);
            state.clock.travel_to(to);
            Ok(the_clock(state))
        })
    }))
}

async fn next(From(handle): From<Handle>) -> Response {
    show(handle.run(Cause::default(), |state| {
        let Some((at, kind, id)) = state.store.next_due("") else {
            return Ok(json!({ "done": null, "clock": the_clock(state) }));
        };
        due::catch_up(state, "", at);
        state.clock.travel_to(at);
        Ok(json!({ "done": { "at": at, "what": kind.noun(), "id": id }, "clock": the_clock(state) }))
    }))
}

async fn pass(From(handle): From<Handle>, body: Bytes) -> Response {
    show(read(&body).and_then(|wish| {
        handle.peek(|state| state.clock.pass(wish.int("seconds")));
        handle.run(Cause::default(), |state| Ok(the_clock(state)))
    }))
}

async fn deliveries(From(handle): From<Handle>) -> Response {
    show(Ok(handle.peek(|state| state.deliveries.show())))
}

async fn hold(From(handle): From<Handle>) -> Response {
    show(Ok(handle.peek(|state| {
        state.deliveries.hold();
        state.deliveries.show()
    })))
}

async fn release(From(handle): From<Handle>, body: Bytes) -> Response {
    let answer = read(&body).and_then(|wish| {
        let order = match wish.text("order") {
            "" | "created" => Order::Created,
            "reverse" => Order::Reverse,
            "shuffle" => Order::Shuffle,
            other => return Err(ApiError::invalid("order", format!("unknown: {other}"))),
        };
        let copies = usize::try_from(wish.maybe_int("copies").unwrap_or(1)).unwrap_or(1);
        Ok(handle.peek(|state| {
            let mut queue = std::mem::take(&mut state.deliveries);
            queue.disturb(order, copies, || state.bits());
            queue.flush();
            state.deliveries = queue;
            state.deliveries.show()
        }))
    });
    handle.nudge();
    show(answer)
}

async fn drop_deliveries(From(handle): From<Handle>, body: Bytes) -> Response {
    let answer = read(&body).map(|wish| {
        let names: Vec<String> =
            wish.items("types").iter().filter_map(|n| n.as_str().map(str::to_owned)).collect();
        json!({ "dropped": handle.peek(|state| state.deliveries.drop_waiting(&names)) })
    });
    handle.nudge();
    show(answer)
}

async fn flush(From(handle): From<Handle>, Query(query): Query<Vec<(String, String)>>) -> Response {
    handle.peek(|state| state.deliveries.flush());
    handle.nudge();
    idle(From(handle), Query(query)).await
}

/// Answers when no delivery is on its way.
async fn idle(From(handle): From<Handle>, Query(query): Query<Vec<(String, String)>>) -> Response {
    let wish = query.iter().find(|(name, _)| name == "timeout_ms").and_then(|(_, value)| value.parse().ok());
    let patience = Duration::from_millis(wish.unwrap_or(5_000_u64).min(60_000));
    // What fell due meanwhile has its events to deliver.
    let due = handle.run(Cause::default(), |_| Ok(()));
    if let Err(error) = due {
        return show(Err(error));
    }
    let mut changes = handle.changes();
    let quiet = async {
        while !handle.peek(|state| state.deliveries.idle()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    let idle = tokio::time::timeout(patience, quiet).await.is_ok();
    show(Ok(json!({ "idle": idle })))
}

async fn faults(From(handle): From<Handle>) -> Response {
    show(Ok(handle.peek(|state| state.faults.show())))
}

async fn add_fault(From(handle): From<Handle>, body: Bytes) -> Response {
    show(read(&body).and_then(|wish| {
        handle.peek(|state| {
            state.faults.add(&wish)?;
            Ok(state.faults.show())
        })
    }))
}

async fn clear_faults(From(handle): From<Handle>) -> Response {
    show(Ok(handle.peek(|state| {
        state.faults.clear();
        state.faults.show()
    })))
}

async fn settings(From(handle): From<Handle>) -> Response {
    show(Ok(handle.peek(|state| state.settings.show())))
}

async fn change_settings(From(handle): From<Handle>, body: Bytes) -> Response {
    show(read(&body).and_then(|wish| {
        handle.peek(|state| {
            state.settings.change(&wish)?;
            Ok(state.settings.show())
        })
    }))
}

async fn cards(From(handle): From<Handle>, body: Bytes) -> Response {
    show(read(&body).and_then(|wish| {
        handle.run(Cause::default(), |state| {
            let changed = payment_methods::behave(state, wish.text("customer"), wish.text("number"))?;
            Ok(json!({ "cards": changed }))
        })
    }))
}

async fn dispute(From(handle): From<Handle>, body: Bytes) -> Response {
    show(read(&body).and_then(|wish| {
        handle.run(Cause::default(), |state| disputes::open(state, wish.text("charge"), "fraudulent"))
    }))
}

async fn counts(From(handle): From<Handle>) -> Response {
    show(Ok(handle.peek(|state| state.counts())))
}

async fn quiet(From(handle): From<Handle>, body: Bytes) -> Response {
    show(read(&body).inspect(|wish| handle.peek(|state| state.quiet = wish.flag("on"))))
}

async fn drift_apart(From(handle): From<Handle>, body: Bytes) -> Response {
    show(read(&body).and_then(|wish| handle.run(Cause::default(), |state| drift::apply(state, &wish))))
}

async fn copy(From(handle): From<Handle>, body: Bytes) -> Response {
    show(read(&body).and_then(|wish| handle.run(Cause::default(), |state| drift::copy(state, &wish))))
}
