//! What rows know of a tenant's access.

use jiff::Timestamp;

use super::{Access, decide};
use crate::auth::Role;
use crate::catalog::policy::Dunning;
use crate::db::{Result, Tx, sql};
use crate::dunning;
use crate::stripe::snapshot::SubscriptionStatus;

/// What a tenant may do at this moment, and of that a person with `role`.
///
/// # Errors
/// The database did not answer.
pub async fn of_tenant(
    tx: &mut Tx,
    tenant: &str,
    role: Option<Role>,
    policy: &Dunning,
    now: Timestamp,
) -> Result<Access> {
    let status: Option<(String,)> = tx
        .query(sql!(
            "select status from subscriptions where tenant_id = $1"
            " order by case when status in ('canceled', 'incomplete_expired') then 1 else 0 end, created_at desc, id limit 1"
        ))
        .bind(tenant)
        .optional()
        .await?;
    let status = status.map(|(word,)| SubscriptionStatus::from(word));
    let case = dunning::store::open_of(tx, tenant).await?;
    Ok(match case {
        Some(case) => decide(status.as_ref(), Some(case.days(now)), &case.policy(policy), role),
        None => decide(status.as_ref(), None, policy, role),
    })
}
