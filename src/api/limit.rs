//! How often a credential, or an address without one, may call. Counted in this process: several replicas allow as many times
//! more, which is what they are there for.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::caller::{Caller, Credential};
use crate::error::Error;

/// Names in memory before those that have been quiet are let go.
const MANY: usize = 10_000;

/// Calls a second, and how many at once after a pause.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Calls a second.
    pub per_second: NonZeroU32,
    /// Calls at once.
    pub burst: NonZeroU32,
}

/// How often each kind of caller may call.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// A key: the host application asks with every request of its own.
    pub key: Rate,
    /// A user of the host.
    pub user: Rate,
    /// An address without a credential, or with one that opens nothing.
    pub address: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |per_second, burst| Rate { per_second: some(per_second), burst: some(burst) };
        Self { key: rate(1_000, 2_000), user: rate(20, 60), address: rate(10, 60) }
    }
}

fn some(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

/// The counts.
#[derive(Debug)]
pub(super) struct Limits {
    clock: DefaultClock,
    keys: DefaultKeyedRateLimiter<String>,
    users: DefaultKeyedRateLimiter<String>,
    addresses: DefaultKeyedRateLimiter<String>,
}

impl Limits {
    pub(super) fn new(rates: Rates) -> Self {
        let limiter =
            |rate: Rate| RateLimiter::keyed(Quota::per_second(rate.per_second).allow_burst(rate.burst));
        Self {
            clock: DefaultClock::default(),
            keys: limiter(rates.key),
            users: limiter(rates.user),
            addresses: limiter(rates.address),
        }
    }

    /// Counts a call with a credential.
    ///
    /// # Errors
    /// Too often, and when another makes sense.
    pub(super) fn admit(&self, caller: &Caller) -> Result<(), Error> {
        let name = caller.name();
        match &caller.credential {
            Credential::Key(_) => self.count(&self.keys, name),
            Credential::User(_) => self.count(&self.users, name),
        }
    }

    /// Counts a call without a credential that opens something.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub(super) fn admit_address(&self, address: std::net::IpAddr) -> Result<(), Error> {
        self.count(&self.addresses, block(address))
    }

    fn count(&self, limiter: &DefaultKeyedRateLimiter<String>, name: String) -> Result<(), Error> {
        if limiter.len() > MANY {
            limiter.retain_recent();
        }
        limiter.check_key(&name).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            Error::TooManyRequests { retry_after: wait.as_secs().saturating_add(1) }
        })
    }
}

/// What one household has: an address of IPv4, a /64 of IPv6.
fn block(address: std::net::IpAddr) -> String {
    match address {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_has_had_its_burst_waits_and_others_do_not() {
        let once = Rate { per_second: some(1), burst: some(2) };
        let limits = Limits::new(Rates { key: once, user: once, address: once });
        let admit = |address: &str| limits.admit_address(address.parse().expect("an address"));
        assert!(admit("2001:db8::1").is_ok() && admit("2001:db8::2").is_ok());
        assert!(matches!(admit("2001:db8::3"), Err(Error::TooManyRequests { retry_after: 1.. })));
        assert!(admit("2001:db8:0:1::1").is_ok() && admit("192.0.2.1").is_ok());
    }
}
