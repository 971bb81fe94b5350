//! Events, for taking in those that were never delivered.

use serde_json::value::RawValue;
use stripe_core::event::{ListEvent, RetrieveEvent};
use stripe_types::{RangeBoundsTs, RangeQueryTs};

use super::get;
use crate::stripe::snapshot::{Envelope, List};
use crate::stripe::{Budget, EventId, Fetched, Result, Stripe};

/// One event as the bytes that Stripe keeps of it. They are not those of a delivery: its object is the same.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn get_one(stripe: &Stripe, id: &EventId, budget: Budget) -> Result<Fetched<Box<RawValue>>> {
    get(stripe, RetrieveEvent::new(id.as_str()), budget).await
}

/// A page of the events since `since` (unix seconds; Stripe keeps 30 days) whose delivery has not succeeded everywhere,
/// newest first, beginning after the event `after`. Each is JSON, for the inbox to read as it reads a delivery.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn undelivered(
    stripe: &Stripe,
    since: i64,
    after: Option<&EventId>,
    budget: Budget,
) -> Result<Fetched<List<Box<RawValue>>>> {
    let mut request =
        ListEvent::new().created(RangeQueryTs::gte(since)).delivery_success(false).limit(super::PAGE);
    if let Some(after) = after {
        request = request.starting_after(after.as_str());
    }
    get(stripe, request, budget).await
}

/// Events that were made after `since` and until `until` (unix seconds), delivered or not, newest first, page by page like
/// [`undelivered`].
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn between(
    stripe: &Stripe,
    since: i64,
    until: i64,
    after: Option<&EventId>,
    budget: Budget,
) -> Result<Fetched<List<Box<RawValue>>>> {
    let time = RangeBoundsTs { gt: Some(since), lte: Some(until), ..RangeBoundsTs::default() };
    let mut request = ListEvent::new().created(RangeQueryTs::Bounds(time)).limit(super::PAGE);
    if let Some(after) = after {
        request = request.starting_after(after.as_str());
    }
    get(stripe, request, budget).await
}

/// The envelope of a listed event.
pub fn envelope(event: &RawValue) -> Option<Envelope> {
    Envelope::read(event.get().as_bytes())
}
