//! Talking to Stripe: transport, calls, signatures, snapshots.
