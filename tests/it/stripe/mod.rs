//! The way to Stripe, against a server that answers by a script.

mod calls;
mod transport;

use std::time::Duration;

use billing_portal::stripe::{Stripe, StripeConfig};

use crate::support::script::Script;

/// A transport to the script, with short waits.
fn stripe(script: &Script) -> Stripe {
    let mut config = StripeConfig::new("sk_test_123".parse().unwrap(), Some(script.url.clone())).unwrap();
    config.first_wait = Duration::from_millis(2);
    config.try_timeout = Duration::from_millis(400);
    config.rate = 1000;
    Stripe::new(config).unwrap()
}
