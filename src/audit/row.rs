//! Entries as they stand in rows.

/// An entry as it stands in its row.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Row {
    /// Ours.
    pub id: String,
    /// What makes it one.
    pub cause: Option<String>,
    /// Unix seconds.
    pub at: i64,
    /// The tenant it concerns.
    pub tenant_id: Option<String>,
    /// Who did it: `user`, `key`, `stripe`, `job`, `command`, `visitor`.
    pub actor_kind: String,
    /// Which of them.
    pub actor_id: Option<String>,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub object_id: Option<String>,
    /// JSON.
    pub before: Option<String>,
    /// JSON.
    pub after: Option<String>,
    /// Where the request came from.
    pub address: Option<String>,
}

/// An entry with what a page shows beside it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Shown {
    /// The entry.
    #[sqlx(flatten)]
    pub row: Row,
    /// The name of the person who did it.
    pub actor_name: Option<String>,
    /// The name of the tenant.
    pub tenant_name: Option<String>,
}
