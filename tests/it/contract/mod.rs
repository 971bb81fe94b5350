//! What the sandbox serves and what the portal sends, held against Stripe's own API description.

mod description;
mod recording;
mod sandbox;
