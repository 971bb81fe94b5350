//! One query layer over SQLite and Postgres.
//!
//! Owns the pools, transactions, statements, migrations, the group commit for hot inserts and the session store. It knows
//! no feature and no tenant, and never retries a statement behind its caller's back.
//!
//! SQL is portable: lower case, `text`, `bigint` and `boolean` columns, `$1` placeholders, `on conflict`, `returning`.
//! `sum(…)` is cast to `bigint`, or Postgres answers with a `numeric`. Constraint errors are not caught inside a
//! transaction, which Postgres would abort: use `on conflict` and look at the number of rows.

mod error;
mod group;
mod guards;
mod open;
mod query;
mod sessions;
mod sql;
mod watch;

pub use error::{Error, Result};
pub use group::{Batch, GroupCommit};
#[doc(hidden)]
pub use inventory;
pub use query::{Param, Query, Record};
pub use sessions::{SessionInfo, SessionStore};
use sql::Dialect;
pub use sql::{Bulk, Registered, Sql, registered};
#[doc(hidden)]
pub use sqlx;
pub use watch::{Committed, Deed, committed};

pub use crate::{bulk, sql, text_column};

use std::panic::Location;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr as _, SqlStr, Sqlite, Transaction};
use watch::Watch;

/// The most rows of one insert. A power of two; with it a connection prepares at most ten texts of one insert.
const MOST_ROWS: usize = 512;
/// The most values that SQLite lets one statement bind.
const MOST_VALUES: usize = 32_766;

/// An open database. Cloning is cheap and shares the connections.
#[derive(Clone, Debug)]
pub enum Db {
    /// A file: many readers, one writer.
    Sqlite {
        /// Connections that cannot write.
        read: SqlitePool,
        /// The one connection that can.
        write: SqlitePool,
    },
    /// A server, shared with other replicas of the program.
    Postgres {
        /// Connections whose transactions are read-only.
        read: PgPool,
        /// Connections that can write.
        write: PgPool,
    },
}

/// A connection, lent: what every store function takes. From [`Db::read`] it cannot write and sees each statement's own
/// snapshot; from [`Db::write`] it is a transaction that is undone unless [`commit`](Self::commit) is called.
pub struct Tx {
    on: On,
    watch: Watch,
}

enum On {
    SqliteRead(PoolConnection<Sqlite>),
    SqliteWrite(Transaction<'static, Sqlite>),
    PostgresRead(PoolConnection<Postgres>),
    PostgresWrite(Transaction<'static, Postgres>),
}

impl Db {
    /// A connection that cannot write.
    ///
    /// # Errors
    /// When none becomes free, or can be made, within three seconds.
    #[track_caller]
    pub fn read(&self) -> impl Future<Output = Result<Tx>> + Send {
        let watch = Watch::new(Location::caller());
        async move {
            let on = match self {
                Self::Sqlite { read, .. } => On::SqliteRead(read.acquire().await?),
                Self::Postgres { read, .. } => On::PostgresRead(read.acquire().await?),
            };
            Ok(Tx { on, watch })
        }
    }

    /// A transaction that can write. On SQLite it is the only one, and holds the write lock from the start.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    #[track_caller]
    pub fn write(&self) -> impl Future<Output = Result<Tx>> + Send {
        let watch = Watch::new(Location::caller());
        async move {
            let on = match self {
                Self::Sqlite { write, .. } => On::SqliteWrite(write.begin_with("begin immediate").await?),
                Self::Postgres { write, .. } => On::PostgresWrite(write.begin().await?),
            };
            Ok(Tx { on, watch })
        }
    }
}

impl Tx {
    /// A query of a registered statement.
    pub fn query(&mut self, sql: Sql) -> Query<'_> {
        self.on(sql.lite.into_sql_str(), sql.pg.into_sql_str())
    }

    /// A query whose text is put together at run time, of registered pieces: optional filters, a list of columns. What
    /// comes from outside is bound and never part of the text.
    pub fn query_built(&mut self, text: String) -> Query<'_> {
        let text = AssertSqlSafe(text).into_sql_str();
        self.on(text.clone(), text)
    }

    /// Inserts many rows with as few statements as there are powers of two in their number, and gives what they return.
    /// `bind` binds the values of one row in the order of its placeholders.
    ///
    /// # Errors
    /// As [`Query::all`]; what earlier statements inserted is undone with the transaction.
    pub async fn insert_many<R, T: Record>(
        &mut self,
        bulk: Bulk,
        rows: &[R],
        bind: impl for<'q> Fn(Query<'q>, &R) -> Query<'q>,
    ) -> Result<Vec<T>> {
        let most = MOST_ROWS.min(MOST_VALUES / bulk.columns().max(1)).max(1);
        let dialect = match self.on {
            On::SqliteRead(_) | On::SqliteWrite(_) => Dialect::Sqlite,
            On::PostgresRead(_) | On::PostgresWrite(_) => Dialect::Postgres,
        };
        let mut returned = Vec::new();
        let mut rest = rows;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(1 << rest.len().min(most).ilog2());
            let query = now.iter().fold(self.query_built(bulk.text(now.len(), dialect)), &bind);
            returned.append(&mut query.all::<T>().await?);
            rest = later;
        }
        Ok(returned)
    }

    /// Makes the transaction's writes durable. What only read is given back.
    ///
    /// # Errors
    /// When the database could not keep them: then none is kept, unless the connection broke at that moment, which leaves
    /// it open. Nothing may be acknowledged.
    pub async fn commit(self) -> Result<()> {
        match self.on {
            On::SqliteWrite(transaction) => transaction.commit().await?,
            On::PostgresWrite(transaction) => transaction.commit().await?,
            On::SqliteRead(_) | On::PostgresRead(_) => return Ok(()),
        }
        self.watch.keep();
        Ok(())
    }

    fn on(&mut self, lite: SqlStr, pg: SqlStr) -> Query<'_> {
        let expected = self.watch.expect(lite.as_str());
        match &mut self.on {
            On::SqliteRead(to) => Query::on_sqlite(to, lite, expected),
            On::SqliteWrite(to) => Query::on_sqlite(to, lite, expected),
            On::PostgresRead(to) => Query::on_postgres(to, pg, expected),
            On::PostgresWrite(to) => Query::on_postgres(to, pg, expected),
        }
    }
}
