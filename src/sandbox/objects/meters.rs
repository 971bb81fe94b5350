//! Meters, and the events that report usage to them.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::billing::usage;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::events;
use crate::sandbox::form::Params;
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, get, post};
use crate::sandbox::settings::{DAY, HOUR};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post(
        "/v1/billing/meters",
        "display_name event_name default_aggregation(formula) event_time_window customer_mapping(event_payload_key type) \
         value_settings(event_payload_key)",
        create,
    ),
    get("/v1/billing/meters", paged!("status"), all),
    get("/v1/billing/meters/{}", "", one),
    post("/v1/billing/meters/{}", "display_name", update),
    post("/v1/billing/meters/{}/deactivate", "", deactivate),
    post("/v1/billing/meters/{}/reactivate", "", reactivate),
    get(
        "/v1/billing/meters/{}/event_summaries",
        paged!("customer start_time end_time value_grouping_window"),
        summaries,
    ),
    post("/v1/billing/meter_events", "event_name payload* identifier timestamp", report),
    post("/v1/billing/meter_event_adjustments", "event_name type cancel(identifier)", adjust),
];

/// How far back usage may lie, and how far ahead.
const PAST: i64 = 35 * DAY;
const AHEAD: i64 = 300;
/// How long an identifier stands for one event: Stripe promises 24 hours and no more.
const UNIQUE: i64 = 24 * HOUR;

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let name = params.need("event_name")?;
    let taken = state
        .store
        .all(Kind::Meter)
        .any(|meter| meter.text("event_name") == name && meter.text("status") == "active");
    if taken {
        return Err(ApiError::invalid(
            "event_name",
            format!("An active meter with event name {name} already exists."),
        ));
    }
    let aggregation = params.within("default_aggregation");
    let formula = aggregation.word("formula", &["sum", "count", "last"])?;
    let formula = formula.ok_or_else(|| ApiError::missing("default_aggregation[formula]"))?;
    let (mapping, value) = (params.within("customer_mapping"), params.within("value_settings"));
    let meter = json!({
        "id": state.id("mtr_"), "object": "billing.meter", "created": state.at,
        "customer_mapping": { "event_payload_key": mapping.text("event_payload_key")?.unwrap_or("stripe_customer_id"),
                              "type": mapping.word("type", &["by_id"])?.unwrap_or("by_id") },
        "default_aggregation": { "formula": formula }, "display_name": params.need("display_name")?,
        "event_name": name, "event_time_window": params.word("event_time_window", &["day", "hour"])?, "livemode": false,
        "status": "active", "status_transitions": { "deactivated_at": null }, "updated": state.at,
        "value_settings": { "event_payload_key": value.text("event_payload_key")?.unwrap_or("value") },
    });
    state.create(Kind::Meter, meter.clone(), "billing.meter.created");
    Ok(meter)
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let status = call.params.word("status", &["active", "inactive"])?;
    list::page(state, call, Kind::Meter, "/v1/billing/meters", |meter| {
        status.is_none_or(|status| meter.text("status") == status)
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Meter, call.arg(0), "id")?))
}

fn change(state: &mut State, id: &str, event: &str, change: impl FnOnce(&mut Value)) -> Answer {
    state.need(Kind::Meter, id, "id")?;
    let at = state.at;
    state.update(Kind::Meter, id, event, |meter| {
        change(meter);
        meter["updated"] = json!(at);
    });
    Ok(public(&state.find(Kind::Meter, id)))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let name = call.params.text("display_name")?;
    change(state, call.arg(0), "billing.meter.updated", |meter| {
        if let Some(name) = name {
            meter["display_name"] = json!(name);
        }
    })
}

fn deactivate(state: &mut State, call: &Call<'_>) -> Answer {
    let at = state.at;
    change(state, call.arg(0), "billing.meter.deactivated", |meter| {
        meter["status"] = json!("inactive");
        meter["status_transitions"]["deactivated_at"] = json!(at);
    })
}

fn reactivate(state: &mut State, call: &Call<'_>) -> Answer {
    change(state, call.arg(0), "billing.meter.reactivated", |meter| {
        meter["status"] = json!("active");
        meter["status_transitions"]["deactivated_at"] = Value::Null;
    })
}

/// Takes usage in. What is wrong with the request is refused at once; a customer that does not exist is reported later, by an
/// event, as Stripe does.
fn report(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let name = params.need("event_name")?;
    let meter = state.store.all(Kind::Meter).find(|meter| meter.text("event_name") == name).cloned();
    let Some(meter) = meter else {
        return Err(ApiError::invalid("event_name", format!("No meter found with event name: {name}"))
            .code("billing_meter_event_name_not_found"));
    };
    if meter.text("status") != "active" {
        return Err(
            ApiError::refused(format!("Meter {} is inactive.", meter.text("id"))).code("archived_meter")
        );
    }
    let payload = params.hash("payload").ok_or_else(|| ApiError::missing("payload"))?;
    let (customer, value) = read_payload(&meter, &payload)?;
    let at = state.find(Kind::Customer, &customer).maybe_text("test_clock").map(str::to_owned);
    if at.is_some() {
        state.customer(&customer, "payload")?;
    }
    let timestamp = params.int("timestamp")?.unwrap_or(state.at);
    if timestamp < state.at - PAST {
        return Err(ApiError::invalid("timestamp", "The timestamp is more than 35 days in the past.")
            .code("timestamp_too_far_in_past"));
    }
    if timestamp > state.at + AHEAD {
        return Err(ApiError::invalid("timestamp", "The timestamp is more than 5 minutes in the future.")
            .code("timestamp_in_future"));
    }
    let identifier = match params.text("identifier")? {
        Some(given) if given.len() > 100 => {
            return Err(ApiError::invalid("identifier", "At most 100 characters."));
        }
        Some(given) => given.to_owned(),
        None => state.id("me_"),
    };
    let before = state.store.get(Kind::MeterEvent, &identifier).map(|event| event.int("created"));
    if before.is_some_and(|before| before > state.at - UNIQUE) {
        // Version 1 of the API gives no code for it: the words are all there is to know it by.
        return Err(ApiError::refused(format!("An event already exists with identifier {identifier}.")));
    }
    let mut shown = json!({
        "object": "billing.meter_event", "created": state.at, "event_name": name, "identifier": identifier,
        "livemode": false, "payload": {}, "timestamp": timestamp,
    });
    for key in payload.names() {
        shown["payload"][key] = json!(payload.text(key)?);
    }
    keep(state, &shown, &meter, &customer, value);
    Ok(shown)
}

/// The customer and the value of a payload.
fn read_payload(meter: &Value, payload: &Params<'_>) -> Answer<(String, i64)> {
    let key = meter.text("/customer_mapping/event_payload_key");
    let customer = payload.need(key)?.to_owned();
    if meter.text("/default_aggregation/formula") == "count" {
        return Ok((customer, 1));
    }
    let value = payload.need(meter.text("/value_settings/event_payload_key"))?;
    let number = value.parse().map_err(|_| {
        ApiError::invalid(
            payload.name(meter.text("/value_settings/event_payload_key")),
            "The value must be a whole number.",
        )
        .code("meter_event_invalid_value")
    })?;
    Ok((customer, number))
}

fn keep(state: &mut State, shown: &Value, meter: &Value, customer: &str, value: i64) {
    let known = state.store.get(Kind::Customer, customer).is_some_and(|customer| !customer.flag("deleted"));
    if !known {
        complain(state, meter, shown, customer);
    }
    let mut event = shown.clone();
    event["id"] = shown["identifier"].clone();
    // What came under the same name more than a day ago counts beside it.
    if let Some(old) = state.store.get(Kind::MeterEvent, shown.text("identifier")) {
        let mut old = Value::clone(old);
        old["id"] = json!(format!("{} {}", old.text("id"), old.int("created")));
        state.store.put(Kind::MeterEvent, old);
    }
    event.set_note("meter", meter["id"].clone());
    event.set_note("value", json!(value));
    event.set_note("customer", json!(customer));
    state.store.put(Kind::MeterEvent, event);
}

/// Stripe's asynchronous report of a meter event that could not be used: an event of the newer, thin kind.
fn complain(state: &mut State, meter: &Value, event: &Value, customer: &str) {
    let at = events::moment(state.at);
    let data = json!({
        "developer_message_summary": "There is 1 invalid event",
        "reason": {
            "error_count": 1,
            "error_types": [{
                "code": "meter_event_customer_not_found", "error_count": 1,
                "sample_errors": [{
                    "error_message": format!("Customer mapping key {customer} was not found."),
                    "request": { "identifier": event["identifier"] },
                }],
            }],
        },
        "validation_end": at, "validation_start": at,
    });
    let related = json!({ "id": meter["id"], "type": "billing.meter",
                          "url": format!("/v1/billing/meters/{}", meter.text("id")) });
    events::emit_thin(state, "v1.billing.meter.error_report_triggered", related, data);
}

fn adjust(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let name = params.need("event_name")?;
    params.word("type", &["cancel"])?.ok_or_else(|| ApiError::missing("type"))?;
    let cancel = params.within("cancel");
    let identifier = cancel.need("identifier")?;
    let event = state.need(Kind::MeterEvent, identifier, "cancel[identifier]")?;
    if event.text("event_name") != name {
        return Err(ApiError::no_such(Kind::MeterEvent.noun(), identifier, "cancel[identifier]"));
    }
    if event.int("created") < state.at - 24 * HOUR {
        return Err(ApiError::refused(
            "Meter events can only be canceled within 24 hours of being received.",
        ));
    }
    state.amend(Kind::MeterEvent, identifier, |event| event.set_note("canceled", json!(true)));
    Ok(json!({
        "object": "billing.meter_event_adjustment", "cancel": { "identifier": identifier }, "event_name": name,
        "livemode": false, "status": "pending", "type": "cancel",
    }))
}

/// Usage of a customer between two times: as one sum, or per hour or day.
fn summaries(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let meter = state.need(Kind::Meter, call.arg(0), "id")?.id();
    let customer = state.customer(params.need("customer")?, "customer")?.id();
    let (start, end) = (params.need_int("start_time")?, params.need_int("end_time")?);
    let window = params.word("value_grouping_window", &["hour", "day"])?;
    let step = match window {
        Some("hour") => HOUR,
        Some(_) => DAY,
        None => 60,
    };
    if start >= end || start % step != 0 || end % step != 0 {
        return Err(ApiError::invalid(
            "start_time",
            "Start and end must be aligned with the grouping window (to the minute without one), and in order.",
        ));
    }
    let step = if window.is_some() { step } else { end - start };
    let mut found = Vec::new();
    let mut from = end - step;
    // The newest window first.
    while from >= start {
        let total = usage::total(state, &meter, &customer, from, from + step);
        if total != 0 || window.is_none() {
            found.push(json!({
                "id": format!("mtrusg_{}_{from}", meter.trim_start_matches("mtr_")), "object": "billing.meter_event_summary",
                "aggregated_value": total, "end_time": from + step, "livemode": false, "meter": meter, "start_time": from,
            }));
        }
        from -= step;
    }
    list::slice(call, &found, &format!("/v1/billing/meters/{meter}/event_summaries"))
}
