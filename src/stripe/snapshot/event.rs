//! Events: the envelope, which must never be lost, and the event as the API lists it.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::read;
use crate::stripe::EventId;

/// What the inbox needs to know of an event before anybody reads its object. Read so that nothing but an unusable id, type or
/// time stands in its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Stripe's id.
    pub id: EventId,
    /// Such as `customer.subscription.updated`.
    pub kind: String,
    /// The version that the object is written in.
    pub api_version: Option<String>,
    /// Whether it is of live mode.
    pub livemode: bool,
    /// Stripe's time, unix seconds.
    pub created: i64,
    /// The id of its object.
    pub object_id: Option<String>,
    /// The customer that it is about.
    pub customer_id: Option<String>,
}

impl Envelope {
    /// Reads the envelope from the bytes that were signed. None where they are no event.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let json: Value = serde_json::from_slice(payload).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let kind = text(&json["type"])?;
        let object = &json["data"]["object"];
        Some(Self {
            id: json["id"].as_str()?.parse().ok()?,
            api_version: text(&json["api_version"]),
            livemode: json["livemode"].as_bool().unwrap_or(false),
            created: time(&json["created"])?,
            object_id: text(&object["id"]),
            customer_id: customer(&kind, object),
            kind,
        })
    }
}

/// A time: unix seconds, or in events of version 2 of the API, which tell of meters, RFC 3339.
fn time(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| Some(value.as_str()?.parse::<jiff::Timestamp>().ok()?.as_second()))
}

/// The customer that an object is about: itself, or the one it names, by id or whole.
fn customer(kind: &str, object: &Value) -> Option<String> {
    let is_customer = object["object"] == "customer"
        || matches!(kind, "customer.created" | "customer.updated" | "customer.deleted");
    let named = if is_customer { &object["id"] } else { &object["customer"] };
    named.as_str().or_else(|| named["id"].as_str()).map(str::to_owned)
}

/// An event as `/v1/events` gives it.
#[derive(Debug, Deserialize)]
pub struct Event {
    /// Stripe's id.
    pub id: EventId,
    /// Such as `customer.subscription.updated`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Stripe's time, unix seconds.
    pub created: i64,
    /// The version that the object is written in.
    pub api_version: Option<String>,
    /// Whether it is of live mode.
    #[serde(default)]
    pub livemode: bool,
    /// Deliveries that are still to succeed.
    #[serde(default, deserialize_with = "read::nullable")]
    pub pending_webhooks: i64,
    /// What happened to what.
    pub data: EventData,
}

/// What happened to what.
#[derive(Debug, Deserialize)]
pub struct EventData {
    /// The object as it was then.
    pub object: Box<RawValue>,
}
