//! From stored events to rows: *newer than what we know? apply it. Otherwise ask Stripe.*
//!
//! A customer's waiting events are worked on together, under the lease on that customer. Where each of them is strictly newer
//! than its object's row, they are applied and Stripe is not called; where one is not, the customer is fetched once for all
//! of them. Nothing is written before all calls have been answered, and all of it in one transaction with the events' end.

mod plan;
mod recover;

pub use recover::{AT_FIRST, EVERY, recover, take_in};

use tokio::task::JoinSet;

use plan::{Known, Plan, Step};

use super::store::{self, Waiting};
use super::{State, TRIES, Treatment, treatment, wait};
use crate::audit::Actor;
use crate::db::Tx;
use crate::id;
use crate::stripe::snapshot::{Customer, parse};
use crate::stripe::{Budget, CustomerId};
use crate::sync::store::Lease;
use crate::sync::{self, Error, Seen};
use crate::worker::Tools;

/// Customers that are worked on at once.
const AT_ONCE: usize = 8;

/// The lease for events that belong to no customer: no customer is called so.
const NOBODY: &str = "-";

/// One step: works on everything that is due now. How many customers got on.
///
/// # Errors
/// The database did not answer.
pub async fn step(tools: &Tools) -> Result<usize, Error> {
    let wall = tools.clock.wall().as_second();
    let mut tx = tools.db.read().await?;
    let mut keys = store::due(&mut tx, wall).await?;
    for customer in sync::store::due(&mut tx, wall, 100).await? {
        if !keys.iter().flatten().any(|key| *key == customer) {
            keys.push(Some(customer));
        }
    }
    drop(tx);
    let mut working = JoinSet::new();
    let mut done = 0;
    let mut count = |result: Result<Result<bool, Error>, tokio::task::JoinError>| match result {
        Ok(Ok(true)) => done += 1,
        Ok(Ok(false)) => {}
        Ok(Err(error)) => tracing::error!(%error, "events stay where they are"),
        Err(error) => tracing::error!(%error, "work on events broke off"),
    };
    for key in keys {
        while working.len() >= AT_ONCE {
            if let Some(result) = working.join_next().await {
                count(result);
            }
        }
        working.spawn(work_on(tools.clone(), key));
    }
    while let Some(result) = working.join_next().await {
        count(result);
    }
    Ok(done)
}

/// Works on one customer's events, or on those of nobody. Whether anything got on.
async fn work_on(tools: Tools, customer: Option<String>) -> Result<bool, Error> {
    let wall = tools.clock.wall().as_second();
    let mut tx = tools.db.write().await?;
    let key = customer.as_deref().unwrap_or(NOBODY);
    let lease = sync::store::claim(&mut tx, key, &id::random_text(), wall).await?;
    tx.commit().await?;
    let Some(lease) = lease else { return Ok(false) };
    let mut tx = tools.db.read().await?;
    let events = match &customer {
        Some(customer) => store::of_customer(&mut tx, customer, wall).await?,
        None => store::of_nobody(&mut tx, wall).await?,
    };
    drop(tx);
    let done = match customer.as_deref().map(str::parse::<CustomerId>) {
        Some(Ok(customer)) => of_customer(&tools, &lease, &customer, &events, None).await,
        Some(Err(_)) => Err(Error::Stranger),
        None => of_nobody(&tools, &lease, &events).await,
    };
    match done {
        Ok(done) => Ok(done),
        Err(error) => failed(&tools, &lease, customer.as_deref(), &events, error).await.map(|()| false),
    }
}

/// The whole of it for one customer. With `salvage`, the reason why asking Stripe is of no use: what can be applied is, and the
/// rest is parked.
async fn of_customer(
    tools: &Tools,
    lease: &Lease,
    customer: &CustomerId,
    events: &[Waiting],
    salvage: Option<&str>,
) -> Result<bool, Error> {
    let mut tx = tools.db.read().await?;
    let Some(tenant) = sync::store::tenant_of(&mut tx, customer).await? else {
        drop(tx);
        return stranger(tools, lease, customer, events).await;
    };
    let known = Known::load(&mut tx, customer, events).await?;
    let newest = sync::store::newest_event(&mut tx, customer).await?;
    let live = sync::store::live_ids(&mut tx, customer).await?;
    drop(tx);
    let plan = Plan::of(events, known);
    let ask = lease.refetch || plan.asks();
    let whole = if ask && salvage.is_none() {
        Some(sync::work::fetch(&tools.stripe, customer, &live, Budget::work()).await?)
    } else {
        None
    };
    let (now, wall) = (tools.clock.now(), tools.clock.wall().as_second());
    let mut tx = tools.db.write().await?;
    if let Some(whole) = whole {
        let actor = Actor::Stripe(events.last().map(|event| event.id.clone()));
        whole.save(&mut tx, &tenant, newest, now, &actor).await?;
    }
    for (event, step) in events.iter().zip(&plan.steps) {
        let mut end = State::Done;
        match step {
            Step::Apply(snapshot) if !ask || salvage.is_some() => {
                let actor = Actor::Stripe(Some(event.id.clone()));
                let seen = Seen { at: event.created_at, now, actor };
                sync::apply(&mut tx, &tenant, snapshot, &seen).await?;
                if snapshot.changes_details() {
                    sync::store::details_wanted(&mut tx, customer, now.as_second()).await?;
                }
            }
            Step::Ask if salvage.is_some() => end = State::Parked,
            Step::Apply(_) | Step::Ask | Step::Nothing => {}
        }
        if let Some(session) = plan::checkout(event) {
            session.close(&mut tx, event.created_at).await?;
        }
        store::settle(&mut tx, &event.id, end, salvage.filter(|_| end == State::Parked), wall).await?;
    }
    sync::store::finish(&mut tx, lease).await??;
    tx.commit().await?;
    Ok(!events.is_empty() || ask)
}

/// A customer that is no tenant's: one of its events may name the tenant; otherwise they wait for somebody to attach it.
async fn stranger(
    tools: &Tools,
    lease: &Lease,
    customer: &CustomerId,
    events: &[Waiting],
) -> Result<bool, Error> {
    let wall = tools.clock.wall().as_second();
    let named =
        events.iter().filter(|event| treatment(&event.kind) == Treatment::Customer).find_map(|event| {
            let object = plan::object(event)?;
            parse::<Customer>(object.get().as_bytes()).ok().filter(|customer| customer.tenant().is_some())
        });
    let mut tx = tools.db.write().await?;
    let mut ours = sync::store::tenant_of(&mut tx, customer).await?.is_some();
    if let Some((named, tenant)) = named.as_ref().and_then(|named| Some((named, named.tenant()?))) {
        ours |= sync::store::attach(&mut tx, tenant, customer, named.livemode, wall).await?;
    }
    if !ours {
        for event in events {
            let why = Some("the customer belongs to no tenant");
            store::settle(&mut tx, &event.id, State::Waiting, why, wall).await?;
        }
    }
    sync::store::finish(&mut tx, lease).await??;
    tx.commit().await?;
    Ok(true)
}

/// Events that name no customer: the catalogue's, and some whose charge tells whose they are.
async fn of_nobody(tools: &Tools, lease: &Lease, events: &[Waiting]) -> Result<bool, Error> {
    let (catalogue, others): (Vec<_>, Vec<_>) =
        events.iter().partition(|event| treatment(&event.kind) == Treatment::Catalogue);
    let asked = if catalogue.is_empty() {
        Ok(())
    } else {
        sync::catalogue(&tools.db, &tools.stripe).await.map(|_| ())
    };
    let wall = tools.clock.wall().as_second();
    let mut tx = tools.db.write().await?;
    for event in catalogue {
        match &asked {
            Ok(()) => store::settle(&mut tx, &event.id, State::Done, None, wall).await?,
            Err(error) => put_off(&mut tx, event, error, wall, State::Parked).await?,
        }
    }
    for event in others {
        match plan::owner(&mut tx, event).await? {
            Some(customer) => store::belongs_to(&mut tx, &event.id, customer.as_str()).await?,
            None => put_off(&mut tx, event, &Error::Stranger, wall, State::Waiting).await?,
        }
    }
    sync::store::finish(&mut tx, lease).await??;
    tx.commit().await?;
    Ok(asked.is_ok() && !events.is_empty())
}

/// Tries an event again later, and ends it as `end` where it was tried often enough for a reason that does not pass.
async fn put_off(tx: &mut Tx, event: &Waiting, error: &Error, wall: i64, end: State) -> Result<(), Error> {
    let words = error.to_string();
    if !error.is_passing() && event.attempts + 1 >= TRIES {
        store::settle(tx, &event.id, end, Some(&words), wall).await?;
    } else {
        store::postpone(tx, &event.id, wall + wait(event.attempts), &words).await?;
    }
    Ok(())
}

/// Work that failed is tried again with growing waits: for ever where the reason passes, such as Stripe being down; otherwise
/// [`TRIES`] times, and then what needs no call is applied and the rest is parked.
async fn failed(
    tools: &Tools,
    lease: &Lease,
    customer: Option<&str>,
    events: &[Waiting],
    error: Error,
) -> Result<(), Error> {
    let words = error.to_string();
    tracing::warn!(
        key = lease.key,
        attempts = lease.attempts + 1,
        error = words,
        "events are tried again later"
    );
    let last = !error.is_passing() && lease.attempts + 1 >= TRIES;
    if last
        && let Some(Ok(customer)) = customer.map(str::parse::<CustomerId>)
        && of_customer(tools, lease, &customer, events, Some(&words)).await.is_ok()
    {
        return Ok(());
    }
    let wall = tools.clock.wall().as_second();
    let due_at = wall + wait(lease.attempts);
    let mut tx = tools.db.write().await?;
    for event in events {
        if last {
            store::settle(&mut tx, &event.id, State::Parked, Some(&words), wall).await?;
        } else {
            store::postpone(&mut tx, &event.id, due_at, &words).await?;
        }
    }
    if last {
        // Whether the lease is still ours or not, there is nothing left to do under it.
        let _ = sync::store::finish(&mut tx, lease).await?;
    } else {
        sync::store::postpone(&mut tx, lease, lease.refetch, due_at, &words).await?;
    }
    tx.commit().await?;
    Ok(())
}
