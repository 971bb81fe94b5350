//! The JSON API of the host application, under `/api/billing`: who calls, what a call may do, and what every call has in common.
//!
//! Rules of billing are not here: an endpoint asks the same functions as the pages do. Cookies and sessions count for nothing.
//!
//! # To add an endpoint
//!
//! 1. In `src/<feature>/api.rs` write its answer (`#[derive(Serialize, ToSchema)]`), what it takes (`ToSchema` for the
//!    documentation and [`Input`] for the reading: every wrong field is named at once), and the handler under
//!    `#[utoipa::path(…)]` with `tag`, one 2xx answer and who may:
//!    `security(("key" = ["billing:read"]), ("token" = ["owner", "admin", "supervisor"]))`, or `security(())` for everybody.
//! 2. The same permission stands in the handler's signature, by an extractor of [`caller`]: [`TenantReader`],
//!    [`TenantManager`], [`For<P>`](For), [`KeyFor<P>`](KeyFor), [`MaybeCaller`]. Bodies come by [`Json`],
//!    or by [`Draft`] where what they mean is judged beside how they are written, queries by [`Query`]; nothing else reads a
//!    request. `caller.entry(…)` begins its audit entry.
//! 3. `.routes(routes!(handler))` in the feature's `router()`; the feature's line in `router.rs` if it is its first.
//! 4. A row for it in the table of `tests/it/matrix.rs`, which fails without.
//!
//! Errors are [`Error`](crate::error::Error)s; one with a code of its own is a [`Refusal`](crate::error::Refusal). Answers for
//! 4xx and 5xx, `Idempotency-Key`, `X-Tenant-Id` and the limits on calls are documented and done for every endpoint by
//! `router.rs`. A route cannot be added without its documentation: the router takes no other.

mod body;
pub mod caller;
pub mod cli;
pub mod document;
pub mod fields;
mod guide;
mod jwks;
mod key;
mod limit;
mod repeat;
mod router;
mod scope;
pub mod store;
mod token;
pub mod view;
pub mod web;
pub mod work;

pub use body::{Draft, Input, Json, Query};
pub use caller::{Caller, For, KeyFor, MaybeCaller, TenantAdministrator, TenantManager, TenantReader};
pub use fields::Fields;
pub use jwks::{Jwks, NotASource, Pace, Source};
pub use key::{ApiKey, Fault, NewKey, Secret};
pub use limit::{Rate, Rates};
pub use repeat::{HEADER as IDEMPOTENCY_KEY, REPLAYED};
pub use router::{Api, mount, router};
pub use scope::{NotAScope, Scope};
pub use token::{HostTokens, ShortSecret};

/// Where the API begins.
pub const BASE: &str = "/api/billing";
