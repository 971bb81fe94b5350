//! The periods that counters add up in: they follow the subscription, month by month.
//!
//! Limits are per month. A subscription that is paid by the month has its own period; one that is paid by the year, months
//! counted from its first day; who has none, the months of the calendar in UTC. Where a subscription begins or ends in the
//! middle of a calendar month, that month is cut in two.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::DAY;

/// From a time up to another, which is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

impl Window {
    /// Whether a time lies in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        (self.start..self.end).contains(&at)
    }

    /// How long it is, in seconds.
    pub fn seconds(&self) -> i64 {
        self.end.as_second() - self.start.as_second()
    }
}

/// What decides where periods begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cycle {
    /// No subscription: the months of the calendar. `since` is when the last subscription ended.
    Calendar {
        /// The end of what was before.
        since: Option<Timestamp>,
    },
    /// The period of a subscription, and when the subscription began.
    Subscription {
        /// The subscription's current period.
        period: Window,
        /// When it began: before that, the calendar.
        since: Timestamp,
    },
}

impl Cycle {
    /// The period that a time lies in, past and future ones included.
    pub fn window(&self, at: Timestamp) -> Window {
        match *self {
            Self::Calendar { since } => calendar(at, since),
            Self::Subscription { since, .. } if at < since => calendar(at, Some(since)),
            Self::Subscription { period, since } => of_subscription(at, period, since),
        }
    }
}

/// The longest period that is one month, in seconds: 31 days, and an hour for a zone that moved its clocks.
const MONTH: i64 = 31 * DAY + 3_600;
/// The shortest period that is one month.
const SHORT_MONTH: i64 = 28 * DAY - 3_600;

fn of_subscription(at: Timestamp, period: Window, since: Timestamp) -> Window {
    let length = period.seconds().max(1);
    if period.contains(at) && length <= MONTH {
        return period;
    }
    if length < SHORT_MONTH && at < period.start {
        // Weeks, days, or a month that a trial or a change cut short: whatever was before was as long.
        let before = (period.start.as_second() - at.as_second() + length - 1) / length;
        let start = second(period.start.as_second().saturating_sub(before.saturating_mul(length)));
        return Window { start: start.max(since), end: second(start.as_second().saturating_add(length)) };
    }
    let anchor = if length < SHORT_MONTH {
        Anchor::of(&[period.end])
    } else {
        Anchor::of(&[period.start, period.end])
    };
    let month = anchor.window(at);
    // A month never reaches into the period from outside, nor out of it from inside.
    if period.contains(at) {
        Window { start: month.start.max(period.start), end: month.end.min(period.end) }
    } else if at < period.start {
        Window { start: month.start.max(since), end: month.end.min(period.start) }
    } else {
        Window { start: month.start.max(period.end), end: month.end }
    }
}

/// The day of the month and the time of day at which months begin. Of two ends of a period the later day counts: a month
/// that begins on the 28th of February and ends on the 31st of March is one of the 31st.
struct Anchor {
    day: i8,
    time: Time,
}

impl Anchor {
    fn of(ends: &[Timestamp]) -> Self {
        let mut ends = ends.iter().map(|end| civil(*end));
        let day = ends.clone().map(|end| end.day()).max().unwrap_or(1);
        Self { day, time: ends.next_back().map_or(Time::midnight(), DateTime::time) }
    }

    fn window(&self, at: Timestamp) -> Window {
        let here = civil(at).date().first_of_month();
        let mut first = here;
        if self.start(first) > at {
            first = first.checked_sub(1.month()).unwrap_or(first);
        }
        let next = first.checked_add(1.month()).unwrap_or(first);
        Window { start: self.start(first), end: self.start(next) }
    }

    /// When the month begins that begins in the calendar month of `first`.
    fn start(&self, first: Date) -> Timestamp {
        let days = i64::from(self.day.min(first.days_in_month()) - 1);
        let date = first.checked_add(days.days()).unwrap_or(first);
        utc(date.to_datetime(self.time))
    }
}

/// The calendar month of a time, cut at `cut` if that lies in it.
fn calendar(at: Timestamp, cut: Option<Timestamp>) -> Window {
    let month = Anchor { day: 1, time: Time::midnight() }.window(at);
    match cut.filter(|cut| *cut > month.start && *cut < month.end) {
        Some(cut) if at < cut => Window { end: cut, ..month },
        Some(cut) => Window { start: cut, ..month },
        None => month,
    }
}

fn civil(at: Timestamp) -> DateTime {
    TimeZone::UTC.to_datetime(at)
}

fn utc(at: DateTime) -> Timestamp {
    TimeZone::UTC.to_timestamp(at).unwrap_or(Timestamp::MAX)
}

fn second(seconds: i64) -> Timestamp {
    crate::clock::from_seconds(seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn subscription(start: &str, end: &str, since: &str) -> Cycle {
        Cycle::Subscription { period: Window { start: at(start), end: at(end) }, since: at(since) }
    }

    fn shown(cycle: &Cycle, time: &str) -> String {
        let window = cycle.window(at(time));
        format!("{} {}", window.start, window.end)
    }

    #[test]
    fn without_a_subscription_months_are_those_of_the_calendar() {
        let free = Cycle::Calendar { since: None };
        assert_eq!(shown(&free, "2026-02-28T23:59:59Z"), "2026-02-01T00:00:00Z 2026-03-01T00:00:00Z");
        assert_eq!(shown(&free, "2026-12-01T00:00:00Z"), "2026-12-01T00:00:00Z 2027-01-01T00:00:00Z");
        let ended = Cycle::Calendar { since: Some(at("2026-11-10T12:00:00Z")) };
        assert_eq!(shown(&ended, "2026-11-20T00:00:00Z"), "2026-11-10T12:00:00Z 2026-12-01T00:00:00Z");
        assert_eq!(shown(&ended, "2026-11-09T00:00:00Z"), "2026-11-01T00:00:00Z 2026-11-10T12:00:00Z");
        assert_eq!(shown(&ended, "2026-12-09T00:00:00Z"), "2026-12-01T00:00:00Z 2027-01-01T00:00:00Z");
    }

    #[test]
    fn a_monthly_subscription_has_its_own_months() {
        let monthly = subscription("2026-02-28T14:23:20Z", "2026-03-31T14:23:20Z", "2025-12-31T14:23:20Z");
        assert_eq!(shown(&monthly, "2026-03-01T00:00:00Z"), "2026-02-28T14:23:20Z 2026-03-31T14:23:20Z");
        // The next event of Stripe's is still on its way.
        assert_eq!(shown(&monthly, "2026-03-31T14:23:20Z"), "2026-03-31T14:23:20Z 2026-04-30T14:23:20Z");
        assert_eq!(shown(&monthly, "2026-02-01T00:00:00Z"), "2026-01-31T14:23:20Z 2026-02-28T14:23:20Z");
        // Before it began.
        assert_eq!(shown(&monthly, "2025-12-20T00:00:00Z"), "2025-12-01T00:00:00Z 2025-12-31T14:23:20Z");
    }

    #[test]
    fn a_year_is_twelve_months_from_its_first_day() {
        let yearly = subscription("2026-01-31T08:00:00Z", "2027-01-31T08:00:00Z", "2026-01-31T08:00:00Z");
        assert_eq!(shown(&yearly, "2026-02-01T00:00:00Z"), "2026-01-31T08:00:00Z 2026-02-28T08:00:00Z");
        assert_eq!(shown(&yearly, "2026-03-01T00:00:00Z"), "2026-02-28T08:00:00Z 2026-03-31T08:00:00Z");
        assert_eq!(shown(&yearly, "2027-01-31T07:59:59Z"), "2026-12-31T08:00:00Z 2027-01-31T08:00:00Z");
        assert_eq!(shown(&yearly, "2027-01-31T08:00:00Z"), "2027-01-31T08:00:00Z 2027-02-28T08:00:00Z");
    }

    #[test]
    fn a_trial_is_a_period_and_months_follow_it() {
        let trial = subscription("2026-11-01T09:00:00Z", "2026-11-15T09:00:00Z", "2026-11-01T09:00:00Z");
        assert_eq!(shown(&trial, "2026-11-08T00:00:00Z"), "2026-11-01T09:00:00Z 2026-11-15T09:00:00Z");
        assert_eq!(shown(&trial, "2026-11-15T09:00:00Z"), "2026-11-15T09:00:00Z 2026-12-15T09:00:00Z");
        let weekly = subscription("2026-11-15T09:00:00Z", "2026-11-22T09:00:00Z", "2026-11-01T09:00:00Z");
        assert_eq!(shown(&weekly, "2026-11-14T00:00:00Z"), "2026-11-08T09:00:00Z 2026-11-15T09:00:00Z");
    }

    proptest! {
        #[test]
        fn every_time_lies_in_its_period_and_periods_do_not_overlap(
            start in 1_600_000_000_i64..1_900_000_000, days in 1_i64..400, since in 0_i64..800, at in -1_000_i64..1_500,
            subscribed: bool,
        ) {
            let second = |seconds| Timestamp::from_second(seconds).expect("a time");
            let period = Window { start: second(start), end: second(start + days * DAY) };
            let since = second(start - since * DAY);
            let cycle = if subscribed { Cycle::Subscription { period, since } } else { Cycle::Calendar { since: Some(since) } };
            let window = cycle.window(second(start + at * DAY + 17));
            prop_assert!(window.contains(second(start + at * DAY + 17)));
            for inside in [window.start, second((window.start.as_second() + window.end.as_second()) / 2), second(window.end.as_second() - 1)] {
                prop_assert_eq!(cycle.window(inside), window);
            }
            prop_assert_eq!(cycle.window(window.end).start, window.end);
            prop_assert_eq!(cycle.window(second(window.start.as_second() - 1)).end, window.start);
        }
    }
}
