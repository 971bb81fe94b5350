//! Findings: kept while they are checked, confirmed, put right.

use serde_json::json;

use crate::audit::redact;
use crate::clock::from_seconds;
use crate::db::{Result, Tx, sql};
use crate::id;
use crate::money::{Currency, Money};
use crate::reconcile::{Change, Finding, Kind, Offer, Repair, Severity, State, offer};

/// A finding as it is kept.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct FindingRow {
    /// Ours.
    pub id: String,
    /// Of which run.
    pub run_id: String,
    /// What was looked at.
    pub subject: String,
    /// What is off.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub object: String,
    /// Its id.
    pub object_id: String,
    /// Stripe's customer.
    pub customer_id: Option<String>,
    /// The tenant.
    pub tenant_id: Option<String>,
    /// JSON: field by field.
    pub changes: String,
    /// By how much money that was paid differs, minor units.
    pub amount: i64,
    /// Of that.
    pub currency: Option<Currency>,
    /// What would put it right.
    pub repair: Repair,
    /// Where it stands.
    pub state: State,
    /// Why a repair did not work.
    pub error: Option<String>,
    /// The world's time, unix seconds.
    pub found_at: i64,
    /// The world's time, unix seconds.
    pub settled_at: Option<i64>,
    /// Who put it right.
    pub settled_by: Option<String>,
}

impl FindingRow {
    /// Field by field.
    pub fn changes(&self) -> Vec<Change> {
        serde_json::from_str(&self.changes).unwrap_or_default()
    }

    /// By how much money that was paid differs; none where it is not about money.
    pub fn money(&self) -> Option<Money> {
        Some(Money::new(self.amount, self.currency?))
    }

    /// What a person is asked about it.
    pub fn offer(&self) -> Option<Offer> {
        let number = |value: &serde_json::Value| value.as_i64().unwrap_or(0);
        let is_short = self.changes().first().is_some_and(|one| number(&one.here) > number(&one.stripe));
        offer(self.kind, self.repair, is_short)
    }

    /// When it was found.
    pub fn found(&self) -> jiff::Timestamp {
        from_seconds(self.found_at)
    }

    /// As files have it.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "id": self.id, "kind": self.kind, "severity": self.severity, "object": self.object,
            "object_id": self.object_id, "customer": self.customer_id, "tenant": self.tenant_id,
            "changes": self.changes(), "amount": self.currency.map(|_| self.amount), "currency": self.currency,
            "proposed_repair": self.repair, "state": self.state, "error": self.error,
            "found_at": self.found().to_string(),
            "settled_at": self.settled_at.map(|at| from_seconds(at).to_string()),
        })
    }
}

macro_rules! finding_columns {
    () => {
        "id, run_id, subject, kind, severity, object, object_id, customer_id, tenant_id, changes, amount, currency, repair, state, error, found_at, settled_at, settled_by"
    };
}

/// Keeps a finding of a subject in this state. One of the same kind about the same object is replaced unless it was settled.
/// Card numbers that somebody typed into a name stay out.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn keep(
    tx: &mut Tx,
    run: &str,
    subject: &str,
    finding: &Finding,
    state: State,
    wall: i64,
) -> Result<()> {
    let changes = redact::redact(json!(finding.changes)).to_string();
    tx.query(sql!(
        "insert into reconciliation_findings (id, run_id, subject, kind, severity, object, object_id, customer_id, tenant_id,"
        " changes, amount, currency, repair, state, found_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
        " $14, $15) on conflict (run_id, kind, object_id) do update set severity = excluded.severity,"
        " changes = excluded.changes, amount = excluded.amount, currency = excluded.currency, repair = excluded.repair,"
        " state = excluded.state where reconciliation_findings.state <> 'repaired'"
    ))
    .bind(id::random("fnd"))
    .bind(run)
    .bind(subject)
    .bind(finding.kind)
    .bind(finding.severity)
    .bind(finding.object)
    .bind(finding.object_id.as_str())
    .bind(finding.customer.as_deref())
    .bind(finding.tenant.as_deref())
    .bind(changes)
    .bind(finding.amount.map_or(0, |amount| amount.minor))
    .bind(finding.amount.map(|amount| amount.currency))
    .bind(finding.repair)
    .bind(state)
    .bind(wall)
    .run()
    .await?;
    Ok(())
}

/// What a subject was seen to be, the last time: for telling whether it is the same now.
///
/// # Errors
/// See [`keep`].
pub async fn confirm(tx: &mut Tx, run: &str, subject: &str) -> Result<Vec<FindingRow>> {
    tx.query(sql!(
        "select " finding_columns!() " from reconciliation_findings where run_id = $1 and subject = $2 and state = 'checking'"
    ))
    .bind(run)
    .bind(subject)
    .all()
    .await
}

/// Forgets what was seen once of a subject.
///
/// # Errors
/// See [`keep`].
pub async fn drop_checking(tx: &mut Tx, run: &str, subject: &str) -> Result<u64> {
    tx.query(sql!(
        "delete from reconciliation_findings where run_id = $1 and subject = $2 and state = 'checking'"
    ))
    .bind(run)
    .bind(subject)
    .run()
    .await
}

/// One finding that was confirmed.
///
/// # Errors
/// See [`keep`].
pub async fn finding(tx: &mut Tx, id: &str) -> Result<Option<FindingRow>> {
    tx.query(sql!(
        "select " finding_columns!() " from reconciliation_findings where id = $1 and state <> 'checking'"
    ))
    .bind(id)
    .optional()
    .await
}

/// The next finding of a run that can be put right without a person, and was not tried yet.
///
/// # Errors
/// See [`keep`].
pub async fn next_repair(tx: &mut Tx, run: &str) -> Result<Option<FindingRow>> {
    tx.query(sql!(
        "select " finding_columns!() " from reconciliation_findings where run_id = $1 and state = 'open' and error is null"
        " and repair in ('refetch', 'attach', 'catalogue') order by severity, id limit 1"
    ))
    .bind(run)
    .optional()
    .await
}

/// Marks findings of a subject as put right: all that the fetching of a customer, or of the catalogue, puts right.
///
/// # Errors
/// See [`keep`].
pub async fn settle(tx: &mut Tx, row: &FindingRow, by: &str, wall: i64) -> Result<u64> {
    let all = row.repair.is_automatic();
    tx.query(sql!(
        "update reconciliation_findings set state = 'repaired', settled_at = $4, settled_by = $5, error = null"
        " where run_id = $1 and state = 'open' and (id = $2 or ($6 and subject = $3"
        " and repair in ('refetch', 'attach', 'catalogue')))"
    ))
    .bind(&row.run_id)
    .bind(&row.id)
    .bind(&row.subject)
    .bind(wall)
    .bind(by)
    .bind(all)
    .run()
    .await
}

/// Notes why findings of a subject could not be put right.
///
/// # Errors
/// See [`keep`].
pub async fn unrepaired(tx: &mut Tx, row: &FindingRow, error: &str) -> Result<u64> {
    tx.query(sql!(
        "update reconciliation_findings set error = $4 where run_id = $1 and state = 'open' and (id = $2 or (subject = $3"
        " and repair in ('refetch', 'attach', 'catalogue')))"
    ))
    .bind(&row.run_id)
    .bind(&row.id)
    .bind(&row.subject)
    .bind(error)
    .run()
    .await
}

/// Forgets why repairs that need nobody's word did not work, so that they are tried again.
pub(super) async fn try_again(tx: &mut Tx, run: &str) -> Result<u64> {
    tx.query(sql!(
        "update reconciliation_findings set error = null where run_id = $1 and state = 'open' and error is not null"
        " and repair in ('refetch', 'attach', 'catalogue')"
    ))
    .bind(run)
    .run()
    .await
}

/// Which findings to list. What is none filters nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this kind.
    pub kind: Option<Kind>,
    /// This bad.
    pub severity: Option<Severity>,
    /// In this state.
    pub state: Option<State>,
    /// After this one: its severity's word and its id.
    pub after: Option<(String, String)>,
}

/// Confirmed findings of a run, the worst first.
///
/// # Errors
/// See [`keep`].
pub async fn list(tx: &mut Tx, run: &str, filter: &Filter, limit: i64) -> Result<Vec<FindingRow>> {
    let (severity, id) = filter.after.clone().unwrap_or_default();
    tx.query(sql!(
        "select " finding_columns!() " from reconciliation_findings where run_id = $1 and state <> 'checking'"
        " and ($2 = '' or kind = $2) and ($3 = '' or severity = $3) and ($4 = '' or state = $4)"
        " and (severity > $5 or (severity = $5 and id > $6)) order by severity, id limit $7"
    ))
    .bind(run)
    .bind(filter.kind.map_or("", Kind::as_str))
    .bind(filter.severity.map_or("", Severity::as_str))
    .bind(filter.state.map_or("", State::as_str))
    .bind(severity)
    .bind(id)
    .bind(limit)
    .all()
    .await
}

/// How many findings of a run there are of a kind, in a state.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Counts {
    /// What is off.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands.
    pub state: State,
    /// What would put it right.
    pub repair: Repair,
    /// How many.
    pub count: i64,
}

/// Counts the confirmed findings of a run.
///
/// # Errors
/// See [`keep`].
pub async fn count(tx: &mut Tx, run: &str) -> Result<Vec<Counts>> {
    tx.query(sql!(
        "select kind, severity, state, repair, count(*) as count from reconciliation_findings where run_id = $1"
        " and state <> 'checking' group by kind, severity, state, repair order by severity, kind, state, repair"
    ))
    .bind(run)
    .all()
    .await
}
