//! What rows know of a tenant's access.

use jiff::Timestamp;

use super::{Access, Level, decide};
use crate::auth::Role;
use crate::catalog::policy::Dunning;
use crate::clock::from_seconds;
use crate::db::{Result, Tx, sql};
use crate::dunning::{Case, State};
use crate::money::Currency;
use crate::stripe::snapshot::SubscriptionStatus;
use crate::subscription::by_force;

/// Everything that the decision needs, and what the plan unlocks.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Of the live subscription, or of the last one.
    pub status: Option<SubscriptionStatus>,
    /// The payment that has been missing longest.
    pub case: Option<Case>,
    /// The plan's slug; none: the free one.
    pub plan: Option<String>,
    /// Ids of the features that the plan has.
    pub features: Vec<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    tenant_id: String,
    status: Option<String>,
    plan: Option<String>,
    features: Option<String>,
    invoice_id: Option<String>,
    customer_id: Option<String>,
    subscription_id: Option<String>,
    number: Option<String>,
    currency: Option<Currency>,
    amount: Option<i64>,
    opened_at: Option<i64>,
    restricts_at: Option<i64>,
    cancels_at: Option<i64>,
    attempts: Option<i64>,
    barred_at: Option<i64>,
}

impl Standing {
    /// What the tenant may do at `now`, and of that a person with `role`.
    pub fn access(&self, role: Option<Role>, policy: &Dunning, now: Timestamp) -> Access {
        match self.case.as_ref().map(Case::missing) {
            Some(missing) => {
                decide(self.status.as_ref(), Some(missing.days(now)), &missing.policy(policy), role)
            }
            None => decide(self.status.as_ref(), None, policy, role),
        }
    }

    /// When it becomes less, if nothing is paid; none where nothing is about to change.
    pub fn until(&self, access: &Access, policy: &Dunning) -> Option<Timestamp> {
        let missing = self.case.as_ref().filter(|_| access.until.is_some())?.missing();
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

/// Where a tenant stands: one query, asked with every request of the host and with every page.
///
/// # Errors
/// The database did not answer.
pub async fn standing(tx: &mut Tx, tenant: &str) -> Result<Standing> {
    let row: Option<Row> = tx
        .query(sql!(
            "select t.id as tenant_id, s.status, p.plan, p.features, d.invoice_id, d.customer_id, d.subscription_id, d.number,"
            " d.currency, d.amount, d.opened_at, d.restricts_at, d.cancels_at, d.attempts, d.barred_at from tenants t"
            " left join subscriptions s on s.id = (select x.id from subscriptions x where x.tenant_id = t.id order by "
            by_force!() " limit 1) left join products p on p.id = s.product_id"
            " left join dunning_cases d on d.tenant_id = t.id and d.state = 'open' where t.id = $1"
            " order by d.opened_at, d.invoice_id limit 1"
        ))
        .bind(tenant)
        .optional()
        .await?;
    Ok(row.map(Row::standing).unwrap_or_default())
}

impl Row {
    fn case(&self) -> Option<Case> {
        Some(Case {
            invoice_id: self.invoice_id.clone()?,
            tenant_id: self.tenant_id.clone(),
            customer_id: self.customer_id.clone()?,
            subscription_id: self.subscription_id.clone(),
            number: self.number.clone(),
            currency: self.currency?,
            amount: self.amount?,
            state: State::Open,
            opened_at: self.opened_at?,
            restricts_at: self.restricts_at,
            cancels_at: self.cancels_at,
            attempts: self.attempts?,
            closed_at: None,
            barred_at: self.barred_at,
        })
    }

    fn standing(self) -> Standing {
        use SubscriptionStatus as S;
        let case = self.case();
        let status = self.status.map(SubscriptionStatus::from);
        let is_free = matches!(status, None | Some(S::Canceled | S::IncompleteExpired | S::Incomplete));
        let plan = self.plan.filter(|_| !is_free);
        let features = self.features.filter(|_| plan.is_some());
        let features = features.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Standing { status, case, plan, features }
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
