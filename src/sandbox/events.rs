//! Events: a snapshot of an object at a moment, and what it was before.

use serde_json::{Map, Value, json};

use super::json::{Json, public};
use super::state::State;
use super::store::Kind;
use super::{API_VERSION, deliver};

/// How many events are kept; Stripe keeps those of 30 days.
const KEPT: usize = 50_000;

/// Records an event.
pub(crate) fn emit(state: &mut State, name: &str, object: &Value, previous: Option<Value>) {
    if state.quiet {
        return;
    }
    let id = state.id("evt_");
    let mut data = json!({ "object": public(object) });
    if let Some(previous) = previous {
        data["previous_attributes"] = previous;
    }
    let waiting = deliver::listeners(state, name);
    let event = json!({
        "id": id,
        "object": "event",
        "api_version": API_VERSION,
        "created": state.at,
        "data": data,
        "livemode": false,
        "pending_webhooks": waiting,
        "request": { "id": state.cause.request, "idempotency_key": state.cause.key },
        "type": name,
    });
    state.store.put(Kind::Event, event);
    trim(state, Kind::Event);
}

/// Records an event of version 2 of the API: delivered thin, to event destinations alone, and asked for with its data.
pub(crate) fn emit_thin(state: &mut State, name: &str, related: Value, data: Value) {
    if state.quiet {
        return;
    }
    let request = json!({ "id": state.cause.request, "idempotency_key": state.cause.key });
    let reason = state.cause.request.as_ref().map(|_| json!({ "type": "request", "request": request }));
    let event = json!({
        "id": state.id("evt_test_"),
        "object": "v2.core.event",
        "type": name,
        "created": moment(state.at),
        "context": null,
        "livemode": false,
        "reason": reason,
        "related_object": related,
        "data": data,
    });
    state.store.put(Kind::ThinEvent, event);
    trim(state, Kind::ThinEvent);
}

/// What is delivered of an event of version 2.
pub(crate) fn thin(event: &Value) -> Value {
    let mut thin = public(event);
    if let Some(fields) = thin.as_object_mut() {
        fields.remove("data");
    }
    thin
}

/// A time as version 2 of the API writes it.
pub(crate) fn moment(at: i64) -> String {
    let at = jiff::Timestamp::from_second(at).unwrap_or_default();
    format!("{at:.3}")
}

fn trim(state: &mut State, kind: Kind) {
    if state.store.count(kind) <= KEPT {
        return;
    }
    let oldest = state.store.all(kind).next().map(|event| event.id());
    if let Some(oldest) = oldest {
        state.store.remove(kind, &oldest);
    }
}

/// What `previous_attributes` says: the old values of what differs; hashes are compared within, arrays and lists as wholes.
/// None when nothing differs.
pub(crate) fn difference(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return None };
    let mut changed = Map::new();
    for (key, was) in old {
        match new.get(key) {
            Some(is) if is == was => {}
            Some(is) if is.is_object() && was.is_object() && was.get("data").is_none() => {
                if let Some(inner) = difference(was, is) {
                    changed.insert(key.clone(), inner);
                }
            }
            _ => {
                changed.insert(key.clone(), was.clone());
            }
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        changed.insert(key.clone(), Value::Null);
    }
    (!changed.is_empty()).then_some(Value::Object(changed))
}

/// Whether an endpoint's list of event types takes in `name`.
pub(crate) fn wants(enabled: &[Value], name: &str) -> bool {
    enabled.iter().filter_map(Value::as_str).any(|pattern| pattern == "*" || pattern == name)
}
