//! Events that were not delivered: fetched from Stripe's list, and an alarm where that is no accident.

use super::super::health::{self, Facts, GRACE};
use super::super::store::{self, Delivery, Inbox, Kept};
use super::super::{Treatment, treatment};
use crate::alarm;
use crate::audit::{self, Actor, Entry};
use crate::stripe::calls::{account, events};
use crate::stripe::{Budget, EventId, Stripe};
use crate::sync::Error;
use crate::worker::Tools;

/// Events that Stripe is asked for after a pause: it keeps them for 30 days.
const KEPT_FOR: i64 = 30 * 86_400;

/// Pages of Stripe's list that are looked through for events that should have come.
const PAGES: usize = 5;

/// How often, in seconds of the world's time, Stripe is asked for events that it could not deliver.
pub const EVERY: i64 = 600;

/// How long ago, in seconds, another process must have looked for one that has just begun: it was stopped, and who knows what it
/// missed; but several that begin together do not all ask.
pub const AT_FIRST: i64 = 60;

/// Takes in what Stripe could not deliver in the last 30 days, in one process of several, where the last look was `ago` seconds
/// ago and more; wakes events whose customer has been attached meanwhile, and sees whether deliveries arrive at all. How many
/// events were new; none where another has looked since.
///
/// # Errors
/// Stripe or the database did not answer.
pub async fn recover(tools: &Tools, holder: &str, ago: i64) -> Result<Option<usize>, Error> {
    let wall = tools.clock.wall().as_second();
    let mut tx = tools.db.write().await?;
    store::wake_strays(&mut tx, wall).await?;
    // Who looks holds the lease for as long as the look counts.
    let free = wall + EVERY - ago;
    let ours = store::take_job(&mut tx, "undelivered-events", holder, free, wall + EVERY).await?;
    if ours {
        for endpoint in store::forget_secrets(&mut tx, wall).await? {
            let now = tools.clock.now();
            let entry = Entry::new(Actor::Job("watch"), "webhook.secret_forgotten", now).object(endpoint);
            audit::record(&mut tx, &entry).await?;
        }
    }
    tx.commit().await?;
    if !ours {
        return Ok(None);
    }
    let new = take_in(&tools.inbox, &tools.stripe, wall, Budget::work()).await?;
    tools.bell.ring();
    watch(tools).await?;
    Ok(Some(new))
}

/// Sees whether deliveries arrive at all, and raises or takes back the alarms about it. Where Stripe does not say, they stay
/// as they are.
async fn watch(tools: &Tools) -> Result<(), Error> {
    let facts = match facts(tools).await {
        Ok(facts) => facts,
        Err(Error::Stripe(error)) => {
            tracing::warn!(%error, "cannot see whether Stripe's deliveries arrive; looking again later");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let site = &tools.app.config.site;
    let on = health::alarms(&facts);
    let support = site.support_email.as_deref();
    let mut tx = tools.db.write().await?;
    alarm::work::settle(&mut tx, &health::OF, &on, support, tools.clock.now()).await?;
    tx.commit().await?;
    Ok(site.board.look(&tools.db).await?)
}

/// Takes in what Stripe could not deliver in the last 30 days, now. What came before a failure is kept. How many events were
/// new.
///
/// # Errors
/// Stripe or the database did not answer.
pub async fn take_in(inbox: &Inbox, stripe: &Stripe, wall: i64, budget: Budget) -> Result<usize, Error> {
    let mut new = 0;
    let mut after: Option<EventId> = None;
    loop {
        let page = events::undelivered(stripe, wall - KEPT_FOR, after.as_ref(), budget).await?.value;
        for event in &page.data {
            let delivery = Delivery::listed(event.get().as_bytes(), stripe.is_live(), wall);
            new += usize::from(inbox.put(delivery).await? == Kept::New);
        }
        let last = page.data.last().and_then(|event| events::envelope(event)).map(|envelope| envelope.id);
        match last.filter(|last| page.has_more && after.as_ref() != Some(last)) {
            Some(last) => after = Some(last),
            None => return Ok(new),
        }
    }
}

/// What Stripe says of the endpoint, and what of its newest events should have come and did not.
async fn facts(tools: &Tools) -> Result<Facts, Error> {
    let wall = tools.clock.wall().as_second();
    let mut tx = tools.db.read().await?;
    let stored = store::secrets(&mut tx, tools.stripe.is_live(), wall).await?;
    let delivered = store::last_delivered(&mut tx).await?;
    drop(tx);
    let url = tools.app.config.site.link("/webhooks/stripe");
    let answer = account::webhook_endpoints(&tools.stripe, Budget::work()).await?;
    // Stripe's own clock: what it made a moment ago may be on its way.
    let (endpoints, until) = (answer.value, answer.date.as_second() - GRACE);
    let in_force: Vec<_> =
        stored.iter().filter(|row| row.retires_at.is_none()).map(|row| row.endpoint_id.as_str()).collect();
    let ours: Vec<_> = endpoints
        .iter()
        .filter(|endpoint| endpoint.url == url || in_force.contains(&endpoint.id.as_str()))
        .collect();
    // Of several that send here, one that works is enough.
    let endpoint = ours.iter().find(|endpoint| endpoint.status == "enabled").or(ours.first());
    let missed = match endpoint.map(|endpoint| endpoint.created).max(delivered) {
        // Nothing tells since when events are to come.
        None => None,
        Some(since) if since >= until => None,
        Some(since) => missed(tools, since, until).await?,
    };
    let endpoint = endpoint.map(|endpoint| (endpoint.id.to_string(), endpoint.status == "enabled"));
    Ok(Facts { endpoint, was_made: !in_force.is_empty(), missed })
}

/// An event that is needed, was made after `since` and until `until`, and was never delivered.
async fn missed(tools: &Tools, since: i64, until: i64) -> Result<Option<(String, i64)>, Error> {
    let mut after: Option<EventId> = None;
    for _ in 0..PAGES {
        let page = events::between(&tools.stripe, since, until, after.as_ref(), Budget::work()).await?.value;
        let listed: Vec<_> = page.data.iter().filter_map(|event| events::envelope(event)).collect();
        for event in listed.iter().filter(|event| treatment(&event.kind) != Treatment::NotNeeded) {
            if !store::was_delivered(&mut tools.db.read().await?, event.id.as_str()).await? {
                return Ok(Some((event.id.to_string(), event.created)));
            }
        }
        after = listed.last().map(|event| event.id.clone());
        if !page.has_more || after.is_none() {
            break;
        }
    }
    Ok(None)
}
