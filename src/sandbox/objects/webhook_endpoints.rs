//! Webhook endpoints.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, delete, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post("/v1/webhook_endpoints", "url enabled_events[] api_version description metadata* connect", create),
    get("/v1/webhook_endpoints", paged!(), all),
    get("/v1/webhook_endpoints/{}", "", one),
    post("/v1/webhook_endpoints/{}", "url enabled_events[] description disabled metadata*", update),
    delete("/v1/webhook_endpoints/{}", "", remove),
];

/// The most endpoints of an account.
const MOST: usize = 16;

/// Makes an endpoint; gives its id.
pub(crate) fn add(state: &mut State, url: &str, secret: Option<&str>) -> String {
    let id = state.id("we_");
    let secret = secret.map_or_else(|| state.token("whsec_", 32), str::to_owned);
    let endpoint = json!({
        "id": id, "object": "webhook_endpoint", "api_version": null, "application": null, "created": state.at,
        "description": null, "enabled_events": ["*"], "livemode": false, "metadata": {}, "status": "enabled", "url": url,
        "_": { "secret": secret },
    });
    state.store.put(Kind::WebhookEndpoint, endpoint);
    id
}

/// Refuses what is no address.
pub(crate) fn check_url(url: &str) -> Answer<()> {
    let parsed =
        url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    parsed.map(|_| ()).ok_or_else(|| {
        ApiError::invalid("url", "Invalid URL: An explicit scheme (such as https) must be provided.")
            .code("url_invalid")
    })
}

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let url = params.need("url")?;
    check_url(url)?;
    let events = params.texts("enabled_events");
    if events.is_empty() {
        return Err(ApiError::missing("enabled_events"));
    }
    if state.store.count(Kind::WebhookEndpoint) >= MOST {
        return Err(ApiError::refused(format!(
            "You have reached the maximum of {MOST} test webhook endpoints."
        )));
    }
    let version = params.text("api_version")?;
    let id = add(state, url, None);
    let mut endpoint = Value::clone(&state.find(Kind::WebhookEndpoint, &id));
    endpoint["enabled_events"] = json!(events);
    endpoint["api_version"] = json!(version);
    params.given("description").apply(&mut endpoint, "description");
    params.metadata(&mut endpoint)?;
    state.store.put(Kind::WebhookEndpoint, endpoint.clone());
    let mut shown = public(&endpoint);
    // The only time that the secret is shown.
    shown["secret"] = endpoint.note("secret").clone();
    Ok(shown)
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    list::page(state, call, Kind::WebhookEndpoint, "/v1/webhook_endpoints", |_| true)
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::WebhookEndpoint, call.arg(0), "id")?))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let mut endpoint = Value::clone(&*state.need(Kind::WebhookEndpoint, call.arg(0), "id")?);
    if let Some(url) = params.text("url")? {
        check_url(url)?;
        endpoint["url"] = json!(url);
    }
    if params.has("enabled_events") {
        endpoint["enabled_events"] = json!(params.texts("enabled_events"));
    }
    if let Some(disabled) = params.flag("disabled")? {
        endpoint["status"] = json!(if disabled { "disabled" } else { "enabled" });
    }
    params.given("description").apply(&mut endpoint, "description");
    params.metadata(&mut endpoint)?;
    state.store.put(Kind::WebhookEndpoint, endpoint.clone());
    Ok(public(&endpoint))
}

fn remove(state: &mut State, call: &Call<'_>) -> Answer {
    state.need(Kind::WebhookEndpoint, call.arg(0), "id")?;
    state.store.remove(Kind::WebhookEndpoint, call.arg(0));
    Ok(json!({ "id": call.arg(0), "object": "webhook_endpoint", "deleted": true }))
}
