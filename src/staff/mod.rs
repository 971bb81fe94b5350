//! What the operator's staff see of all tenants together, and of each one: the dashboard, the tenants, one page for each with
//! everything that ever happened to it, and the way to see the portal with a tenant's eyes.
//!
//! Owns the figures: counts and sums that follow from rows of others and are kept beside them. Nothing here decides about a
//! tenant's plan, money or access; what staff repair goes through `sync` like everything else that comes from Stripe.
//!
//! **Why figures are kept and not computed.** Movements of revenue cannot be had from the rows that exist: a subscription's row
//! says what it is, not what it was, and invoices tell of proration, credit and tax, not of what a month is worth. So
//! `sync::apply` writes each change of what a subscription is worth into `mrr_changes`, in the transaction of the change: a
//! consequence of a change of state, never of an event, so that no order and no repetition of events changes it. Counts by
//! status, payments and refunds could be counted from rows, but not within a page's time at a million tenants: their
//! differences are written in the same transactions too. Each difference is a row of its own (`figure_changes`), which a step of
//! background work adds to the totals by month (`figures`) and removes: totals that every change would lock would put all writes
//! of a Postgres cluster behind one another. A page reads totals and what is still to be added in one statement, and so is
//! right at every moment.

pub mod chart;
pub mod figures;
pub mod health;
pub mod mrr;
pub mod store;
pub mod timeline;
pub mod web;
pub mod work;

pub use web::router;

/// The pages of the staff, in the order of the navigation: address, key of the name.
pub const PAGES: &[(&str, &str)] = &[
    ("/staff", "staff-nav-dashboard"),
    ("/staff/tenants", "staff-tenants-title"),
    ("/staff/events", "events-title"),
    ("/staff/reconciliation", "reconcile-title"),
    ("/staff/validation", "reconcile-validation-nav"),
    ("/staff/dunning", "dunning-title"),
    ("/staff/api-keys", "api-keys-title"),
    ("/staff/mails", "mail-list-title"),
    ("/staff/usage", "staff-nav-usage"),
    ("/staff/audit", "audit-title"),
];

/// Whether a page of the staff is the one that the navigation marks: the dashboard stands above all others.
pub fn is_at(page: &str, path: &str) -> bool {
    path == page || (page != "/staff" && path.strip_prefix(page).is_some_and(|rest| rest.starts_with('/')))
}
