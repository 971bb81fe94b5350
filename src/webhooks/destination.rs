//! The event destination in Stripe that thin events come from: they tell of use that Stripe's meters could not count, and no
//! webhook endpoint is sent them. They come to the same address; their secret is stored beside the endpoint's.

use std::collections::BTreeSet;

use url::Url;

use super::endpoint::{Ensured, Failure, keep};
use super::secrets::{seal, unseal};
use super::store::{self, Kind};
use super::thin_types;
use crate::catalog::setup::{Item, Outcome};
use crate::clock::Clock;
use crate::db::Db;
use crate::stripe::calls::destinations;
use crate::stripe::snapshot::EventDestination;
use crate::stripe::{Budget, Error, Key, Stripe};

/// The types of events that a destination lacks.
pub fn lacks(destination: &EventDestination) -> Vec<&'static str> {
    let has = |kind: &str| destination.enabled_events.iter().any(|enabled| enabled == "*" || enabled == kind);
    thin_types().filter(|kind| !has(kind)).collect()
}

/// Whether Stripe says that this key, or this account, has nothing to do with version 2 of its API.
pub fn is_barred(error: &Error) -> bool {
    matches!(error, Error::Refused(_) | Error::NotFound { .. } | Error::Unauthorized { .. })
}

/// What a person does in the dashboard where the key cannot.
pub fn by_hand(url: &str) -> String {
    format!(
        "Make it in the dashboard: Developers, Webhooks, Add destination; show advanced options and choose thin events; select {}; \
         send them to {url}. Then put its signing secret into STRIPE_WEBHOOK_SECRETS, beside those that are there.",
        thin_types().collect::<Vec<_>>().join(" and ")
    )
}

/// Sees to it that Stripe tells `url` what its meters could not count, signed with a secret that is known here. With `rotate`,
/// a new destination takes the place of what is there. Where the key may not do so, a note says what a person has to do.
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
    match try_to(db, clock, stripe, url, rotate).await {
        Err(Failure::Stripe(error)) if is_barred(&error) => {
            let says = "Nobody would hear of use that Stripe could not count: the key cannot make an event destination";
            Ok(Ensured { item: None, notes: vec![format!("{says} ({error}). {}", by_hand(url.as_str()))] })
        }
        ensured => ensured,
    }
}

async fn try_to(
    db: &Db,
    clock: &Clock,
    stripe: &Stripe,
    url: &Url,
    rotate: bool,
) -> Result<Ensured, Failure> {
    let there = destinations::list(stripe, Budget::work()).await?.value;
    let there: Vec<_> = there.into_iter().filter(|one| one.is_at(url.as_str())).collect();
    let wall = clock.wall().as_second();
    let rows = store::secrets(&mut db.read().await?, stripe.is_live(), wall).await?;
    let is_known = |one: &&EventDestination| {
        rows.iter().any(|row| row.endpoint_id == one.id.as_str() && unseal(stripe, row).is_some())
    };
    let known = there.iter().find(is_known).or(there.first());
    let Some(destination) = known.filter(|_| !rotate) else {
        return replace(db, clock, stripe, url, &there).await;
    };
    let outcome = put_right(stripe, destination).await?;
    let mut notes = Vec::new();
    if !is_known(&destination) {
        notes.push(format!(
            "The signing secret of the event destination {} is not stored here. Set STRIPE_WEBHOOK_SECRETS, or run setup with \
             --rotate-webhook-secret: another destination then takes its place and its secret is stored.",
            destination.id
        ));
    }
    Ok(Ensured { item: Some(item(destination, url, outcome)), notes })
}

fn item(destination: &EventDestination, url: &Url, outcome: Outcome) -> Item {
    Item { object: "event_destination", name: url.to_string(), id: destination.id.to_string(), outcome }
}

/// Switches a destination on and adds what it lacks; what it has beside that stays.
async fn put_right(stripe: &Stripe, destination: &EventDestination) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Unchanged;
    if !lacks(destination).is_empty() {
        let mut events: BTreeSet<String> = destination.enabled_events.iter().cloned().collect();
        events.extend(thin_types().map(str::to_owned));
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        destinations::update(stripe, &destination.id, &events, &Key::random(), Budget::work()).await?;
        outcome = Outcome::Updated;
    }
    if destination.status != "enabled" {
        destinations::enable(stripe, &destination.id, &Key::random(), Budget::work()).await?;
        outcome = Outcome::Updated;
    }
    Ok(outcome)
}

/// A new destination, its secret stored; then those that were there go.
async fn replace(
    db: &Db,
    clock: &Clock,
    stripe: &Stripe,
    url: &Url,
    old: &[EventDestination],
) -> Result<Ensured, Failure> {
    let events: Vec<&str> = thin_types().collect();
    let made =
        destinations::create(stripe, url.as_str(), &events, &Key::random(), Budget::work()).await?.value;
    let secret = made.webhook_endpoint.as_ref().and_then(|target| target.signing_secret.as_ref());
    let sealed = secret.and_then(|secret| seal(stripe, made.id.as_str(), secret));
    let sealed = sealed.ok_or_else(|| Failure::Silent(made.id.to_string()))?;
    let replaced: Vec<_> = old.iter().map(|one| one.id.to_string()).collect();
    let row = store::Sealed {
        endpoint_id: made.id.to_string(),
        kind: Kind::Destination,
        url: url.to_string(),
        sealed,
        created_at: clock.wall().as_second(),
        retires_at: None,
    };
    keep(db, clock, stripe.is_live(), &row, &replaced).await?;
    for one in old {
        destinations::delete(stripe, &one.id, Budget::work()).await?;
    }
    let outcome = if old.is_empty() { Outcome::Created } else { Outcome::Updated };
    Ok(Ensured { item: Some(item(&made, url, outcome)), notes: Vec::new() })
}
