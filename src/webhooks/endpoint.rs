//! The endpoint in Stripe that sends events here: made, put right, replaced. Its secret is stored before anything else happens.

use std::collections::BTreeSet;

use serde_json::json;
use url::Url;

use super::needed_types;
use super::secrets::{seal, unseal};
use super::store::{self, Kind};
use crate::audit::{self, Actor, Entry};
use crate::catalog::setup::{Item, Outcome};
use crate::clock::Clock;
use crate::db::Db;
use crate::stripe::calls::account;
use crate::stripe::snapshot::WebhookEndpoint;
use crate::stripe::{API_VERSION, Budget, Key, Stripe};

/// How long a replaced secret is still accepted, in seconds: deliveries are on their way for minutes at most.
const RETIRING: i64 = 86_400;

/// What became of the endpoint.
#[derive(Clone, Debug)]
pub struct Ensured {
    /// The endpoint; none where there is none, which the notes explain.
    pub item: Option<Item>,
    /// What is left for a person to do.
    pub notes: Vec<String>,
}

/// Why there is no endpoint.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Live mode sends over https alone.
    #[error("Stripe sends live events over https alone: {0} is not https")]
    Plain(Url),
    /// Stripe did not give the secret of what it made.
    #[error(
        "Stripe made the endpoint {0} without telling its signing secret: delete it in the dashboard and try again"
    )]
    Silent(String),
    /// Stripe refused or could not be reached.
    #[error(transparent)]
    Stripe(#[from] crate::stripe::Error),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] crate::db::Error),
}

/// Whether an endpoint is sent all that is needed.
pub fn lacks(endpoint: &WebhookEndpoint) -> Vec<&'static str> {
    let has = |kind: &str| endpoint.enabled_events.iter().any(|enabled| enabled == "*" || enabled == kind);
    needed_types().filter(|kind| !has(kind)).collect()
}

/// Sees to it that Stripe sends what is needed to `url`, in the version that is read here, signed with a secret that is known
/// here. With `rotate`, a new endpoint with a new secret takes the place of what is there, without a gap.
///
/// # Errors
/// See [`Failure`].
pub async fn ensure(
    db: &Db,
    clock: &Clock,
    stripe: &Stripe,
    url: &Url,
    rotate: bool,
) -> Result<Ensured, Failure> {
    if stripe.is_live() && url.scheme() != "https" {
        return Err(Failure::Plain(url.clone()));
    }
    let there = account::webhook_endpoints(stripe, Budget::work()).await?.value;
    let there: Vec<_> = there.into_iter().filter(|endpoint| endpoint.url == url.as_str()).collect();
    if rotate || there.is_empty() {
        return replace(db, clock, stripe, url, &there).await;
    }
    let wall = clock.wall().as_second();
    let rows = store::secrets(&mut db.read().await?, stripe.is_live(), wall).await?;
    let is_known = |endpoint: &WebhookEndpoint| {
        rows.iter().any(|row| row.endpoint_id == endpoint.id.as_str() && unseal(stripe, row).is_some())
    };
    let endpoint = there.iter().find(|endpoint| is_known(endpoint)).or(there.first());
    let Some(endpoint) = endpoint else { return replace(db, clock, stripe, url, &there).await };
    let outcome = put_right(stripe, endpoint).await?;
    let mut notes = Vec::new();
    if !is_known(endpoint) {
        notes.push(format!(
            "The signing secret of {} is not stored here: Stripe showed it when the endpoint was made. Set STRIPE_WEBHOOK_SECRETS, or \
             run setup with --rotate-webhook-secret: another endpoint then takes its place and its secret is stored.",
            endpoint.id
        ));
    }
    if endpoint.api_version.as_deref() != Some(API_VERSION) {
        notes.push(format!(
            "The events of {} are written in another version of Stripe's API than {API_VERSION}, which no change can put right: \
             --rotate-webhook-secret replaces it. Until then each of its events costs a call to Stripe.",
            endpoint.id
        ));
    }
    if there.len() > 1 {
        notes.push(format!(
            "{} endpoints send to {url}: each event comes as often. --rotate-webhook-secret leaves one.",
            there.len()
        ));
    }
    Ok(Ensured { item: Some(item(endpoint, url, outcome)), notes })
}

fn item(endpoint: &WebhookEndpoint, url: &Url, outcome: Outcome) -> Item {
    Item { object: "webhook_endpoint", name: url.to_string(), id: endpoint.id.to_string(), outcome }
}

/// Switches an endpoint on and adds what it lacks; what it has beside that stays.
async fn put_right(stripe: &Stripe, endpoint: &WebhookEndpoint) -> Result<Outcome, Failure> {
    if endpoint.status == "enabled" && lacks(endpoint).is_empty() {
        return Ok(Outcome::Unchanged);
    }
    let mut events: BTreeSet<String> = endpoint.enabled_events.iter().cloned().collect();
    if !events.contains("*") {
        events.extend(needed_types().map(str::to_owned));
    }
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let key = Key::random();
    account::update_webhook_endpoint(stripe, &endpoint.id, &events, &key, Budget::work()).await?;
    Ok(Outcome::Updated)
}

/// Stores the secret of what was made, retires those of what it replaces, and says so in the books.
pub(super) async fn keep(
    db: &Db,
    clock: &Clock,
    livemode: bool,
    made: &store::Sealed,
    replaced: &[String],
) -> Result<(), crate::db::Error> {
    let action = match made.kind {
        Kind::Endpoint => "webhook.endpoint_made",
        Kind::Destination => "webhook.destination_made",
    };
    let mut tx = db.write().await?;
    store::keep_secret(&mut tx, livemode, made).await?;
    store::retire_secrets(&mut tx, livemode, made, made.created_at + RETIRING).await?;
    let entry = Entry::new(Actor::Command, action, clock.now())
        .object(&made.endpoint_id)
        .change(None, Some(json!({ "url": made.url, "live": livemode, "replaces": replaced })));
    audit::record(&mut tx, &entry).await?;
    tx.commit().await
}

/// A new endpoint, its secret stored; then those that were there go. Between the two each event may come twice, which changes
/// nothing.
async fn replace(
    db: &Db,
    clock: &Clock,
    stripe: &Stripe,
    url: &Url,
    old: &[WebhookEndpoint],
) -> Result<Ensured, Failure> {
    let events: Vec<&str> = needed_types().collect();
    let key = Key::random();
    let made =
        account::create_webhook_endpoint(stripe, url.as_str(), &events, &key, Budget::work()).await?.value;
    let sealed = made.secret.as_ref().and_then(|secret| seal(stripe, made.id.as_str(), secret));
    let sealed = sealed.ok_or_else(|| Failure::Silent(made.id.to_string()))?;
    let replaced: Vec<_> = old.iter().map(|endpoint| endpoint.id.to_string()).collect();
    let row = store::Sealed {
        endpoint_id: made.id.to_string(),
        kind: Kind::Endpoint,
        url: url.to_string(),
        sealed,
        created_at: clock.wall().as_second(),
        retires_at: None,
    };
    keep(db, clock, stripe.is_live(), &row, &replaced).await?;
    for endpoint in old {
        account::delete_webhook_endpoint(stripe, &endpoint.id, Budget::work()).await?;
    }
    let outcome = if old.is_empty() { Outcome::Created } else { Outcome::Updated };
    let mut notes = Vec::new();
    if !old.is_empty() {
        notes.push(format!(
            "{} replaces {}. Its secret is stored; running portals find it by themselves. The old one is accepted for another day.",
            made.id,
            replaced.join(", ")
        ));
    }
    Ok(Ensured { item: Some(item(&made, url, outcome)), notes })
}
