//! Entries and seals.

use super::chain::{self, Walk};
use super::{Entry, Filter, Row, Shown, redact};
use crate::db::{Result, Tx, bulk, sql};
use crate::id;

/// Adds an entry, without what must not be kept in any of its texts; a second one with the same cause is left out. Whether it is
/// new. The tenant and the action are ours, and stand as they are.
///
/// # Errors
/// The database did not take it; so with all functions here.
pub async fn record(tx: &mut Tx, entry: &Entry) -> Result<bool> {
    let value =
        |value: &Option<serde_json::Value>| value.clone().map(|value| redact::redact(value).to_string());
    let text = |text: Option<&str>| text.map(|text| redact::clean(text).into_owned());
    let id = id::random("aud");
    let added = tx
        .query(sql!(
            "insert into audit_entries"
            " (id, cause, at, tenant_id, actor_kind, actor_id, action, object_id, before, after, address)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (cause) do nothing"
        ))
        .bind(&id)
        .bind(text(entry.cause.as_deref()))
        .bind(entry.at.as_second())
        .bind(entry.tenant.as_deref())
        .bind(entry.actor.kind())
        .bind(text(entry.actor.id()))
        .bind(entry.action)
        .bind(text(entry.object.as_deref()))
        .bind(value(&entry.before))
        .bind(value(&entry.after))
        .bind(text(entry.address.as_deref()))
        .run()
        .await?;
    if added == 1 {
        tx.query(sql!("insert into audit_unsealed (entry_id, at) values ($1, $2)"))
            .bind(&id)
            .bind(entry.at.as_second())
            .run()
            .await?;
    }
    Ok(added == 1)
}

/// How often something was done with an object.
///
/// # Errors
/// See [`record`].
pub async fn how_often(tx: &mut Tx, object: &str, action: &str) -> Result<i64> {
    let row: (i64,) = tx
        .query(sql!("select count(*) from audit_entries where object_id = $1 and action = $2"))
        .bind(object)
        .bind(action)
        .one()
        .await?;
    Ok(row.0)
}

/// The columns of [`Row`].
macro_rules! columns {
    () => {
        "e.id, e.cause, e.at, e.tenant_id, e.actor_kind, e.actor_id, e.action, e.object_id, e.before, e.after, e.address"
    };
}

/// Waits until nobody else seals, and keeps others waiting until the transaction ends. The row is the lock: on SQLite there is only
/// one writer anyway.
///
/// # Errors
/// See [`record`].
pub async fn lock(tx: &mut Tx) -> Result<()> {
    tx.query(sql!(
        "insert into leases (name, holder, until) values ('audit', '', 0) on conflict (name) do update set until = 0"
    ))
    .run()
    .await?;
    Ok(())
}

/// Whether entries wait for their seals.
///
/// # Errors
/// See [`record`].
pub async fn is_waiting(tx: &mut Tx) -> Result<bool> {
    let any: Option<(String,)> =
        tx.query(sql!("select entry_id from audit_unsealed limit 1")).optional().await?;
    Ok(any.is_some())
}

#[derive(sqlx::FromRow)]
struct Head {
    seq: i64,
    hash: String,
}

struct Seal {
    seq: i64,
    entry: String,
    hash: String,
}

/// Seals up to `limit` entries, the oldest first; how many. The caller holds the lock.
///
/// # Errors
/// See [`record`].
pub async fn seal(tx: &mut Tx, limit: i64) -> Result<u64> {
    let entries: Vec<Row> = tx
        .query(sql!(
            "select " columns!() " from audit_unsealed q join audit_entries e on e.id = q.entry_id"
            " order by q.at, q.entry_id limit $1"
        ))
        .bind(limit)
        .all()
        .await?;
    let head: Option<Head> =
        tx.query(sql!("select seq, hash from audit_seals order by seq desc limit 1")).optional().await?;
    let Head { mut seq, mut hash } = head.unwrap_or(Head { seq: 0, hash: chain::BEGINNING.to_owned() });
    let mut seals = Vec::with_capacity(entries.len());
    for entry in &entries {
        seq += 1;
        hash = chain::seal(&hash, seq, entry);
        seals.push(Seal { seq, entry: entry.id.clone(), hash: hash.clone() });
    }
    let insert =
        bulk!("insert into audit_seals (seq, entry_id, hash) values " rows "($1, $2, $3)" " returning seq");
    let sealed: Vec<(i64,)> = tx
        .insert_many(insert, &seals, |query, seal| {
            query.bind(seal.seq).bind(seal.entry.clone()).bind(seal.hash.clone())
        })
        .await?;
    tx.query(sql!(
        "delete from audit_unsealed where entry_id in (select entry_id from audit_seals where seq > $1)"
    ))
    .bind(seq - i64::try_from(sealed.len()).unwrap_or_default())
    .run()
    .await?;
    Ok(u64::try_from(sealed.len()).unwrap_or_default())
}

/// A link of the chain: a seal, and its entry where it is there.
#[derive(sqlx::FromRow)]
struct Link {
    seq: i64,
    entry_id: String,
    hash: String,
    id: Option<String>,
    cause: Option<String>,
    at: Option<i64>,
    tenant_id: Option<String>,
    actor_kind: Option<String>,
    actor_id: Option<String>,
    action: Option<String>,
    object_id: Option<String>,
    before: Option<String>,
    after: Option<String>,
    address: Option<String>,
}

impl Link {
    fn entry(self) -> Option<Row> {
        Some(Row {
            id: self.id?,
            cause: self.cause,
            at: self.at?,
            tenant_id: self.tenant_id,
            actor_kind: self.actor_kind?,
            actor_id: self.actor_id,
            action: self.action?,
            object_id: self.object_id,
            before: self.before,
            after: self.after,
            address: self.address,
        })
    }
}

/// Walks along up to `limit` links; how many there were. Within: what is broken.
///
/// # Errors
/// See [`record`].
pub async fn walk(
    tx: &mut Tx,
    walk: &mut Walk,
    limit: i64,
) -> Result<std::result::Result<usize, chain::Break>> {
    let links: Vec<Link> = tx
        .query(sql!(
            "select s.seq, s.entry_id, s.hash, " columns!() " from audit_seals s"
            " left join audit_entries e on e.id = s.entry_id where s.seq > $1 order by s.seq limit $2"
        ))
        .bind(walk.len())
        .bind(limit)
        .all()
        .await?;
    let found = links.len();
    for link in links {
        let (seq, id, hash) = (link.seq, link.entry_id.clone(), link.hash.clone());
        if let Err(broken) = walk.next(seq, &id, &hash, link.entry().as_ref()) {
            return Ok(Err(broken));
        }
    }
    Ok(Ok(found))
}

/// The first entry that has no seal and does not wait for one, and how many wait.
///
/// # Errors
/// See [`record`].
pub async fn unsealed(tx: &mut Tx) -> Result<(Option<String>, i64)> {
    let stray: Option<(String,)> = tx
        .query(sql!(
            "select e.id from audit_entries e left join audit_seals s on s.entry_id = e.id"
            " left join audit_unsealed q on q.entry_id = e.id where s.seq is null and q.entry_id is null"
            " order by e.at, e.id limit 1"
        ))
        .optional()
        .await?;
    let (waiting,): (i64,) = tx.query(sql!("select count(*) from audit_unsealed")).one().await?;
    Ok((stray.map(|(id,)| id), waiting))
}

/// Notes how far the chain has come, at `wall`, in unix seconds of the world's time: its last seal, which is also given. A chain
/// that has not moved since is noted already.
///
/// # Errors
/// See [`record`].
pub async fn mark(tx: &mut Tx, wall: i64) -> Result<Option<String>> {
    let last: Option<(String,)> =
        tx.query(sql!("select hash from audit_seals order by seq desc limit 1")).optional().await?;
    let Some((hash,)) = last else { return Ok(None) };
    tx.query(sql!("insert into audit_marks (hash, made_at) values ($1, $2) on conflict (hash) do nothing"))
        .bind(&hash)
        .bind(wall)
        .run()
        .await?;
    Ok(Some(hash))
}

/// The seal that was noted last.
///
/// # Errors
/// See [`record`].
pub async fn last_mark(tx: &mut Tx) -> Result<Option<String>> {
    let last: Option<(String,)> =
        tx.query(sql!("select hash from audit_marks order by made_at desc, hash limit 1")).optional().await?;
    Ok(last.map(|(hash,)| hash))
}

/// Entries with the names of their people, the newest first, those after `filter.after`.
///
/// # Errors
/// See [`record`].
pub async fn list(tx: &mut Tx, filter: &Filter, limit: i64) -> Result<Vec<Shown>> {
    let (at, id) = filter.after.clone().unwrap_or((i64::MAX, String::new()));
    // Two texts, so that each database goes along one index: the tenant's, or that of time.
    let query = if filter.tenant.is_empty() {
        tx.query(sql!(
            "select " columns!() ", u.name as actor_name, t.name as tenant_name from audit_entries e"
            " left join users u on u.id = e.actor_id left join tenants t on t.id = e.tenant_id where $1 = ''"
            " and ($2 = '' or substr(e.action, 1, length($2)) = $2) and ($3 = '' or e.actor_kind = $3)"
            " and ($4 = '' or e.object_id = $4) and e.at >= $5 and e.at < $6"
            " and (e.at < $7 or (e.at = $7 and e.id < $8)) order by e.at desc, e.id desc limit $9"
        ))
    } else {
        tx.query(sql!(
            "select " columns!() ", u.name as actor_name, t.name as tenant_name from audit_entries e"
            " left join users u on u.id = e.actor_id left join tenants t on t.id = e.tenant_id where e.tenant_id = $1"
            " and ($2 = '' or substr(e.action, 1, length($2)) = $2) and ($3 = '' or e.actor_kind = $3)"
            " and ($4 = '' or e.object_id = $4) and e.at >= $5 and e.at < $6"
            " and (e.at < $7 or (e.at = $7 and e.id < $8)) order by e.at desc, e.id desc limit $9"
        ))
    };
    query
        .bind(filter.tenant.as_str())
        .bind(filter.action.as_str())
        .bind(filter.actor.as_str())
        .bind(filter.object.as_str())
        .bind(filter.from.unwrap_or(i64::MIN))
        .bind(filter.until.unwrap_or(i64::MAX))
        .bind(at)
        .bind(id)
        .bind(limit)
        .all()
        .await
}

/// How many rows of a table there are whose existence an entry must tell of, and how many have none.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Coverage {
    /// The table.
    pub what: String,
    /// Its rows.
    pub rows: i64,
    /// Those without an entry.
    pub missing: i64,
}

/// Computes, table by table, whether every row that stands for a change of state has an entry that tells of it: the audit covers
/// everything where no line has a `missing` above 0. For the validation report: `sum(rows - missing) / sum(rows)` is the coverage
/// in numbers. Whether the rows are also what their entries say is for [`untold`](crate::sync::store::untold). It reads whole tables,
/// and is for a nightly job or a command, not for a page.
///
/// # Errors
/// See [`record`].
pub async fn coverage(tx: &mut Tx) -> Result<Vec<Coverage>> {
    tx.query(sql!(
        "select 'tenants' as what, count(*) as rows, cast(coalesce(sum(case when exists"
        " (select 1 from audit_entries e where e.object_id = x.id) then 0 else 1 end), 0) as bigint) as missing from tenants x"
        " union all select 'users', count(*), cast(coalesce(sum(case when exists"
        " (select 1 from audit_entries e where e.object_id = x.id) then 0 else 1 end), 0) as bigint) from users x"
        " union all select 'customers', count(*), cast(coalesce(sum(case when exists"
        " (select 1 from audit_entries e where e.object_id = x.id) then 0 else 1 end), 0) as bigint)"
        " from customers x where x.seen_at > 0"
        " union all select 'subscriptions', count(*), cast(coalesce(sum(case when exists"
        " (select 1 from audit_entries e where e.object_id = x.id) then 0 else 1 end), 0) as bigint) from subscriptions x"
        " union all select 'invoices', count(*), cast(coalesce(sum(case when exists"
        " (select 1 from audit_entries e where e.object_id = x.id) then 0 else 1 end), 0) as bigint) from invoices x"
        " union all select 'charges', count(*), cast(coalesce(sum(case when exists"
        " (select 1 from audit_entries e where e.object_id = x.id) then 0 else 1 end), 0) as bigint) from charges x"
        " union all select 'sessions', count(*), cast(coalesce(sum(case when exists"
        " (select 1 from audit_entries e where e.action = 'session.started' and e.actor_id = x.user_id"
        " and e.at <= x.seen_at) then 0 else 1 end), 0) as bigint) from sessions x where x.user_id is not null"
        " union all select 'mails', count(*), cast(coalesce(sum(case when exists"
        " (select 1 from audit_entries e where e.object_id = x.id) then 0 else 1 end), 0) as bigint)"
        " from mails x where x.state in ('sent', 'kept', 'failed')"
        " union all select 'dunning_cases', count(*), cast(coalesce(sum(case when exists"
        " (select 1 from audit_entries e where e.object_id = x.invoice_id and e.action = 'dunning.opened')"
        " then 0 else 1 end), 0) as bigint) from dunning_cases x"
    ))
    .all()
    .await
}

/// Adds to the lines of the log from which a process took something out on a day (days since 1970-01-01).
///
/// # Errors
/// See [`record`].
pub async fn add_redacted(tx: &mut Tx, day: i64, process: &str, lines: i64) -> Result<()> {
    tx.query(sql!(
        "insert into redacted_lines (day, process, lines) values ($1, $2, $3)"
        " on conflict (day, process) do update set lines = redacted_lines.lines + excluded.lines"
    ))
    .bind(day)
    .bind(process)
    .bind(lines)
    .run()
    .await?;
    Ok(())
}

/// Lines of the log from which any process took something out, from a day on.
///
/// # Errors
/// See [`record`].
pub async fn redacted_since(tx: &mut Tx, day: i64) -> Result<i64> {
    let (lines,): (i64,) = tx
        .query(sql!("select cast(coalesce(sum(lines), 0) as bigint) from redacted_lines where day >= $1"))
        .bind(day)
        .one()
        .await?;
    Ok(lines)
}
