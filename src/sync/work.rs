//! Asking Stripe for the whole of a customer, or of the catalogue, and writing what it says.
//!
//! All calls are made before the write begins. A customer's rows are written under its lease.

mod whole;

pub use whole::{Whole, fetch, invoice_row, subscription_row};

use whole::{details, save_details};

use super::Seen;
use super::store::{self, Lease, LostLease};
use crate::audit::Actor;
use crate::clock::Clock;
use crate::db::{self, Db};
use crate::id;
use crate::stripe::calls::{catalog, customers, subscriptions};
use crate::stripe::{self, Budget, CustomerId, Fetched, Stripe};

/// Customers whose preview and payment method are asked for in one step.
const DETAILS: i64 = 8;

/// Why rows could not be brought to what Stripe says.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Stripe did not say.
    #[error(transparent)]
    Stripe(#[from] stripe::Error),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] db::Error),
    /// The work took longer than its lease.
    #[error(transparent)]
    Lost(#[from] LostLease),
    /// Somebody else is writing this customer's rows and did not end within the budget.
    #[error("the customer is being synchronised by another worker")]
    Busy,
    /// The customer belongs to no tenant.
    #[error("the customer belongs to no tenant of this portal")]
    Stranger,
}

impl Error {
    /// Whether the same may well succeed later, with nothing changed.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Stripe(error) => error.is_safe_to_retry(),
            Self::Db(error) => error.is_unavailable(),
            Self::Lost(_) | Self::Busy => true,
            Self::Stranger => false,
        }
    }
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Stripe(error) => error.into(),
            Error::Db(error) => error.into(),
            Error::Busy | Error::Lost(_) => Self::StripeUnavailable { request_id: None },
            Error::Stranger => Self::NotFound,
        }
    }
}

/// Fetches a customer and writes it, at once: for the return from Checkout, the command line and "resync now".
///
/// # Errors
/// See [`Error`].
pub async fn refetch(
    db: &Db,
    stripe: &Stripe,
    clock: &Clock,
    customer: &CustomerId,
    actor: &Actor,
    budget: Budget,
) -> Result<(), Error> {
    let lease = lease(db, clock, customer.as_str(), budget).await?;
    let done = refetch_under(db, stripe, clock, customer, actor, budget, &lease).await;
    if let Err(error) = &done {
        let mut tx = db.write().await?;
        store::postpone(&mut tx, &lease, lease.refetch, clock.wall().as_second(), &error.to_string()).await?;
        tx.commit().await?;
    }
    done
}

async fn refetch_under(
    db: &Db,
    stripe: &Stripe,
    clock: &Clock,
    customer: &CustomerId,
    actor: &Actor,
    budget: Budget,
    lease: &Lease,
) -> Result<(), Error> {
    let mut tx = db.read().await?;
    let tenant = store::tenant_of(&mut tx, customer).await?.ok_or(Error::Stranger)?;
    let known = store::newest_event(&mut tx, customer).await?;
    let live = store::live_ids(&mut tx, customer).await?;
    drop(tx);
    let whole = fetch(stripe, customer, &live, budget).await?;
    let mut tx = db.write().await?;
    whole.save(&mut tx, &tenant, known, clock.now(), actor).await?;
    store::finish(&mut tx, lease).await??;
    tx.commit().await?;
    Ok(())
}

/// Removes the row of an object of a customer's that Stripe has just said it knows nothing of, with what followed from it; whether
/// there was one. See [`store::forget`].
///
/// # Errors
/// See [`Error`].
pub async fn forget(
    db: &Db,
    clock: &Clock,
    customer: &CustomerId,
    object: (&str, &str),
    actor: &Actor,
    budget: Budget,
) -> Result<bool, Error> {
    let lease = lease(db, clock, customer.as_str(), budget).await?;
    let now = clock.now();
    let seen = Seen { at: now.as_second(), now, actor: actor.clone() };
    let mut tx = db.write().await?;
    let removed = store::forget(&mut tx, object.0, object.1, &seen).await?;
    store::finish(&mut tx, &lease).await??;
    tx.commit().await?;
    Ok(removed)
}

/// Takes the lease, waiting for whoever has it as long as the budget lasts.
async fn lease(db: &Db, clock: &Clock, key: &str, budget: Budget) -> Result<Lease, Error> {
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
    let holder = id::random_text();
    loop {
        let mut tx = db.write().await?;
        let lease = store::claim(&mut tx, key, &holder, clock.wall().as_second()).await?;
        tx.commit().await?;
        if let Some(lease) = lease {
            return Ok(lease);
        }
        if budget.left() <= PAUSE {
            return Err(Error::Busy);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Fetches all products and prices and writes them; how many of each.
///
/// # Errors
/// See [`Error`].
pub async fn catalogue(db: &Db, stripe: &Stripe) -> Result<(usize, usize), Error> {
    let budget = Budget::work();
    let (products, prices) =
        tokio::try_join!(catalog::products(stripe, budget), catalog::prices(stripe, budget))?;
    let seen_at = products.date.min(prices.date).as_second();
    let mut tx = db.write().await?;
    store::save_catalogue(&mut tx, &products.value, &prices.value, seen_at).await?;
    tx.commit().await?;
    Ok((products.value.len(), prices.value.len()))
}

/// One step: asks for the previews and payment methods that are due. How many customers that were.
///
/// # Errors
/// The database did not answer. What Stripe did not say is asked again later.
pub async fn step(db: &Db, stripe: &Stripe, clock: &Clock) -> Result<usize, Error> {
    let mut tx = db.write().await?;
    let (due, claimed) = store::claim_details(&mut tx, clock.now().as_second(), DETAILS).await?;
    tx.commit().await?;
    for customer in &due {
        match refresh(db, stripe, clock, customer, claimed).await {
            Ok(()) => {}
            Err(Error::Stripe(error)) => {
                tracing::warn!(%customer, %error, "the preview is asked for again later");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(due.len())
}

async fn refresh(
    db: &Db,
    stripe: &Stripe,
    clock: &Clock,
    customer: &CustomerId,
    claimed: i64,
) -> Result<(), Error> {
    let budget = Budget::work();
    let mut tx = db.read().await?;
    let live = store::live_ids(&mut tx, customer).await?.into_iter().next();
    drop(tx);
    let Fetched { value: whole, date, .. } = customers::get_one(stripe, customer, budget).await?;
    let subscription = match live {
        Some(id) => Some(subscriptions::get_one(stripe, &id, budget).await?.value),
        None => None,
    };
    let details = details(stripe, &whole, subscription.as_ref(), budget).await?;
    let mut tx = db.write().await?;
    if let Some(subscription) = &subscription {
        store::learn_worth(&mut tx, subscription).await?;
    }
    save_details(&mut tx, customer, &details, date.as_second(), clock.now().as_second(), claimed).await?;
    tx.commit().await?;
    Ok(())
}

/// What `sync` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    products: usize,
    prices: usize,
    customers: usize,
}

impl std::fmt::Display for Synced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { products, prices, customers } = self;
        write!(f, "Synchronised {products} products, {prices} prices and {customers} customers with Stripe.")
    }
}

/// The command: the catalogue, and one customer or all of ours.
///
/// # Errors
/// See [`Error`].
pub async fn command(
    db: &Db,
    stripe: &Stripe,
    clock: &Clock,
    customer: Option<&str>,
) -> Result<Synced, Error> {
    const PAGE: i64 = 200;
    let (products, prices) = catalogue(db, stripe).await?;
    let mut synced = Synced { products, prices, customers: 0 };
    let mut next = match customer {
        Some(text) => vec![text.parse::<CustomerId>().map_err(|_| Error::Stranger)?],
        None => page(db, "", PAGE).await?,
    };
    while let Some(last) = next.last().cloned() {
        for id in &next {
            refetch(db, stripe, clock, id, &Actor::Command, Budget::work()).await?;
            synced.customers += 1;
        }
        if customer.is_some() {
            break;
        }
        next = page(db, last.as_str(), PAGE).await?;
    }
    Ok(synced)
}

async fn page(db: &Db, after: &str, limit: i64) -> Result<Vec<CustomerId>, Error> {
    Ok(store::customer_ids(&mut db.read().await?, after, limit).await?)
}
