//! What rows know of a tenant's access.

use jiff::Timestamp;

use super::{Access, Level, decide};
use crate::auth::Role;
use crate::catalog::policy::Dunning;
use crate::clock::from_seconds;
use crate::db::{Result, Tx, sql};
use crate::dunning::Missing;
use crate::stripe::snapshot::SubscriptionStatus;

/// Everything that the decision needs, and what the plan unlocks.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Of the live subscription, or of the last one.
    pub status: Option<SubscriptionStatus>,
    /// The payment that has been missing longest.
    pub missing: Option<Missing>,
    /// The plan's slug; none: the free one.
    pub plan: Option<String>,
    /// Ids of the features that the plan has.
    pub features: Vec<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    status: Option<String>,
    plan: Option<String>,
    features: Option<String>,
    opened_at: Option<i64>,
    restricts_at: Option<i64>,
    cancels_at: Option<i64>,
}

impl Standing {
    /// What the tenant may do at `now`, and of that a person with `role`.
    pub fn access(&self, role: Option<Role>, policy: &Dunning, now: Timestamp) -> Access {
        match &self.missing {
            Some(missing) => {
                decide(self.status.as_ref(), Some(missing.days(now)), &missing.policy(policy), role)
            }
            None => decide(self.status.as_ref(), None, policy, role),
        }
    }

    /// When it becomes less, if nothing is paid; none where nothing is about to change.
    pub fn until(&self, access: &Access, policy: &Dunning) -> Option<Timestamp> {
        let missing = self.missing.as_ref().filter(|_| access.until.is_some())?;
        let whole = decide(self.status.as_ref(), None, policy, None).level;
        // A supervisor's own level says nothing about the tenant's.
        let restricted = access.level != Level::Full && access.reason != super::Reason::Supervisor;
        let at = if restricted || whole != Level::Full {
            missing.cancels(policy)
        } else {
            missing.restricts(policy)
        };
        Some(from_seconds(at))
    }
}

/// Where a tenant stands: one query, asked with every request of the host.
///
/// # Errors
/// The database did not answer.
pub async fn standing(tx: &mut Tx, tenant: &str) -> Result<Standing> {
    let row: Option<Row> = tx
        .query(sql!(
            "select s.status, p.plan, p.features, d.opened_at, d.restricts_at, d.cancels_at from tenants t"
            " left join subscriptions s on s.tenant_id = t.id left join products p on p.id = s.product_id"
            " left join dunning_cases d on d.tenant_id = t.id and d.state = 'open' where t.id = $1"
            " order by case when s.status in ('canceled', 'incomplete_expired') then 1 else 0 end, s.created_at desc, s.id,"
            " d.opened_at, d.invoice_id limit 1"
        ))
        .bind(tenant)
        .optional()
        .await?;
    Ok(row.map(Row::standing).unwrap_or_default())
}

impl Row {
    fn standing(self) -> Standing {
        use SubscriptionStatus as S;
        let status = self.status.map(SubscriptionStatus::from);
        let missing = self.opened_at.map(|opened_at| Missing {
            opened_at,
            restricts_at: self.restricts_at,
            cancels_at: self.cancels_at,
        });
        let is_free = matches!(status, None | Some(S::Canceled | S::IncompleteExpired | S::Incomplete));
        let plan = self.plan.filter(|_| !is_free);
        let features = self.features.filter(|_| plan.is_some());
        let features = features.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Standing { status, missing, plan, features }
    }
}

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
    Ok(standing(tx, tenant).await?.access(role, policy, now))
}
