//! Event destinations: where Stripe sends its thin events, those of version 2 of the API, whose requests are JSON.

use serde_json::{Value, json};
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::MOST_PAGES;
use crate::stripe::snapshot::{EventDestination, Page};
use crate::stripe::{Budget, Error, EventDestinationId, Fetched, Key, Result, Stripe};

/// Where they are.
const PATH: &str = "/v2/core/event_destinations";

fn with_body(path: String, body: &Value) -> RequestBuilder {
    let mut request = RequestBuilder::new(StripeMethod::Post, path);
    request.body = Some(body.to_string());
    request
}

/// All destinations that are sent thin events.
///
/// # Errors
/// See [`crate::stripe::Error`]; a key that may not use version 2 of the API is refused in several ways.
pub async fn list(stripe: &Stripe, budget: Budget) -> Result<Fetched<Vec<EventDestination>>> {
    let mut request = RequestBuilder::new(StripeMethod::Get, PATH);
    request.query = Some("include%5B0%5D=webhook_endpoint.url&limit=100".to_owned());
    let mut all = Vec::new();
    for _ in 0..MOST_PAGES {
        let Fetched { value: page, date, request_id } =
            stripe.call::<Page<EventDestination>>(request, None, budget).await?;
        all.extend(page.data.into_iter().filter(|destination| destination.event_payload == "thin"));
        // The next page is named by its address; only what stands behind the known path is taken of it.
        let next = page.next_page_url.as_deref().and_then(|url| url.split_once('?'));
        let Some((_, query)) = next else { return Ok(Fetched { value: all, date, request_id }) };
        request = RequestBuilder::new(StripeMethod::Get, PATH);
        request.query = Some(query.to_owned());
    }
    Err(Error::Unreadable { path: "next_page_url".to_owned(), reason: "the list has no end".to_owned() })
}

/// Makes a destination of these types of events. Its secret is in this answer alone.
///
/// # Errors
/// See [`list`].
pub async fn create(
    stripe: &Stripe,
    url: &str,
    events: &[&str],
    key: &Key,
    budget: Budget,
) -> Result<Fetched<EventDestination>> {
    let body = json!({
        "name": "Billing portal", "description": "What Stripe's meters could not count", "type": "webhook_endpoint",
        "event_payload": "thin", "enabled_events": events, "webhook_endpoint": { "url": url },
        "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
    });
    stripe.call(with_body(PATH.to_owned(), &body), Some(key), budget).await
}

/// Sets which events a destination gets.
///
/// # Errors
/// See [`list`].
pub async fn update(
    stripe: &Stripe,
    id: &EventDestinationId,
    events: &[&str],
    key: &Key,
    budget: Budget,
) -> Result<Fetched<EventDestination>> {
    let body = json!({ "enabled_events": events, "include": ["webhook_endpoint.url"] });
    stripe.call(with_body(format!("{PATH}/{id}"), &body), Some(key), budget).await
}

/// Switches a destination on.
///
/// # Errors
/// See [`list`].
pub async fn enable(
    stripe: &Stripe,
    id: &EventDestinationId,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<EventDestination>> {
    stripe.call(with_body(format!("{PATH}/{id}/enable"), &json!({})), Some(key), budget).await
}

/// Removes a destination. One that is gone already is no error.
///
/// # Errors
/// See [`list`].
pub async fn delete(stripe: &Stripe, id: &EventDestinationId, budget: Budget) -> Result<()> {
    let request = RequestBuilder::new(StripeMethod::Delete, format!("{PATH}/{id}"));
    match stripe.call::<Value>(request, None, budget).await {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
