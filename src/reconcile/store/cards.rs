//! Where a card number could be left, and how far each place has been searched for one.

use crate::db::{Query, Result, Tx, sql};

/// Places where people or programs could leave a card number. Answers that the API keeps are sealed: there is nothing to read.
pub const PLACES: [&str; 19] = [
    "webhook_events",
    "audit_entries",
    "mails",
    "tenants",
    "users",
    "invitations",
    "api_keys",
    "customers",
    "subscriptions",
    "invoices",
    "charges",
    "dunning_cases",
    "checkout_sessions",
    "products",
    "prices",
    "usage_meter_errors",
    "reconciliation_runs",
    "reconciliation_findings",
    "usage_events",
];

/// A page of a place's texts, the first of which may be the one named: id and text, in the order of ids. The id of what a program
/// has reported is its tenant's and its key.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn texts(tx: &mut Tx, place: &str, from: &str, limit: i64) -> Result<Vec<(String, String)>> {
    if place == "usage_events" {
        let (tenant, key) = from.split_once(' ').unwrap_or((from, ""));
        return tx
            .query(sql!(
                "select tenant_id || ' ' || key as id, key as text from usage_events where (tenant_id, key) >= ($1, $2)"
                " order by tenant_id, key limit $3"
            ))
            .bind(tenant)
            .bind(key)
            .bind(limit)
            .all()
            .await;
    }
    let query: Query<'_> = match place {
        "webhook_events" => tx.query(sql!(
            "select id, payload || ' | ' || coalesce(conflict, '') || ' | ' || coalesce(error, '') as text"
            " from webhook_events where id >= $1 order by id limit $2"
        )),
        "audit_entries" => tx.query(sql!(
            "select id, coalesce(before, '') || ' | ' || coalesce(after, '') || ' | ' ||"
            " coalesce(object_id, '') as text from audit_entries where id >= $1 order by id limit $2"
        )),
        "mails" => tx.query(sql!(
            "select id, data || ' | ' || coalesce(error, '') || ' | ' || coalesce(address, '') as text from"
            " mails where id >= $1 order by id limit $2"
        )),
        "tenants" => tx.query(sql!(
            "select id, name || ' | ' || email || ' | ' || coalesce(external_id, '') as text from tenants"
            " where id >= $1 order by id limit $2"
        )),
        "users" => tx.query(sql!(
            "select id, name || ' | ' || email as text from users where id >= $1 order by id limit $2"
        )),
        "invitations" => {
            tx.query(sql!("select id, email as text from invitations where id >= $1 order by id limit $2"))
        }
        "api_keys" => {
            tx.query(sql!("select id, name as text from api_keys where id >= $1 order by id limit $2"))
        }
        "customers" => tx.query(sql!(
            "select id, coalesce(name, '') || ' | ' || coalesce(email, '') || ' | ' || coalesce(address,"
            " '') || ' | ' || tax_ids || ' | ' || coalesce(payment_method, '') || ' | ' ||"
            " coalesce(next_invoice, '') as text from customers where id >= $1 order by id limit $2"
        )),
        "subscriptions" => tx.query(sql!(
            "select id, items || ' | ' || discounts || ' | ' || coalesce(pending_change, '') as text from"
            " subscriptions where id >= $1 order by id limit $2"
        )),
        "invoices" => tx.query(sql!(
            "select id, coalesce(number, '') || ' | ' || lines || ' | ' || taxes || ' | ' || payments as"
            " text from invoices where id >= $1 order by id limit $2"
        )),
        "charges" => tx.query(sql!(
            "select id, coalesce(failure_code, '') || ' | ' || coalesce(failure_message, '') as text from"
            " charges where id >= $1 order by id limit $2"
        )),
        "dunning_cases" => tx.query(sql!(
            "select invoice_id as id, coalesce(number, '') || ' | ' || coalesce(error, '') as text from"
            " dunning_cases where invoice_id >= $1 order by invoice_id limit $2"
        )),
        "checkout_sessions" => tx.query(sql!(
            "select id, parameters || ' | ' || coalesce(url, '') as text from checkout_sessions where id >="
            " $1 order by id limit $2"
        )),
        "products" => tx.query(sql!(
            "select id, name || ' | ' || coalesce(description, '') || ' | ' || marketing_features || ' | '"
            " || translations || ' | ' || tenants as text from products where id >= $1 order by id limit $2"
        )),
        "prices" => tx.query(sql!(
            "select id, coalesce(lookup_key, '') || ' | ' || coalesce(tiers, '') || ' | ' ||"
            " currency_options as text from prices where id >= $1 order by id limit $2"
        )),
        "usage_meter_errors" => tx.query(sql!(
            "select event_id as id, summary || ' | ' || details as text from usage_meter_errors where"
            " event_id >= $1 order by event_id limit $2"
        )),
        "reconciliation_runs" => tx.query(sql!(
            "select id, coalesce(error, '') as text from reconciliation_runs where id >= $1 order by id"
            " limit $2"
        )),
        _ => tx.query(sql!(
            "select id, object_id || ' | ' || changes || ' | ' || coalesce(error, '') as text from"
            " reconciliation_findings where id >= $1 order by id limit $2"
        )),
    };
    query.bind(from).bind(limit).all().await
}

/// How many texts there are in a place.
///
/// # Errors
/// See [`texts`].
pub async fn size(tx: &mut Tx, place: &str) -> Result<i64> {
    let query: Query<'_> = match place {
        "webhook_events" => tx.query(sql!("select count(*) from webhook_events")),
        "audit_entries" => tx.query(sql!("select count(*) from audit_entries")),
        "mails" => tx.query(sql!("select count(*) from mails")),
        "tenants" => tx.query(sql!("select count(*) from tenants")),
        "users" => tx.query(sql!("select count(*) from users")),
        "invitations" => tx.query(sql!("select count(*) from invitations")),
        "api_keys" => tx.query(sql!("select count(*) from api_keys")),
        "customers" => tx.query(sql!("select count(*) from customers")),
        "subscriptions" => tx.query(sql!("select count(*) from subscriptions")),
        "invoices" => tx.query(sql!("select count(*) from invoices")),
        "charges" => tx.query(sql!("select count(*) from charges")),
        "dunning_cases" => tx.query(sql!("select count(*) from dunning_cases")),
        "checkout_sessions" => tx.query(sql!("select count(*) from checkout_sessions")),
        "products" => tx.query(sql!("select count(*) from products")),
        "prices" => tx.query(sql!("select count(*) from prices")),
        "usage_meter_errors" => tx.query(sql!("select count(*) from usage_meter_errors")),
        "reconciliation_runs" => tx.query(sql!("select count(*) from reconciliation_runs")),
        "reconciliation_findings" => tx.query(sql!("select count(*) from reconciliation_findings")),
        _ => tx.query(sql!("select count(*) from usage_events")),
    };
    Ok(query.one::<(i64,)>().await?.0)
}

/// How far a place has been searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Where the present round goes on: the last id that it has read.
    pub after: String,
    /// Texts that it has read so far.
    pub seen: i64,
    /// Whether a round has come to its end, so that every text was read once.
    pub is_known: bool,
    /// Ids of texts in which a number was found.
    pub found: Vec<String>,
}

#[derive(sqlx::FromRow)]
struct SearchRow {
    after_id: String,
    seen: i64,
    is_known: bool,
    found: String,
}

/// How far a place has been searched until now.
///
/// # Errors
/// See [`texts`].
pub async fn search(tx: &mut Tx, place: &str) -> Result<Search> {
    let row: Option<SearchRow> = tx
        .query(sql!("select after_id, seen, is_known, found from card_searches where place = $1"))
        .bind(place)
        .optional()
        .await?;
    Ok(row.map_or_else(Search::default, |row| Search {
        after: row.after_id,
        seen: row.seen,
        is_known: row.is_known,
        found: serde_json::from_str(&row.found).unwrap_or_default(),
    }))
}

/// Keeps how far a place has been searched.
///
/// # Errors
/// See [`texts`].
pub async fn keep_search(tx: &mut Tx, place: &str, search: &Search) -> Result<()> {
    tx.query(sql!(
        "insert into card_searches (place, after_id, seen, is_known, found) values ($1, $2, $3, $4, $5)"
        " on conflict (place) do update set after_id = excluded.after_id, seen = excluded.seen,"
        " is_known = excluded.is_known, found = excluded.found"
    ))
    .bind(place)
    .bind(&search.after)
    .bind(search.seen)
    .bind(search.is_known)
    .bind(serde_json::to_string(&search.found).unwrap_or_else(|_| "[]".to_owned()))
    .run()
    .await?;
    Ok(())
}
