//! Test clocks: customers whose time is their own.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::billing::due;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, delete, get, post};
use crate::sandbox::settings::DAY;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post("/v1/test_helpers/test_clocks", "frozen_time name", create),
    get("/v1/test_helpers/test_clocks", paged!(), all),
    get("/v1/test_helpers/test_clocks/{}", "", one),
    delete("/v1/test_helpers/test_clocks/{}", "", remove),
    post("/v1/test_helpers/test_clocks/{}/advance", "frozen_time", advance),
];

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let clock = json!({
        "id": state.id("clock_"), "object": "test_helpers.test_clock", "created": state.at,
        "deletes_after": state.at + 30 * DAY, "frozen_time": call.params.need_int("frozen_time")?, "livemode": false,
        "name": call.params.text("name")?, "status": "ready", "status_details": {},
    });
    state.create(Kind::TestClock, clock.clone(), "test_helpers.test_clock.created");
    Ok(clock)
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    list::page(state, call, Kind::TestClock, "/v1/test_helpers/test_clocks", |_| true)
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::TestClock, call.arg(0), "id")?))
}

/// Moves a clock forward. Everything due happens before the answer, which still says `advancing` as Stripe's does; a look
/// afterwards finds it `ready`.
fn advance(state: &mut State, call: &Call<'_>) -> Answer {
    let clock = state.need(Kind::TestClock, call.arg(0), "id")?;
    let id = clock.id();
    let to = call.params.need_int("frozen_time")?;
    if to <= clock.int("frozen_time") {
        return Err(ApiError::invalid("frozen_time", "The time must be after the clock's present time."));
    }
    if to > clock.int("frozen_time") + 2 * 366 * DAY {
        return Err(ApiError::invalid(
            "frozen_time",
            "A clock can be advanced by two years at most at once.",
        ));
    }
    let target = json!({ "advancing": { "target_frozen_time": to } });
    state.update(Kind::TestClock, &id, "test_helpers.test_clock.advancing", |clock| {
        clock["status"] = json!("advancing");
        clock["status_details"] = target;
    });
    let answer = public(&state.find(Kind::TestClock, &id));
    due::catch_up(state, &id, to);
    state.at = to;
    state.amend(Kind::TestClock, &id, |clock| {
        clock["status"] = json!("ready");
        clock["status_details"] = json!({});
        clock["frozen_time"] = json!(to);
    });
    let ready = state.find(Kind::TestClock, &id);
    state.emit("test_helpers.test_clock.ready", &ready, None);
    Ok(answer)
}

/// Deletes a clock, and with it the customers that live by it.
fn remove(state: &mut State, call: &Call<'_>) -> Answer {
    let clock = state.need(Kind::TestClock, call.arg(0), "id")?;
    let id = clock.id();
    let of_clock = |state: &State, kind: Kind| -> Vec<Value> {
        let found = state.store.all(kind).filter(|object| object.text("test_clock") == id);
        found.map(|object| Value::clone(object)).collect()
    };
    for kind in [Kind::Subscription, Kind::Schedule, Kind::Invoice, Kind::InvoiceItem] {
        for object in of_clock(state, kind) {
            state.store.remove(kind, object.text("id"));
        }
    }
    for customer in of_clock(state, Kind::Customer) {
        let gone = json!({ "id": customer["id"], "object": "customer", "deleted": true });
        state.store.put(Kind::Customer, gone);
        state.emit("customer.deleted", &customer, None);
    }
    state.store.remove(Kind::TestClock, &id);
    state.emit("test_helpers.test_clock.deleted", &clock, None);
    Ok(json!({ "id": id, "object": "test_helpers.test_clock", "deleted": true }))
}
