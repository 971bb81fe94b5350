//! The report of a run as a file: JSON for programs, CSV for spreadsheets.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::store::{self, Counts, Filter, FindingRow, Run};
use super::{Severity, State};
use crate::clock::from_seconds;
use crate::db::{Db, Result};
use crate::web::Csv;

/// Findings that are read at once.
const STEP: i64 = 500;

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Words and columns.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// A table.
    Csv,
}

impl Form {
    /// The ending of a file's name.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }

    /// What the file is.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

/// Findings that are still open and matter: what a command's exit code tells of.
pub fn left(counts: &[Counts]) -> i64 {
    let matters = counts.iter().filter(|one| one.state == State::Open && one.severity != Severity::Minor);
    matters.map(|one| one.count).sum()
}

/// A run in facts.
pub fn facts(run: &Run, counts: &[Counts]) -> Value {
    let time = |at: i64| from_seconds(at).to_string();
    let seconds = run.progress.seconds;
    json!({
        "seconds": seconds, "customers_per_second": seconds.map(|so_far| run.progress.customers_per_second(so_far)),
        "id": run.id, "state": run.state, "stage": run.stage, "repairs": run.repairs, "error": run.error,
        "started_at": time(run.started_at), "finished_at": run.finished_at.map(time), "looked_at": run.progress,
        "open": sum(counts, State::Open), "repaired": sum(counts, State::Repaired),
    })
}

/// How many findings are in a state.
pub fn sum(counts: &[Counts], state: State) -> i64 {
    counts.iter().filter(|one| one.state == state).map(|one| one.count).sum()
}

/// The report of a run, piece by piece: however many findings there are, some hundred are in memory.
#[derive(Debug)]
pub struct Report {
    run: Run,
    form: Form,
    filter: Filter,
    at: Piece,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Head,
    First,
    Rest,
    Over,
}

impl Report {
    /// That of a run.
    pub fn new(run: Run, form: Form) -> Self {
        Self { run, form, filter: Filter::default(), at: Piece::Head }
    }

    /// The next piece; none after the last.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn next(&mut self, db: &Db) -> Result<Option<String>> {
        match self.at {
            Piece::Over => return Ok(None),
            Piece::Head => {
                self.at = Piece::First;
                let counts = store::count(&mut db.read().await?, &self.run.id).await?;
                return Ok(Some(head(&self.run, &counts, self.form)));
            }
            Piece::First | Piece::Rest => {}
        }
        let page = store::list(&mut db.read().await?, &self.run.id, &self.filter, STEP).await?;
        let Some(last) = page.last() else {
            self.at = Piece::Over;
            return Ok(Some(if self.form == Form::Json { "\n]}\n" } else { "" }.to_owned()));
        };
        self.filter.after = Some((last.severity.as_str().to_owned(), last.id.clone()));
        let mut text = String::new();
        for row in &page {
            text.push_str(&line(row, self.form, self.at == Piece::First));
            self.at = Piece::Rest;
        }
        Ok(Some(text))
    }
}

fn head(run: &Run, counts: &[Counts], form: Form) -> String {
    match form {
        Form::Text => {
            let progress = &run.progress;
            format!(
                "Looked at {} customers, {} subscriptions, {} invoices and {} charges of Stripe's, at {} rows of customers\n\
                 and at {} comparisons of usage, in {} s: {} customers a second. Open: {}. Put right: {}.\n",
                progress.customers,
                progress.subscriptions,
                progress.invoices,
                progress.charges,
                progress.rows,
                progress.usage,
                progress.seconds.unwrap_or(0),
                progress.customers_per_second(0),
                sum(counts, State::Open),
                sum(counts, State::Repaired)
            )
        }
        Form::Json => format!("{{\"run\": {}, \"findings\": [", facts(run, counts)),
        Form::Csv => {
            let columns = [
                "severity",
                "kind",
                "state",
                "object",
                "object_id",
                "customer",
                "tenant",
                "amount",
                "currency",
                "repair",
                "changes",
                "error",
                "found_at",
            ];
            Csv::new(&columns).as_str().to_owned()
        }
    }
}

fn line(row: &FindingRow, form: Form, is_first: bool) -> String {
    match form {
        Form::Text => {
            let fields: Vec<String> = row
                .changes()
                .iter()
                .map(|change| format!("{}: {} here, {} at Stripe", change.field, change.here, change.stripe))
                .collect();
            let state = if row.state == State::Repaired { "put right" } else { row.repair.as_str() };
            format!(
                "{:<9} {:<18} {:<12} {}  [{state}]\n          {}\n",
                row.severity.as_str(),
                row.kind.as_str(),
                row.object,
                row.object_id,
                fields.join("; ")
            )
        }
        Form::Json => format!("{}\n{}", if is_first { "" } else { "," }, row.json()),
        Form::Csv => {
            let mut csv = Csv::default();
            csv.text(row.severity.as_str())
                .text(row.kind.as_str())
                .text(row.state.as_str())
                .text(&row.object)
                .text(&row.object_id)
                .text(row.customer_id.as_deref().unwrap_or_default())
                .text(row.tenant_id.as_deref().unwrap_or_default());
            match row.money() {
                Some(money) => csv.money(money).text(money.currency.code()),
                None => csv.text("").text(""),
            };
            csv.text(row.repair.as_str())
                .text(&row.changes)
                .text(row.error.as_deref().unwrap_or_default())
                .text(&row.found().to_string())
                .end_row();
            csv.as_str().to_owned()
        }
    }
}
