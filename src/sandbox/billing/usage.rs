//! What a customer has used: meter events added up as their meter says.

use serde_json::Value;

use crate::sandbox::json::Json;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// The usage of a customer on a meter from `start` up to, not including, `end`.
pub(crate) fn total(state: &State, meter: &str, customer: &str, start: i64, end: i64) -> i64 {
    let formula = state.find(Kind::Meter, meter).text("/default_aggregation/formula").to_owned();
    let events = state.store.all(Kind::MeterEvent).filter(|event| {
        event.note("meter").as_str() == Some(meter)
            && event.note("customer").as_str() == Some(customer)
            && !event.note("canceled").as_bool().unwrap_or_default()
            && (start..end).contains(&event.int("timestamp"))
    });
    let value = |event: &Value| event.note("value").as_i64().unwrap_or_default();
    match formula.as_str() {
        "count" => i64::try_from(events.count()).unwrap_or(i64::MAX),
        "last" => events.max_by_key(|event| event.int("timestamp")).map_or(0, |event| value(event)),
        _ => events.fold(0, |sum: i64, event| sum.saturating_add(value(event))),
    }
}
