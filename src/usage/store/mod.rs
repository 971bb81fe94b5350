//! Rows of usage: what the gate reads and writes, what pages and the API read, the way out to Stripe.

mod books;
mod comparisons;
mod detail;
mod outbox;
mod read;
mod reports;

pub(super) use books::{
    GATHER, Kept, booked, ended_since, forget, keep, kept, levels, lock_terms, put_days, put_hours,
    put_thresholds, put_totals, totals,
};
pub(super) use comparisons::{
    Comparison, Metered, disagreements, keep_comparison, lease, metered, metered_one, sent_between,
    settled_until, shorten_lease,
};
pub use detail::{Detail, PeriodUse, periods};
pub(super) use outbox::{
    Claimed, Due, Parked, Stuck, claim, due, is_due, mark_arrived, mark_sent, parked, put_off, stuck, unpark,
    waiting,
};
pub(super) use read::terms;
pub use read::{check, history, standings, summary};
pub(super) use reports::{Report, keep_report, put_off_report, reports, unfetched, unread_reports};

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Terms;
use super::period::Window;
use super::terms::Subscribed;
use crate::catalog::product::Limit;
use crate::clock::from_seconds;
use crate::stripe::snapshot::SubscriptionStatus;

/// Columns of the subscription that decides what a tenant may use, joined by [`subscription_of`].
macro_rules! terms_columns {
    () => {
        " s.status, s.started_at, s.current_period_start, s.current_period_end, s.ended_at, p.limits"
    };
}

/// The subscription in force, or the latest that was, of the tenant `n`; and its plan.
macro_rules! subscription_of {
    () => {
        concat!(" left join subscriptions s on s.id = (select x.id from subscriptions x where x.tenant_id = n.id order by ", $crate::subscription::by_force!(), " limit 1) left join products p on p.id = s.product_id")
    };
}

use {subscription_of, terms_columns};

/// The columns of `terms_columns`.
#[derive(sqlx::FromRow)]
struct TermsRow {
    status: Option<String>,
    started_at: Option<i64>,
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
    ended_at: Option<i64>,
    limits: Option<String>,
}

impl TermsRow {
    fn terms(self) -> Terms {
        Terms::new(self.subscribed())
    }

    fn subscribed(self) -> Option<Subscribed> {
        let time = |seconds: Option<i64>| seconds.map(from_seconds);
        let window = |start: Timestamp, end: Timestamp| Window { start, end };
        // What sync wrote; limits that cannot be read include nothing.
        let limits: BTreeMap<String, Limit> =
            self.limits.as_deref().and_then(|limits| serde_json::from_str(limits).ok()).unwrap_or_default();
        Some(Subscribed {
            status: SubscriptionStatus::from(self.status?),
            since: from_seconds(self.started_at?),
            period: time(self.current_period_start)
                .zip(time(self.current_period_end))
                .map(|(s, e)| window(s, e)),
            ended_at: time(self.ended_at),
            limits,
        })
    }
}
