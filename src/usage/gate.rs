//! The gate: one atomic step that checks and records.
//!
//! All events of this process go through one writing task, so that many share a commit. Inside the commit the tenants' rows are
//! locked in the order of their ids, which keeps other replicas' gates apart, tenant by tenant; on SQLite the transaction is the
//! only writer there is. What is read after that cannot change before the commit: limits are exact, keys are unique.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::ledger::{self, Booked, Ledger, Slot};
use super::store::{self, Kept};
use super::{Answer, Event, Outcome, Refusal, Standing, Terms};
use crate::catalog::policy::Catalog;
use crate::catalog::product::Limit;
use crate::clock::from_seconds;
use crate::db::{self, Batch, Db, GroupCommit, Tx};

/// The way in for events. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Gate {
    writer: GroupCommit<Event, Answer>,
}

impl Gate {
    /// Starts its writing task on the runtime of the caller.
    pub fn start(db: Db, catalog: &Catalog) -> Self {
        Self { writer: GroupCommit::start(db, Book { catalog: Arc::new(catalog.clone()) }) }
    }

    /// Checks and records events, in their order; an answer for each, once all are durable.
    ///
    /// # Errors
    /// When some were not kept, or it is not known whether they were: the same report may be sent again, its keys make it safe.
    pub async fn record(&self, events: Vec<Event>) -> db::Result<Vec<Answer>> {
        self.writer.put_all(events).await
    }

    /// Takes no more events, and returns when those that are waiting have been answered.
    pub async fn stop(&self) {
        self.writer.stop().await;
    }
}

struct Book {
    catalog: Arc<Catalog>,
}

impl Batch for Book {
    type Row = Event;
    type Outcome = Answer;

    async fn write(&self, tx: &mut Tx, events: &[Event]) -> db::Result<Vec<Answer>> {
        write(tx, &self.catalog, events).await
    }
}

/// Tenant and key.
type Name<'a> = (&'a str, &'a str);

async fn write(tx: &mut Tx, catalog: &Catalog, events: &[Event]) -> db::Result<Vec<Answer>> {
    let tenants: BTreeSet<&str> = events.iter().map(|event| event.tenant.as_str()).collect();
    let mut terms = store::lock_terms(tx, &tenants).await?;
    let booked = look_back(tx, events, &mut terms).await?;
    let names: BTreeSet<Name<'_>> = events.iter().map(name).collect();
    let names: Vec<Name<'_>> = names.into_iter().collect();
    let known = store::kept(tx, &names).await?;
    let totals = store::totals(tx, &slots(events, &terms, &booked)).await?;

    let mut ledger = Ledger::new(catalog, &terms, &booked, totals);
    let mut kept: HashMap<Name<'_>, Kept> =
        known.iter().map(|(tenant, key, kept)| ((tenant.as_str(), key.as_str()), kept.clone())).collect();
    let mut new = Vec::with_capacity(events.len());
    let mut answers = Vec::with_capacity(events.len());
    for event in events {
        if let Some(kept) = kept.get(&name(event)) {
            answers.push(kept.again(event));
            continue;
        }
        let Some(answer) = ledger.apply(event) else {
            answers.push(nobody());
            continue;
        };
        let row = Kept::new(event, answer);
        kept.insert(name(event), row.clone());
        new.push((event, row));
        answers.push(answer);
    }

    let changes = ledger.close();
    store::keep(tx, &new).await?;
    store::put_totals(tx, &changes.totals).await?;
    store::put_days(tx, &changes.days).await?;
    if let Some(event) = events.first() {
        store::put_hours(tx, catalog, &changes.hours, event.now).await?;
        store::put_thresholds(tx, &changes.thresholds, event.now).await?;
    }
    Ok(answers)
}

fn name(event: &Event) -> Name<'_> {
    (event.tenant.as_str(), event.key.as_str())
}

/// Reads what late events need beside: subscriptions that are over, and the periods that they fall into.
async fn look_back(tx: &mut Tx, events: &[Event], terms: &mut HashMap<String, Terms>) -> db::Result<Booked> {
    let is_late =
        |event: &&Event| terms.get(event.tenant.as_str()).is_some_and(|terms| ledger::is_late(event, terms));
    let late: Vec<&Event> = events.iter().filter(is_late).collect();
    if late.is_empty() {
        return Ok(Booked::new());
    }
    let unclear: BTreeSet<&str> = late
        .iter()
        .filter(|event| !terms[event.tenant.as_str()].knows(from_seconds(event.at)))
        .map(|event| event.tenant.as_str())
        .collect();
    if !unclear.is_empty() {
        let oldest = late.iter().map(|event| event.at).min().unwrap_or_default();
        for (tenant, subscription) in store::ended_since(tx, &unclear, oldest).await? {
            if let Some(terms) = terms.get_mut(&tenant) {
                terms.remember(subscription);
            }
        }
    }
    let names: BTreeSet<(&str, &str, i64)> =
        late.iter().map(|event| (event.tenant.as_str(), event.metric.as_str(), event.at)).collect();
    store::booked(tx, &names.into_iter().collect::<Vec<_>>()).await
}

fn slots(events: &[Event], terms: &HashMap<String, Terms>, booked: &Booked) -> Vec<Slot> {
    let slots: BTreeSet<Slot> = events
        .iter()
        .filter_map(|event| Some(ledger::slot(event, terms.get(event.tenant.as_str())?, booked).0))
        .collect();
    slots.into_iter().collect()
}

/// The answer about a tenant that does not exist. Nothing is kept of it.
fn nobody() -> Answer {
    let limit = Limit { limit: Some(0), hard: true };
    Answer {
        outcome: Outcome::Refused(Refusal::NotInPlan),
        standing: Standing { used: 0, limit, reset_at: None },
    }
}
