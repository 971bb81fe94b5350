//! Lists as Stripe pages them: newest first, by cursor, with ranges of time.

use std::sync::Arc;

use serde_json::Value;

use super::errors::{Answer, ApiError};
use super::form::Params;
use super::json::{Json, list, public};
use super::routes::Call;
use super::state::State;
use super::store::Kind;

/// A page of a kind's objects for which `keep` holds.
pub(crate) fn page(
    state: &State,
    call: &Call<'_>,
    kind: Kind,
    url: &str,
    keep: impl Fn(&Value) -> bool,
) -> Answer {
    let created = Range::read(&call.params, "created")?;
    let matching: Vec<Arc<Value>> = state
        .store
        .all(kind)
        .rev()
        .filter(|object| created.holds(object.int("created")) && keep(object))
        .cloned()
        .collect();
    let copy = call.params.text("starting_after")?.and_then(|id| state.copies.number(kind, id));
    let cursor = |name: &str| -> Answer<Option<u64>> {
        let Some(id) = call.params.text(name)? else { return Ok(None) };
        if copy.is_some() {
            return Ok(Some(0));
        }
        let found = state.store.sequence(kind, id);
        found.map(Some).ok_or_else(|| ApiError::no_such(kind.noun(), id, name))
    };
    let (after, before) = (cursor("starting_after")?, cursor("ending_before")?);
    let place = |object: &Value| state.store.sequence(kind, object.text("id")).unwrap_or_default();
    let eligible: Vec<&Arc<Value>> = matching
        .iter()
        .filter(|object| after.is_none_or(|after| place(object) < after))
        .filter(|object| before.is_none_or(|before| place(object) > before))
        .collect();
    let limit = limit(&call.params)?;
    let has_more = eligible.len() > limit;
    let chosen =
        if before.is_some() { &eligible[eligible.len().saturating_sub(limit)..] } else { &eligible[..] };
    let mut data: Vec<Value> = chosen.iter().take(limit).map(|object| public(object)).collect();
    // Copies are older than what they are copies of. Those of one customer were made real when the customer was named.
    if has_more || before.is_some() || call.params.text("customer")?.is_some() {
        return Ok(list(data, has_more, url));
    }
    let wanted = |object: &Value| created.holds(object.int("created")) && keep(object);
    let has_more = state.copies.page(kind, copy.unwrap_or_default(), limit, wanted, &mut data);
    Ok(list(data, has_more, url))
}

/// Pages through an array that belongs to one object, in its own order.
pub(crate) fn slice(call: &Call<'_>, all: &[Value], url: &str) -> Answer {
    let limit = limit(&call.params)?;
    let start = match call.params.text("starting_after")? {
        None => 0,
        Some(id) => all.iter().position(|item| item.text("id") == id).map_or(all.len(), |at| at + 1),
    };
    let rest = &all[start.min(all.len())..];
    Ok(list(rest.iter().take(limit).map(public).collect(), rest.len() > limit, url))
}

/// The page size: 10 unless asked, 1 to 100.
fn limit(params: &Params<'_>) -> Answer<usize> {
    let wish = params.int("limit")?.unwrap_or(10);
    usize::try_from(wish).ok().filter(|limit| (1..=100).contains(limit)).ok_or_else(|| {
        ApiError::invalid("limit", format!("This value must be between 1 and 100 (inclusive): {wish}"))
            .code("parameter_invalid_integer")
    })
}

/// A filter such as `created[gte]`, or an exact time.
struct Range {
    from: i64,
    to: i64,
}

impl Range {
    fn read(params: &Params<'_>, field: &str) -> Answer<Self> {
        let Some(range) = params.hash(field) else {
            let exact = params.int(field)?;
            return Ok(Self { from: exact.unwrap_or(i64::MIN), to: exact.unwrap_or(i64::MAX) });
        };
        let mut found = Self { from: i64::MIN, to: i64::MAX };
        for name in range.names() {
            let at = range.need_int(name)?;
            match name {
                "gt" => found.from = found.from.max(at.saturating_add(1)),
                "gte" => found.from = found.from.max(at),
                "lt" => found.to = found.to.min(at.saturating_sub(1)),
                "lte" => found.to = found.to.min(at),
                _ => return Err(ApiError::unknown(&[range.name(name)])),
            }
        }
        Ok(found)
    }

    fn holds(&self, at: i64) -> bool {
        (self.from..=self.to).contains(&at)
    }
}
