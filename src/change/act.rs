//! Asking Stripe what a change would cost, and making it. No transaction is open while Stripe is asked.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::quote::{HOLDS_FOR, Quote};
use super::{Bought, Refusal, Timing};
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::catalog::{self, Offer};
use crate::error::{Error, Result, WayOn};
use crate::money::{Currency, Money};
use crate::stripe::calls::subscriptions::{self, ItemChange, Proration, SubscriptionChange};
use crate::stripe::calls::{invoices, schedules};
use crate::stripe::snapshot::{Invoice, Phase, PhaseItem, Subscription as Snapshot, SubscriptionStatus};
use crate::stripe::{self, Budget, Key, PriceId};
use crate::subscription::{Billing, store};
use crate::sync;
use crate::tenants::Tenant;
use crate::usage;

/// The key of the words for a change that is no longer what was shown.
pub(super) const MEANWHILE: &str = "change-meanwhile";

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

/// What a change is decided by.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What is for sale.
    pub offer: Offer,
    /// What the tenant has.
    pub billing: Billing,
    /// How much of each metric it uses.
    pub used: BTreeMap<String, i64>,
}

/// Looks up what a change of the tenant's subscription is decided by.
///
/// # Errors
/// The database did not answer.
pub async fn facts(app: &App, tenant: &Tenant) -> Result<Facts> {
    let mut tx = app.db.read().await?;
    let offer = catalog::store::offer(&mut tx).await?;
    let billing = store::billing(&mut tx, tenant.id.as_str()).await?;
    let summary = usage::store::summary(&mut tx, &tenant.id, &app.catalog, app.clock.now()).await?;
    let used = summary.into_iter().flat_map(|summary| summary.metrics);
    let used = used.map(|metric| (metric.metric, metric.standing.used)).collect();
    Ok(Facts { offer, billing, used })
}

/// What the change of the tenant's subscription would cost. `from` is what it buys now.
///
/// # Errors
/// Stripe did not say; nothing has changed.
pub async fn review(
    app: &App,
    tenant: &Tenant,
    facts: &Facts,
    from: &Bought<'_>,
    to: &Bought<'_>,
    budget: Budget,
) -> Result<Review> {
    let (Some(customer), Some(row)) = (facts.billing.customer.as_ref(), facts.billing.live()) else {
        return Err(refused(Refusal::NoSubscription));
    };
    let live = subscriptions::get_one(&app.stripe, &row.id, budget).await?.value;
    let now = app.clock.now();
    let items = items(&live, &facts.offer, from, to, row.currency)?;
    // Nothing of a trial is paid yet: whatever changes in it changes at once and settles nothing.
    let in_trial = live.status == SubscriptionStatus::Trialing;
    let timing = super::timing(from, to, row.currency, row.period_end.filter(|_| !in_trial));
    let change =
        |proration, date| SubscriptionChange { items: items.clone(), proration, proration_date: date };
    // The date is fixed here and sent again on confirming: what is charged is what is shown.
    let date = now.as_second();
    let preview = |change| async move {
        invoices::preview_change(&app.stripe, &customer.id, &row.id, &change, budget)
            .await
            .map(|fetched| fetched.value)
    };
    let recurring = if live.schedule.is_some() {
        // The next invoice of this subscription is that of the plan of changes, which gives way.
        let prices = after(&live, &items);
        invoices::preview_new(
            &app.stripe,
            &customer.id,
            &prices,
            &live.discount_ids(),
            live.automatic_tax.enabled,
            budget,
        )
        .await?
        .value
    } else {
        preview(change(Proration::None, None)).await?
    };
    let today = match timing {
        Timing::Now if !in_trial => Some(preview(change(Proration::AlwaysInvoice, Some(date))).await?),
        _ => None,
    };
    let today = today.filter(|invoice| is_for_now(invoice, date));
    let quote = Quote {
        tenant: tenant.id.to_string(),
        customer: customer.id.clone(),
        subscription: row.id.clone(),
        schedule: live.schedule.clone(),
        from: (from.price.id.clone(), from.quantity),
        to: (to.price.id.clone(), to.quantity),
        items: items.clone(),
        timing,
        proration_date: date,
        in_trial,
        due_today: today.as_ref().map_or(0, |invoice| invoice.amount_due),
        currency: row.currency,
        expires_at: date + HOLDS_FOR,
    };
    Ok(summed(today.as_ref(), &recurring, quote))
}

/// Whether a preview is of an invoice that the change causes at once. Where it causes none, Stripe shows the next renewal, whose
/// period is to come.
fn is_for_now(invoice: &Invoice, date: i64) -> bool {
    const NEAR: i64 = 3_600;
    invoice.lines.data.iter().any(|line| line.is_proration() || (line.period.start - date).abs() < NEAR)
}

/// What is billed after a change, with how many of each; metered prices have none.
fn after(live: &Snapshot, items: &[ItemChange]) -> Vec<(PriceId, Option<u64>)> {
    let each = live.items.data.iter().map(|item| {
        let change = items.iter().find(|change| change.id.as_ref() == Some(&item.id));
        let kept = item.quantity.and_then(|quantity| u64::try_from(quantity).ok());
        match change {
            Some(change) => (change.price.clone().unwrap_or_else(|| item.price.id.clone()), change.quantity),
            None => (item.price.id.clone(), kept),
        }
    });
    each.collect()
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
        SubscriptionChange { items: quote.items.clone(), proration: Proration::None, proration_date: None }
    } else {
        SubscriptionChange {
            items: quote.items.clone(),
            proration: Proration::AlwaysInvoice,
            proration_date: Some(quote.proration_date),
        }
    };
    let live = subscriptions::get_one(&app.stripe, &quote.subscription, budget).await?.value;
    let buys = |(price, quantity): &(String, i64)| {
        let mut items = live.items.data.iter();
        items.any(|item| item.price.id.as_str() == price && item.quantity.unwrap_or(1) == *quantity)
    };
    if buys(&quote.to) {
        // Another click on the same was quicker.
        return Ok(Outcome::Changed);
    }
    if live.pending_update.is_some() {
        return Ok(Outcome::WaitsForPayment);
    }
    let in_trial = live.status == SubscriptionStatus::Trialing;
    if !buys(&quote.from)
        || quote.in_trial != in_trial
        || due_now(app, quote, &change, budget).await? != quote.due_today
    {
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

/// What the change would charge at this moment.
async fn due_now(app: &App, quote: &Quote, change: &SubscriptionChange, budget: Budget) -> Result<i64> {
    if quote.in_trial {
        return Ok(0);
    }
    let preview = invoices::preview_change(&app.stripe, &quote.customer, &quote.subscription, change, budget)
        .await?
        .value;
    Ok(if is_for_now(&preview, quote.proration_date) { preview.amount_due } else { 0 })
}

/// Plans the change for the end of the period: what there is until then, what is wanted afterwards.
async fn schedule(app: &App, quote: &Quote, at: i64, budget: Budget) -> Result<()> {
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
    let now = made.phases.first().ok_or_else(|| Error::internal("a schedule without a phase"))?;
    let until = Phase { end_date: Some(now.end_date.unwrap_or(at)), ..now.clone() };
    let live = subscriptions::get_one(&app.stripe, &quote.subscription, budget).await?.value;
    if live.schedule.as_ref() != Some(&made.id) {
        // This very change was planned before and undone since.
        return Err(changed_meanwhile());
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
    let after = Phase { start_date: until.end_date.unwrap_or(at), end_date: None, items: after.collect() };
    schedules::set_phases(
        &app.stripe,
        &made.id,
        &[until, after],
        &live.discount_ids(),
        &key(quote, "phases")?,
        budget,
    )
    .await?;
    Ok(())
}

/// Drops a change that was planned for the end of the period.
///
/// # Errors
/// Stripe did not answer; asking again is safe.
pub async fn undo(app: &App, tenant: &Tenant, actor: &Actor, budget: Budget) -> Result<()> {
    let billing = store::billing(&mut app.db.read().await?, tenant.id.as_str()).await?;
    let (Some(customer), Some(row)) = (billing.customer.as_ref(), billing.live()) else {
        return Err(refused(Refusal::NoSubscription));
    };
    let live = subscriptions::get_one(&app.stripe, &row.id, budget).await?.value;
    if let Some(schedule) = &live.schedule {
        release(app, schedule, &Key::random(), budget).await?;
    }
    let mut tx = app.db.write().await?;
    let entry = Entry::new(actor.clone(), "subscription.change_undone", app.clock.now());
    audit::record(&mut tx, &entry.tenant(tenant.id.as_str()).object(row.id.as_str())).await?;
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

/// A refusal that is about no field of a form.
pub(super) fn refused(refusal: Refusal) -> Error {
    Error::Conflict { reason: refusal.key(), way_on: Some(WayOn::new("/", "checkout-to-plan")) }
}

fn changed_meanwhile() -> Error {
    Error::Conflict { reason: MEANWHILE, way_on: Some(WayOn::new("/plans", "checkout-to-plans")) }
}
