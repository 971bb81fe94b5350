//! Asking Stripe what a change would cost, and making it. No transaction is open while Stripe is asked.

use sha2::{Digest as _, Sha256};

use super::quote::{HOLDS_FOR, Quote};
use super::{Bought, Refusal, Timing};
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::auth::Manager;
use crate::catalog::Offer;
use crate::error::{Error, Result, WayOn};
use crate::money::{Currency, Money};
use crate::stripe::calls::subscriptions::{self, ItemChange, Proration, SubscriptionChange};
use crate::stripe::calls::{invoices, schedules};
use crate::stripe::snapshot::{Invoice, Phase, PhaseItem, Subscription as Snapshot};
use crate::stripe::{self, Budget, Key, PriceId};
use crate::subscription::{Billing, store};
use crate::sync;

/// What a change would cost, in Stripe's words.
#[derive(Clone, Debug)]
pub struct Review {
    /// What is bought in.
    pub currency: Currency,
    /// Given back for what is left of the period; not above zero.
    pub credit: i64,
    /// Charged for what is new.
    pub charge: i64,
    /// Taxes on it.
    pub tax: i64,
    /// Charged when it is confirmed.
    pub due_today: i64,
    /// What the invoice of a whole period will be, taxes included.
    pub recurring: i64,
    /// What holds Stripe and us to it.
    pub quote: Quote,
}

impl Review {
    /// An amount of it.
    pub fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.currency)
    }
}

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

/// What the change of the tenant's subscription would cost. `from` is what it buys now.
///
/// # Errors
/// Stripe did not say; nothing has changed.
pub async fn review(
    app: &App,
    tenant: &str,
    billing: &Billing,
    offer: &Offer,
    from: &Bought<'_>,
    to: &Bought<'_>,
    budget: Budget,
) -> Result<Review> {
    let (Some(customer), Some(row)) = (billing.customer.as_ref(), billing.live()) else {
        return Err(refused(Refusal::NoSubscription));
    };
    let live = subscriptions::get_one(&app.stripe, &row.id, budget).await?.value;
    let now = app.clock.now();
    let items = items(&live, offer, from, to, row.currency)?;
    let timing = super::timing(from, to, row.currency, row.period_end);
    let change =
        |proration, date| SubscriptionChange { items: items.clone(), proration, proration_date: date };
    // The date is fixed here and sent again on confirming: what is charged is what is shown.
    let date = now.as_second();
    let preview = |change| async move {
        invoices::preview_change(&app.stripe, &customer.id, &row.id, &change, budget)
            .await
            .map(|fetched| fetched.value)
    };
    let recurring = preview(change(Proration::None, None)).await?;
    let today = match timing {
        Timing::Now => Some(preview(change(Proration::AlwaysInvoice, Some(date))).await?),
        Timing::PeriodEnd(_) => None,
    };
    let quote = Quote {
        tenant: tenant.to_owned(),
        customer: customer.id.clone(),
        subscription: row.id.clone(),
        schedule: live.schedule.clone(),
        from: (from.price.id.clone(), from.quantity),
        to: (to.price.id.clone(), to.quantity),
        items: items.clone(),
        timing,
        proration_date: date,
        due_today: today.as_ref().map_or(0, |invoice| invoice.amount_due),
        currency: row.currency,
        expires_at: date + HOLDS_FOR,
    };
    Ok(summed(today.as_ref(), &recurring, quote))
}

/// Adds up the lines of a preview: what is given back, what is charged.
fn summed(today: Option<&Invoice>, recurring: &Invoice, quote: Quote) -> Review {
    let lines = today.map(|invoice| invoice.lines.data.as_slice()).unwrap_or_default();
    let sum = |wanted: fn(i64) -> bool| {
        lines.iter().map(|line| line.amount).filter(|amount| wanted(*amount)).fold(0, i64::saturating_add)
    };
    Review {
        currency: quote.currency,
        credit: sum(|amount| amount < 0),
        charge: sum(|amount| amount > 0),
        tax: today.map_or(0, Invoice::tax),
        due_today: quote.due_today,
        recurring: recurring.total,
        quote,
    }
}

/// The items as they are to be: the plan's with its new price, and those billed after use with the price of the new interval.
fn items(
    live: &Snapshot,
    offer: &Offer,
    from: &Bought<'_>,
    to: &Bought<'_>,
    currency: Currency,
) -> Result<Vec<ItemChange>> {
    let price_id = |id: &str| id.parse::<PriceId>().map_err(Error::internal);
    let mut items = Vec::new();
    for item in &live.items.data {
        if item.price.id.as_str() == from.price.id {
            items.push(ItemChange {
                id: Some(item.id.clone()),
                price: Some(price_id(&to.price.id)?),
                quantity: u64::try_from(to.quantity).ok(),
                deleted: false,
            });
            continue;
        }
        let metered = offer
            .metered
            .iter()
            .find(|metered| metered.prices.iter().any(|own| own.id == item.price.id.as_str()));
        let same = metered.and_then(|metered| metered.price(to.price.interval, currency));
        if let Some(price) = same.filter(|price| price.id != item.price.id.as_str()) {
            let price = Some(price_id(&price.id)?);
            items.push(ItemChange { id: Some(item.id.clone()), price, quantity: None, deleted: false });
        }
    }
    // What Stripe has is no longer what our row says: somebody changed it a moment ago.
    if items.is_empty() { Err(changed_meanwhile()) } else { Ok(items) }
}

/// Makes the change that was shown.
///
/// # Errors
/// The subscription or the amount is no longer what was shown: nothing has changed, and it is shown anew. Stripe did not
/// answer: asking again with the same quote cannot do it twice.
pub async fn confirm(app: &App, who: &Manager, quote: &Quote, budget: Budget) -> Result<Outcome> {
    let tenant = who.tenant.id.as_str();
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
    let entry = Entry::new(Actor::User(who.user.id.as_str().to_owned()), "subscription.change_confirmed", app.clock.now())
        .tenant(tenant)
        .object(quote.subscription.as_str())
        .cause(name(quote, "audit"))
        .change(
            Some(serde_json::json!({ "price": quote.from.0, "quantity": quote.from.1 })),
            Some(serde_json::json!({ "price": quote.to.0, "quantity": quote.to.1, "when": quote.timing, "due_today": quote.due_today })),
        );
    audit::record(&mut tx, &entry).await?;
    tx.commit().await?;
    fetch(app, who, quote, budget).await?;
    Ok(outcome)
}

async fn fetch(app: &App, who: &Manager, quote: &Quote, budget: Budget) -> Result<()> {
    let actor = Actor::User(who.user.id.as_str().to_owned());
    Ok(sync::refetch(&app.db, &app.stripe, &app.clock, &quote.customer, &actor, budget).await?)
}

async fn change_now(app: &App, quote: &Quote, budget: Budget) -> Result<Outcome> {
    let change = SubscriptionChange {
        items: quote.items.clone(),
        proration: Proration::AlwaysInvoice,
        proration_date: Some(quote.proration_date),
    };
    let preview =
        invoices::preview_change(&app.stripe, &quote.customer, &quote.subscription, &change, budget)
            .await?
            .value;
    if preview.amount_due != quote.due_today {
        return Err(changed_meanwhile());
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
        Err(error) => Err(error.into()),
    }
}

/// Plans the change for the end of the period: what there is until then, what is wanted afterwards.
async fn schedule(app: &App, quote: &Quote, at: i64, budget: Budget) -> Result<()> {
    if let Some(old) = &quote.schedule {
        release(app, old, &key(quote, "release")?, budget).await?;
    }
    let made = schedules::create_from(&app.stripe, &quote.subscription, &key(quote, "schedule")?, budget)
        .await?
        .value;
    let now = made.phases.first().ok_or_else(|| Error::internal("a schedule without a phase"))?;
    let until = Phase { end_date: Some(now.end_date.unwrap_or(at)), ..now.clone() };
    let live = subscriptions::get_one(&app.stripe, &quote.subscription, budget).await?.value;
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
    let after = Phase { start_date: until.end_date.unwrap_or(at), end_date: None, items: after.collect() };
    schedules::set_phases(&app.stripe, &made.id, &[until, after], &key(quote, "phases")?, budget).await?;
    Ok(())
}

/// Drops a change that was planned for the end of the period.
///
/// # Errors
/// Stripe did not answer; asking again is safe.
pub async fn undo(app: &App, who: &Manager, budget: Budget) -> Result<()> {
    let billing = store::billing(&mut app.db.read().await?, who.tenant.id.as_str()).await?;
    let (Some(customer), Some(row)) = (billing.customer.as_ref(), billing.live()) else {
        return Err(refused(Refusal::NoSubscription));
    };
    let live = subscriptions::get_one(&app.stripe, &row.id, budget).await?.value;
    if let Some(schedule) = &live.schedule {
        release(app, schedule, &Key::random(), budget).await?;
    }
    let actor = Actor::User(who.user.id.as_str().to_owned());
    let mut tx = app.db.write().await?;
    let entry = Entry::new(actor.clone(), "subscription.change_undone", app.clock.now());
    audit::record(&mut tx, &entry.tenant(who.tenant.id.as_str()).object(row.id.as_str())).await?;
    tx.commit().await?;
    Ok(sync::refetch(&app.db, &app.stripe, &app.clock, &customer.id, &actor, budget).await?)
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

/// A refusal that is about no field of a form.
pub(super) fn refused(refusal: Refusal) -> Error {
    Error::Conflict { reason: refusal.key(), way_on: Some(WayOn::new("/", "checkout-to-plan")) }
}

fn changed_meanwhile() -> Error {
    Error::Conflict { reason: "change-meanwhile", way_on: Some(WayOn::new("/plans", "checkout-to-plans")) }
}
