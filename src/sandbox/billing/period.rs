//! Billing periods: months and years of the calendar, counted from an anchor so that the 31st comes back after February.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value;

use crate::sandbox::json::Json;
use crate::sandbox::settings::DAY;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    unit: Unit,
    count: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

impl Interval {
    /// The interval of a recurring price; none for one that is not.
    pub(crate) fn of(price: &Value) -> Option<Self> {
        Self::parse(
            price.text("/recurring/interval"),
            price.maybe_int("/recurring/interval_count").unwrap_or(1),
        )
    }

    /// From Stripe's word and a count.
    pub(crate) fn parse(word: &str, count: i64) -> Option<Self> {
        let unit = match word {
            "day" => Unit::Day,
            "week" => Unit::Week,
            "month" => Unit::Month,
            "year" => Unit::Year,
            _ => return None,
        };
        (count > 0).then_some(Self { unit, count })
    }

    /// `month`, or `3 months`.
    pub(crate) fn words(self) -> String {
        let word = match self.unit {
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Month => "month",
            Unit::Year => "year",
        };
        if self.count == 1 { word.to_owned() } else { format!("{} {word}s", self.count) }
    }

    /// `anchor` plus `n` intervals, in UTC; a day that the month does not have becomes its last.
    pub(crate) fn add(self, anchor: i64, n: i64) -> i64 {
        let steps = self.count.saturating_mul(n);
        let months = match self.unit {
            Unit::Day => return anchor.saturating_add(steps.saturating_mul(DAY)),
            Unit::Week => return anchor.saturating_add(steps.saturating_mul(7 * DAY)),
            Unit::Month => steps,
            Unit::Year => steps.saturating_mul(12),
        };
        let moved = Timestamp::from_second(anchor).ok().and_then(|at| {
            let span = Span::new().try_months(months).ok()?;
            at.to_zoned(TimeZone::UTC).checked_add(span).ok()
        });
        moved.map_or(i64::MAX, |at| at.timestamp().as_second())
    }

    /// The period that `at` falls in, of those that start or end at `anchor`.
    pub(crate) fn containing(self, anchor: i64, at: i64) -> (i64, i64) {
        let days = match self.unit {
            Unit::Day => 1,
            Unit::Week => 7,
            Unit::Month => 30,
            Unit::Year => 365,
        };
        let mut n = (at - anchor) / (days * self.count * DAY);
        while self.add(anchor, n) > at {
            n -= 1;
        }
        while self.add(anchor, n + 1) <= at {
            n += 1;
        }
        (self.add(anchor, n), self.add(anchor, n + 1))
    }
}
