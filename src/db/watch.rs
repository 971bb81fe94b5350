//! Which tables each transaction changes: noted in builds for development and tests, where it tells whether the audit covers
//! every change. A release knows nothing of it.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

/// What a statement does to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Adds rows, or changes those that are there.
    Insert,
    /// Changes rows.
    Update,
    /// Removes rows.
    Delete,
}

/// What a transaction that was committed had done, and where in the source it began.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Committed {
    /// The file, from the crate's root.
    pub file: &'static str,
    /// The line in it.
    pub line: u32,
    /// What was done to which tables.
    pub deeds: BTreeSet<(Deed, String)>,
}

/// Each once, however often it happened.
static COMMITTED: Mutex<BTreeSet<Committed>> = Mutex::new(BTreeSet::new());

/// What this process has committed so far, each kind of transaction once; nothing in a release.
pub fn committed() -> BTreeSet<Committed> {
    COMMITTED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// What one transaction has done so far.
pub(super) struct Watch {
    began: &'static Location<'static>,
    deeds: BTreeSet<(Deed, String)>,
}

impl Watch {
    pub(super) fn new(began: &'static Location<'static>) -> Self {
        Self { began, deeds: BTreeSet::new() }
    }

    /// What a statement is about to do, where it is one that writes.
    pub(super) fn expect(&mut self, sql: &str) -> Expected<'_> {
        let deed = if cfg!(debug_assertions) { written(sql) } else { None };
        Expected { watch: self, deed: deed.map(|(deed, table)| (deed, table.to_owned())) }
    }

    /// The transaction is committed.
    pub(super) fn keep(self) {
        if !self.deeds.is_empty() {
            let (file, line) = (self.began.file(), self.began.line());
            let committed = Committed { file, line, deeds: self.deeds };
            COMMITTED.lock().unwrap_or_else(PoisonError::into_inner).insert(committed);
        }
    }
}

/// What a statement is about to do: it counts where the statement then does it to a row at least.
pub(super) struct Expected<'w> {
    watch: &'w mut Watch,
    deed: Option<(Deed, String)>,
}

impl Expected<'_> {
    /// The statement was carried out; whether it had an effect.
    pub(super) fn done(self, had_effect: bool) {
        if had_effect && let Some(deed) = self.deed {
            self.watch.deeds.insert(deed);
        }
    }
}

fn written(sql: &str) -> Option<(Deed, &str)> {
    let starts = [("insert into ", Deed::Insert), ("update ", Deed::Update), ("delete from ", Deed::Delete)];
    let (rest, deed) =
        starts.into_iter().find_map(|(start, deed)| Some((sql.trim_start().strip_prefix(start)?, deed)))?;
    Some((deed, rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_writes_names_its_table() {
        assert_eq!(written("insert into users (id) values ($1)"), Some((Deed::Insert, "users")));
        assert_eq!(written("\n  update tenants set name = $1"), Some((Deed::Update, "tenants")));
        assert_eq!(written("delete from sessions"), Some((Deed::Delete, "sessions")));
        assert_eq!(written("select 1 from users"), None);
    }
}
