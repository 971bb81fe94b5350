//! Rows held against what the audit says of them: whoever changes one behind the program's back leaves an entry that says otherwise.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::tables::{charges_among, customers_among, invoices_among, subscriptions_among};
use crate::db::{Result, Sql, Tx, sql};
use crate::sync::told::{Step, tells};
use crate::sync::{charge_facts, customer_facts, invoice_facts, subscription_facts};

/// Rows that are read at once, with their entries.
const STEP: i64 = 500;
/// Ids that are named of each table, at most.
pub const NAMED: usize = 20;
/// How often a row that differs is looked at again: it, or its entries, may have been written between the two looks.
const LOOKS: usize = 2;

/// How many rows of a table are otherwise than their entries say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// The table.
    pub table: &'static str,
    /// Its rows that have facts.
    pub rows: i64,
    /// Those that have entries, and are not what the entries say.
    pub changed: i64,
    /// Some of these, by their ids.
    pub ids: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Table {
    Customers,
    Subscriptions,
    Invoices,
    Charges,
}

impl Table {
    const ALL: [Self; 4] = [Self::Customers, Self::Subscriptions, Self::Invoices, Self::Charges];

    const fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Subscriptions => "subscriptions",
            Self::Invoices => "invoices",
            Self::Charges => "charges",
        }
    }

    /// The ids after one, as many as are read at once. A customer that was only ever attached has no facts yet.
    const fn page(self) -> Sql {
        match self {
            Self::Customers => {
                sql!("select id from customers where id > $1 and seen_at > 0 order by id limit $2")
            }
            Self::Subscriptions => sql!("select id from subscriptions where id > $1 order by id limit $2"),
            Self::Invoices => sql!("select id from invoices where id > $1 order by id limit $2"),
            Self::Charges => sql!("select id from charges where id > $1 order by id limit $2"),
        }
    }

    /// The facts of rows, by their ids.
    async fn facts(self, tx: &mut Tx, ids: &str) -> Result<Vec<(String, Value)>> {
        let text = |id: &str| id.to_owned();
        Ok(match self {
            Self::Customers => {
                let rows = customers_among(tx, ids).await?;
                rows.iter().map(|row| (text(row.id.as_str()), customer_facts(row))).collect()
            }
            Self::Subscriptions => {
                let rows = subscriptions_among(tx, ids).await?;
                rows.iter().map(|row| (text(row.id.as_str()), subscription_facts(row))).collect()
            }
            Self::Invoices => {
                let rows = invoices_among(tx, ids).await?;
                rows.iter().map(|row| (text(row.id.as_str()), invoice_facts(row))).collect()
            }
            Self::Charges => {
                let rows = charges_among(tx, ids).await?;
                rows.iter().map(|row| (text(row.id.as_str()), charge_facts(row))).collect()
            }
        })
    }
}

/// Holds every row that entries hold facts of against them, table by table, some hundred rows at a time. It reads whole tables, and
/// is for a nightly job or a command, not for a page. Rows without any entry are [counted](crate::audit::store::coverage) elsewhere.
///
/// # Errors
/// The database did not answer.
pub async fn untold(tx: &mut Tx) -> Result<Vec<Untold>> {
    let mut all = Vec::new();
    for table in Table::ALL {
        all.push(of_table(tx, table).await?);
    }
    Ok(all)
}

async fn of_table(tx: &mut Tx, table: Table) -> Result<Untold> {
    let mut found = Untold { table: table.name(), ..Untold::default() };
    let mut after = String::new();
    loop {
        let page: Vec<(String,)> = tx.query(table.page()).bind(after.as_str()).bind(STEP).all().await?;
        let Some((last,)) = page.last() else { return Ok(found) };
        after.clone_from(last);
        found.rows += i64::try_from(page.len()).unwrap_or_default();
        let mut ids: Vec<String> = page.into_iter().map(|(id,)| id).collect();
        for _ in 0..=LOOKS {
            ids = differing(tx, table, &ids).await?;
            if ids.is_empty() {
                break;
            }
        }
        found.changed += i64::try_from(ids.len()).unwrap_or_default();
        found.ids.extend(ids);
        found.ids.truncate(NAMED);
    }
}

/// An entry's facts.
#[derive(sqlx::FromRow)]
struct Change {
    object_id: String,
    at: i64,
    before: Option<String>,
    after: Option<String>,
}

/// Those of some rows that have entries and are not what these say.
async fn differing(tx: &mut Tx, table: Table, ids: &[String]) -> Result<Vec<String>> {
    let ids = json!(ids).to_string();
    let changes: Vec<Change> = tx
        .query(sql!(
            "select object_id, at, before, after from audit_entries where object_id in (select value from "
            lite "json_each($1)" pg "json_array_elements_text(cast($1 as json))"
            ") and action in ('customer.attached', 'customer.changed', 'subscription.started', 'subscription.changed',"
            " 'subscription.removed', 'invoice.created', 'invoice.changed', 'invoice.removed', 'charge.made', 'charge.changed',"
            " 'charge.removed')"
        ))
        .bind(ids.as_str())
        .all()
        .await?;
    let mut steps: HashMap<String, Vec<Step>> = HashMap::new();
    let read = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
    for Change { object_id, at, before, after } in changes {
        steps.entry(object_id).or_default().push(Step { at, before: read(before), after: read(after) });
    }
    let facts = table.facts(tx, &ids).await?;
    let is_other = |(id, facts): (String, Value)| {
        let steps = steps.get(&id)?;
        (!tells(steps, facts)).then_some(id)
    };
    let mut found: Vec<String> = facts.into_iter().filter_map(is_other).collect();
    found.sort();
    Ok(found)
}
