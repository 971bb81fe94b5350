//! Planned changes of subscriptions.

use serde::Deserialize;

use super::{open_enum, read};
use crate::stripe::{CustomerId, PriceId, ScheduleId, SubscriptionId};

open_enum! {
    /// Where a schedule stands.
    ScheduleStatus {
        /// Its first phase is to come.
        NotStarted = "not_started",
        /// A phase is in force.
        Active = "active",
        /// All phases are over.
        Completed = "completed",
        /// The subscription goes on without it.
        Released = "released",
        /// Ended together with the subscription.
        Canceled = "canceled",
    }
}

/// A plan of changes to a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Schedule {
    /// Stripe's id.
    pub id: ScheduleId,
    /// Whose it is.
    #[serde(deserialize_with = "read::id")]
    pub customer: CustomerId,
    /// The subscription it changes; none once it is released.
    #[serde(default, deserialize_with = "read::optional_id")]
    pub subscription: Option<SubscriptionId>,
    /// Where it stands.
    pub status: ScheduleStatus,
    /// What happens at its end: `release` or `cancel`.
    pub end_behavior: Option<String>,
    /// The phases, in order of time.
    #[serde(default, deserialize_with = "read::nullable")]
    pub phases: Vec<Phase>,
}

impl Schedule {
    /// The first phase that begins after `now` (unix seconds): the change that is to come.
    pub fn next_phase(&self, now: i64) -> Option<&Phase> {
        let pending = matches!(self.status, ScheduleStatus::Active | ScheduleStatus::NotStarted);
        self.phases.iter().find(|phase| pending && phase.start_date > now)
    }
}

/// What is billed over some time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Phase {
    /// Unix seconds.
    pub start_date: i64,
    /// Unix seconds.
    pub end_date: Option<i64>,
    /// What is billed.
    #[serde(default, deserialize_with = "read::nullable")]
    pub items: Vec<PhaseItem>,
}

/// Something that a phase bills.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PhaseItem {
    /// What it costs.
    #[serde(deserialize_with = "read::id")]
    pub price: PriceId,
    /// How many; none where use is metered.
    pub quantity: Option<i64>,
}
