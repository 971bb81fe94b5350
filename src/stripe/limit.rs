//! Our own limit below Stripe's, so that a burst of work does not make a person's page meet a 429.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Budget;

/// Lets through so many a second, in bursts of at most one second's worth; whoever comes too early waits for a place.
#[derive(Debug)]
pub(super) struct RateLimit {
    interval: Duration,
    burst: Duration,
    /// When the next one would be due if all came at an even pace.
    due: Mutex<Instant>,
}

impl RateLimit {
    pub(super) fn per_second(rate: u32) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        Self {
            interval,
            burst: Duration::from_secs(1).saturating_sub(interval),
            due: Mutex::new(Instant::now()),
        }
    }

    /// Waits for a place. False, and no place taken, where that would be after the budget's end.
    pub(super) async fn admit(&self, budget: Budget) -> bool {
        match self.reserve(Instant::now(), budget.deadline()) {
            Some(at) => {
                tokio::time::sleep_until(at).await;
                true
            }
            None => false,
        }
    }

    fn reserve(&self, now: Instant, deadline: Instant) -> Option<Instant> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = (*due).max(now);
        let at = pace.checked_sub(self.burst).map_or(now, |early| early.max(now));
        if at > deadline {
            return None;
        }
        *due = pace + self.interval;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_never_sees_more_than_a_burst_and_an_even_pace() {
        let limit = RateLimit::per_second(20);
        let start = Instant::now();
        let far = start + Duration::from_secs(60);
        let times: Vec<_> = (0..100)
            .map(|_| limit.reserve(start, far).expect("within the budget").duration_since(start))
            .collect();
        assert_eq!(times.iter().filter(|t| t.is_zero()).count(), 20);
        assert_eq!(times[99], Duration::from_secs(4));
    }

    #[test]
    fn whoever_cannot_be_served_in_time_takes_no_place() {
        let limit = RateLimit::per_second(1);
        let now = Instant::now();
        assert_eq!(limit.reserve(now, now), Some(now));
        assert_eq!(limit.reserve(now, now), None);
        assert_eq!(limit.reserve(now, now + Duration::from_secs(1)), Some(now + Duration::from_secs(1)));
    }
}
