//! A run: what it is at, where it stands, what it has looked at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Unknown, words};
use crate::money::Currency;

words! {
    /// What a run is at.
    Stage {
        /// Reading Stripe's list of customers.
        Customers = "customers", "reconcile-stage-customers";
        /// Reading Stripe's list of subscriptions.
        Subscriptions = "subscriptions", "reconcile-stage-subscriptions";
        /// Reading Stripe's list of invoices.
        Invoices = "invoices", "reconcile-stage-invoices";
        /// Reading Stripe's list of charges.
        Charges = "charges", "reconcile-stage-charges";
        /// Looking for customers that no list has shown.
        Absent = "absent", "reconcile-stage-absent";
        /// Holding what was used against Stripe's meters.
        Usage = "usage", "reconcile-stage-usage";
        /// Fetching what was suspicious, twice.
        Suspects = "suspects", "reconcile-stage-suspects";
        /// Putting right what was found.
        Repairs = "repairs", "reconcile-stage-repairs";
    }
}

impl Stage {
    /// What comes after it; none after the last.
    pub fn next(self) -> Option<Self> {
        let at = Self::ALL.iter().position(|stage| *stage == self)?;
        Self::ALL.get(at + 1).copied()
    }
}

words! {
    /// Where a run stands.
    RunState {
        /// Under way, or waiting to go on.
        Running = "running", "reconcile-run-running";
        /// Through.
        Done = "done", "reconcile-run-done";
        /// Given up.
        Failed = "failed", "reconcile-run-failed";
    }
}

impl RunState {
    /// How it looks on a badge.
    pub const fn tone(self) -> &'static str {
        match self {
            Self::Running => "info",
            Self::Done => "success",
            Self::Failed => "danger",
        }
    }
}

/// What a run has looked at so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Customers in Stripe's list.
    pub customers: i64,
    /// Subscriptions in Stripe's list.
    pub subscriptions: i64,
    /// Invoices in Stripe's list.
    pub invoices: i64,
    /// Charges in Stripe's list.
    pub charges: i64,
    /// Our customers that were held against the list.
    pub rows: i64,
    /// Comparisons of use.
    pub usage: i64,
    /// Suspects that were fetched.
    pub fetched: i64,
    /// Customers of Stripe's that are nobody's of ours.
    pub strangers: i64,
    /// What Stripe says our tenants have paid, in minor units by currency.
    pub paid: BTreeMap<Currency, i64>,
    /// Customers that there were here when the run began: about as many are to be expected in Stripe's list.
    pub total: Option<i64>,
    /// Seconds that the comparison took, repairs not counted; none until it is through.
    pub seconds: Option<i64>,
}

impl Progress {
    /// Customers compared in a second, whole ones. `so_far` are the seconds that a comparison has taken that is not through.
    pub fn customers_per_second(&self, so_far: i64) -> i64 {
        self.customers / self.seconds.unwrap_or(so_far).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_after_its_repairs() {
        let mut stage = Stage::Customers;
        let mut seen = vec![stage];
        while let Some(next) = stage.next() {
            stage = next;
            seen.push(stage);
        }
        assert_eq!(seen, Stage::ALL);
    }
}
