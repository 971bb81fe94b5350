//! Doing it at Stripe. No transaction is open while Stripe is asked.

use serde_json::json;

use super::Options;
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::error::{Error, Result, WayOn};
use crate::stripe::calls::schedules;
use crate::stripe::calls::subscriptions::{self, Reason};
use crate::stripe::snapshot::SubscriptionStatus;
use crate::stripe::{self, Budget, CustomerId, Key, SubscriptionId};
use crate::subscription::{Subscription, store};
use crate::sync;
use crate::tenants::Tenant;
use crate::usage;

/// Something that a tenant does with its subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Ends it with its period.
    CancelAtPeriodEnd(Reason),
    /// Ends it at once.
    CancelNow(Reason),
    /// Takes the end back, or wakes it.
    Resume,
    /// Stops collecting payments; what falls due meanwhile is made and voided.
    Pause,
    /// Collects payments again.
    ResumeCollection,
}

impl Deed {
    /// Whether it may be done.
    pub fn is_among(&self, options: Options) -> bool {
        match self {
            Self::CancelAtPeriodEnd(_) => options.cancel_at_period_end,
            Self::CancelNow(_) => options.cancel_now,
            Self::Resume => options.resume,
            Self::Pause => options.pause,
            Self::ResumeCollection => options.resume_collection,
        }
    }

    /// What tells it from the others.
    fn name(&self) -> &'static str {
        match self {
            Self::CancelAtPeriodEnd(_) => "cancel-at-end",
            Self::CancelNow(_) => "cancel-now",
            Self::Resume => "resume",
            Self::Pause => "pause",
            Self::ResumeCollection => "collect",
        }
    }

    fn action(&self) -> &'static str {
        match self {
            Self::CancelAtPeriodEnd(_) | Self::CancelNow(_) => "subscription.cancel_asked",
            Self::Resume => "subscription.resume_asked",
            Self::Pause => "subscription.pause_asked",
            Self::ResumeCollection => "subscription.collect_asked",
        }
    }
}

/// What it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is so.
    Done,
    /// What was to be woken is still paused: its payment failed or asks for authentication.
    StillPaused,
}

/// Does it, and brings the rows to what Stripe then says. Two clicks at once are one deed, with one entry.
///
/// # Errors
/// The state does not allow it, or Stripe did not answer: nothing has changed, or the same again is safe.
pub async fn perform(
    app: &App,
    Tenant { id: tenant, .. }: &Tenant,
    actor: &Actor,
    deed: &Deed,
    budget: Budget,
) -> Result<Outcome> {
    let mut tx = app.db.read().await?;
    let billing = store::billing(&mut tx, tenant.as_str()).await?;
    let customer = billing.customer.as_ref().map(|customer| customer.id.clone()).ok_or_else(not_now)?;
    let live = billing.live().ok_or_else(not_now)?;
    let sleeps = live.status == SubscriptionStatus::Paused;
    if *deed == Deed::Resume && sleeps && !billing.can_pay() {
        return Err(no_payment_method());
    }
    if !deed.is_among(super::options(&billing, live, &app.catalog.policy)) {
        // A second click, or a page from before: what is, is shown.
        return Err(not_now());
    }
    let times = audit::store::how_often(&mut tx, live.id.as_str(), deed.action()).await?;
    drop(tx);
    if matches!(deed, Deed::CancelNow(_)) {
        // The last invoice bills what Stripe knows of: also what was used a moment ago.
        usage::work::flush(&app.db, &app.stripe, &app.clock, tenant, budget).await?;
    }
    let name = format!("{}-{}-{times}", deed.name(), live.id);
    match ask(app, live, deed, &name, budget).await {
        Ok(()) => {}
        // The bank said no: what is left to do shows in the state.
        Err(stripe::Error::Refused(refusal)) if refusal.kind.as_deref() == Some("card_error") => {}
        Err(error @ (stripe::Error::NotFound { .. } | stripe::Error::Refused(_))) => {
            // Another click was quicker, or somebody at Stripe's dashboard: what is, is shown.
            tracing::info!(%error, deed = deed.name(), "Stripe says that this cannot be done now");
            refetch(app, &customer, actor, budget).await?;
            return Err(not_now());
        }
        Err(error) => return Err(error.into()),
    }
    let mut tx = app.db.write().await?;
    let after = match deed {
        Deed::CancelAtPeriodEnd(reason) => json!({ "when": "period_end", "feedback": reason.feedback }),
        Deed::CancelNow(reason) => json!({ "when": "now", "feedback": reason.feedback }),
        _ => json!({}),
    };
    let entry = Entry::new(actor.clone(), deed.action(), app.clock.now())
        .tenant(tenant.as_str())
        .object(live.id.as_str());
    audit::record(&mut tx, &entry.cause(name).change(None, Some(after))).await?;
    tx.commit().await?;
    refetch(app, &customer, actor, budget).await?;
    if *deed != Deed::Resume || !sleeps {
        return Ok(Outcome::Done);
    }
    let billing = store::billing(&mut app.db.read().await?, tenant.as_str()).await?;
    let sleeps = billing.live().is_some_and(|live| live.status == SubscriptionStatus::Paused);
    Ok(if sleeps { Outcome::StillPaused } else { Outcome::Done })
}

async fn refetch(app: &App, customer: &CustomerId, actor: &Actor, budget: Budget) -> Result<()> {
    Ok(sync::refetch(&app.db, &app.stripe, &app.clock, customer, actor, budget).await?)
}

async fn ask(app: &App, live: &Subscription, deed: &Deed, name: &str, budget: Budget) -> stripe::Result<()> {
    let key = Key::random();
    let id = &live.id;
    match deed {
        Deed::CancelAtPeriodEnd(reason) => {
            release(app, id, budget).await?;
            subscriptions::cancel_at_period_end(&app.stripe, id, reason, &key, budget).await?;
        }
        Deed::CancelNow(reason) => {
            match subscriptions::cancel_now(&app.stripe, id, reason, true, budget).await {
                Ok(_) | Err(stripe::Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Deed::Resume if live.status == SubscriptionStatus::Paused => {
            // It charges: two clicks at once are one request.
            let key = Key::new(name.to_owned()).unwrap_or(key);
            subscriptions::resume(&app.stripe, id, &key, budget).await?;
        }
        Deed::Resume => {
            let now = subscriptions::get_one(&app.stripe, id, budget).await?.value;
            subscriptions::keep(&app.stripe, &now, &key, budget).await?;
        }
        Deed::Pause => {
            subscriptions::pause_collection(&app.stripe, id, None, &key, budget).await?;
        }
        Deed::ResumeCollection => {
            subscriptions::resume_collection(&app.stripe, id, &key, budget).await?;
        }
    }
    Ok(())
}

/// A plan of changes would outlive the wish to leave: it goes first.
async fn release(app: &App, id: &SubscriptionId, budget: Budget) -> stripe::Result<()> {
    let now = subscriptions::get_one(&app.stripe, id, budget).await?.value;
    let Some(schedule) = &now.schedule else { return Ok(()) };
    match schedules::release(&app.stripe, schedule, &Key::random(), budget).await {
        // Another click was quicker.
        Ok(_) | Err(stripe::Error::Refused(_) | stripe::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn no_payment_method() -> Error {
    Error::Conflict { reason: "cancel-no-payment-method", way_on: Some(WayOn::new("/", "checkout-to-plan")) }
}

fn not_now() -> Error {
    Error::Conflict { reason: "cancel-not-now", way_on: Some(WayOn::new("/", "checkout-to-plan")) }
}
