//! Cases and their steps.

mod failures;

pub use failures::dated;

use failures::failed_at;

use jiff::Timestamp;
use serde_json::json;

use super::{Case, Due, Payment, Planned, State, Step, payment};
use crate::audit::{self, Actor, Entry};
use crate::catalog::policy::Dunning;
use crate::db::{Result, Tx, bulk, sql};
use crate::mail::letter::Restored;
use crate::mail::{self, Letter, New};
use crate::sync::InvoiceRow;

/// The columns of [`Case`].
macro_rules! columns {
    () => {
        "invoice_id, tenant_id, customer_id, subscription_id, number, currency, amount, state, opened_at, restricts_at, cancels_at, attempts, closed_at, barred_at"
    };
}

/// Opens or closes the case of an invoice, in the transaction of its change.
///
/// # Errors
/// The database did not take it; so with all functions here.
pub async fn on_invoice(tx: &mut Tx, invoice: &InvoiceRow, actor: &Actor, now: Timestamp) -> Result<()> {
    let standing = payment(invoice);
    if standing == Payment::Quiet {
        return Ok(());
    }
    let case = find(tx, invoice.id.as_str()).await?;
    match (standing, case) {
        (Payment::Missing, None) if waits_for_payment(tx, invoice).await? => Ok(()),
        (Payment::Missing, None) => open(tx, invoice, actor, now).await,
        (Payment::Missing, Some(case))
            if case.state == State::Open && case.amount != invoice.amount_remaining =>
        {
            tx.query(sql!("update dunning_cases set amount = $2 where invoice_id = $1"))
                .bind(invoice.id.as_str())
                .bind(invoice.amount_remaining)
                .run()
                .await?;
            Ok(())
        }
        (Payment::Arrived, Some(case)) => close(tx, &case, State::Paid, actor, now).await,
        (Payment::Waived, Some(case)) => close(tx, &case, State::Void, actor, now).await,
        _ => Ok(()),
    }
}

/// Whether an invoice is that of a change that is only made when it is paid: the plan before stays in force and is paid, so that
/// nothing is missing. Such a change leaves its subscription as it is; any other makes it late.
async fn waits_for_payment(tx: &mut Tx, invoice: &InvoiceRow) -> Result<bool> {
    let (Some("subscription_update"), Some(subscription)) =
        (invoice.billing_reason.as_deref(), &invoice.subscription_id)
    else {
        return Ok(false);
    };
    let late: Option<(String,)> = tx
        .query(sql!("select id from subscriptions where id = $1 and status in ('past_due', 'unpaid')"))
        .bind(subscription.as_str())
        .optional()
        .await?;
    Ok(late.is_none())
}

async fn open(tx: &mut Tx, invoice: &InvoiceRow, actor: &Actor, now: Timestamp) -> Result<()> {
    let opened_at = failed_at(tx, invoice).await?.min(now.as_second());
    let opened = tx
        .query(sql!(
            "insert into dunning_cases (invoice_id, tenant_id, customer_id, subscription_id, number, currency, amount, state,"
            " opened_at, next_at, barred_at) values ($1, $2, $3, $4, $5, $6, $7, 'open', $8, $8,"
            " (select cast($9 as bigint) from subscriptions where id = $4 and status = 'unpaid'))"
            " on conflict (invoice_id) do nothing"
        ))
        .bind(invoice.id.as_str())
        .bind(invoice.tenant_id.as_str())
        .bind(invoice.customer_id.as_str())
        .bind(invoice.subscription_id.as_ref().map(|id| id.as_str()))
        .bind(invoice.number.as_deref())
        .bind(invoice.currency)
        .bind(invoice.amount_remaining)
        .bind(opened_at)
        .bind(now.as_second())
        .run()
        .await?;
    if opened == 1 {
        let entry = Entry::new(actor.clone(), "dunning.opened", now)
            .tenant(invoice.tenant_id.as_str())
            .object(invoice.id.as_str())
            .change(None, Some(json!({ "amount": invoice.amount_remaining, "currency": invoice.currency })))
            .cause(format!("dunning.opened:{}", invoice.id));
        audit::record(tx, &entry).await?;
    }
    Ok(())
}

/// Gives the claim back as it is: the next one goes on.
///
/// # Errors
/// See [`on_invoice`].
pub async fn give_back(tx: &mut Tx, case: &Case) -> Result<()> {
    tx.query(sql!("update dunning_cases set lease_until = 0 where invoice_id = $1 and state = 'open'"))
        .bind(case.invoice_id.as_str())
        .run()
        .await?;
    Ok(())
}

/// Has the cases of a subscription that is over looked at: there is nothing left to lose.
///
/// # Errors
/// See [`on_invoice`].
pub async fn on_end(tx: &mut Tx, subscription: &str, now: Timestamp) -> Result<()> {
    tx.query(sql!(
        "update dunning_cases set next_at = $2 where subscription_id = $1 and state = 'open' and next_at > $2"
    ))
    .bind(subscription)
    .bind(now.as_second())
    .run()
    .await?;
    Ok(())
}

/// Notes that Stripe's own status took access away, whatever the days of the subscription's cases.
///
/// # Errors
/// See [`on_invoice`].
pub async fn on_barred(tx: &mut Tx, subscription: &str, now: Timestamp) -> Result<()> {
    tx.query(sql!(
        "update dunning_cases set barred_at = $2 where subscription_id = $1 and state = 'open' and barred_at is null"
    ))
    .bind(subscription)
    .bind(now.as_second())
    .run()
    .await?;
    Ok(())
}

/// Closes an open case. A payment says thank you; so does what lifts a restriction.
///
/// # Errors
/// See [`on_invoice`].
pub async fn close(tx: &mut Tx, case: &Case, state: State, actor: &Actor, now: Timestamp) -> Result<()> {
    let closed = tx
        .query(sql!(
            "update dunning_cases set state = $2, closed_at = $3, next_at = null, lease_until = 0, error = null"
            " where invoice_id = $1 and state = 'open'"
        ))
        .bind(case.invoice_id.as_str())
        .bind(state)
        .bind(now.as_second())
        .run()
        .await?;
    if closed == 0 {
        return Ok(());
    }
    let entry = Entry::new(actor.clone(), "dunning.closed", now)
        .tenant(case.tenant_id.as_str())
        .object(case.invoice_id.as_str())
        .change(None, Some(json!({ "state": state.as_str(), "days": case.days(now) })))
        .cause(format!("dunning.closed:{}", case.invoice_id));
    audit::record(tx, &entry).await?;
    // What another case still restricts is not lifted by this one.
    let other = open_of(tx, &case.tenant_id).await?;
    let is_lifted =
        case.was_restricted(now) && !other.as_ref().is_some_and(|other| other.was_restricted(now));
    if state == State::Paid || (state == State::Void && is_lifted) {
        let restored = Restored {
            invoice: case.invoice_id.clone(),
            number: case.number.clone(),
            amount: case.owed(),
            was_restricted: is_lifted,
            still_owed: other.is_some(),
            waived: state == State::Void,
        };
        let mail = New::of(&Letter::AccessRestored(restored), case.invoice_id.clone())
            .tenant(case.tenant_id.as_str());
        mail::stage(tx, &mail, now).await?;
    }
    Ok(())
}

/// One case.
///
/// # Errors
/// See [`on_invoice`].
pub async fn find(tx: &mut Tx, invoice: &str) -> Result<Option<Case>> {
    tx.query(sql!("select " columns!() " from dunning_cases where invoice_id = $1"))
        .bind(invoice)
        .optional()
        .await
}

/// The open case of a tenant that has gone furthest.
///
/// # Errors
/// See [`on_invoice`].
pub async fn open_of(tx: &mut Tx, tenant: &str) -> Result<Option<Case>> {
    tx.query(sql!(
        "select " columns!() " from dunning_cases where tenant_id = $1 and state = 'open' order by opened_at, invoice_id limit 1"
    ))
    .bind(tenant)
    .optional()
    .await
}

/// The open cases of a subscription.
///
/// # Errors
/// See [`on_invoice`].
pub async fn open_of_subscription(tx: &mut Tx, subscription: &str) -> Result<Vec<Case>> {
    tx.query(sql!(
        "select " columns!() " from dunning_cases where subscription_id = $1 and state = 'open' order by opened_at, invoice_id"
    ))
    .bind(subscription)
    .all()
    .await
}

/// The cases of a tenant, those that are open first, then the newest.
///
/// # Errors
/// See [`on_invoice`].
pub async fn of_tenant(tx: &mut Tx, tenant: &str, limit: i64) -> Result<Vec<Case>> {
    tx.query(sql!(
        "select " columns!() " from dunning_cases where tenant_id = $1"
        " order by case when state = 'open' then 0 else 1 end, opened_at desc, invoice_id limit $2"
    ))
    .bind(tenant)
    .bind(limit)
    .all()
    .await
}

/// A case, and the name of whose it is.
#[derive(sqlx::FromRow)]
struct Named {
    #[sqlx(flatten)]
    case: Case,
    tenant_name: String,
}

/// Open cases of all tenants with their names, those that have gone furthest first, after the one given by its time and invoice.
///
/// # Errors
/// See [`on_invoice`].
pub async fn all_open(tx: &mut Tx, after: (i64, &str), limit: i64) -> Result<Vec<(Case, String)>> {
    let rows: Vec<Named> = tx
        .query(sql!(
            "select " columns!() ", (select n.name from tenants n where n.id = tenant_id) as tenant_name from dunning_cases"
            " where state = 'open' and (opened_at > $1 or (opened_at = $1 and invoice_id > $2))"
            " order by opened_at, invoice_id limit $3"
        ))
        .bind(after.0)
        .bind(after.1)
        .bind(limit)
        .all()
        .await?;
    Ok(rows.into_iter().map(|row| (row.case, row.tenant_name)).collect())
}

/// The steps of a case, in their order.
///
/// # Errors
/// See [`on_invoice`].
pub async fn steps(tx: &mut Tx, invoice: &str) -> Result<Vec<Planned>> {
    tx.query(sql!(
        "select step, due_at, state, done_at from dunning_steps where invoice_id = $1 order by due_at, step"
    ))
    .bind(invoice)
    .all()
    .await
}

/// Whether any case is due.
///
/// # Errors
/// See [`on_invoice`].
pub async fn is_due(tx: &mut Tx, now: Timestamp, wall: i64) -> Result<bool> {
    let due: Option<(String,)> = tx
        .query(sql!(
            "select invoice_id from dunning_cases where state = 'open' and next_at <= $1 and lease_until <= $2 limit 1"
        ))
        .bind(now.as_second())
        .bind(wall)
        .optional()
        .await?;
    Ok(due.is_some())
}

/// Claims the case that has been due longest, until `until` in the world's time.
///
/// # Errors
/// See [`on_invoice`].
pub async fn claim(tx: &mut Tx, now: Timestamp, wall: i64, until: i64) -> Result<Option<Case>> {
    tx.query(sql!(
        "update dunning_cases set lease_until = $3, attempts = attempts + 1 where invoice_id in"
        " (select invoice_id from dunning_cases where state = 'open' and next_at <= $1 and lease_until <= $2"
        " order by next_at, invoice_id limit 1" pg " for update skip locked" ") returning " columns!()
    ))
    .bind(now.as_second())
    .bind(wall)
    .bind(until)
    .optional()
    .await
}

/// Fixes the days of a case that has none yet.
///
/// # Errors
/// See [`on_invoice`].
pub async fn fix_days(tx: &mut Tx, case: &Case, policy: &Dunning) -> Result<()> {
    let plan = super::plan(case.opened_at, policy);
    let insert = bulk!("insert into dunning_steps (invoice_id, step, due_at, state) values "
        rows "($1, $2, $3, 'waiting')" " on conflict do nothing returning due_at");
    let invoice = case.invoice_id.clone();
    let _: Vec<(i64,)> = tx
        .insert_many(insert, &plan, |query, (step, due_at)| {
            query.bind(invoice.clone()).bind(*step).bind(*due_at)
        })
        .await?;
    let at = |wanted: Step| plan.iter().find(|(step, _)| *step == wanted).map(|(_, at)| *at);
    tx.query(sql!("update dunning_cases set restricts_at = $2, cancels_at = $3 where invoice_id = $1"))
        .bind(case.invoice_id.as_str())
        .bind(at(Step::Restrict))
        .bind(at(Step::Cancel))
        .run()
        .await?;
    release(tx, case).await
}

/// Notes that a step was carried out, and those that it makes needless; then the case waits for its next one.
///
/// # Errors
/// See [`on_invoice`].
pub async fn done(tx: &mut Tx, case: &Case, due: &Due, now: Timestamp) -> Result<bool> {
    let done = mark(tx, case, due.step, "done", now).await?;
    for step in &due.skipped {
        mark(tx, case, *step, "skipped", now).await?;
    }
    if let Some(at) = due.cancels_at {
        tx.query(sql!("update dunning_steps set due_at = $2 where invoice_id = $1 and step = 'cancel' and state = 'waiting'"))
            .bind(case.invoice_id.as_str())
            .bind(at)
            .run()
            .await?;
        tx.query(sql!("update dunning_cases set cancels_at = $2 where invoice_id = $1"))
            .bind(case.invoice_id.as_str())
            .bind(at)
            .run()
            .await?;
    }
    release(tx, case).await?;
    if done {
        let skipped: Vec<_> = due.skipped.iter().map(|step| step.as_str()).collect();
        let entry = Entry::new(Actor::Job("dunning"), due.step.action(), now)
            .tenant(case.tenant_id.as_str())
            .object(case.invoice_id.as_str())
            .change(None, Some(json!({ "day": case.days(now), "skipped": skipped })))
            .cause(format!("{}:{}", due.step.action(), case.invoice_id));
        audit::record(tx, &entry).await?;
    }
    Ok(done)
}

async fn mark(tx: &mut Tx, case: &Case, step: Step, state: &str, now: Timestamp) -> Result<bool> {
    let marked = tx
        .query(sql!(
            "update dunning_steps set state = $3, done_at = $4 where invoice_id = $1 and step = $2 and state = 'waiting'"
        ))
        .bind(case.invoice_id.as_str())
        .bind(step)
        .bind(state)
        .bind(now.as_second())
        .run()
        .await?;
    Ok(marked == 1)
}

/// Gives the claim back; the case is due again with its next step.
async fn release(tx: &mut Tx, case: &Case) -> Result<()> {
    tx.query(sql!(
        "update dunning_cases set lease_until = 0, attempts = 0, error = null, next_at ="
        " (select min(s.due_at) from dunning_steps s where s.invoice_id = $1 and s.state = 'waiting')"
        " where invoice_id = $1 and state = 'open'"
    ))
    .bind(case.invoice_id.as_str())
    .run()
    .await?;
    Ok(())
}

/// Notes that a step could not be carried out, and when it is tried again.
///
/// # Errors
/// See [`on_invoice`].
pub async fn again(tx: &mut Tx, case: &Case, at: i64, error: &str) -> Result<()> {
    tx.query(sql!(
        "update dunning_cases set lease_until = 0, next_at = $2, error = $3 where invoice_id = $1 and state = 'open'"
    ))
    .bind(case.invoice_id.as_str())
    .bind(at)
    .bind(error)
    .run()
    .await?;
    Ok(())
}

/// Whether the subscription of a case is over, as far as its row knows.
///
/// # Errors
/// See [`on_invoice`].
pub async fn is_over(tx: &mut Tx, case: &Case) -> Result<bool> {
    let over: Option<(String,)> = tx
        .query(sql!(
            "select id from subscriptions where id = $1 and status in ('canceled', 'incomplete_expired')"
        ))
        .bind(case.subscription_id.as_deref().unwrap_or_default())
        .optional()
        .await?;
    Ok(over.is_some())
}

/// Whether a subscription that ends at this moment ends for want of a payment.
///
/// # Errors
/// See [`on_invoice`].
pub async fn ends_unpaid(tx: &mut Tx, subscription: &str, now: Timestamp) -> Result<bool> {
    let found: Option<(String,)> = tx
        .query(sql!(
            "select invoice_id from dunning_cases where subscription_id = $1 and state in ('open', 'ended')"
            " and cancels_at <= $2 limit 1"
        ))
        .bind(subscription)
        .bind(now.as_second())
        .optional()
        .await?;
    Ok(found.is_some())
}
