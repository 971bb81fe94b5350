//! Talking to Stripe: one transport, one function per call, one reader for what comes back.
//!
//! Requests are built with async-stripe's typed builders, which are exact for [`API_VERSION`]; answers and events are read by
//! the same small structs of our own in [`snapshot`], in which everything is optional that no decision needs. Nothing here
//! writes to a database, decides about a tenant, or logs a person's data: logs carry ids.

mod budget;
pub mod calls;
mod error;
mod id;
mod key;
mod limit;
mod retry;
mod seal;
pub mod signature;
pub mod snapshot;
mod transport;

pub use budget::Budget;
pub use error::{Error, Refusal, Result};
pub use id::*;
pub use key::{Key, NotAKey, NotASecretKey, SecretKey};
pub use transport::{Fetched, Outcomes, Stripe, StripeConfig};

/// The version of Stripe's API that every request names and that the webhook endpoint is made with.
pub const API_VERSION: &str = "2026-09-30.endive";

/// Where Stripe's API is, unless the configuration names another server.
pub const API_BASE: &str = "https://api.stripe.com";

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_we_name_is_the_one_the_request_builders_are_made_for() {
        assert_eq!(super::API_VERSION, stripe_client_core::VERSION.as_str());
    }
}
