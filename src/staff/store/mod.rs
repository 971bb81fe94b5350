//! Rows of the figures, and what staff read of tenants.

mod figures;
mod health;
mod mrr;
mod tenants;
mod timeline;

pub use figures::{
    catch_up, figures, fold, is_idle, off_charge, off_invoice, off_subscription, on_charge, on_invoice,
    on_subscription,
};
pub use health::{Health, failures, health};
pub use mrr::{ChangeRow, book, changes, keep_discounts};
pub use tenants::{Found, Piece, Search, Sheet, grant, pieces, revoke, search, sheet};
pub use timeline::timeline;
