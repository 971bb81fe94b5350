//! The whole of `setup`: Stripe from the catalogue, the endpoint that its events come to, and what of it the running portal has
//! to know, in the database. A second run finds everything and changes nothing.

use serde_json::json;
use url::Url;

use super::policy::Catalog;
use super::setup::{self, Report};
use super::store;
use crate::audit::{self, Actor, Entry};
use crate::clock::Clock;
use crate::db::Db;
use crate::stripe::calls::account;
use crate::stripe::{Budget, PortalConfigurationId, Stripe};
use crate::sync;
use crate::webhooks::{destination, endpoint};

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// Where Stripe is to send events; none: the endpoint is left alone.
    pub webhook_url: Option<&'a Url>,
    /// Put back what somebody has changed in Stripe since.
    pub update: bool,
    /// Replace the endpoint and its secret.
    pub rotate: bool,
}

/// Why it broke off. What was done stays, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Stripe refused or could not be reached.
    #[error(transparent)]
    Stripe(#[from] crate::stripe::Error),
    /// The endpoint could not be made.
    #[error(transparent)]
    Endpoint(#[from] endpoint::Failure),
    /// The catalogue could not be read back.
    #[error(transparent)]
    Sync(#[from] sync::Error),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] crate::db::Error),
}

/// Creates what is missing, in Stripe and here.
///
/// # Errors
/// See [`Failure`].
pub async fn run(
    db: &Db,
    clock: &Clock,
    stripe: &Stripe,
    catalog: &Catalog,
    wish: Wish<'_>,
) -> Result<Report, Failure> {
    let mut report = setup::run(stripe, catalog, setup::Wish { update: wish.update, dry: false }).await?;
    if let Some(id) = &report.portal_configuration {
        note_configuration(db, clock, stripe.is_live(), id).await?;
    }
    sync::catalogue(db, stripe).await?;
    if let Some(url) = wish.webhook_url {
        let ensured = endpoint::ensure(db, clock, stripe, url, wish.rotate).await?;
        report.items.extend(ensured.item);
        report.notes.extend(ensured.notes);
        if catalog.bills_by_meter() {
            let ensured = destination::ensure(db, clock, stripe, url, wish.rotate).await?;
            report.items.extend(ensured.item);
            report.notes.extend(ensured.notes);
        }
    }
    if catalog.policy.automatic_tax {
        report.notes.extend(tax_hint(stripe).await?);
    }
    Ok(report)
}

/// Notes which configuration of Stripe's customer portal ours is to open.
async fn note_configuration(
    db: &Db,
    clock: &Clock,
    livemode: bool,
    id: &PortalConfigurationId,
) -> Result<(), Failure> {
    let now = clock.now();
    let mut tx = db.write().await?;
    if store::portal_configuration(&mut tx, livemode).await?.as_ref() == Some(id) {
        return Ok(());
    }
    store::note_portal_configuration(&mut tx, livemode, id, now.as_second()).await?;
    let entry = Entry::new(Actor::Command, "portal.configured", now)
        .object(id.as_str())
        .change(None, Some(json!({ "live": livemode })));
    audit::record(&mut tx, &entry).await?;
    Ok(tx.commit().await?)
}

/// What Checkout would stumble over where taxes are to be added and Stripe Tax is not set up.
async fn tax_hint(stripe: &Stripe) -> Result<Option<String>, Failure> {
    let settings = account::tax_settings(stripe, Budget::work()).await?.value;
    Ok((settings.status != "active").then(|| {
        format!(
            "Stripe Tax is not set up yet (missing: {}): Checkout would fail. Finish it in the dashboard under Settings, Tax, or say \
             automatic_tax = false in the catalogue.",
            settings.missing.join(", ")
        )
    }))
}
