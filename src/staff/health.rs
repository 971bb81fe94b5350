//! What is said of how Stripe's events are doing.

use crate::alarm;
use crate::clock::{DAY, day_of, from_seconds};
use crate::webhooks::health::EventDay;

/// Events of one type that failed for good.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Failures {
    /// The type.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// How many.
    pub count: i64,
}

/// How they are doing, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// None ever came.
    None,
    /// They come and are carried out.
    Well,
    /// None came for a day: it may be that nothing happened.
    Quiet,
    /// Some have failed for good.
    Parked,
    /// An alarm says that they do not come, or come to nothing.
    Alarmed,
}

impl Standing {
    /// How it looks on a badge, and the key of its word; none where there is nothing to say.
    pub const fn badge(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::None => None,
            Self::Well => Some(("success", "staff-events-well")),
            Self::Quiet => Some(("warning", "staff-events-quiet")),
            Self::Parked => Some(("danger", "staff-events-trouble")),
            Self::Alarmed => Some(("danger", "staff-events-alarm")),
        }
    }
}

/// How they are doing: what is worse counts.
pub fn standing(last: Option<i64>, parked: i64, alarms: &[alarm::Kind], wall: i64) -> Standing {
    match last {
        _ if alarms.iter().any(|kind| kind.is_of_webhooks()) => Standing::Alarmed,
        _ if parked > 0 => Standing::Parked,
        None => Standing::None,
        Some(last) if wall - last > DAY => Standing::Quiet,
        Some(_) => Standing::Well,
    }
}

/// Each of so many days until a time of the world, those without events as well; `known` are those that had some, the oldest
/// first.
pub fn every_day(known: &[EventDay], days: i64, wall: i64) -> Vec<EventDay> {
    let last = day_of(from_seconds(wall));
    let of = |day| known.iter().find(|known| known.day == day).copied();
    (last + 1 - days..=last)
        .map(|day| of(day).unwrap_or(EventDay { day, delivered: 0, fetched: 0 }))
        .collect()
}

/// How long ago, roughly: the key of the words and their number.
pub const fn age(seconds: i64) -> (&'static str, i64) {
    match seconds {
        ..60 => ("staff-age-now", 0),
        60..3_600 => ("staff-age-minutes", seconds / 60),
        3_600..DAY => ("staff-age-hours", seconds / 3_600),
        DAY.. => ("staff-age-days", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_called_well_while_an_alarm_is_on_or_something_failed_or_nothing_came_for_a_day() {
        let now = 1_000_000;
        let silent = [alarm::Kind::WebhooksSilent];
        assert_eq!(standing(Some(now), 0, &[], now), Standing::Well);
        assert_eq!(standing(Some(now - DAY), 0, &[alarm::Kind::Revenue], now), Standing::Well);
        assert_eq!(standing(Some(now - DAY - 1), 0, &[], now), Standing::Quiet);
        assert_eq!(standing(Some(now), 1, &[], now), Standing::Parked);
        assert_eq!(standing(Some(now), 1, &silent, now), Standing::Alarmed);
        assert_eq!(standing(None, 0, &silent, now), Standing::Alarmed);
        assert_eq!(standing(None, 0, &[], now), Standing::None);
    }

    #[test]
    fn days_without_events_are_days_as_well() {
        let known =
            [EventDay { day: 10, delivered: 3, fetched: 1 }, EventDay { day: 12, delivered: 1, fetched: 0 }];
        let days = every_day(&known, 4, 12 * DAY + 5);
        let counts: Vec<_> = days.iter().map(|day| (day.day, day.delivered, day.fetched)).collect();
        assert_eq!(counts, [(9, 0, 0), (10, 3, 1), (11, 0, 0), (12, 1, 0)]);
    }

    #[test]
    fn an_age_is_told_in_the_largest_unit_that_fits() {
        let words = [0, 59, 60, 3_599, 3_600, 86_399, 200_000].map(age);
        let numbers = words.map(|(_, number)| number);
        assert_eq!(numbers, [0, 0, 1, 59, 1, 23, 2]);
        assert_eq!((words[2].0, words[6].0), ("staff-age-minutes", "staff-age-days"));
    }
}
