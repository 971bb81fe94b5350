//! Making a change, or taking it back. No transaction is open while Stripe is asked.

use sha2::{Digest as _, Sha256};

use super::quote::Quote;
use super::review::{as_of_another_period, is_for_now, period};
use super::{Refusal, Timing};
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::error::{Error, Result, WayOn};
use crate::stripe::calls::subscriptions::{self, Proration, SubscriptionChange};
use crate::stripe::calls::{invoices, schedules};
use crate::stripe::snapshot::{
    PendingUpdate, Phase, PhaseItem, Schedule, Subscription as Snapshot, SubscriptionStatus,
};
use crate::stripe::{self, Budget, Key};
use crate::subscription::store;
use crate::sync;
use crate::tenants::Tenant;

/// The key of the words for a change that is no longer what was shown.
pub(super) const MEANWHILE: &str = "change-meanwhile";

/// What a confirmed change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in force.
    Changed,
    /// It will be at the end of the period.
    Scheduled,
    /// The payment failed or asks for authentication: the old plan stays in force until it is done.
    WaitsForPayment,
}

/// Makes the change that was shown.
///
/// # Errors
/// The subscription or the amount is no longer what was shown: nothing has changed, and it is shown anew. Stripe did not
/// answer: asking again with the same quote cannot do it twice.
pub async fn confirm(
    app: &App,
    tenant: &Tenant,
    actor: &Actor,
    quote: &Quote,
    budget: Budget,
) -> Result<Outcome> {
    let tenant = tenant.id.as_str();
    let billing = store::billing(&mut app.db.read().await?, tenant).await?;
    let live = billing.live().filter(|live| live.id == quote.subscription).ok_or_else(changed_meanwhile)?;
    super::may_change(live).map_err(refused)?;
    let is = (live.price_id.as_deref(), live.quantity);
    let done = is == (Some(quote.to.0.as_str()), quote.to.1);
    if !done && is != (Some(quote.from.0.as_str()), quote.from.1) {
        return Err(changed_meanwhile());
    }
    // A second click on a change that is made already answers as the first did.
    let outcome = match (quote.timing, done) {
        (Timing::Now, true) => Outcome::Changed,
        (Timing::Now, false) => change_now(app, quote, budget).await?,
        (Timing::PeriodEnd(at), _) => {
            schedule(app, quote, at, budget).await?;
            Outcome::Scheduled
        }
    };
    let mut tx = app.db.write().await?;
    let entry = Entry::new(actor.clone(), "subscription.change_confirmed", app.clock.now())
        .tenant(tenant)
        .object(quote.subscription.as_str())
        .cause(name(quote, "audit"))
        .change(
            Some(serde_json::json!({ "price": quote.from.0, "quantity": quote.from.1 })),
            Some(serde_json::json!({ "price": quote.to.0, "quantity": quote.to.1, "when": quote.timing, "due_today": quote.due_today })),
        );
    audit::record(&mut tx, &entry).await?;
    tx.commit().await?;
    sync::refetch(&app.db, &app.stripe, &app.clock, &quote.customer, actor, budget).await?;
    Ok(outcome)
}

async fn change_now(app: &App, quote: &Quote, budget: Budget) -> Result<Outcome> {
    let change = if quote.in_trial {
        SubscriptionChange {
            items: quote.items.clone(),
            proration: Proration::None,
            proration_date: None,
            starts_period: false,
        }
    } else {
        SubscriptionChange {
            items: quote.items.clone(),
            proration: Proration::AlwaysInvoice,
            proration_date: Some(quote.proration_date),
            starts_period: quote.starts_period,
        }
    };
    let live = subscriptions::get_one(&app.stripe, &quote.subscription, budget).await?.value;
    if buys(&live, &quote.to) {
        // Another click on the same was quicker.
        return Ok(Outcome::Changed);
    }
    if let Some(pending) = &live.pending_update {
        // The same change waits already, or another that must be paid or fall first.
        let same = brings(pending, &quote.to);
        return if same {
            Ok(Outcome::WaitsForPayment)
        } else {
            Err(refused(Refusal::State("change-waiting")))
        };
    }
    let in_trial = live.status == SubscriptionStatus::Trialing;
    if !buys(&live, &quote.from) || quote.in_trial != in_trial {
        return Err(changed_meanwhile());
    }
    if due_now(app, quote, &change, budget).await? != quote.due_today {
        // Another click on the same may have been quicker by a moment.
        let live = subscriptions::get_one(&app.stripe, &quote.subscription, budget).await?.value;
        return if buys(&live, &quote.to) { Ok(Outcome::Changed) } else { Err(changed_meanwhile()) };
    }
    if let Some(schedule) = &quote.schedule {
        release(app, schedule, &key(quote, "release")?, budget).await?;
    }
    match subscriptions::change(&app.stripe, &quote.subscription, &change, &key(quote, "change")?, budget)
        .await
    {
        Ok(changed) if changed.value.pending_update.is_some() => Ok(Outcome::WaitsForPayment),
        Ok(_) => Ok(Outcome::Changed),
        Err(stripe::Error::Refused(refusal)) if refusal.kind.as_deref() == Some("card_error") => {
            Ok(Outcome::WaitsForPayment)
        }
        Err(error) => Err(as_of_another_period(error)),
    }
}

/// Whether a subscription has this price and quantity.
fn buys(live: &Snapshot, (price, quantity): &(String, i64)) -> bool {
    let mut items = live.items.data.iter();
    items.any(|item| item.price.id.as_str() == price && item.quantity.unwrap_or(1) == *quantity)
}

/// Whether a change that waits for its payment brings this price and quantity.
fn brings(pending: &PendingUpdate, (price, quantity): &(String, i64)) -> bool {
    pending.subscription_items.iter().any(|item| {
        item.price.as_ref().is_some_and(|own| own.as_str() == price)
            && item.quantity.unwrap_or(1) == *quantity
    })
}

/// What the change would charge at this moment.
async fn due_now(app: &App, quote: &Quote, change: &SubscriptionChange, budget: Budget) -> Result<i64> {
    if quote.in_trial {
        return Ok(0);
    }
    let preview = invoices::preview_change(&app.stripe, &quote.customer, &quote.subscription, change, budget)
        .await
        .map_err(as_of_another_period)?;
    let due = preview.filter(|preview| is_for_now(preview, quote.proration_date));
    Ok(due.map_or(0, |preview| preview.amount_due))
}

/// Plans the change for the end of the period: what there is until then, what is wanted afterwards. A period that was renewed
/// since ends later than what was shown: then nothing is planned.
async fn schedule(app: &App, quote: &Quote, at: i64, budget: Budget) -> Result<()> {
    let live = subscriptions::get_one(&app.stripe, &quote.subscription, budget).await?.value;
    if period(&live, &quote.from.0).1 != Some(at) {
        return Err(changed_meanwhile());
    }
    if let Some(old) = &quote.schedule {
        release(app, old, &key(quote, "release")?, budget).await?;
    }
    let made =
        schedules::create_from(&app.stripe, &quote.subscription, &key(quote, "schedule")?, budget).await;
    let made = match made {
        Ok(made) => made.value,
        // Somebody else has planned a change meanwhile.
        Err(stripe::Error::Refused(_)) => return Err(changed_meanwhile()),
        Err(error) => return Err(error.into()),
    };
    let live = subscriptions::get_one(&app.stripe, &quote.subscription, budget).await?.value;
    if live.schedule.as_ref() != Some(&made.id) {
        // This very change was planned before and undone since.
        return Err(changed_meanwhile());
    }
    let Some(phases) = phases(quote, &live, &made, at) else {
        // The renewal came in between.
        release(app, &made.id, &key(quote, "late")?, budget).await?;
        return Err(changed_meanwhile());
    };
    let discounts = live.discount_ids();
    schedules::set_phases(&app.stripe, &made.id, &phases, &discounts, &key(quote, "phases")?, budget).await?;
    Ok(())
}

/// What there is until the end of the period, and what follows; none where the period is no longer what it was.
fn phases(quote: &Quote, live: &Snapshot, made: &Schedule, at: i64) -> Option<[Phase; 2]> {
    let now = made.phases.first()?;
    // The phase may end later than the plan's period does, where what is billed after use has a longer one.
    if period(live, &quote.from.0).1 != Some(at) || now.start_date >= at {
        return None;
    }
    let after = live.items.data.iter().map(|item| {
        let change = quote.items.iter().find(|change| change.id.as_ref() == Some(&item.id));
        PhaseItem {
            price: change.and_then(|change| change.price.clone()).unwrap_or_else(|| item.price.id.clone()),
            quantity: match change {
                Some(change) => change.quantity.and_then(|quantity| i64::try_from(quantity).ok()),
                None => item.quantity,
            },
        }
    });
    let after = Phase { start_date: at, end_date: None, items: after.collect() };
    Some([Phase { end_date: Some(at), ..now.clone() }, after])
}

/// Drops a change that was planned for the end of the period.
///
/// # Errors
/// Nothing is planned, or Stripe did not answer; asking again is safe.
pub async fn undo(app: &App, tenant: &Tenant, actor: &Actor, budget: Budget) -> Result<()> {
    let billing = store::billing(&mut app.db.read().await?, tenant.id.as_str()).await?;
    let (Some(customer), Some(row)) = (billing.customer.as_ref(), billing.live()) else {
        return Err(refused(Refusal::NoSubscription));
    };
    let live = subscriptions::get_one(&app.stripe, &row.id, budget).await?.value;
    let Some(schedule) = &live.schedule else {
        // A second click, or the change has come about. What the page shows is brought up to date.
        sync::refetch(&app.db, &app.stripe, &app.clock, &customer.id, actor, budget).await?;
        return Err(refused(Refusal::State("change-nothing-planned")));
    };
    release(app, schedule, &Key::random(), budget).await?;
    let mut tx = app.db.write().await?;
    let entry = Entry::new(actor.clone(), "subscription.change_undone", app.clock.now())
        .tenant(tenant.id.as_str())
        .object(row.id.as_str())
        .cause(format!("undone-{schedule}"));
    audit::record(&mut tx, &entry).await?;
    tx.commit().await?;
    Ok(sync::refetch(&app.db, &app.stripe, &app.clock, &customer.id, actor, budget).await?)
}

/// Releases a schedule; one that is released already is what was wanted.
async fn release(app: &App, schedule: &stripe::ScheduleId, key: &Key, budget: Budget) -> Result<()> {
    match schedules::release(&app.stripe, schedule, key, budget).await {
        Ok(_) | Err(stripe::Error::Refused(_) | stripe::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The same quote, the same deed: whoever confirms twice does it once.
fn name(quote: &Quote, deed: &str) -> String {
    let digest = Sha256::digest(serde_json::to_vec(quote).unwrap_or_default());
    let hash: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{deed}-{hash}")
}

fn key(quote: &Quote, deed: &str) -> Result<Key> {
    Key::new(name(quote, deed)).map_err(Error::internal)
}

/// A refusal as the error that a person meets.
pub(super) fn refused(refusal: Refusal) -> Error {
    match refusal.fields() {
        Ok(wrong) => Error::Invalid(wrong),
        Err(reason) => Error::Conflict { reason, way_on: Some(WayOn::new("/", "checkout-to-plan")) },
    }
}

pub(super) fn changed_meanwhile() -> Error {
    Error::Conflict { reason: MEANWHILE, way_on: Some(WayOn::new("/plans", "checkout-to-plans")) }
}
