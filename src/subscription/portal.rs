//! The way into Stripe's customer portal.

use super::{Task, store};
use crate::app::App;
use crate::error::{Error, Result, WayOn};
use crate::i18n::Language;
use crate::stripe::calls::portal::{self, Flow, Visit};
use crate::stripe::{self, Budget};
use crate::tenants::Tenant;

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
    let billing = store::billing(&mut app.db.read().await?, tenant.id.as_str()).await?;
    let nothing_yet = || Error::Conflict {
        reason: "subscription-nothing-yet",
        way_on: Some(WayOn::new("/plans", "subscription-choose-plan")),
    };
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
        return_url: app.config.site.link(next),
        locale: language.code().to_owned(),
        configuration: None,
    };
    match portal::visit(&app.stripe, &visit, budget).await {
        Ok(session) => Ok(session.value.url),
        // The account's settings of the customer portal leave the task out: then it is done on our own pages.
        Err(stripe::Error::Refused(refusal)) if task.needs_subscription() => {
            tracing::info!(%refusal, "the customer portal does not offer this task");
            Err(Error::Conflict {
                reason: "subscription-task-not-offered",
                way_on: Some(WayOn::new("/plans", "subscription-choose-plan")),
            })
        }
        Err(error) => Err(error.into()),
    }
}
