//! What operators and the catalogue set up in Stripe: portal, meters, endpoints, the account.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::read;
use crate::money::Currency;
use crate::stripe::{
    AccountId, CustomerId, EventDestinationId, MeterId, PortalConfigurationId, PortalSessionId,
    WebhookEndpointId,
};

/// The account that the key belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// Stripe's id.
    pub id: AccountId,
    /// Two letters.
    pub country: Option<String>,
    /// What it is paid out in.
    pub default_currency: Option<Currency>,
    /// Whether it can take money.
    #[serde(default, deserialize_with = "read::nullable")]
    pub charges_enabled: bool,
}

/// A visit to Stripe's customer portal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PortalSession {
    /// Stripe's id.
    pub id: PortalSessionId,
    /// Whose.
    #[serde(deserialize_with = "read::id")]
    pub customer: CustomerId,
    /// Where the browser goes; short-lived.
    pub url: String,
}

/// What customers may do in Stripe's customer portal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PortalConfiguration {
    /// Stripe's id.
    pub id: PortalConfigurationId,
    /// Whether it can be used.
    #[serde(default)]
    pub active: bool,
    /// Whether it is the one that is used where none is named.
    #[serde(default)]
    pub is_default: bool,
    /// Ours: by it `setup` finds its own.
    #[serde(default, deserialize_with = "read::nullable")]
    pub metadata: BTreeMap<String, String>,
    /// What is allowed: for comparing.
    #[serde(default)]
    pub features: serde_json::Value,
}

/// What counts use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Meter {
    /// Stripe's id.
    pub id: MeterId,
    /// The name that its events carry.
    pub event_name: String,
    /// For people.
    pub display_name: String,
    /// `active` or `inactive`.
    pub status: String,
}

/// A use that was reported.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct MeterEvent {
    /// The name of the meter's events.
    pub event_name: String,
    /// What makes it one, whatever is repeated.
    pub identifier: String,
    /// Unix seconds.
    pub timestamp: i64,
}

/// What a meter counted for a customer over some time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct MeterSummary {
    /// The sum. A number with a fraction in Stripe's JSON.
    pub aggregated_value: serde_json::Number,
    /// Unix seconds.
    pub start_time: i64,
    /// Unix seconds.
    pub end_time: i64,
}

/// Where Stripe sends events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WebhookEndpoint {
    /// Stripe's id.
    pub id: WebhookEndpointId,
    /// Its address.
    pub url: String,
    /// When it was made; unix seconds.
    #[serde(default)]
    pub created: i64,
    /// `enabled` or `disabled`.
    pub status: String,
    /// The version its events are written in; none: the account's own.
    pub api_version: Option<String>,
    /// Which events it gets; `*` for all.
    #[serde(default, deserialize_with = "read::nullable")]
    pub enabled_events: Vec<String>,
    /// What its deliveries are signed with: in the answer to its making alone.
    #[serde(default, deserialize_with = "secret")]
    pub secret: Option<crate::stripe::signature::Secret>,
}

/// Where Stripe sends events of version 2 of its API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EventDestination {
    /// Stripe's id.
    pub id: EventDestinationId,
    /// `thin` or `snapshot`; snapshots are what [`WebhookEndpoint`]s are sent.
    #[serde(default, deserialize_with = "read::nullable")]
    pub event_payload: String,
    /// `enabled` or `disabled`.
    #[serde(default, deserialize_with = "read::nullable")]
    pub status: String,
    /// Which events it gets.
    #[serde(default, deserialize_with = "read::nullable")]
    pub enabled_events: Vec<String>,
    /// Its address and its secret; none where it is no address on the web.
    pub webhook_endpoint: Option<Target>,
}

/// The address of a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Target {
    /// The address, to who asked for it.
    pub url: Option<String>,
    /// What deliveries are signed with: in the answer to the destination's making alone.
    #[serde(default, deserialize_with = "secret")]
    pub signing_secret: Option<crate::stripe::signature::Secret>,
}

impl EventDestination {
    /// Whether it sends to this address.
    pub fn is_at(&self, url: &str) -> bool {
        self.webhook_endpoint.as_ref().is_some_and(|address| address.url.as_deref() == Some(url))
    }
}

/// A page of a list of version 2 of the API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub data: Vec<T>,
    /// Where the next one is.
    pub next_page_url: Option<String>,
}

fn secret<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<crate::stripe::signature::Secret>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

/// How Stripe Tax is set up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TaxSettings {
    /// `active`, or `pending` as long as something is missing.
    pub status: String,
    /// What is missing, by Stripe's names of the fields.
    #[serde(default, rename = "status_details", deserialize_with = "missing_fields")]
    pub missing: Vec<String>,
}

fn missing_fields<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let details = serde_json::Value::deserialize(deserializer)?;
    let missing = details["pending"]["missing_fields"].as_array().cloned().unwrap_or_default();
    Ok(missing.iter().filter_map(|field| field.as_str().map(str::to_owned)).collect())
}
