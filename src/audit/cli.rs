//! `audit verify` and `audit export`.

use std::io::Write;

use clap::{Args, Subcommand};

use super::chain::{Break, Walk};
use super::export::Form;
use super::{Filter, store};
use crate::cli::Failure;
use crate::clock::Clock;
use crate::db::Db;

/// Rows that are read at once.
const STEP: i64 = 1_000;

/// The audit.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check that no entry was altered, removed or put in between; names the first broken one
    Verify(Verify),
    /// Write entries to the output, the newest first
    Export(Export),
}

/// What `audit verify` may be told.
#[derive(Args, Debug)]
pub struct Verify {
    /// A seal that an earlier run printed, or that the log of a nightly report names: it must still be in the chain. By default the
    /// one that the database noted with its last report
    #[arg(long)]
    seal: Option<String>,
}

/// What `audit export` may be told.
#[derive(Args, Debug)]
pub struct Export {
    /// How to write them
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Form,
    /// Of this tenant alone, by its id
    #[arg(long, default_value = "")]
    tenant: String,
    /// Only actions that begin so, such as `session.`
    #[arg(long, default_value = "")]
    action: String,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Entries in order.
    pub entries: i64,
    /// The last seal.
    pub seal: String,
    /// Entries that wait for their seal.
    pub waiting: i64,
    /// What is broken first.
    pub broken: Option<Break>,
}

impl Audit {
    /// Does it, on the program's own output.
    ///
    /// # Errors
    /// In words: the first broken entry, or that the database does not answer.
    pub async fn run(&self, db: &Db, _: &Clock) -> Result<(), Failure> {
        let mut output = std::io::stdout().lock();
        match self {
            Self::Verify(verify) => {
                let verdict = check(db, verify.seal.clone()).await?;
                if let Some(broken) = verdict.broken {
                    return Err(format!(
                        "the audit is broken after {} good entries: {broken}",
                        verdict.entries
                    )
                    .into());
                }
                writeln!(
                    output,
                    "{} entries in order, {} waiting for their seal",
                    verdict.entries, verdict.waiting
                )?;
                Ok(writeln!(output, "last seal: {}", verdict.seal)?)
            }
            Self::Export(export) => export.write(db, &mut output).await,
        }
    }
}

/// Walks the whole chain, which must still hold the seal that was `noted`, or else the last that the database noted itself.
///
/// # Errors
/// The database did not answer.
pub async fn check(db: &Db, noted: Option<String>) -> crate::db::Result<Verdict> {
    let mut tx = db.read().await?;
    let noted = match noted {
        Some(noted) => Some(noted),
        None => store::last_mark(&mut tx).await?,
    };
    let mut walk = Walk::new(noted);
    let mut broken = loop {
        match store::walk(&mut tx, &mut walk, STEP).await? {
            Ok(0) => break walk.end().err(),
            Ok(_) => {}
            Err(found) => break Some(found),
        }
    };
    let (stray, waiting) = store::unsealed(&mut tx).await?;
    if broken.is_none() {
        broken = stray.map(|entry| Break::Unsealed { entry });
    }
    Ok(Verdict { entries: walk.len(), seal: walk.head().to_owned(), waiting, broken })
}

impl Export {
    /// Writes the entries, page by page.
    ///
    /// # Errors
    /// In words: the database does not answer, or nobody reads.
    pub async fn write(&self, db: &Db, output: &mut impl Write) -> Result<(), Failure> {
        let mut filter =
            Filter { tenant: self.tenant.clone(), action: self.action.clone(), ..Filter::default() };
        output.write_all(self.format.head().as_bytes())?;
        loop {
            let entries = store::list(&mut db.read().await?, &filter, STEP).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            filter.after = Some((last.row.at, last.row.id.clone()));
            for entry in &entries {
                output.write_all(self.format.line(&entry.row).as_bytes())?;
            }
        }
    }
}
