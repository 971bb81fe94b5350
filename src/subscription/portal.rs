//! The way into Stripe's customer portal.

use super::{Task, store};
use crate::app::App;
use crate::catalog;
use crate::error::{Error, Result, WayOn};
use crate::i18n::Language;
use crate::stripe::calls::portal::{self, Flow, Visit};
use crate::stripe::snapshot::PortalSession;
use crate::stripe::{self, Budget, Fetched, Stripe};
use crate::tenants::Tenant;

/// The key of the words for a task that Stripe's customer portal does not offer.
pub const NOT_OFFERED: &str = "subscription-task-not-offered";

/// Opens Stripe's customer portal for the tenant, at a task, and gives its address. It comes back to `next`, a path of ours.
///
/// # Errors
/// There is nothing to manage yet, the customer portal does not offer the task, or Stripe did not answer.
pub async fn open(
    app: &App,
    tenant: &Tenant,
    task: Task,
    next: &str,
    language: Language,
    budget: Budget,
) -> Result<String> {
    let mut tx = app.db.read().await?;
    let billing = store::billing(&mut tx, tenant.id.as_str()).await?;
    let configuration = catalog::store::portal_configuration(&mut tx, app.config.livemode).await?;
    drop(tx);
    let nothing_yet = || Error::Conflict {
        reason: "subscription-nothing-yet",
        way_on: Some(WayOn::new("/plans", "subscription-choose-plan")),
    };
    // Stripe's customer portal changes no subscription with several items or with use that is billed afterwards
    // (<https://docs.stripe.com/customer-management#limitations>): a plan with its metered price is changed on our own pages.
    if task == Task::Update && billing.live().is_some_and(|live| !live.is_single) {
        return Err(not_offered());
    }
    let live = billing.live().map(|live| live.id.clone());
    let flow = match (task, live) {
        (Task::Whole, _) => Flow::Home,
        (Task::PaymentMethod, _) => Flow::PaymentMethod,
        (Task::Cancel, Some(id)) => Flow::Cancel(id),
        (Task::Update, Some(id)) => Flow::Update(id),
        (Task::Cancel | Task::Update, None) => return Err(nothing_yet()),
    };
    let visit = Visit {
        customer: billing.customer.ok_or_else(nothing_yet)?.id,
        flow,
        return_url: app.config.site.link(&way_back(next)),
        locale: language.code().to_owned(),
        configuration,
    };
    match visit_portal(&app.stripe, visit, budget).await {
        Ok(session) => Ok(session.value.url),
        // The account's settings of the customer portal leave the task out: then it is done on our own pages.
        Err(stripe::Error::Refused(refusal)) if task.needs_subscription() => {
            tracing::info!(%refusal, "the customer portal does not offer this task");
            Err(not_offered())
        }
        Err(error) => Err(error.into()),
    }
}

fn not_offered() -> Error {
    Error::Conflict { reason: NOT_OFFERED, way_on: Some(WayOn::new("/plans", "subscription-choose-plan")) }
}

/// The address that Stripe's customer portal comes back to, on the way to a page of ours.
pub fn way_back(next: &str) -> String {
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("/billing-portal/return?next={next}")
}

/// Opens Stripe's customer portal as `setup` configured it. Where that configuration is gone from Stripe, the account's own
/// default has to do: who wants to pay must not be kept from it.
async fn visit_portal(
    stripe: &Stripe,
    visit: Visit,
    budget: Budget,
) -> stripe::Result<Fetched<PortalSession>> {
    let opened = portal::visit(stripe, &visit, budget).await;
    let is_gone = match &opened {
        Err(stripe::Error::Refused(refusal)) => refusal.param.as_deref() == Some("configuration"),
        Err(stripe::Error::NotFound { .. }) => true,
        _ => false,
    };
    if !is_gone || visit.configuration.is_none() {
        return opened;
    }
    tracing::error!(configuration = ?visit.configuration, "the configuration of the customer portal is gone: run setup");
    portal::visit(stripe, &Visit { configuration: None, ..visit }, budget).await
}
