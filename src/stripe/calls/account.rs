//! The account itself and the endpoints that its events go to.

use stripe_client_core::{RequestBuilder, StripeMethod};
use stripe_misc::webhook_endpoint::{
    CreateWebhookEndpoint, CreateWebhookEndpointEnabledEvents, DeleteWebhookEndpoint, ListWebhookEndpoint,
    UpdateWebhookEndpoint, UpdateWebhookEndpointEnabledEvents,
};

use super::{all, get, page, post};
use crate::stripe::snapshot::{Account, TaxSettings, WebhookEndpoint};
use crate::stripe::{Budget, Error, Fetched, Key, Result, Stripe, WebhookEndpointId};

/// The account that the key belongs to: the cheapest question that shows whether the key is good.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn account(stripe: &Stripe, budget: Budget) -> Result<Fetched<Account>> {
    stripe.call(RequestBuilder::new(StripeMethod::Get, "/account"), None, budget).await
}

/// How Stripe Tax is set up. A question that the builders do not know: they leave Stripe Tax out.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn tax_settings(stripe: &Stripe, budget: Budget) -> Result<Fetched<TaxSettings>> {
    stripe.call(RequestBuilder::new(StripeMethod::Get, "/tax/settings"), None, budget).await
}

/// All webhook endpoints.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn webhook_endpoints(stripe: &Stripe, budget: Budget) -> Result<Fetched<Vec<WebhookEndpoint>>> {
    all(
        stripe,
        budget,
        |endpoint: &WebhookEndpoint| endpoint.id.as_str(),
        |after| page!(ListWebhookEndpoint::new(), after),
    )
    .await
}

/// Makes an endpoint whose events are written in the version that the portal reads. Its secret is in this answer alone.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn create_webhook_endpoint(
    stripe: &Stripe,
    url: &str,
    events: &[&str],
    key: &Key,
    budget: Budget,
) -> Result<Fetched<WebhookEndpoint>> {
    let events = events.iter().filter_map(|event| event.parse::<CreateWebhookEndpointEnabledEvents>().ok());
    let request = CreateWebhookEndpoint::new(events.collect::<Vec<_>>(), url)
        .api_version(stripe_client_core::VERSION)
        .description("Billing portal");
    post(stripe, request, key, budget).await
}

/// Sets which events an endpoint gets, and switches it on.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn update_webhook_endpoint(
    stripe: &Stripe,
    id: &WebhookEndpointId,
    events: &[&str],
    key: &Key,
    budget: Budget,
) -> Result<Fetched<WebhookEndpoint>> {
    let events = events.iter().filter_map(|event| event.parse::<UpdateWebhookEndpointEnabledEvents>().ok());
    let request =
        UpdateWebhookEndpoint::new(id.as_str()).enabled_events(events.collect::<Vec<_>>()).disabled(false);
    post(stripe, request, key, budget).await
}

/// Removes an endpoint; Stripe sends nothing there any more. One that is gone already is no error.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn delete_webhook_endpoint(stripe: &Stripe, id: &WebhookEndpointId, budget: Budget) -> Result<()> {
    match get::<serde_json::Value>(stripe, DeleteWebhookEndpoint::new(id.as_str()), budget).await {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
