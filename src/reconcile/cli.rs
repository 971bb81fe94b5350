//! `reconcile`: both sides held against each other from the command line.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::checks::Verdict;
use super::export::{self, Form, Report};
use super::store::{self, Run};
use super::work::{self, Means, Step};
use super::{RunState, Stage};
use crate::audit::Actor;
use crate::cli::Failure;
use crate::id;

/// The exit code that says: findings are left.
const LEFT: u8 = 2;

/// How long a run that waits for its next step is left alone.
const PAUSE: Duration = Duration::from_millis(250);

/// What `reconcile` may be told.
#[derive(Args, Clone, Debug)]
pub struct Reconcile {
    /// Put right what can be put right by making rows what Stripe says; nothing is ever changed at Stripe
    #[arg(long)]
    repair: bool,
    /// Make the validation report as well, and print that instead of the findings; exits with 2 where a check is not good, too
    #[arg(long)]
    validate: bool,
    /// Whom to tell of what cannot wait [default: each of the staff]
    #[arg(long, env = "SUPPORT_EMAIL")]
    support_email: Option<String>,
    /// Calls to Stripe a second, at most [default: half of what `serve` allows itself: 40 with a live key, 10 with a test key]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: Option<u32>,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

impl Reconcile {
    /// Calls to Stripe a second, where `allowed` is what the portal allows itself: beside a portal that serves people, a command
    /// takes half of that unless it is told otherwise.
    pub fn rate(&self, allowed: u32) -> u32 {
        self.rate.unwrap_or(allowed / 2).max(1)
    }

    /// Runs through, prints the report, and tells by the exit code: 0, nothing is off; 2, findings are left (those that are merely
    /// good to know do not count) or, where it was asked for, a check is not good; 1, in words, that it could not be carried out.
    ///
    /// # Errors
    /// Another run is under way, or Stripe or the database did not answer.
    pub async fn run(self, means: &Means) -> Result<ExitCode, Failure> {
        let code = self.run_with(means, &mut std::io::stdout(), &mut std::io::stderr()).await?;
        Ok(ExitCode::from(code))
    }

    /// The same on any output; the exit code.
    ///
    /// # Errors
    /// See [`run`](Self::run).
    pub async fn run_with(
        self,
        means: &Means,
        out: &mut impl Write,
        news: &mut impl Write,
    ) -> Result<u8, Failure> {
        let mut told = String::new();
        let run = through(means, self.repair, |run| {
            let line = progress(run);
            if line != told {
                // Progress that nobody reads is no reason to stop.
                let _ = writeln!(news, "{line}{}", pace(run, means.clock.wall().as_second()));
                told = line;
            }
        })
        .await?;
        if run.state == RunState::Failed {
            print(means, &run, self.format, out).await?;
            return Err(run.error.unwrap_or_else(|| "the run was given up".to_owned()).into());
        }
        let left = export::left(&store::count(&mut means.db.read().await?, &run.id).await?);
        let mut is_off = left > 0;
        if self.validate {
            let report = work::checks::make(means, Some(&run.id), self.support_email.as_deref()).await?;
            out.write_all(checked(&report, self.format).as_bytes())?;
            is_off |= report.checks.iter().any(|one| one.verdict == Verdict::Fail);
            if left > 0 {
                let _ =
                    writeln!(news, "{left} findings are left: see the report of the comparison {}", run.id);
            }
        } else {
            print(means, &run, self.format, out).await?;
        }
        Ok(if is_off { LEFT } else { 0 })
    }
}

/// The report of a run, piece by piece.
async fn print(means: &Means, run: &Run, format: Form, out: &mut impl Write) -> Result<(), Failure> {
    let mut report = Report::new(run.clone(), format);
    while let Some(text) = report.next(&means.db).await? {
        out.write_all(text.as_bytes())?;
    }
    Ok(())
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
    let some = |number: i64| if number < 1_000 { number } else { number / 1_000 * 1_000 };
    let listed = seen.customers + seen.subscriptions + seen.invoices + seen.charges;
    let of = |total: Option<i64>| total.map(|total| format!(" of about {total}")).unwrap_or_default();
    let stage = run.stage.as_str();
    match run.stage {
        Stage::Customers => format!("{stage}: {}{} customers listed", some(seen.customers), of(seen.total)),
        Stage::Absent => {
            format!("{stage}: {}{} rows of customers held against the list", some(seen.rows), of(seen.total))
        }
        Stage::Suspects => format!("{stage}: {} fetched, {} objects listed", seen.fetched, listed),
        _ => format!("{stage}: {} objects listed", some(listed)),
    }
}

/// How fast a run goes.
fn pace(run: &Run, wall: i64) -> String {
    let seconds = run.progress.seconds.unwrap_or((wall - run.started_at).max(0));
    format!("; {seconds} s, {} customers a second", run.progress.customers_per_second(seconds))
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
            Step::Until(_) | Step::Nothing => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::Progress;
    use crate::reconcile::store::Cursor;

    #[test]
    fn progress_says_of_how_many_and_how_fast() {
        let mut run = Run {
            id: "rec_1".to_owned(),
            repairs: false,
            actor: Actor::Command,
            state: RunState::Running,
            stage: Stage::Customers,
            cursor: Cursor::default(),
            progress: Progress { customers: 12_345, total: Some(98_765), ..Progress::default() },
            attempts: 0,
            error: None,
            started_at: 1_000,
            finished_at: None,
        };
        assert_eq!(progress(&run), "customers: 12000 of about 98765 customers listed");
        assert_eq!(pace(&run, 1_010), "; 10 s, 1234 customers a second");
        (run.stage, run.progress.rows) = (Stage::Absent, 7);
        assert_eq!(progress(&run), "absent: 7 of about 98765 rows of customers held against the list");
        run.progress.seconds = Some(5);
        assert_eq!(pace(&run, 9_999), "; 5 s, 2469 customers a second", "repairs do not count");
    }
}
