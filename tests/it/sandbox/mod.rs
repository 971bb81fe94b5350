//! The sandbox, driven over HTTP as any client of Stripe would.

mod client;
mod protocol;
