//! A statement on its way: bound and decoded by the driver of whichever database is open.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, Encode, FromRow, PgConnection, Postgres, SqlStr, Sqlite, SqliteConnection, Type};

use super::watch::Expected;
use super::{Error, Result};

/// What may be bound to a placeholder: any value that both drivers can send.
pub trait Param<'a>: Encode<'a, Sqlite> + Type<Sqlite> + Encode<'a, Postgres> + Type<Postgres> {}
impl<'a, T> Param<'a> for T where T: Encode<'a, Sqlite> + Type<Sqlite> + Encode<'a, Postgres> + Type<Postgres> {}

/// What a row may become: `derive(sqlx::FromRow)`, or a tuple of up to sixteen columns.
pub trait Record: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// A statement with what is bound to it so far. Nothing happens until one of [`all`](Self::all),
/// [`optional`](Self::optional), [`one`](Self::one) or [`run`](Self::run) is awaited.
#[must_use = "a query does nothing until it is run"]
pub struct Query<'c> {
    on: On<'c>,
    sql: SqlStr,
    /// The first value that could not be sent; told when the query is run.
    failed: Option<sqlx::Error>,
    /// What the audit's measure expects of it.
    expected: Expected<'c>,
}

enum On<'c> {
    Sqlite(&'c mut SqliteConnection, SqliteArguments),
    Postgres(&'c mut PgConnection, PgArguments),
}

/// Runs one of sqlx's fetch methods on the driver that the query is for.
macro_rules! drive {
    ($query:expr, $make:ident $(::<$row:ty>)?, $fetch:ident) => {{
        let Query { on, sql, failed, expected } = $query;
        if let Some(error) = failed {
            return Err(Error::Statement(error));
        }
        let done = match on {
            On::Sqlite(to, values) => sqlx::$make::<Sqlite, $($row,)? _>(sql, values).$fetch(to).await.map(Into::into),
            On::Postgres(to, values) => sqlx::$make::<Postgres, $($row,)? _>(sql, values).$fetch(to).await.map(Into::into),
        };
        done.map(|done| (done, expected))
    }};
}

impl<'c> Query<'c> {
    pub(super) fn on_sqlite(to: &'c mut SqliteConnection, sql: SqlStr, expected: Expected<'c>) -> Self {
        Self { on: On::Sqlite(to, SqliteArguments::default()), sql, failed: None, expected }
    }

    pub(super) fn on_postgres(to: &'c mut PgConnection, sql: SqlStr, expected: Expected<'c>) -> Self {
        Self { on: On::Postgres(to, PgArguments::default()), sql, failed: None, expected }
    }

    /// Binds the next placeholder.
    pub fn bind<'a>(mut self, value: impl Param<'a>) -> Self {
        let added = match &mut self.on {
            On::Sqlite(_, values) => values.add(value),
            On::Postgres(_, values) => values.add(value),
        };
        if let Err(error) = added {
            self.failed.get_or_insert(sqlx::Error::Encode(error));
        }
        self
    }

    /// All rows.
    ///
    /// # Errors
    /// When the database refuses or does not answer, or a row does not fit `T`; so with the other three.
    pub async fn all<T: Record>(self) -> Result<Vec<T>> {
        let (rows, expected): (Vec<T>, _) = drive!(self, query_as_with::<T>, fetch_all)?;
        // What returns nothing may have written all the same.
        expected.done(true);
        Ok(rows)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub async fn optional<T: Record>(self) -> Result<Option<T>> {
        let (row, expected): (Option<T>, _) = drive!(self, query_as_with::<T>, fetch_optional)?;
        expected.done(row.is_some());
        Ok(row)
    }

    /// The first row of a statement that always has one.
    ///
    /// # Errors
    /// As [`all`](Self::all), and when there is no row.
    pub async fn one<T: Record>(self) -> Result<T> {
        self.optional().await?.ok_or(Error::Statement(sqlx::Error::RowNotFound))
    }

    /// Runs the statement for its effect; the number of rows affected.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub async fn run(self) -> Result<u64> {
        let (done, expected): (Affected, _) = drive!(self, query_with, execute)?;
        expected.done(done.0 > 0);
        Ok(done.0)
    }
}

/// Rows affected.
struct Affected(u64);

impl From<sqlx::sqlite::SqliteQueryResult> for Affected {
    fn from(done: sqlx::sqlite::SqliteQueryResult) -> Self {
        Self(done.rows_affected())
    }
}

impl From<sqlx::postgres::PgQueryResult> for Affected {
    fn from(done: sqlx::postgres::PgQueryResult) -> Self {
        Self(done.rows_affected())
    }
}

/// Lets a type with `as_str` and `FromStr` be bound and read as a text column: states, ids, currencies.
///
/// ```
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Light { Red, Green }
/// impl Light {
///     fn as_str(&self) -> &str { match self { Self::Red => "red", Self::Green => "green" } }
/// }
/// impl std::str::FromStr for Light {
///     type Err = String;
///     fn from_str(text: &str) -> Result<Self, String> {
///         match text { "red" => Ok(Self::Red), "green" => Ok(Self::Green), other => Err(format!("no light: {other}")) }
///     }
/// }
/// billing_portal::text_column!(Light);
/// ```
#[macro_export]
macro_rules! text_column {
    ($type:ty) => {
        $crate::text_column!(@ $type, $crate::db::sqlx::Sqlite);
        $crate::text_column!(@ $type, $crate::db::sqlx::Postgres);
    };
    (@ $type:ty, $database:ty) => {
        impl $crate::db::sqlx::Type<$database> for $type {
            fn type_info() -> <$database as $crate::db::sqlx::Database>::TypeInfo {
                <str as $crate::db::sqlx::Type<$database>>::type_info()
            }
            fn compatible(other: &<$database as $crate::db::sqlx::Database>::TypeInfo) -> bool {
                <str as $crate::db::sqlx::Type<$database>>::compatible(other)
            }
        }
        impl<'q> $crate::db::sqlx::Encode<'q, $database> for $type {
            fn encode_by_ref(
                &self,
                buffer: &mut <$database as $crate::db::sqlx::Database>::ArgumentBuffer,
            ) -> ::std::result::Result<$crate::db::sqlx::encode::IsNull, $crate::db::sqlx::error::BoxDynError> {
                let text: String = self.as_str().to_owned();
                <String as $crate::db::sqlx::Encode<'q, $database>>::encode(text, buffer)
            }
        }
        impl<'r> $crate::db::sqlx::Decode<'r, $database> for $type {
            fn decode(
                value: <$database as $crate::db::sqlx::Database>::ValueRef<'r>,
            ) -> ::std::result::Result<Self, $crate::db::sqlx::error::BoxDynError> {
                let text = <&str as $crate::db::sqlx::Decode<'r, $database>>::decode(value)?;
                Ok(text.parse::<Self>()?)
            }
        }
    };
}
