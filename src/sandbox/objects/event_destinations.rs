//! Event destinations: where thin events go, and the events themselves. Version 2 of the API, which speaks JSON.

use serde_json::{Value, json};

use super::webhook_endpoints::check_url;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::events::moment;
use crate::sandbox::form::Params;
use crate::sandbox::json::{Json, public};
use crate::sandbox::routes::{Call, Route, delete, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post(
        "/v2/core/event_destinations",
        "name description type event_payload enabled_events[] events_from[] include[] metadata* snapshot_api_version \
         webhook_endpoint(url)",
        create,
    ),
    get("/v2/core/event_destinations", "include[] limit page", all),
    get("/v2/core/event_destinations/{}", "include[]", one),
    post(
        "/v2/core/event_destinations/{}",
        "name description enabled_events[] include[] metadata* webhook_endpoint(url)",
        update,
    ),
    post("/v2/core/event_destinations/{}/enable", "include[]", enable),
    post("/v2/core/event_destinations/{}/disable", "include[]", disable),
    delete("/v2/core/event_destinations/{}", "", remove),
    get("/v2/core/events/{}", "", event),
];

/// The secret and the address are shown to who asks for them by name; the secret when it is made, and never again.
fn shown(destination: &Value, params: &Params<'_>, is_new: bool) -> Value {
    let asked = params.texts("include");
    let mut shown = public(destination);
    let wants = |name: &str| asked.contains(&name);
    if wants("webhook_endpoint.url") {
        shown["webhook_endpoint"]["url"] = destination.note("url").clone();
    }
    if is_new && wants("webhook_endpoint.signing_secret") {
        shown["webhook_endpoint"]["signing_secret"] = destination.note("secret").clone();
    }
    shown
}

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    params.word("type", &["webhook_endpoint"])?.ok_or_else(|| ApiError::missing("type"))?;
    // Destinations of snapshots are what version 1 calls webhook endpoints.
    params.word("event_payload", &["thin"])?.ok_or_else(|| ApiError::missing("event_payload"))?;
    let url = params.within("webhook_endpoint").need("url")?.to_owned();
    check_url(&url)?;
    let events = params.texts("enabled_events");
    if events.is_empty() {
        return Err(ApiError::missing("enabled_events"));
    }
    let at = moment(state.at);
    let mut destination = json!({
        "id": state.id("ed_test_"), "object": "v2.core.event_destination", "amazon_eventbridge": null, "created": at,
        "description": params.text("description")?.unwrap_or_default(), "enabled_events": events, "event_payload": "thin",
        "events_from": ["self"], "livemode": false, "metadata": {}, "name": params.need("name")?, "snapshot_api_version": null,
        "status": "enabled", "status_details": null, "type": "webhook_endpoint", "updated": at,
        "webhook_endpoint": { "signing_secret": null, "url": null },
        "_": { "secret": state.token("whsec_", 32), "url": url },
    });
    params.metadata(&mut destination)?;
    state.store.put(Kind::EventDestination, destination.clone());
    Ok(shown(&destination, params, true))
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let limit = usize::try_from(call.params.int("limit")?.unwrap_or(20)).unwrap_or(20).clamp(1, 100);
    let start = call.params.int("page")?.and_then(|page| usize::try_from(page).ok()).unwrap_or(0);
    let there: Vec<Value> = state
        .store
        .all(Kind::EventDestination)
        .rev()
        .skip(start)
        .map(|destination| shown(destination, &call.params, false))
        .collect();
    let include: String = call
        .params
        .texts("include")
        .iter()
        .enumerate()
        .map(|(n, name)| format!("&include[{n}]={name}"))
        .collect();
    let next = (there.len() > limit)
        .then(|| format!("/v2/core/event_destinations?limit={limit}&page={}{include}", start + limit));
    let data: Vec<Value> = there.into_iter().take(limit).collect();
    Ok(json!({ "data": data, "next_page_url": next, "previous_page_url": null }))
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(shown(&*state.need(Kind::EventDestination, call.arg(0), "id")?, &call.params, false))
}

fn change(state: &mut State, call: &Call<'_>, change: impl FnOnce(&mut Value) -> Answer<()>) -> Answer {
    let mut destination = Value::clone(&*state.need(Kind::EventDestination, call.arg(0), "id")?);
    change(&mut destination)?;
    destination["updated"] = json!(moment(state.at));
    state.store.put(Kind::EventDestination, destination.clone());
    Ok(shown(&destination, &call.params, false))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    change(state, call, |destination| {
        if params.has("enabled_events") {
            destination["enabled_events"] = json!(params.texts("enabled_events"));
        }
        for field in ["name", "description"] {
            params.given(field).apply(destination, field);
        }
        if let Some(url) = params.within("webhook_endpoint").text("url")? {
            check_url(url)?;
            destination.set_note("url", json!(url));
        }
        params.metadata(destination)
    })
}

fn enable(state: &mut State, call: &Call<'_>) -> Answer {
    change(state, call, |destination| {
        destination["status"] = json!("enabled");
        destination["status_details"] = Value::Null;
        Ok(())
    })
}

fn disable(state: &mut State, call: &Call<'_>) -> Answer {
    change(state, call, |destination| {
        destination["status"] = json!("disabled");
        destination["status_details"] = json!({ "disabled": { "reason": "user" } });
        Ok(())
    })
}

fn remove(state: &mut State, call: &Call<'_>) -> Answer {
    state.need(Kind::EventDestination, call.arg(0), "id")?;
    state.store.remove(Kind::EventDestination, call.arg(0));
    Ok(json!({ "id": call.arg(0), "object": "v2.core.event_destination" }))
}

/// An event with what it was delivered without.
fn event(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::ThinEvent, call.arg(0), "id")?))
}
