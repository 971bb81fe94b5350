//! Finding an invoice, and asking Stripe for its links as they are now.

use super::{Detail, store};
use crate::app::App;
use crate::error::{Error, Result, WayOn};
use crate::stripe::calls::invoices;
use crate::stripe::{Budget, InvoiceId, snapshot};
use crate::tenants::Tenant;

/// The tenant's invoice of that id; another's is not there.
///
/// # Errors
/// There is none, or the database did not answer.
pub async fn find(app: &App, tenant: &Tenant, id: &str) -> Result<Detail> {
    let id: InvoiceId = id.parse().map_err(|_| Error::NotFound)?;
    store::detail(&mut app.db.read().await?, tenant.id.as_str(), &id).await?.ok_or(Error::NotFound)
}

/// A link of the tenant's invoice, fresh from Stripe: it runs out, so it is never kept.
///
/// # Errors
/// There is no such invoice, Stripe has no such link of it, or Stripe did not answer.
pub async fn link_of(
    app: &App,
    tenant: &Tenant,
    id: &str,
    link: impl FnOnce(snapshot::Invoice) -> Option<String>,
    budget: Budget,
) -> Result<String> {
    let invoice = find(app, tenant, id).await?.invoice;
    let fresh = invoices::get_one(&app.stripe, &invoice.id, budget).await?;
    link(fresh.value).ok_or_else(|| {
        let way_on = WayOn::new(format!("/invoices/{}", invoice.id.as_str()), "invoices-back-to-invoice");
        Error::Conflict { reason: "invoices-no-link", way_on: Some(way_on) }
    })
}
