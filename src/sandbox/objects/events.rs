//! The log of events.

use serde_json::Value;

use super::paged;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, get};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] =
    &[get("/v1/events", paged!("type types[] delivery_success"), all), get("/v1/events/{}", "", one)];

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let (kind, kinds) = (call.params.text("type")?, call.params.texts("types"));
    let delivered = call.params.flag("delivery_success")?;
    if kind.is_some() && !kinds.is_empty() {
        return Err(ApiError::invalid("types", "You may pass either `type` or `types`, not both."));
    }
    let like = |event: &Value, pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => event.text("type").starts_with(prefix),
        None => event.text("type") == pattern,
    };
    list::page(state, call, Kind::Event, "/v1/events", |event| {
        kind.is_none_or(|kind| like(event, kind))
            && (kinds.is_empty() || kinds.iter().any(|kind| like(event, kind)))
            && delivered.is_none_or(|delivered| (event.int("pending_webhooks") == 0) == delivered)
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Event, call.arg(0), "id")?))
}
