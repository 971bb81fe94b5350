//! Statements: written once, registered where they are written, prepared on both databases by a test.

/// A statement in both dialects. Written with [`sql!`](crate::sql).
#[derive(Clone, Copy, Debug)]
pub struct Sql {
    /// The text for SQLite.
    pub lite: &'static str,
    /// The text for Postgres.
    pub pg: &'static str,
}

/// Which database a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// An insert of as many rows as there are to insert. Written with [`bulk!`](crate::bulk).
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// Up to and including `values`.
    pub head: &'static str,
    /// One row in brackets, its placeholders counted from `$1`.
    pub row: &'static str,
    /// What follows the rows: `on conflict …`, `returning …`.
    pub tail: &'static str,
}

/// A statement together with where it stands in the source.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    /// The statement.
    pub sql: Sql,
    /// The file, from the crate's root.
    pub file: &'static str,
    /// The line in it.
    pub line: u32,
}

inventory::collect!(Registered);

/// Every statement of the program.
pub fn registered() -> impl Iterator<Item = &'static Registered> {
    inventory::iter::<Registered>.into_iter()
}

/// SQL that runs on both databases.
///
/// Placeholders are `$1`, `$2`, …; a text in several literals is joined. A literal marked `pg` or `lite` goes to that
/// database alone; a macro that expands to a literal (a list of columns, say) may stand between literals.
///
/// ```
/// # use billing_portal::sql;
/// let claim = sql!("select id from events where due_at <= $1 limit $2" pg " for update skip locked");
/// assert_eq!(claim.lite, "select id from events where due_at <= $1 limit $2");
/// ```
#[macro_export]
macro_rules! sql {
    (@ ($($lite:tt)*) ($($pg:tt)*)) => {{
        const STATEMENT: $crate::db::Sql =
            $crate::db::Sql { lite: concat!($($lite)*), pg: concat!($($pg)*) };
        $crate::db::inventory::submit! {
            $crate::db::Registered { sql: STATEMENT, file: file!(), line: line!() }
        }
        STATEMENT
    }};
    (@ ($($lite:tt)*) ($($pg:tt)*) pg $text:literal $($rest:tt)*) => {
        $crate::sql!(@ ($($lite)*) ($($pg)* $text,) $($rest)*)
    };
    (@ ($($lite:tt)*) ($($pg:tt)*) lite $text:literal $($rest:tt)*) => {
        $crate::sql!(@ ($($lite)* $text,) ($($pg)*) $($rest)*)
    };
    (@ ($($lite:tt)*) ($($pg:tt)*) $name:ident ! () $($rest:tt)*) => {
        $crate::sql!(@ ($($lite)* $name!(),) ($($pg)* $name!(),) $($rest)*)
    };
    (@ ($($lite:tt)*) ($($pg:tt)*) $text:literal $($rest:tt)*) => {
        $crate::sql!(@ ($($lite)* $text,) ($($pg)* $text,) $($rest)*)
    };
    ($($part:tt)+) => { $crate::sql!(@ () () $($part)+) };
}

/// An insert of many rows in one statement: `bulk!("insert into t (a, b) values " rows "($1, $2)" " on conflict …")`.
///
/// The row may hold constants and casts beside its placeholders. Run it with [`Tx::insert_many`](crate::db::Tx::insert_many).
#[macro_export]
macro_rules! bulk {
    ($head:literal rows $row:literal $($tail:literal)*) => {{
        const STATEMENT: $crate::db::Bulk =
            $crate::db::Bulk { head: $head, row: $row, tail: concat!($($tail),*) };
        const ONE: &str = concat!($head, $row $(, $tail)*);
        $crate::db::inventory::submit! {
            $crate::db::Registered { sql: $crate::db::Sql { lite: ONE, pg: ONE }, file: file!(), line: line!() }
        }
        STATEMENT
    }};
}

impl Bulk {
    /// Values bound for one row.
    pub(crate) fn columns(&self) -> usize {
        self.placeholders().map(|(_, number, _)| number).max().unwrap_or(0)
    }

    /// The statement for `rows` rows.
    ///
    /// SQLite finds the name of a numbered placeholder by walking through all names, for each value that is bound: the time
    /// of a statement would grow with the square of its rows. A bare `?` has no name. It counts by itself, so that a row may
    /// have it only where each of its placeholders stands once and in order.
    pub(crate) fn text(&self, rows: usize, dialect: Dialect) -> String {
        let columns = self.columns();
        let is_bare = dialect == Dialect::Sqlite && self.placeholders().map(|(_, n, _)| n).eq(1..=columns);
        let mut text =
            String::with_capacity(self.head.len() + rows * (self.row.len() + 16) + self.tail.len());
        text.push_str(self.head);
        for row in 0..rows {
            if row > 0 {
                text.push_str(", ");
            }
            let mut written = 0;
            for (start, number, end) in self.placeholders() {
                text.push_str(&self.row[written..start]);
                if is_bare {
                    text.push('?');
                } else {
                    text.push('$');
                    text.push_str(&(number + row * columns).to_string());
                }
                written = end;
            }
            text.push_str(&self.row[written..]);
        }
        text.push_str(self.tail);
        text
    }

    /// Start, number and end of each `$n` of the row.
    fn placeholders(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.row.match_indices('$').filter_map(|(start, _)| {
            let digits = self.row[start + 1..].bytes().take_while(u8::is_ascii_digit).count();
            let end = start + 1 + digits;
            Some((start, self.row[start + 1..end].parse().ok()?, end))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect;

    #[test]
    fn a_row_is_repeated_with_its_placeholders_counted_on() {
        let bulk =
            super::Bulk { head: "insert into t values ", row: "($1, 'new', $2, $1)", tail: " returning a" };
        let numbered = "insert into t values ($1, 'new', $2, $1), ($3, 'new', $4, $3) returning a";
        assert_eq!(bulk.text(2, Dialect::Postgres), numbered);
        assert_eq!(bulk.text(2, Dialect::Sqlite), numbered, "a value that stands twice needs its number");
        assert_eq!(bulk.columns(), 2);
    }

    #[test]
    fn sqlite_gets_placeholders_without_a_number_where_their_order_says_enough() {
        let bulk = super::Bulk { head: "insert into t values ", row: "($1, 'new', $2)", tail: "" };
        assert_eq!(bulk.text(2, Dialect::Sqlite), "insert into t values (?, 'new', ?), (?, 'new', ?)");
        assert_eq!(bulk.text(2, Dialect::Postgres), "insert into t values ($1, 'new', $2), ($3, 'new', $4)");
    }
}
