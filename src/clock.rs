//! The one place that reads the system's clock. Everything else takes the time as an argument.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Two times, one source.
///
/// [`Clock::now`] is the time of the business: periods, dunning, what pages show. The demo's time machine moves it.
/// [`Clock::wall`] is the time of the world: sessions, sign-in throttling, one-time links, webhook signatures. Only a test
/// moves it. Both are whole seconds, as Stripe's are.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    /// Seconds that the time machine has added to the business time.
    offset: Arc<AtomicI64>,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self { source: Source::System, offset: Arc::default() }
    }

    /// The system's clock, with a time of the business that begins at `at`: for a demo with a past.
    pub fn system_from(at: Timestamp) -> Self {
        let clock = Self::system();
        clock.offset.store(at.as_second().saturating_sub(clock.wall().as_second()), Ordering::SeqCst);
        clock
    }

    /// A clock that stands still until it is moved: for tests.
    pub fn fixed(at: Timestamp) -> Self {
        Self { source: Source::Fixed(Arc::new(AtomicI64::new(at.as_second()))), offset: Arc::default() }
    }

    /// The time of the business.
    pub fn now(&self) -> Timestamp {
        from_seconds(self.wall().as_second().saturating_add(self.offset.load(Ordering::SeqCst)))
    }

    /// The time of the world.
    pub fn wall(&self) -> Timestamp {
        match &self.source {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            Source::System => from_seconds(Timestamp::now().as_second()),
            Source::Fixed(at) => from_seconds(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves the business time to `at`; never backwards.
    pub fn travel_to(&self, at: Timestamp) {
        let offset = at.as_second().saturating_sub(self.wall().as_second());
        self.offset.fetch_max(offset, Ordering::SeqCst);
    }

    /// Moves a fixed clock, both times of it, by `seconds`. Does nothing to the system's clock.
    pub fn pass(&self, seconds: i64) {
        if let Source::Fixed(at) = &self.source {
            at.fetch_add(seconds, Ordering::SeqCst);
        }
    }
}

/// A day, in seconds.
pub const DAY: i64 = 86_400;

/// The day of a time, in days since 1970-01-01 in UTC.
pub fn day_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(DAY)
}

/// When a day begins, in UTC.
pub fn start_of_day(day: i64) -> Timestamp {
    from_seconds(day.saturating_mul(DAY))
}

/// The date of a day, in UTC.
pub fn date_of(day: i64) -> Date {
    TimeZone::UTC.to_datetime(start_of_day(day)).date()
}

/// A time from unix seconds as they stand in rows and in Stripe's objects; out of range becomes the nearest bound.
pub fn from_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
