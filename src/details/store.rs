//! Rows of billing details.

use serde::de::DeserializeOwned;

use super::Known;
use crate::db::{Result, Tx, sql};

#[derive(sqlx::FromRow)]
struct Row {
    tenant_name: String,
    tenant_email: String,
    name: Option<String>,
    email: Option<String>,
    address: Option<String>,
    tax_ids: Option<String>,
}

/// What is known of a tenant's details; none: there is no such tenant.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn known(tx: &mut Tx, tenant: &str) -> Result<Option<Known>> {
    let row: Option<Row> = tx
        .query(sql!(
            "select t.name as tenant_name, t.email as tenant_email, c.name, c.email, c.address, c.tax_ids"
            " from tenants t left join customers c on c.tenant_id = t.id and not c.deleted where t.id = $1"
        ))
        .bind(tenant)
        .optional()
        .await?;
    Ok(row.map(|row| Known {
        name: row.name.unwrap_or(row.tenant_name),
        email: row.email.unwrap_or(row.tenant_email),
        address: row.address.as_deref().and_then(read).unwrap_or_default(),
        tax_ids: row.tax_ids.as_deref().and_then(read).unwrap_or_default(),
    }))
}

/// What `sync` wrote as JSON; what cannot be read counts as unknown.
fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}
