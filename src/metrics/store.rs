//! How much waits.

use crate::db::{Result, Tx, sql};

/// What is not finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Depths {
    /// Events to be worked on.
    pub pending: i64,
    /// Events whose customer is nobody's yet.
    pub waiting: i64,
    /// Events that wait for staff.
    pub parked: i64,
    /// When the oldest came that is to be worked on; unix seconds.
    pub oldest_pending: Option<i64>,
    /// When the last event came; unix seconds.
    pub last_received: Option<i64>,
    /// Mails to be sent.
    pub mails: i64,
    /// Mails that were given up.
    pub mails_failed: i64,
    /// Reports of use to be sent to Stripe.
    pub usage: i64,
    /// Reports of use that Stripe does not take.
    pub usage_parked: i64,
    /// Cases of a missing payment that are open.
    pub dunning: i64,
    /// Entries of the audit to be sealed.
    pub audit: i64,
    /// Alarms that are on.
    pub alarms: i64,
}

/// Counts what is not finished, each by an index over just that.
///
/// # Errors
/// The database did not answer.
pub async fn depths(tx: &mut Tx) -> Result<Depths> {
    tx.query(sql!(
        "select (select count(*) from webhook_events where state in ('pending', 'waiting', 'parked') and state = 'pending') as pending,"
        " (select count(*) from webhook_events where state in ('pending', 'waiting', 'parked') and state = 'waiting') as waiting,"
        " (select count(*) from webhook_events where state in ('pending', 'waiting', 'parked') and state = 'parked') as parked,"
        " (select min(received_at) from webhook_events where state in ('pending', 'waiting', 'parked') and state = 'pending') as oldest_pending,"
        " (select max(received_at) from webhook_events) as last_received,"
        " (select count(*) from mails where state in ('waiting', 'sending')) as mails,"
        " (select count(*) from mails where state = 'failed') as mails_failed,"
        " (select count(*) from usage_outbox where state = 'waiting') as usage,"
        " (select count(*) from usage_outbox where state = 'parked') as usage_parked,"
        " (select count(*) from dunning_cases where state = 'open') as dunning,"
        " (select count(*) from audit_unsealed) as audit,"
        " (select count(*) from alarms) as alarms"
    ))
    .one()
    .await
}
