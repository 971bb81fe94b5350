//! The alarms that are on, in memory: every page of staff tells them and none asks for them.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Alarm, store};
use crate::db::{Db, Result};

/// The alarms that are on. Cheap to clone; all clones are one board.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<RwLock<Vec<Alarm>>>);

impl Board {
    /// What is shown.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks into the database; each process of several does so for itself. What a newer program raised is left to it.
    ///
    /// # Errors
    /// The database did not answer: what was shown stays.
    pub async fn look(&self, db: &Db) -> Result<()> {
        let raised = store::raised(&mut db.read().await?).await?;
        let alarms = raised.iter().filter_map(|raised| raised.name.parse().ok()).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = alarms;
        Ok(())
    }
}
