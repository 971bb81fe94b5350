//! What can go wrong between the program and its database.

use std::sync::Arc;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::SqliteError;

/// A result of the database layer.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the database did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the database cannot be used. The text never holds the address's password.
    #[error("{0}")]
    Address(String),
    /// The database is not there, does not answer, is locked for too long or cannot write: later it may.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// A statement was refused or its answer could not be read.
    #[error("the database refused a statement: {0}")]
    Statement(#[source] sqlx::Error),
    /// The tables could not be brought to the form that this program reads.
    #[error("the database cannot be migrated: {0}")]
    Migration(#[from] MigrateError),
    /// The group of rows that a row was written with was not kept.
    #[error("not kept: {0}")]
    Group(#[source] Arc<Error>),
    /// The writer has stopped, as the program does.
    #[error("the program is stopping")]
    Stopped,
}

impl Error {
    /// Whether trying again later may help: such an error is answered with 503 and no 2xx.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Stopped => true,
            Self::Group(cause) => cause.is_unavailable(),
            Self::Address(_) | Self::Statement(_) | Self::Migration(_) => false,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_passing(&error) { Self::Unavailable(error) } else { Self::Statement(error) }
    }
}

/// Whether the fault lies in the state of the database's machine and not in the statement.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            if error.try_downcast_ref::<SqliteError>().is_some() {
                is_passing_on_sqlite(&code)
            } else {
                is_passing_on_postgres(&code)
            }
        }
        _ => false,
    }
}

/// Busy, locked, out of memory, I/O error, disk full, cannot open: the lower byte of SQLite's extended result code.
fn is_passing_on_sqlite(code: &str) -> bool {
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 7 | 10 | 13 | 14))
}

/// By SQLSTATE: connection lost, deadlock, out of disk, memory or connections, lock or statement timeout, shutting down, I/O.
fn is_passing_on_postgres(code: &str) -> bool {
    code == "55P03" || ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
}
