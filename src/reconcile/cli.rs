//! `reconcile`: both sides held against each other from the command line.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::RunState;
use super::checks::Verdict;
use super::export::{self, Form, Report};
use super::store::{self, Run};
use super::work::{self, Means, Step};
use crate::audit::Actor;
use crate::cli::Failure;
use crate::id;

/// The exit code that says: findings are left.
const LEFT: u8 = 2;

/// What `reconcile` may be told.
#[derive(Args, Clone, Debug)]
pub struct Reconcile {
    /// Put right what can be put right by making rows what Stripe says; nothing is ever changed at Stripe
    #[arg(long)]
    repair: bool,
    /// Make the validation report as well, and print that instead of the findings; exits with 2 where a check is not good
    #[arg(long)]
    validate: bool,
    /// Whom to tell of what cannot wait [default: each of the staff]
    #[arg(long, env = "SUPPORT_EMAIL")]
    support_email: Option<String>,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

impl Reconcile {
    /// Runs through, prints the report, and tells by the exit code: 0, nothing is off; 2, findings are left (those that are merely
    /// good to know do not count); 1, in words, that it could not be carried out.
    ///
    /// # Errors
    /// Another run is under way, or Stripe or the database did not answer.
    pub async fn run(self, means: &Means) -> Result<ExitCode, Failure> {
        let mut told = String::new();
        let run = through(means, self.repair, |run| {
            let line = progress(run);
            if line != told {
                // Progress that nobody reads is no reason to stop.
                let _ = writeln!(std::io::stderr(), "{line}");
                told = line;
            }
        })
        .await?;
        if self.validate && run.state == RunState::Done {
            let report = work::checks::make(means, Some(&run.id), self.support_email.as_deref()).await?;
            std::io::stdout().write_all(checked(&report, self.format).as_bytes())?;
            let fails = report.checks.iter().any(|one| one.verdict == Verdict::Fail);
            return Ok(if fails { ExitCode::from(LEFT) } else { ExitCode::SUCCESS });
        }
        let mut report = Report::new(run.clone(), self.format);
        while let Some(text) = report.next(&means.db).await? {
            std::io::stdout().write_all(text.as_bytes())?;
        }
        if run.state == RunState::Failed {
            return Err(run.error.unwrap_or_else(|| "the run was given up".to_owned()).into());
        }
        let left = export::left(&store::count(&mut means.db.read().await?, &run.id).await?);
        Ok(if left > 0 { ExitCode::from(LEFT) } else { ExitCode::SUCCESS })
    }
}

/// A validation report in words, as JSON, or as a table.
fn checked(report: &store::checks::Report, format: Form) -> String {
    match format {
        Form::Json => format!("{:#}\n", work::checks::report_json(report)),
        Form::Csv => super::web::validation::table(report).as_str().to_owned(),
        Form::Text => {
            let lines = report.checks.iter().map(|one| {
                let figure = one.figure.map_or_else(|| "not known".to_owned(), |figure| figure.to_string());
                format!(
                    "{:<14} {:<8} {figure:>9} {:<8} asked for: {}\n",
                    one.check.as_str(),
                    one.verdict.as_str(),
                    one.unit.as_str(),
                    one.threshold
                )
            });
            lines.collect()
        }
    }
}

/// A line about where a run is: a new one for each stage and each thousand objects.
fn progress(run: &Run) -> String {
    let seen = &run.progress;
    let listed = seen.customers + seen.subscriptions + seen.invoices + seen.charges;
    format!(
        "{}: {} objects listed, {} rows held against the list, {} suspects fetched",
        run.stage.as_str(),
        listed / 1_000 * 1_000 + if listed < 1_000 { listed } else { 0 },
        seen.rows,
        seen.fetched
    )
}

/// A run from its beginning to its end, in this process.
///
/// # Errors
/// Another run is under way, or the database does not answer.
pub async fn through(means: &Means, repairs: bool, mut tell: impl FnMut(&Run)) -> Result<Run, Failure> {
    let holder = id::random_text();
    let mut tx = means.db.write().await?;
    store::give_up_abandoned(&mut tx, means.clock.wall().as_second()).await?;
    let begun = work::begin(&mut tx, &means.clock, repairs, &Actor::Command, None, Some(&holder)).await?;
    tx.commit().await?;
    let id = begun.ok_or("another run is under way: see the page of the staff, or wait for it to end")?;
    loop {
        let step = work::step(means, &holder).await?;
        let run = store::run(&mut means.db.read().await?, &id).await?.ok_or("the run is gone")?;
        tell(&run);
        if run.state != RunState::Running {
            return Ok(run);
        }
        match step {
            Step::Done => {}
            Step::Until(_) | Step::Nothing => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}
