//! How long a page or a piece of work may wait for Stripe.

use std::time::Duration;

use tokio::time::Instant;

/// A point in time after which nobody waits any more. Made once for a page or a step of work and handed to each of its calls,
/// so that all of them, with their tries and waits, fit into it together.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    deadline: Instant,
}

impl Budget {
    /// What a person will wait for a page: 10 seconds.
    pub fn page() -> Self {
        Self::of(Duration::from_secs(10))
    }

    /// What background work may take: 60 seconds, so that a busy Stripe is waited for and a dead one is not waited for long.
    pub fn work() -> Self {
        Self::of(Duration::from_secs(60))
    }

    /// So long from now.
    pub fn of(time: Duration) -> Self {
        Self { deadline: Instant::now() + time }
    }

    /// The moment it ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What is left of it; nothing when it is over.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// This budget, or so long from now where that ends earlier.
    pub fn at_most(self, time: Duration) -> Self {
        Self { deadline: self.deadline.min(Instant::now() + time) }
    }
}
