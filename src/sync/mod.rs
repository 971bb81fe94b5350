//! The one writer: a Stripe snapshot becomes rows and consequences.
