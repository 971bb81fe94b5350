//! What deliveries are signed with: secrets of the configuration and those that `setup` stored, together.
//!
//! Another process may store one while this one serves. A delivery that matches none is therefore judged again after a look
//! into the database; looks are seconds apart, so that a stranger's deliveries cost no more than they did.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::store::{self, Sealed};
use crate::config::WebhookSecrets;
use crate::db::{Db, Result};
use crate::stripe::Stripe;
use crate::stripe::signature::Secret;

/// What the seals are for.
const PURPOSE: &str = "webhook secrets at rest";

/// The shortest time between two looks.
const SPACING: Duration = Duration::from_secs(5);

/// All secrets that are accepted. Cheap to clone; clones share what is known.
#[derive(Clone, Debug)]
pub struct Keyring(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    stripe: Stripe,
    given: WebhookSecrets,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Each with the time until which it is accepted.
    stored: Vec<(Secret, Option<i64>)>,
    looked_at: Option<Instant>,
}

/// Encrypts an endpoint's secret for its row.
pub fn seal(stripe: &Stripe, endpoint: &str, secret: &Secret) -> Option<String> {
    stripe.seal(PURPOSE, endpoint, secret.expose())
}

/// The secret of a row. None where it was stored with another Stripe key.
pub fn unseal(stripe: &Stripe, row: &Sealed) -> Option<Secret> {
    stripe.unseal(PURPOSE, &row.endpoint_id, &row.sealed)?.parse().ok()
}

impl Keyring {
    /// The secrets of the configuration; those of the database come with the first [`Keyring::load`].
    pub fn new(db: Db, stripe: Stripe, given: WebhookSecrets) -> Self {
        Self(Arc::new(Inner { db, stripe, given, known: Mutex::default() }))
    }

    /// Reads the stored secrets. How many there are that were stored with another Stripe key and cannot be read.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn load(&self, wall: i64) -> Result<usize> {
        let rows = store::secrets(&mut self.0.db.read().await?, self.0.stripe.is_live(), wall).await?;
        let read: Vec<_> = rows
            .iter()
            .filter_map(|row| unseal(&self.0.stripe, row).map(|secret| (secret, row.retires_at)))
            .collect();
        let closed = rows.len() - read.len();
        self.known().stored = read;
        Ok(closed)
    }

    /// Whether there is no secret at all.
    pub fn is_empty(&self) -> bool {
        self.0.given.expose().is_empty() && self.known().stored.is_empty()
    }

    /// The secrets that are accepted at `wall`.
    pub fn accepted(&self, wall: i64) -> Vec<Secret> {
        let known = self.known();
        let stored = known.stored.iter().filter(|(_, until)| until.is_none_or(|until| until > wall));
        self.0.given.expose().iter().chain(stored.map(|(secret, _)| secret)).cloned().collect()
    }

    /// Looks whether another process has stored a secret meanwhile, unless that was asked just now. Whether there is one more
    /// reason to judge again.
    pub async fn look_again(&self, wall: i64) -> bool {
        {
            let mut known = self.known();
            if known.looked_at.is_some_and(|at| at.elapsed() < SPACING) {
                return false;
            }
            known.looked_at = Some(Instant::now());
        }
        let before = self.accepted(wall);
        match self.load(wall).await {
            Ok(_) => self.accepted(wall) != before,
            Err(error) => {
                tracing::warn!(%error, "cannot look for new signing secrets");
                false
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
