//! Reading the rows of a tenant's invoices.

use serde::de::DeserializeOwned;

use super::{Cursor, Detail, Filter, Invoice, Outcome, Payment, Word};
use crate::clock::from_seconds;
use crate::db::{Result, Tx, sql};
use crate::money::{Currency, Money};
use crate::stripe::InvoiceId;
use crate::stripe::snapshot::InvoiceStatus;

/// The columns of a [`Row`] but for what is on the invoice.
macro_rules! columns {
    () => {
        "id, number, status, currency, subtotal, discount, tax, total, starting_balance, amount_due, amount_paid, amount_remaining, period_start, period_end, created_at, due_at, paid_at, next_attempt_at, attempt_count"
    };
}

/// The invoices `i` that are wanted: of a tenant, in a span, after a place, standing so. The words are those of `Invoice::word`,
/// decided there in the same way.
macro_rules! wanted {
    () => {
        " where i.tenant_id = $1 and i.created_at >= $2 and (i.created_at, i.id) < ($3, $4) and i.status <> 'draft' and ($5 = '' or $5 = case when i.status = 'void' then 'canceled' when i.status = 'uncollectible' or (i.status = 'open' and i.attempt_count > 0) then 'failed' when i.status <> 'paid' then 'pending' when (select coalesce(sum(c.amount_refunded), 0) from charges c where c.tenant_id = i.tenant_id and c.created_at >= i.created_at and c.amount_refunded > 0 and (replace(i.payments, '\"' || c.id || '\"', '') <> i.payments or replace(i.payments, '\"' || c.payment_intent_id || '\"', '') <> i.payments)) >= case when i.amount_paid > 0 then i.amount_paid else 1 end then 'refunded' else 'paid' end)"
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    number: Option<String>,
    status: String,
    currency: String,
    subtotal: i64,
    discount: i64,
    tax: i64,
    total: i64,
    starting_balance: i64,
    amount_due: i64,
    amount_paid: i64,
    amount_remaining: i64,
    period_start: i64,
    period_end: i64,
    created_at: i64,
    due_at: Option<i64>,
    paid_at: Option<i64>,
    next_attempt_at: Option<i64>,
    attempt_count: i64,
    lines: String,
    taxes: String,
    payments: String,
}

#[derive(sqlx::FromRow)]
struct ChargeRow {
    id: String,
    payment_intent_id: Option<String>,
    amount: i64,
    amount_refunded: i64,
    currency: String,
    status: String,
    disputed: bool,
    created_at: i64,
    refunded_at: Option<i64>,
}

/// How an invoice was paid, as `sync` keeps it in the invoice's row.
#[derive(serde::Deserialize)]
struct PaidBy {
    #[serde(default)]
    payment_intent: Option<String>,
    #[serde(default)]
    charge: Option<String>,
}

/// A page of the tenant's invoices, newest first, drafts left out: at most `limit` of them from the filter's cursor on, between
/// two times (unix seconds, the second one not included).
///
/// # Errors
/// The database did not answer.
pub async fn list(tx: &mut Tx, tenant: &str, filter: &Filter, limit: i64) -> Result<Vec<Invoice>> {
    let (from, until) = filter.span;
    // The end of the time span is a place in the same order as the cursor: whichever comes later in the list begins the page.
    let (before, id) = match &filter.after {
        Some(after) if after.created_at < until => (after.created_at, after.id.as_str()),
        _ => (until, ""),
    };
    let query = match filter.status {
        None => tx.query(sql!(
            "select " columns!()
            ", '[]' as lines, '[]' as taxes, payments from invoices"
            " where tenant_id = $1 and created_at >= $2 and (created_at, id) < ($3, $4) and status <> 'draft'"
            " order by created_at desc, id desc limit $5"
        )),
        Some(_) => tx.query(sql!(
            "select " columns!()
            ", '[]' as lines, '[]' as taxes, payments from invoices"
            " where tenant_id = $1 and created_at >= $2 and (created_at, id) < ($3, $4) and status = $6"
            " order by created_at desc, id desc limit $5"
        )),
    };
    let query = query.bind(tenant).bind(from).bind(before).bind(id).bind(limit);
    let rows: Vec<Row> = match filter.status {
        None => query.all().await?,
        Some(status) => query.bind(status.as_str()).all().await?,
    };
    with_refunds(tx, tenant, rows).await
}

/// Rows with what went back of each.
async fn with_refunds(tx: &mut Tx, tenant: &str, rows: Vec<Row>) -> Result<Vec<Invoice>> {
    let paid_by: Vec<Vec<PaidBy>> = rows.iter().map(|row| json(&row.payments)).collect();
    let since = rows.iter().map(|row| row.created_at).min().unwrap_or(i64::MAX);
    let refunds = refunded_since(tx, tenant, since).await?;
    let invoices = rows.into_iter().zip(paid_by).filter_map(|(row, paid_by)| {
        let refunded =
            refunds.iter().filter(|charge| charge.is_of(&paid_by)).map(|charge| charge.amount_refunded).sum();
        row.invoice(refunded)
    });
    Ok(invoices.collect())
}

/// Charges of which money went back, made since a time: an invoice is paid after it was made.
async fn refunded_since(tx: &mut Tx, tenant: &str, since: i64) -> Result<Vec<ChargeRow>> {
    tx.query(sql!(
        "select id, payment_intent_id, amount, amount_refunded, currency, status, disputed, created_at, refunded_at"
        " from charges where tenant_id = $1 and created_at >= $2 and amount_refunded > 0"
    ))
    .bind(tenant)
    .bind(since)
    .all()
    .await
}

/// Which invoices a page of the API is of.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Those that stand so.
    pub word: Option<Word>,
    /// Made between two times, unix seconds, the second one not included.
    pub span: (i64, i64),
    /// Those that come after this one.
    pub after: Option<&'a Cursor>,
}

impl Wanted<'_> {
    /// Where the list begins, and the word that is asked for, empty for all.
    fn bounds(&self) -> ((i64, i64, &str), &'static str) {
        let (from, until) = self.span;
        let word = self.word.map_or("", Word::as_str);
        match self.after {
            Some(after) if after.created_at < until => ((from, after.created_at, after.id.as_str()), word),
            _ => ((from, until, ""), word),
        }
    }
}

/// A page of the tenant's invoices, newest first, drafts left out.
///
/// # Errors
/// The database did not answer.
pub async fn page(
    tx: &mut Tx,
    tenant: &str,
    wanted: &Wanted<'_>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Invoice>> {
    let ((from, before, id), word) = wanted.bounds();
    let rows: Vec<Row> = tx
        .query(sql!(
            "select " columns!() ", '[]' as lines, '[]' as taxes, payments from invoices i"
            wanted!()
            " order by created_at desc, id desc limit $6 offset $7"
        ))
        .bind(tenant)
        .bind(from)
        .bind(before)
        .bind(id)
        .bind(word)
        .bind(limit)
        .bind(offset)
        .all()
        .await?;
    with_refunds(tx, tenant, rows).await
}

/// How many invoices a list has in all, from its beginning on.
///
/// # Errors
/// The database did not answer.
pub async fn count(tx: &mut Tx, tenant: &str, wanted: &Wanted<'_>) -> Result<i64> {
    let ((from, before, id), word) = wanted.bounds();
    let (count,): (i64,) = tx
        .query(sql!(
            "select count(*) from invoices i"
            wanted!()
        ))
        .bind(tenant)
        .bind(from)
        .bind(before)
        .bind(id)
        .bind(word)
        .one()
        .await?;
    Ok(count)
}

/// One invoice of the tenant with all that is on it.
///
/// # Errors
/// The database did not answer.
pub async fn detail(tx: &mut Tx, tenant: &str, id: &InvoiceId) -> Result<Option<Detail>> {
    let row: Option<Row> = tx
        .query(sql!(
            "select " columns!()
            ", lines, taxes, payments from invoices where tenant_id = $1 and id = $2 and status <> 'draft'"
        ))
        .bind(tenant)
        .bind(id.as_str())
        .optional()
        .await?;
    let Some(row) = row else { return Ok(None) };
    let paid_by: Vec<PaidBy> = json(&row.payments);
    // The row of the invoice names its payments in JSON; as text, that names every charge to look for.
    let charges: Vec<ChargeRow> = tx
        .query(sql!(
            "select id, payment_intent_id, amount, amount_refunded, currency, status, disputed, created_at, refunded_at"
            " from charges where tenant_id = $1 and created_at >= $2"
            " and ($3 like '%' || payment_intent_id || '%' or $3 like '%' || id || '%') order by created_at, id"
        ))
        .bind(tenant)
        .bind(row.created_at)
        .bind(row.payments.as_str())
        .all()
        .await?;
    let charges: Vec<_> = charges.into_iter().filter(|charge| charge.is_of(&paid_by)).collect();
    let refunded = charges.iter().map(|charge| charge.amount_refunded).sum();
    let (lines, taxes) = (json(&row.lines), json(&row.taxes));
    let payments = charges.into_iter().filter_map(ChargeRow::payment).collect();
    Ok(row.invoice(refunded).map(|invoice| Detail { invoice, lines, taxes, payments }))
}

impl Row {
    fn invoice(self, refunded: i64) -> Option<Invoice> {
        Some(Invoice {
            id: self.id.parse().ok()?,
            number: self.number,
            status: InvoiceStatus::from(self.status),
            currency: self.currency.parse().ok()?,
            subtotal: self.subtotal,
            discount: self.discount,
            tax: self.tax,
            total: self.total,
            starting_balance: self.starting_balance,
            due: self.amount_due,
            paid: self.amount_paid,
            remaining: self.amount_remaining,
            period: (from_seconds(self.period_start), from_seconds(self.period_end)),
            created_at: from_seconds(self.created_at),
            due_at: self.due_at.map(from_seconds),
            paid_at: self.paid_at.map(from_seconds),
            next_attempt_at: self.next_attempt_at.map(from_seconds),
            attempts: self.attempt_count,
            refunded,
        })
    }
}

impl ChargeRow {
    fn is_of(&self, paid_by: &[PaidBy]) -> bool {
        paid_by.iter().any(|payment| {
            payment.charge.as_ref() == Some(&self.id)
                || (payment.payment_intent.is_some() && payment.payment_intent == self.payment_intent_id)
        })
    }

    fn payment(self) -> Option<Payment> {
        let currency: Currency = self.currency.parse().ok()?;
        let outcome = match self.status.as_str() {
            "succeeded" if self.disputed => Outcome::Disputed,
            "succeeded" => Outcome::Succeeded,
            "pending" => Outcome::Pending,
            _ => Outcome::Failed,
        };
        Some(Payment {
            id: self.id,
            amount: Money::new(self.amount, currency),
            refunded: Money::new(self.amount_refunded, currency),
            outcome,
            at: from_seconds(self.created_at),
            refunded_at: self.refunded_at.map(from_seconds),
        })
    }
}

/// What `sync` wrote as JSON; what cannot be read is empty.
fn json<T: Default + DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_default()
}
