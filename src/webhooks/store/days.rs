//! Events by the day on which they came.

use std::collections::BTreeMap;

use crate::clock::{day_of, from_seconds};
use crate::db::{Result, Tx, sql};
use crate::webhooks::health::EventDay;

/// What a group of events adds to its days.
#[derive(Debug, Default)]
pub(super) struct Coming(BTreeMap<i64, (i64, i64)>);

impl Coming {
    /// One that is new.
    pub(super) fn came(&mut self, received_at: i64, is_delivery: bool) {
        let (delivered, fetched) = self.of(received_at);
        *(if is_delivery { delivered } else { fetched }) += 1;
    }

    /// One that had been fetched, and was brought after all.
    pub(super) fn was_brought(&mut self, received_at: i64) {
        let (delivered, fetched) = self.of(received_at);
        *delivered += 1;
        *fetched -= 1;
    }

    fn of(&mut self, received_at: i64) -> (&mut i64, &mut i64) {
        let (delivered, fetched) = self.0.entry(day_of(from_seconds(received_at))).or_default();
        (delivered, fetched)
    }

    /// Adds it all: hardly ever more than one row, and always in their order, so that no two groups wait for each other.
    ///
    /// # Errors
    /// The database did not answer; so with all functions here.
    pub(super) async fn add(self, tx: &mut Tx) -> Result<()> {
        for (day, (delivered, fetched)) in self.0 {
            tx.query(sql!(
                "insert into event_days (day, delivered, fetched) values ($1, $2, $3) on conflict (day) do update"
                " set delivered = event_days.delivered + excluded.delivered, fetched = event_days.fetched + excluded.fetched"
            ))
            .bind(day)
            .bind(delivered)
            .bind(fetched)
            .run()
            .await?;
        }
        Ok(())
    }
}

/// The days that had events, from so many days before a time of the world on, that day included; the oldest first.
///
/// # Errors
/// The database did not answer.
pub async fn days(tx: &mut Tx, wall: i64, back: i64) -> Result<Vec<EventDay>> {
    tx.query(sql!("select day, delivered, fetched from event_days where day >= $1 order by day"))
        .bind(day_of(from_seconds(wall)) - back)
        .all()
        .await
}
