//! The timeline's rows: six tables, each along its own index, put into one order.

use crate::db::{Result, Tx, sql};
use crate::staff::timeline::{Kind, Moment, Point};

/// Moments of a tenant, the newest first, those before `point`; of one kind, or of all.
///
/// # Errors
/// The database did not answer.
pub async fn timeline(
    tx: &mut Tx,
    tenant: &str,
    kind: Option<Kind>,
    point: &Point,
    limit: i64,
) -> Result<Vec<Moment>> {
    tx.query(sql!(
        "select kind, id, what, detail, object, currency, amount, at from ("
        "select * from (select 'audit' as kind, e.id, e.action as what, coalesce(u.name, e.actor_kind) as detail,"
        " e.object_id as object, cast(null as text) as currency, cast(0 as bigint) as amount, e.at"
        " from audit_entries e left join users u on u.id = e.actor_id"
        " where e.tenant_id = $1 and ($2 = '' or $2 = 'audit') and (e.at < $3 or (e.at = $3 and e.id < $4))"
        " order by e.at desc, e.id desc limit $5) a"
        " union all select * from (select 'event' as kind, w.id, w.type, w.state, w.object_id, cast(null as text), cast(0 as bigint),"
        " w.received_at from customers c join webhook_events w on w.customer_id = c.id"
        " where c.tenant_id = $1 and ($2 = '' or $2 = 'event') and (w.received_at < $3 or (w.received_at = $3 and w.id < $4))"
        " order by w.received_at desc, w.id desc limit $5) b"
        " union all select * from (select 'mail' as kind, m.id, m.kind, m.state, m.address, cast(null as text), cast(0 as bigint),"
        " m.created_at from mails m where m.tenant_id = $1 and ($2 = '' or $2 = 'mail')"
        " and (m.created_at < $3 or (m.created_at = $3 and m.id < $4)) order by m.created_at desc, m.id desc limit $5) c"
        " union all select * from (select 'dunning' as kind, d.invoice_id || ':' || s.step, s.step, s.state, d.invoice_id,"
        " d.currency, d.amount, s.done_at from dunning_cases d join dunning_steps s on s.invoice_id = d.invoice_id"
        " where d.tenant_id = $1 and ($2 = '' or $2 = 'dunning') and s.state = 'done'"
        " and (s.done_at < $3 or (s.done_at = $3 and d.invoice_id || ':' || s.step < $4))"
        " order by s.done_at desc, d.invoice_id || ':' || s.step desc limit $5) d"
        " union all select * from (select 'invoice' as kind, i.id, coalesce(i.number, i.id), i.status, i.id, i.currency, i.total,"
        " i.created_at from invoices i where i.tenant_id = $1 and ($2 = '' or $2 = 'invoice')"
        " and (i.created_at < $3 or (i.created_at = $3 and i.id < $4)) order by i.created_at desc, i.id desc limit $5) e"
        " union all select * from (select 'mrr' as kind, r.subscription_id || ':' || r.seq, r.kind, cast(null as text),"
        " r.subscription_id, r.currency, r.delta, r.at from mrr_changes r where r.tenant_id = $1 and ($2 = '' or $2 = 'mrr')"
        " and (r.at < $3 or (r.at = $3 and r.subscription_id || ':' || r.seq < $4))"
        " order by r.at desc, r.subscription_id || ':' || r.seq desc limit $5) f"
        ") everything order by at desc, id desc limit $5"
    ))
    .bind(tenant)
    .bind(kind.map_or("", Kind::as_str))
    .bind(point.at)
    .bind(point.id.as_str())
    .bind(limit)
    .all()
    .await
}
