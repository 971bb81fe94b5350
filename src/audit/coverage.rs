//! What has to be told of, and what need not be: every table of the database, with its reason.
//!
//! The list is no claim but a measure: in builds for development and tests the data layer notes what each transaction changes
//! (`db::committed`), and the tests fail where one of the program's changes something that has to be told of and adds no entry.
//! [`super::store::coverage`] measures the same over the rows of a running portal.

use std::collections::BTreeSet;

use crate::db::{Committed, Deed};

/// Whether a change of a table has to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// By an entry in the same transaction, whatever is done to it.
    Always,
    /// By an entry in the same transaction for each new row; what else is done to a row is told of as the words say.
    New(&'static str),
    /// By an entry for each difference that matters, and by none where a snapshot says nothing new.
    Differences,
    /// Not at all, for this reason.
    Not(&'static str),
}

use Told::{Always, Differences, New, Not};

/// Each table, by its name.
pub const TABLES: &[(&str, Told)] = &[
    ("tenants", Always),
    ("users", Always),
    ("memberships", Always),
    ("invitations", Always),
    ("api_keys", Always),
    ("webhook_secrets", Always),
    (
        "sessions",
        Not("each sign-in, sign-out and ending has its entry; a session that is seen again is no news"),
    ),
    ("one_time_links", New("that a link was used is told of by the session that it began")),
    ("link_requests", Not("counts tries")),
    ("sign_in_attempts", Not("counts tries; each refusal has its entry")),
    ("api_answers", Not("what was answered under an idempotency key, for a day")),
    ("products", Not("a copy of what Stripe's dashboard and `setup` say")),
    ("prices", Not("a copy of what Stripe's dashboard and `setup` say")),
    ("setup_objects", Not("what `setup` found at Stripe")),
    ("customers", Differences),
    ("subscriptions", Differences),
    ("invoices", Differences),
    ("charges", Differences),
    ("checkout_sessions", New("its end is told of by the subscription that it began")),
    ("webhook_events", Not("is a record itself, kept as it came")),
    ("event_days", Not("follows from the events, in their transaction")),
    ("customer_sync", Not("a queue")),
    ("leases", Not("who works on what")),
    ("mails", Not("staged with the change that is told of; each end of a mail has its entry")),
    ("dunning_cases", New("each step that is carried out, and the end, has its entry")),
    ("dunning_steps", Not("each that is carried out has its entry")),
    ("notices", Not("a plan; the mail that comes of it has its entry")),
    ("audit_entries", Not("is the audit")),
    ("audit_seals", Not("is the audit")),
    ("audit_unsealed", Not("is the audit")),
    ("audit_marks", Not("is the audit")),
    ("redacted_lines", Not("counts lines of the log")),
    ("card_searches", Not("how far a search has come; what it finds is in its report")),
    ("usage_totals", Not("every report is a record itself, kept under its key")),
    ("usage_days", Not("every report is a record itself, kept under its key")),
    ("usage_events", Not("is a record itself")),
    ("usage_outbox", Not("a queue; what staff do with it has its entry")),
    ("usage_meter_errors", Not("is a record itself, kept as it came")),
    ("usage_comparisons", Not("a look, repeated every day")),
    ("alarms", New("its end has an entry too; that it is still so is no news")),
    ("reconciliation_runs", New("what comes of a run stands in its report")),
    ("reconciliation_suspects", Not("a note for the next run")),
    ("reconciliation_findings", Not("part of its run's report")),
    ("validation_reports", Not("is a record itself")),
    ("mrr_changes", Not("follows from a subscription, which is told of")),
    ("discounts", Not("a copy of what Stripe's dashboard says")),
    ("figures", Not("counts rows that are told of")),
    ("figure_changes", Not("counts rows that are told of")),
    ("figure_backlog", Not("a queue")),
    ("plan_grants", Always),
];

/// How a table is told of; none for one that nobody has thought about.
pub fn told(table: &str) -> Option<Told> {
    TABLES.iter().find(|(name, _)| *name == table).map(|(_, told)| *told)
}

/// Transactions of the program, out of those, that changed something that has to be told of and added no entry: in words.
/// `exempt` are places in the source, each with the table it may change in silence and why.
pub fn untold(committed: &BTreeSet<Committed>, exempt: &[(&str, &str, &str)]) -> Vec<String> {
    let mut all = Vec::new();
    for transaction in committed.iter().filter(|transaction| transaction.file.starts_with("src/")) {
        let has_entry = transaction.deeds.contains(&(Deed::Insert, "audit_entries".to_owned()));
        for (deed, table) in transaction.deeds.iter().filter(|_| !has_entry) {
            let must = match told(table) {
                Some(Always) => true,
                Some(New(_)) => *deed == Deed::Insert,
                Some(Differences | Not(_)) | None => false,
            };
            let is_exempt = exempt.iter().any(|(file, of, _)| transaction.file == *file && table == of);
            if must && !is_exempt {
                let Committed { file, line, .. } = transaction;
                all.push(format!("the transaction of {file}:{line}: {deed:?} of {table} without an entry"));
            }
        }
    }
    all
}
