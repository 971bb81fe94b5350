//! Asking Stripe what a change would cost. Nothing changes; no transaction is open while Stripe is asked.

use std::collections::BTreeMap;

use super::act::{changed_meanwhile, refused};
use super::figures::{Figures, due_after};
use super::quote::{HOLDS_FOR, Quote};
use super::{Bought, Refusal, Timing, Used};
use crate::app::App;
use crate::catalog::{self, Offer};
use crate::clock::from_seconds;
use crate::error::{Error, Result};
use crate::id;
use crate::money::{Currency, Money};
use crate::stripe::calls::invoices;
use crate::stripe::calls::subscriptions::{self, ItemChange, Proration, SubscriptionChange};
use crate::stripe::snapshot::{Invoice, Subscription as Snapshot, SubscriptionStatus};
use crate::stripe::{self, Budget, CustomerId, PriceId, SubscriptionId};
use crate::subscription::{Billing, store};
use crate::tenants::Tenant;
use crate::usage;

/// What a change would cost, in Stripe's words.
#[derive(Clone, Debug)]
pub struct Review {
    /// What is bought in.
    pub currency: Currency,
    /// What is settled when it is confirmed; nothing of it for a change that waits.
    pub figures: Figures,
    /// The invoice that follows; none where none will, as at the end of a trial that goes to sleep without a card.
    pub next: Option<NextInvoice>,
    /// What the plan costs in each period from then on, minor units, before discounts, taxes and what is billed after use.
    pub recurring: i64,
    /// What holds Stripe and us to it.
    pub quote: Quote,
}

/// The first invoice after the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextInvoice {
    /// When it is due, unix seconds; none where Stripe does not say.
    pub at: Option<i64>,
    /// What it asks for as things stand, minor units: with taxes, discounts, use so far, and the customer's balance.
    pub due: i64,
}

impl Review {
    /// An amount of it.
    pub fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.currency)
    }
}

/// What a change is decided by.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What is for sale.
    pub offer: Offer,
    /// What the tenant has.
    pub billing: Billing,
    /// How much of each metric it uses.
    pub used: BTreeMap<String, Used>,
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
    let used = used.map(|metric| (metric.metric, Used { kind: metric.kind, amount: metric.standing.used }));
    Ok(Facts { offer, billing, used: used.collect() })
}

/// A subscription as Stripe has it, and how it is to change.
struct Wanted<'a> {
    app: &'a App,
    customer: &'a CustomerId,
    id: &'a SubscriptionId,
    live: Snapshot,
    items: Vec<ItemChange>,
    starts_period: bool,
    budget: Budget,
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
    let items = items(&live, &facts.offer, from, to, row.currency)?;
    let (start, end) = period(&live, &from.price.id);
    // Nothing of a trial is paid yet: whatever changes in it changes at once and settles nothing.
    let in_trial = live.status == SubscriptionStatus::Trialing;
    // The period is Stripe's, not our row's, which is of before a renewal until its webhook is here.
    let timing = super::timing(from, to, row.currency, end.filter(|_| !in_trial).map(from_seconds));
    // The date is fixed here and sent again on confirming: what is charged is what is shown. It lies in the period also where
    // our clock and Stripe's differ by a moment.
    let now = app.clock.now().as_second();
    let date = now.min(end.unwrap_or(now)).max(start.unwrap_or(now));
    let starts_period = !in_trial && from.price.interval != to.price.interval;
    if starts_period && timing == Timing::Now {
        // The change bills what Stripe knows of: also what was used a moment ago.
        usage::work::flush(&app.db, &app.stripe, &app.clock, &tenant.id, budget).await?;
    }
    let wanted = Wanted { app, customer: &customer.id, id: &row.id, live, items, starts_period, budget };
    let today = match timing {
        Timing::Now if !in_trial => wanted.today(date).await?,
        _ => None,
    };
    let next = wanted.next(today.as_ref(), end).await?;
    let quote = Quote {
        id: id::random("quo"),
        tenant: tenant.id.to_string(),
        customer: customer.id.clone(),
        subscription: row.id.clone(),
        schedule: wanted.live.schedule.clone(),
        from: (from.price.id.clone(), from.quantity),
        to: (to.price.id.clone(), to.quantity),
        items: wanted.items,
        timing,
        proration_date: date,
        in_trial,
        starts_period,
        due_today: today.as_ref().map_or(0, |invoice| invoice.amount_due),
        currency: row.currency,
        expires_at: now + HOLDS_FOR,
    };
    Ok(Review {
        currency: row.currency,
        figures: today.as_ref().map(Figures::of).unwrap_or_default(),
        next,
        recurring: super::cost(to, row.currency).map_or(0, |money| money.minor),
        quote,
    })
}

impl Wanted<'_> {
    fn change(&self, proration: Proration, proration_date: Option<i64>) -> SubscriptionChange {
        let starts_period = self.starts_period;
        SubscriptionChange { items: self.items.clone(), proration, proration_date, starts_period }
    }

    /// The invoice that the change causes at once, if it causes one.
    async fn today(&self, date: i64) -> Result<Option<Invoice>> {
        let change = self.change(Proration::AlwaysInvoice, Some(date));
        let asked =
            invoices::preview_change(&self.app.stripe, self.customer, self.id, &change, self.budget).await;
        let invoice = asked.map_err(as_of_another_period)?;
        Ok(invoice.filter(|invoice| is_for_now(invoice, date)))
    }

    /// The invoice after that, or after the change that waits for the end of the period, `end`.
    async fn next(&self, today: Option<&Invoice>, end: Option<i64>) -> Result<Option<NextInvoice>> {
        let Some(invoice) = self.renewal(today.is_some()).await? else { return Ok(None) };
        Ok(Some(match today {
            None => NextInvoice { at: end, due: invoice.amount_due },
            Some(today) => {
                // Where the interval changes, a period begins today; otherwise the present one goes on.
                let paid_until = today.lines.data.iter().filter(|line| line.amount >= 0);
                let paid_until =
                    paid_until.map(|line| line.period.end).filter(|until| *until > today.created);
                NextInvoice { at: paid_until.max().or(end), due: due_after(today, &invoice) }
            }
        }))
    }

    /// What a renewal after the change asks for. A coupon for one invoice is used up by the one of today.
    async fn renewal(&self, after_another: bool) -> Result<Option<Invoice>> {
        let all = self.live.discount_ids();
        let kept = if after_another { self.live.lasting_discount_ids() } else { all.clone() };
        let (stripe, budget) = (&self.app.stripe, self.budget);
        if self.live.schedule.is_some() {
            // The next invoice of this subscription is that of the plan of changes, which gives way.
            let prices = after(&self.live, &self.items);
            let tax = self.live.automatic_tax.enabled;
            let asked = invoices::preview_new(stripe, self.customer, &prices, &kept, tax, budget).await?;
            return Ok(Some(asked.value));
        }
        let change = self.change(Proration::None, None);
        Ok(if kept.len() == all.len() {
            invoices::preview_change(stripe, self.customer, self.id, &change, budget).await?
        } else {
            invoices::preview_change_with(stripe, self.customer, self.id, &change, &kept, budget).await?
        })
    }
}

/// The present period of what is billed at a price, as Stripe has it.
pub(super) fn period(live: &Snapshot, price: &str) -> (Option<i64>, Option<i64>) {
    let item = live.items.data.iter().find(|item| item.price.id.as_str() == price);
    item.map_or((None, None), |item| (item.current_period_start, item.current_period_end))
}

/// Stripe refuses to settle as of a moment before the present period: it was renewed since the page was made.
pub(super) fn as_of_another_period(error: stripe::Error) -> Error {
    match &error {
        stripe::Error::Refused(refusal)
            if refusal.param.as_deref().is_some_and(|param| param.contains("proration_date")) =>
        {
            changed_meanwhile()
        }
        _ => error.into(),
    }
}

/// Whether a preview is of an invoice that the change causes at once. Where it causes none, Stripe shows the next renewal, whose
/// period is to come.
pub(super) fn is_for_now(invoice: &Invoice, date: i64) -> bool {
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
