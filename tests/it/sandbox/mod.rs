//! The sandbox, driven over HTTP as any client of Stripe would.

pub(crate) mod client;
mod protocol;
