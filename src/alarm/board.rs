//! The alarms that are on, in memory: every page of staff tells them and none asks for them.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Kind, store};
use crate::db::{Db, Result};

/// The alarms that are on. Cheap to clone; all clones are one board.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<RwLock<Vec<Kind>>>);

impl Board {
    /// What is shown: each kind once, however many things it is on for.
    pub fn alarms(&self) -> Vec<Kind> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks into the database; each process of several does so for itself. What a newer program raised is left to it.
    ///
    /// # Errors
    /// The database did not answer: what was shown stays.
    pub async fn look(&self, db: &Db) -> Result<()> {
        let kinds = store::kinds(&mut db.read().await?).await?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = kinds;
        Ok(())
    }
}
