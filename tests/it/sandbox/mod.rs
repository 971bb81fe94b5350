//! The sandbox, driven over HTTP as any client of Stripe would.

pub(crate) mod client;
mod life;
mod proration;
mod protocol;
mod typed;
mod waits;
mod webhooks;
