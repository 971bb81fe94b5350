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

    fn action(&self) -> &'static str {
        match self {
            Self::CancelAtPeriodEnd(_) | Self::CancelNow(_) => "subscription.cancel_asked",
            Self::Resume => "subscription.resume_asked",
            Self::Pause => "subscription.pause_asked",
            Self::ResumeCollection => "subscription.collect_asked",
        }
    }
}

/// Does it, and brings the rows to what Stripe then says.
///
/// # Errors
/// The state does not allow it, or Stripe did not answer: nothing has changed, or the same again is safe.
pub async fn perform(app: &App, tenant: &Tenant, actor: &Actor, deed: &Deed, budget: Budget) -> Result<()> {
    let tenant = tenant.id.as_str();
    let billing = store::billing(&mut app.db.read().await?, tenant).await?;
    let customer = billing.customer.as_ref().map(|customer| customer.id.clone()).ok_or_else(not_now)?;
    let live = billing.live().ok_or_else(not_now)?;
    if !deed.is_among(super::options(live, &app.catalog.policy)) {
        // A second click, or a page from before: what is, is shown.
        return Err(not_now());
    }
    let is_done = ask(app, live, deed, budget).await?;
    let mut tx = app.db.write().await?;
    let after = match deed {
        Deed::CancelAtPeriodEnd(reason) => json!({ "when": "period_end", "feedback": reason.feedback }),
        Deed::CancelNow(reason) => json!({ "when": "now", "feedback": reason.feedback }),
        _ => json!({}),
    };
    let entry =
        Entry::new(actor.clone(), deed.action(), app.clock.now()).tenant(tenant).object(live.id.as_str());
    audit::record(&mut tx, &entry.change(None, Some(after))).await?;
    tx.commit().await?;
    refetch(app, &customer, actor, budget).await?;
    if is_done { Ok(()) } else { Err(unpaid()) }
}

async fn refetch(app: &App, customer: &CustomerId, actor: &Actor, budget: Budget) -> Result<()> {
    Ok(sync::refetch(&app.db, &app.stripe, &app.clock, customer, actor, budget).await?)
}

/// Asks Stripe for it; whether it is done. What is not waits for a payment.
async fn ask(app: &App, live: &Subscription, deed: &Deed, budget: Budget) -> Result<bool> {
    let key = Key::random();
    let id = &live.id;
    match deed {
        Deed::CancelAtPeriodEnd(reason) => {
            release(app, id, budget).await?;
            subscriptions::cancel_at_period_end(&app.stripe, id, reason, &key, budget).await?;
        }
        Deed::CancelNow(reason) => {
            match subscriptions::cancel_now(&app.stripe, id, reason, false, budget).await {
                Ok(_) | Err(stripe::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Deed::Resume if live.status == SubscriptionStatus::Paused => {
            match subscriptions::resume(&app.stripe, id, &key, budget).await {
                Ok(woken) => return Ok(woken.value.status != SubscriptionStatus::Paused),
                // Waking costs a period, and there is no card to charge it to.
                Err(stripe::Error::Refused(refusal))
                    if refusal.code.as_deref() == Some("resource_missing") =>
                {
                    return Err(unpaid());
                }
                Err(error) => return Err(error.into()),
            }
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
    Ok(true)
}

/// A plan of changes would outlive the wish to leave: it goes first.
async fn release(app: &App, id: &SubscriptionId, budget: Budget) -> Result<()> {
    let now = subscriptions::get_one(&app.stripe, id, budget).await?.value;
    if let Some(schedule) = &now.schedule {
        schedules::release(&app.stripe, schedule, &Key::random(), budget).await?;
    }
    Ok(())
}

fn not_now() -> Error {
    Error::Conflict { reason: "cancel-not-now", way_on: Some(WayOn::new("/", "checkout-to-plan")) }
}

/// It sleeps on: what waking costs could not be charged.
fn unpaid() -> Error {
    Error::Conflict { reason: "cancel-resume-unpaid", way_on: Some(WayOn::new("/", "checkout-to-plan")) }
}
