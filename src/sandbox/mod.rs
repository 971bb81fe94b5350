//! A Stripe-compatible server for demos and tests.
