//! Putting right what was found: rows through `sync`, and at Stripe only what a person has asked for.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Error, Means, Step, advance, save};
use crate::alarm;
use crate::audit::{self, Actor, Entry};
use crate::db::Tx;
use crate::reconcile::store::{self, FindingRow, Run};
use crate::reconcile::{Offer, Repair, State, serves};
use crate::stripe::calls::subscriptions::Reason;
use crate::stripe::calls::{customers, invoices, payments, schedules, subscriptions};
use crate::stripe::{self, Budget, CustomerId, Key, SubscriptionId};
use crate::sync;
use crate::usage::work::Missing;

/// Why a finding could not be put right.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It was put right before, or is no more so.
    #[error("the finding is settled")]
    Settled,
    /// Only a person can do it, elsewhere.
    #[error("there is nothing that the portal could do by itself")]
    ByHand,
    /// The choice is none of the subscriptions in force.
    #[error("choose one of the subscriptions that are in force")]
    NotAChoice,
    /// The choice serves nobody, and another subscription does.
    #[error("another subscription is in force: ending it would leave the customer with one that is not")]
    WouldHurt,
    /// Stripe has it, after all.
    #[error("Stripe knows the object: its row is not removed")]
    NotAnOrphan,
    /// The tenant has a customer already, or is gone.
    #[error("the customer cannot be given to that tenant")]
    NotAttached,
    /// There is no such tenant.
    #[error("there is no such tenant")]
    NoSuchTenant,
    /// Both sides agree by now, or Stripe has counted more.
    #[error("Stripe has counted all that it was told of")]
    NothingMissing,
    /// Stripe takes no use that is so old.
    #[error("the use is older than the 35 days that Stripe takes")]
    TooOld,
    /// Something did not answer.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<crate::db::Error> for Refusal {
    fn from(error: crate::db::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<stripe::Error> for Refusal {
    fn from(error: stripe::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<sync::Error> for Refusal {
    fn from(error: sync::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// One step of a run that repairs: the next finding that needs nobody's word.
pub(super) async fn step(means: &Means, run: &mut Run, holder: &str) -> Result<Step, Error> {
    let next = store::next_repair(&mut means.db.read().await?, &run.id).await?;
    let Some(row) = next else { return advance(means.db.write().await?, means, run, holder).await };
    let done = automatic(means, &row, &run.actor, Budget::work()).await;
    let mut tx = means.db.write().await?;
    match done {
        Ok(()) => settle(&mut tx, means, &row, &run.actor, None).await?,
        Err(Refusal::Failed(error)) if error.is_passing() => return Err(error),
        Err(refusal) => {
            store::unrepaired(&mut tx, &row, &refusal.to_string()).await?;
        }
    }
    save(tx, means, run, holder).await
}

/// What a person has asked for on a finding's page.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Of several subscriptions, the one to keep.
    pub keep: Option<String>,
    /// Whether the time that is left of those that end is credited.
    pub credit: bool,
    /// The tenant that a customer is given to.
    pub tenant: Option<String>,
}

/// Puts one finding right, because a person has asked for it.
///
/// # Errors
/// See [`Refusal`]. What was done at Stripe until then stays, and a second try goes on from there.
pub async fn one(
    means: &Means,
    row: &FindingRow,
    wish: &Wish,
    actor: &Actor,
    address: &str,
    budget: Budget,
) -> Result<(), Refusal> {
    if row.state != State::Open {
        return Err(Refusal::Settled);
    }
    match row.repair {
        Repair::ByHand => match row.offer() {
            Some(Offer::Tenant) => give(means, row, wish, actor, budget).await?,
            Some(Offer::Missing) => send_missing(means, row).await?,
            _ => return Err(Refusal::ByHand),
        },
        Repair::Refetch | Repair::Attach | Repair::Catalogue => automatic(means, row, actor, budget).await?,
        Repair::WriteTenant => write_tenant(means, row, actor, budget).await?,
        Repair::KeepOne => keep_one(means, row, wish, actor, budget).await?,
        Repair::Remove => remove(means, row, actor, budget).await?,
    }
    let mut tx = means.db.write().await?;
    settle(&mut tx, means, row, actor, Some(address)).await?;
    // Where an alarm is on, it speaks of the latest run alone: the repair may have ended it.
    let is_on = alarm::store::kinds(&mut tx).await?.contains(&alarm::Kind::Findings);
    if is_on && store::latest_done(&mut tx, i64::MIN).await?.is_some_and(|latest| latest.id == row.run_id) {
        super::checks::settle_findings(&mut tx, means, &row.run_id, None).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// What needs nobody's word: rows become what Stripe says.
async fn automatic(means: &Means, row: &FindingRow, actor: &Actor, budget: Budget) -> Result<(), Refusal> {
    let (db, stripe, clock) = (&means.db, &means.stripe, &means.clock);
    if row.repair == Repair::Catalogue {
        sync::catalogue(db, stripe).await?;
        return Ok(());
    }
    let id = customer(row)?;
    if row.repair == Repair::Attach {
        attach(means, row.tenant_id.as_deref().unwrap_or_default(), &id).await?;
    }
    sync::refetch(db, stripe, clock, &id, actor, budget).await?;
    Ok(())
}

/// Gives a customer to a tenant that has none.
async fn attach(means: &Means, tenant: &str, id: &CustomerId) -> Result<(), Refusal> {
    let mut tx = means.db.write().await?;
    let now = means.clock.now().as_second();
    sync::store::attach(&mut tx, tenant, id, means.stripe.is_live(), now).await?;
    let owner = sync::store::tenant_of(&mut tx, id).await?;
    if owner.is_none_or(|owner| owner.id != tenant) {
        return Err(Refusal::NotAttached);
    }
    tx.commit().await?;
    Ok(())
}

/// Gives a customer of nobody's to the tenant that the staff have chosen: here first, where it may be refused, then in Stripe's
/// metadata.
async fn give(
    means: &Means,
    row: &FindingRow,
    wish: &Wish,
    actor: &Actor,
    budget: Budget,
) -> Result<(), Refusal> {
    let tenant = wish.tenant.clone().ok_or(Refusal::NoSuchTenant)?;
    if !store::tenant_exists(&mut means.db.read().await?, &tenant).await? {
        return Err(Refusal::NoSuchTenant);
    }
    let id = customer(row)?;
    attach(means, &tenant, &id).await?;
    let key = key(&[row.id.as_str(), "tenant", tenant.as_str()]);
    let pairs = BTreeMap::from([("tenant_id".to_owned(), tenant)]);
    customers::set_metadata(&means.stripe, &id, &pairs, &key, budget).await?;
    sync::refetch(&means.db, &means.stripe, &means.clock, &id, actor, budget).await?;
    Ok(())
}

/// Tells Stripe of the use that it has not counted.
async fn send_missing(means: &Means, row: &FindingRow) -> Result<(), Refusal> {
    let mut parts = row.object_id.splitn(3, '/');
    let (Some(tenant), Some(metric), Some(day)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Refusal::ByHand);
    };
    let now = means.clock.now();
    match crate::usage::work::send_missing(&means.db, &means.stripe, now, (tenant, metric), day).await {
        Ok(Missing::Sent) => Ok(()),
        Ok(Missing::None) => Err(Refusal::NothingMissing),
        Ok(Missing::TooOld) => Err(Refusal::TooOld),
        Err(error) => Err(Error::from(error).into()),
    }
}

fn customer(row: &FindingRow) -> Result<CustomerId, Refusal> {
    row.customer_id.as_deref().and_then(|id| id.parse().ok()).ok_or(Refusal::ByHand)
}

/// Writes the tenant of the row into Stripe's metadata.
async fn write_tenant(means: &Means, row: &FindingRow, actor: &Actor, budget: Budget) -> Result<(), Refusal> {
    let tenant = row.tenant_id.clone().ok_or(Refusal::ByHand)?;
    let pairs = BTreeMap::from([("tenant_id".to_owned(), tenant)]);
    let key = key(&[row.id.as_str(), "tenant"]);
    let id = customer(row)?;
    match row.object_id.parse::<SubscriptionId>() {
        Ok(subscription) if row.object == "subscription" => {
            subscriptions::set_metadata(&means.stripe, &subscription, &pairs, &key, budget).await?;
        }
        _ => {
            customers::set_metadata(&means.stripe, &id, &pairs, &key, budget).await?;
        }
    }
    sync::refetch(&means.db, &means.stripe, &means.clock, &id, actor, budget).await?;
    Ok(())
}

/// One key for each deed about a finding, whoever tries it how often.
fn key(parts: &[&str]) -> Key {
    Key::new(format!("reconcile:{}", parts.join(":"))).unwrap_or_else(|_| Key::random())
}

/// Ends all subscriptions of a customer that are in force, but for one. Which these are is asked of Stripe at this very moment: what
/// was found may be long ago.
async fn keep_one(
    means: &Means,
    row: &FindingRow,
    wish: &Wish,
    actor: &Actor,
    budget: Budget,
) -> Result<(), Refusal> {
    let (stripe, id) = (&means.stripe, customer(row)?);
    let all = subscriptions::of_customer(stripe, &id, budget).await?.value;
    let live: Vec<_> = all.iter().filter(|one| !one.status.is_over()).collect();
    let keep = wish.keep.as_deref().unwrap_or_default();
    let kept = live.iter().find(|one| one.id.as_str() == keep).ok_or(Refusal::NotAChoice)?;
    if serves(&kept.status).is_none() && live.iter().any(|one| serves(&one.status).is_some()) {
        return Err(Refusal::WouldHurt);
    }
    let reason =
        Reason { feedback: None, comment: Some("a second subscription of the same customer".to_owned()) };
    for one in live.into_iter().filter(|one| one.id.as_str() != keep) {
        if let Some(schedule) = &one.schedule {
            schedules::release(stripe, schedule, &key(&[row.id.as_str(), schedule.as_str()]), budget).await?;
        }
        let ended = key(&[row.id.as_str(), one.id.as_str()]);
        subscriptions::end_now(stripe, &one.id, &reason, wish.credit, Some(&ended), budget).await?;
    }
    sync::refetch(&means.db, stripe, &means.clock, &id, actor, budget).await?;
    Ok(())
}

/// Removes a row, once Stripe has said again that it knows nothing of the object.
async fn remove(means: &Means, row: &FindingRow, actor: &Actor, budget: Budget) -> Result<(), Refusal> {
    unknown(means, row, budget).await?;
    let object = (row.object.as_str(), row.object_id.as_str());
    sync::forget(&means.db, &means.clock, &customer(row)?, object, actor, budget).await?;
    Ok(())
}

/// Makes sure that Stripe knows nothing of an object.
async fn unknown(means: &Means, row: &FindingRow, budget: Budget) -> Result<(), Refusal> {
    let stripe = &means.stripe;
    let id = row.object_id.as_str();
    let asked = match row.object.as_str() {
        "customer" => customers::get_one(stripe, &customer(row)?, budget).await.map(drop),
        "subscription" => match id.parse() {
            Ok(id) => subscriptions::get_one(stripe, &id, budget).await.map(drop),
            Err(_) => return Ok(()),
        },
        "invoice" => match id.parse() {
            Ok(id) => invoices::get_one(stripe, &id, budget).await.map(drop),
            Err(_) => return Ok(()),
        },
        "charge" => match id.parse() {
            Ok(id) => payments::charge(stripe, &id, budget).await.map(drop),
            Err(_) => return Ok(()),
        },
        _ => return Err(Refusal::ByHand),
    };
    match asked {
        Err(stripe::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) => Err(Refusal::NotAnOrphan),
    }
}

/// Marks what was put right, with its entry in the audit.
async fn settle(
    tx: &mut Tx,
    means: &Means,
    row: &FindingRow,
    actor: &Actor,
    address: Option<&str>,
) -> Result<(), Error> {
    let by = match actor {
        Actor::User(user) => user.clone(),
        Actor::Command => "command".to_owned(),
        _ => "reconciliation".to_owned(),
    };
    store::settle(tx, row, &by, means.wall()).await?;
    let before = json!({ "kind": row.kind, "object": row.object, "changes": row.changes() });
    let mut entry = Entry::new(actor.clone(), "reconciliation.repaired", means.clock.now())
        .object(row.object_id.as_str())
        .change(Some(before), Some(json!({ "repair": row.repair, "finding": row.id })));
    entry.tenant.clone_from(&row.tenant_id);
    entry.address = address.map(str::to_owned);
    if let Some(tenant) = &row.tenant_id
        && !store::tenant_exists(tx, tenant).await?
    {
        entry.tenant = None;
    }
    audit::record(tx, &entry).await?;
    Ok(())
}
