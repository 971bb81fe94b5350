//! More than one subscription in force: it must not be, and staff must hear of it if it is.

use serde_json::json;

use super::super::{Seen, SubscriptionRow, Tenant};
use crate::audit::{self, Entry};
use crate::db::{Result, Tx, sql};
use crate::mail::letter::SecondSubscription;
use crate::mail::{self, Letter, New};

/// A subscription beside another one of the same tenant.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Doubled {
    /// The tenant.
    pub tenant_id: String,
    /// Stripe's id.
    pub id: String,
    /// Unix seconds.
    pub created_at: i64,
}

/// The subscriptions in force of tenants that have more than one, tenant by tenant, the oldest first.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn doubled(tx: &mut Tx) -> Result<Vec<Doubled>> {
    tx.query(sql!(
        "select tenant_id, id, created_at from subscriptions where status not in ('canceled', 'incomplete_expired')"
        " and tenant_id in (select tenant_id from subscriptions where status not in ('canceled', 'incomplete_expired')"
        " group by tenant_id having count(*) > 1) order by tenant_id, created_at, id"
    ))
    .all()
    .await
}

/// Tells staff, once, that a subscription came into force beside another one: an entry in the audit and a mail to each of them.
pub(super) async fn notice(tx: &mut Tx, tenant: &Tenant, new: &SubscriptionRow, seen: &Seen) -> Result<()> {
    let live: Vec<(String,)> = tx
        .query(sql!(
            "select id from subscriptions where tenant_id = $1 and status not in ('canceled', 'incomplete_expired')"
            " order by created_at, id"
        ))
        .bind(tenant.id.as_str())
        .all()
        .await?;
    let subscriptions: Vec<String> = live.into_iter().map(|(id,)| id).collect();
    if subscriptions.len() < 2 {
        return Ok(());
    }
    let cause = format!("{}:{}", tenant.id, subscriptions.join("+"));
    tracing::error!(tenant = tenant.id, ?subscriptions, "a tenant has more than one subscription in force");
    let entry = Entry::new(seen.actor.clone(), "subscription.second_found", seen.now)
        .tenant(tenant.id.as_str())
        .object(new.id.as_str())
        .change(None, Some(json!({ "in_force": subscriptions })))
        .cause(format!("subscription.second_found:{cause}"));
    audit::record(tx, &entry).await?;
    let staff = crate::alarm::store::staff(tx).await?;
    let letter = SecondSubscription { tenant: tenant.id.clone(), subscriptions };
    let letter = Letter::SecondSubscription(letter);
    for user in staff {
        let mail = New::of(&letter, format!("{cause}:{user}")).tenant(tenant.id.as_str()).user(user);
        mail::stage(tx, &mail, seen.now).await?;
    }
    Ok(())
}
