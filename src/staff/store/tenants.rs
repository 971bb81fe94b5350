//! What staff read of tenants: the list, one of them, and which hidden plans they see.

use jiff::Timestamp;

use crate::db::{Result, Tx, sql};

/// Which tenants are looked for. What is empty filters nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// How a name or an e-mail address begins, or a whole id: ours, the host application's, Stripe's of the customer.
    pub text: String,
    /// The subscription's status.
    pub status: String,
    /// The plan's product.
    pub product: String,
    /// After the tenant of this id.
    pub after: String,
}

/// A tenant of the list.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Found {
    /// Ours.
    pub id: String,
    /// The name.
    pub name: String,
    /// Where bills go.
    pub email: String,
    /// Since when it is there, unix seconds.
    pub created_at: i64,
    /// Of the live subscription, or of the last one.
    pub status: Option<String>,
    /// What its plan is called.
    pub plan: Option<String>,
}

macro_rules! found {
    () => {
        "select t.id, t.name, t.email, t.created_at, s.status, p.name as plan"
    };
}

/// The subscription that counts of each tenant: the live one, or the last.
macro_rules! current {
    () => {
        concat!(" left join subscriptions s on s.id = (select x.id from subscriptions x where x.tenant_id = t.id order by ", $crate::subscription::by_force!(), " limit 1) left join products p on p.id = s.product_id")
    };
}

/// Candidates of each kind that a search looks at: a beginning that more tenants share is to be typed further.
const CANDIDATES: i64 = 500;

/// Tenants by their ids, those after `search.after`. Each way of asking goes along one index.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn search(tx: &mut Tx, search: &Search, limit: i64) -> Result<Vec<Found>> {
    let query = if !search.text.is_empty() {
        tx.query(sql!(
            found!() " from tenants t" current!() " where t.id in ("
            "select id from (select id from tenants where lower(name)" pg " collate \"C\"" " >= lower($5) and lower(name)" pg " collate \"C\"" " < lower($5) || $6 limit $7) names"
            " union select id from (select id from tenants where lower(email)" pg " collate \"C\"" " >= lower($5) and lower(email)" pg " collate \"C\"" " < lower($5) || $6 limit $7) emails"
            " union select id from tenants where id = $5 union select id from tenants where external_id = $5"
            " union select tenant_id from customers where id = $5)"
            " and ($1 = '' or s.status = $1) and ($2 = '' or s.product_id = $2) and t.id > $3 order by t.id limit $4"
        ))
    } else if !search.status.is_empty() {
        tx.query(sql!(
            found!() " from subscriptions f join tenants t on t.id = f.tenant_id" current!()
            " where f.status = $1 and ($2 = '' or f.product_id = $2) and f.tenant_id > $3 and s.id = f.id"
            " order by f.tenant_id limit $4"
        ))
    } else if !search.product.is_empty() {
        tx.query(sql!(
            found!() " from subscriptions f join tenants t on t.id = f.tenant_id" current!()
            " where f.product_id = $2 and $1 = '' and f.tenant_id > $3 and s.id = f.id"
            " order by f.tenant_id limit $4"
        ))
    } else {
        tx.query(sql!(
            found!() " from tenants t" current!() " where $1 = '' and $2 = '' and t.id > $3 order by t.id limit $4"
        ))
    };
    let query = query
        .bind(search.status.as_str())
        .bind(search.product.as_str())
        .bind(search.after.as_str())
        .bind(limit);
    if search.text.is_empty() {
        query.all().await
    } else {
        query.bind(search.text.as_str()).bind("\u{10ffff}").bind(CANDIDATES).all().await
    }
}

/// What a tenant's page says of it at once. Times are unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Sheet {
    /// Ours.
    pub id: String,
    /// The host application's.
    pub external_id: Option<String>,
    /// The name.
    pub name: String,
    /// Where bills go.
    pub email: String,
    /// Since when it is there.
    pub created_at: i64,
    /// Stripe's customer.
    pub customer_id: Option<String>,
    /// Whether the customer is of live mode.
    pub livemode: Option<bool>,
    /// Up to when the customer is known; 0: never seen.
    pub seen_at: Option<i64>,
    /// Why the last synchronisation failed, where it did.
    pub sync_error: Option<String>,
    /// The live subscription, or the last.
    pub subscription_id: Option<String>,
    /// Its status.
    pub status: Option<String>,
    /// What its plan is called.
    pub plan: Option<String>,
    /// Seats.
    pub quantity: Option<i64>,
    /// When its period ends.
    pub period_end: Option<i64>,
    /// Whether it ends then.
    pub cancel_at_period_end: Option<bool>,
    /// What it bills in.
    pub currency: Option<String>,
    /// What it is worth in a year, minor units.
    pub annual: i64,
}

/// A tenant, with its customer and its subscription.
///
/// # Errors
/// See [`search`].
pub async fn sheet(tx: &mut Tx, tenant: &str) -> Result<Option<Sheet>> {
    tx.query(sql!(
        "select t.id, t.external_id, t.name, t.email, t.created_at, c.id as customer_id, c.livemode, c.seen_at,"
        " y.error as sync_error, s.id as subscription_id, s.status, p.name as plan, s.quantity,"
        " s.current_period_end as period_end, s.cancel_at_period_end, s.currency,"
        " coalesce((select cast(sum(m.delta) as bigint) from mrr_changes m where m.tenant_id = t.id"
        " and m.currency = s.currency), 0) as annual"
        " from tenants t left join customers c on c.tenant_id = t.id and not c.deleted"
        " left join customer_sync y on y.customer_id = c.id" current!() " where t.id = $1"
    ))
    .bind(tenant)
    .optional()
    .await
}

/// Something that belongs to a tenant: a member, an invoice, what was used, a missing payment, a hidden plan, a finding.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Piece {
    /// `member`, `invoice`, `usage`, `dunning`, `plan`, `finding`.
    pub kind: String,
    /// Its id; of usage: the metric.
    pub id: String,
    /// A name or a number.
    pub name: Option<String>,
    /// A role, a status; of a plan: `granted` or nothing.
    pub state: Option<String>,
    /// What an amount is in; of a member: `staff` or nothing; of a plan: the ids that its product names, JSON.
    pub extra: Option<String>,
    /// Minor units, or units.
    pub amount: i64,
    /// Unix seconds.
    pub at: i64,
}

/// Members, the latest invoices and missing payments, what is used in the present period, the plans that are hidden, and what the
/// latest comparison with Stripe found and is still open.
///
/// # Errors
/// See [`search`].
pub async fn pieces(tx: &mut Tx, tenant: &str, now: Timestamp) -> Result<Vec<Piece>> {
    tx.query(sql!(
        "select * from (select 'member' as kind, u.id, u.name, m.role as state, case when u.staff then 'staff' else '' end as extra,"
        " cast(0 as bigint) as amount, m.created_at as at from memberships m join users u on u.id = m.user_id"
        " where m.tenant_id = $1 order by u.name, u.id limit 100) members"
        " union all select * from (select 'invoice' as kind, id, number, status, currency, total, created_at from invoices"
        " where tenant_id = $1 order by created_at desc, id desc limit 5) latest"
        " union all select * from (select 'usage' as kind, metric, cast(null as text), cast(null as text), cast(null as text), total,"
        " period_end from usage_totals where tenant_id = $1 and (period_end = 0 or (period_start <= $2 and period_end > $2))"
        " order by metric limit 50) used"
        " union all select * from (select 'dunning' as kind, invoice_id, number, state, currency, amount, opened_at"
        " from dunning_cases where tenant_id = $1 order by opened_at desc limit 5) missing"
        " union all select * from (select 'plan' as kind, p.id, p.name, case when g.tenant_id is null then '' else 'granted' end,"
        " p.tenants, cast(0 as bigint), cast(0 as bigint) from products p"
        " left join plan_grants g on g.product_id = p.id and g.tenant_id = $1"
        " where p.hidden and p.active and p.plan is not null order by p.position, p.id limit 50) plans"
        " union all select * from (select 'finding' as kind, id, kind as name, severity, cast(null as text), cast(0 as bigint), found_at"
        " from reconciliation_findings where tenant_id = $1 and state = 'open' and run_id = (select id from reconciliation_runs"
        " where state = 'done' order by started_at desc, id desc limit 1) order by severity, id limit 20) findings"
    ))
    .bind(tenant)
    .bind(now.as_second())
    .all()
    .await
}

/// Shows a hidden plan to a tenant; whether it was not shown before. False too where there is no such plan or tenant.
///
/// # Errors
/// See [`search`].
pub async fn grant(tx: &mut Tx, tenant: &str, product: &str, by: &str, now: Timestamp) -> Result<bool> {
    let made = tx
        .query(sql!(
            "insert into plan_grants (product_id, tenant_id, granted_by, granted_at) select p.id, t.id, $3, $4"
            " from products p, tenants t where p.id = $1 and p.hidden and p.plan is not null and t.id = $2"
            " on conflict (product_id, tenant_id) do nothing"
        ))
        .bind(product)
        .bind(tenant)
        .bind(by)
        .bind(now.as_second())
        .run()
        .await?;
    Ok(made == 1)
}

/// Shows a hidden plan to a tenant no more; whether it was shown by a grant.
///
/// # Errors
/// See [`search`].
pub async fn revoke(tx: &mut Tx, tenant: &str, product: &str) -> Result<bool> {
    let gone = tx
        .query(sql!("delete from plan_grants where product_id = $1 and tenant_id = $2"))
        .bind(product)
        .bind(tenant)
        .run()
        .await?;
    Ok(gone == 1)
}
