//! Telling Stripe. No transaction is open while it is asked.

use serde_json::json;

use super::change::{Change, TaxIdsToDo, named_in_list};
use super::{Details, Known, TypedTaxId, store};
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::checkout;
use crate::error::{Error, FieldError, Result};
use crate::i18n::Language;
use crate::stripe::calls::customers::{self, CustomerChange};
use crate::stripe::{self, Budget, CustomerId, Key, TaxIdId};
use crate::sync;
use crate::tenants::Tenant;

/// Writes a tenant's details to Stripe, whose customer is made if there is none yet, and brings the rows to what Stripe then
/// says.
///
/// # Errors
/// Stripe refused a field, which is named, or did not answer: the same again is safe.
pub async fn save(
    app: &App,
    tenant: &Tenant,
    actor: &Actor,
    language: Language,
    details: &Details,
    budget: Budget,
) -> Result<()> {
    let known = known(app, tenant).await?;
    let customer = checkout::customer(app, tenant, language, budget).await?;
    let change = CustomerChange {
        name: Some(details.name.clone()),
        email: Some(details.email.as_str().to_owned()),
        address: Some(details.address.clone()),
        locale: None,
        // Where Stripe reckons taxes, an address that it cannot place would stop the next invoice: better said here.
        must_be_taxable: app.catalog.policy.automatic_tax,
    };
    customers::update(&app.stripe, &customer, &change, &Key::random(), budget).await.map_err(refused)?;
    let mut tx = app.db.write().await?;
    let after = json!({ "fields": details.differences(&known) });
    record(&mut tx, app, tenant, actor, "details.changed", customer.as_str(), after).await?;
    tx.commit().await?;
    fetch(app, &customer, actor, budget).await
}

/// Adds a tax id.
///
/// # Errors
/// A field is wrong, says the portal or Stripe; or Stripe did not answer.
pub async fn add_tax_id(
    app: &App,
    tenant: &Tenant,
    actor: &Actor,
    language: Language,
    typed: &TypedTaxId,
    budget: Budget,
) -> Result<()> {
    let known = known(app, tenant).await?;
    let (kind, value) = typed.check(&known.tax_ids).map_err(Error::Invalid)?;
    let customer = checkout::customer(app, tenant, language, budget).await?;
    let made = customers::add_tax_id(&app.stripe, &customer, kind, &value, &Key::random(), budget)
        .await
        .map_err(refused)?
        .value;
    let mut tx = app.db.write().await?;
    let after = json!({ "tax_id": made.id, "type": kind });
    record(&mut tx, app, tenant, actor, "details.tax_id_added", customer.as_str(), after).await?;
    tx.commit().await?;
    fetch(app, &customer, actor, budget).await
}

/// Removes one of the tenant's tax ids, by Stripe's id. One that is gone already is what was wanted.
///
/// # Errors
/// The tenant has no such tax id, or Stripe did not answer.
pub async fn remove_tax_id(
    app: &App,
    tenant: &Tenant,
    actor: &Actor,
    tax_id: &str,
    budget: Budget,
) -> Result<()> {
    let mut tx = app.db.read().await?;
    let known = store::known(&mut tx, tenant.id.as_str()).await?.ok_or(Error::NotFound)?;
    let buyer = checkout::store::buyer(&mut tx, tenant.id.as_str()).await?.ok_or(Error::NotFound)?;
    drop(tx);
    let own = known.tax_ids.iter().find(|own| own.id == tax_id).ok_or(Error::NotFound)?;
    let customer = buyer.customer.ok_or(Error::NotFound)?;
    let id: TaxIdId = own.id.parse().map_err(|_| Error::NotFound)?;
    match customers::remove_tax_id(&app.stripe, &customer, &id, budget).await {
        Ok(_) | Err(stripe::Error::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let mut tx = app.db.write().await?;
    let after = json!({ "tax_id": own.id, "type": own.kind });
    record(&mut tx, app, tenant, actor, "details.tax_id_removed", customer.as_str(), after).await?;
    tx.commit().await?;
    fetch(app, &customer, actor, budget).await
}

/// Changes several details at once, in the tenant's language; whether anything differed. Nothing is sent where a field is wrong.
///
/// # Errors
/// Fields are wrong, by the names that programs know them by, or Stripe refused one; or Stripe did not answer. What was done
/// before stays, and the same again does the rest.
pub async fn change(
    app: &App,
    tenant: &Tenant,
    actor: &Actor,
    change: &Change,
    budget: Budget,
) -> Result<bool> {
    let (details, mut to_do) = judged(change, &known(app, tenant).await?).map_err(Error::Invalid)?;
    let differs = details.is_some() || !to_do.gone.is_empty() || !to_do.new.is_empty();
    if let Some(details) = details {
        let saved = save(app, tenant, actor, tenant.language, &details, budget).await;
        saved.map_err(|error| renamed(error, named_in_address))?;
    }
    // What comes goes first, as far as Stripe takes more: a number that is refused must not leave the company without any.
    let later = to_do.new.split_off(to_do.room.min(to_do.new.len()));
    add_all(app, tenant, actor, &to_do.new, budget).await?;
    for own in &to_do.gone {
        remove_tax_id(app, tenant, actor, &own.id, budget).await?;
    }
    add_all(app, tenant, actor, &later, budget).await?;
    Ok(differs)
}

/// What is wrong with a change of several details, as far as the portal can tell; nothing comes of it.
///
/// # Errors
/// The database did not answer.
pub async fn judge(app: &App, tenant: &Tenant, change: &Change) -> Result<Vec<FieldError>> {
    Ok(judged(change, &known(app, tenant).await?).err().unwrap_or_default())
}

/// What a change comes to, or each field that is wrong, by the names that programs know them by.
fn judged(
    change: &Change,
    known: &Known,
) -> std::result::Result<(Option<Details>, TaxIdsToDo), Vec<FieldError>> {
    match (change.details(known), change.tax_ids(known)) {
        (Ok(details), Ok(to_do)) => Ok((details, to_do)),
        (details, tax_ids) => {
            let details = details.err().into_iter().flatten().map(named_in_address);
            Err(details.chain(tax_ids.err().into_iter().flatten()).collect())
        }
    }
}

async fn add_all(
    app: &App,
    tenant: &Tenant,
    actor: &Actor,
    new: &[(usize, TypedTaxId)],
    budget: Budget,
) -> Result<()> {
    for (index, typed) in new {
        let added = add_tax_id(app, tenant, actor, tenant.language, typed, budget).await;
        added.map_err(|error| renamed(error, |field| named_in_list(field, *index)))?;
    }
    Ok(())
}

fn renamed(error: Error, name: impl FnMut(FieldError) -> FieldError) -> Error {
    match error {
        Error::Invalid(fields) => Error::Invalid(fields.into_iter().map(name).collect()),
        other => other,
    }
}

/// The form has the lines of the address beside the name; programs send them as an object.
fn named_in_address(error: FieldError) -> FieldError {
    if matches!(error.field.as_str(), "name" | "email") {
        return error;
    }
    FieldError { field: format!("address.{}", error.field), ..error }
}

async fn known(app: &App, tenant: &Tenant) -> Result<Known> {
    store::known(&mut app.db.read().await?, tenant.id.as_str()).await?.ok_or(Error::NotFound)
}

async fn record(
    tx: &mut crate::db::Tx,
    app: &App,
    tenant: &Tenant,
    actor: &Actor,
    action: &'static str,
    customer: &str,
    after: serde_json::Value,
) -> Result<()> {
    let entry = Entry::new(actor.clone(), action, app.clock.now());
    let entry = entry.tenant(tenant.id.as_str()).object(customer).change(None, Some(after));
    audit::record(tx, &entry).await?;
    Ok(())
}

async fn fetch(app: &App, customer: &CustomerId, actor: &Actor, budget: Budget) -> Result<()> {
    Ok(sync::refetch(&app.db, &app.stripe, &app.clock, customer, actor, budget).await?)
}

/// A refusal of Stripe's as the field it is about; anything else was not expected.
///
/// The codes and parameters are those of <https://docs.stripe.com/error-codes>.
fn refused(error: stripe::Error) -> Error {
    let stripe::Error::Refused(refusal) = &error else { return error.into() };
    let field = match (refusal.code.as_deref(), refusal.param.as_deref()) {
        (Some("tax_id_invalid"), _) | (_, Some("value")) => ("value", "details-refused-value"),
        (_, Some("type")) => ("kind", "details-refused-kind"),
        (Some("email_invalid"), _) | (_, Some("email")) => ("email", "details-wrong-email"),
        (_, Some("address[country]")) => ("country", "details-wrong-country"),
        (Some("customer_tax_location_invalid"), _) => ("postal_code", "details-refused-place"),
        (_, Some("name")) => ("name", "details-wrong-name"),
        _ => return error.into(),
    };
    Error::Invalid(vec![FieldError::new(field.0, field.1)])
}
