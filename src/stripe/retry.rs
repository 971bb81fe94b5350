//! Whether a try that failed is worth another, and after how long. Pure: chance and time are arguments.

use std::time::Duration;

/// What one try came to, as far as it matters for another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tried {
    /// The HTTP status; none where no whole answer came.
    pub(super) status: Option<u16>,
    /// Stripe's `Stripe-Should-Retry`.
    pub(super) should_retry: Option<bool>,
    /// Stripe's `Retry-After`.
    pub(super) retry_after: Option<Duration>,
}

/// How tries are spaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spacing {
    /// The wait before the second try, on average half of it; doubles with each.
    pub(super) first: Duration,
    /// Tries altogether.
    pub(super) tries: u32,
}

/// The longest wait that we choose ourselves.
const LONGEST: Duration = Duration::from_secs(8);

impl Spacing {
    /// How long to wait before the next try, after `tries` of them; none where there is to be no other.
    ///
    /// `chance` is from 0 to `u32::MAX`: the wait is spread evenly over half to the whole of its length, so that those who
    /// failed together do not come back together. Every POST carries its idempotency key and GET and DELETE are harmless
    /// twice, so whether to ask again is a question of use alone. Stripe's own word goes first (<https://docs.stripe.com/error-low-level>).
    pub(super) fn wait(&self, tried: Tried, tries: u32, chance: u32) -> Option<Duration> {
        let passing = match (tried.should_retry, tried.status) {
            (Some(word), _) => word,
            (None, None) => true,
            (None, Some(status)) => matches!(status, 409 | 424 | 429 | 500..=599),
        };
        if !passing || tries >= self.tries {
            return None;
        }
        let length = self.first.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST);
        let half = length / 2;
        let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).saturating_mul(u64::from(chance))
            / u64::from(u32::MAX);
        Some((half + Duration::from_micros(spread)).max(tried.retry_after.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACING: Spacing = Spacing { first: Duration::from_millis(400), tries: 4 };

    #[test]
    fn stripes_own_word_goes_first() {
        let said = |status, word| Tried { status: Some(status), should_retry: Some(word), retry_after: None };
        assert_eq!(SPACING.wait(said(503, false), 1, 0), None);
        assert!(SPACING.wait(said(400, true), 1, 0).is_some());
    }

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_not() {
        let said = |status| Tried { status, ..Tried::default() };
        for status in [None, Some(409), Some(424), Some(429), Some(500), Some(502), Some(503), Some(504)] {
            assert!(SPACING.wait(said(status), 1, 0).is_some(), "{status:?}");
        }
        for status in [400, 401, 402, 403, 404] {
            assert_eq!(SPACING.wait(said(Some(status)), 1, 0), None, "{status}");
        }
    }

    #[test]
    fn waits_grow_are_spread_and_end() {
        let wait = |tries, chance| SPACING.wait(Tried::default(), tries, chance);
        assert_eq!(wait(1, 0), Some(Duration::from_millis(200)));
        assert_eq!(wait(1, u32::MAX), Some(Duration::from_millis(400)));
        assert_eq!(wait(3, u32::MAX), Some(Duration::from_millis(1600)));
        assert_eq!(wait(4, 0), None);
        let many = Spacing { tries: 100, ..SPACING };
        assert_eq!(many.wait(Tried::default(), 99, u32::MAX), Some(LONGEST));
    }

    #[test]
    fn a_wait_is_never_shorter_than_stripe_asked_for() {
        let asked =
            Tried { status: Some(429), should_retry: None, retry_after: Some(Duration::from_secs(3)) };
        assert_eq!(SPACING.wait(asked, 1, 0), Some(Duration::from_secs(3)));
    }
}
