//! What a counter will have come to at the end of its period, from its pace and the pattern of its weekdays.
//!
//! The pace is the mean of the last four weeks, the pattern the mean of each weekday over the last eight; before there are two
//! whole weeks every day counts alike. The range is where nine of ten periods would end if days stray from the pattern as they
//! did: by the spread of the days, and by what is not known of the pace itself. All of it in integers: the same on every machine.

use jiff::Timestamp;

use super::DAY;
use super::period::Window;
use crate::clock::{day_of, start_of_day};

/// Complete days that are looked at: eight weeks.
pub const LOOK_BACK: i64 = 56;
/// Days that the pace is the mean of, at most.
const PACE: usize = 28;
/// Days before weekdays are told apart.
const WEEKDAYS_FROM: usize = 14;
/// Fixed point: millionths of a unit.
const MICRO: i128 = 1_000_000;

/// Ninety per cent of a t distribution lie within so many thousandths of its spread, by degrees of freedom from one.
const WITHIN: [u128; 10] = [6314, 2920, 2353, 2132, 2015, 1943, 1895, 1860, 1833, 1812];

/// What is expected at the end of the period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// The sum of the period.
    pub expected: i64,
    /// Nine periods of ten end at this or above, and at [`Forecast::high`] or below.
    pub low: i64,
    /// See [`Forecast::low`].
    pub high: i64,
    /// When the limit will be reached at this pace; none: not in this period, or it is already.
    pub reaches_limit_at: Option<Timestamp>,
    /// What is expected of each day to come: its number and so much; the first is today, what is left of it.
    pub days: Vec<(i64, i64)>,
}

/// What is known of a counter.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The complete days before today, the oldest first, without a gap.
    pub past: &'a [i64],
    /// The period.
    pub window: Window,
    /// Its sum up to now.
    pub used: i64,
    /// Since when anything was counted.
    pub since: Timestamp,
    /// How much there is; none is unlimited.
    pub limit: Option<i64>,
    /// When this is.
    pub now: Timestamp,
}

/// The pace: what a day of each weekday brings, in millionths.
struct Pattern {
    weekdays: [i128; 7],
    /// The days it was made of.
    days: usize,
    /// The spread of the days around it: sum of squares, in `scale`d units, and degrees of freedom.
    squares: u128,
    freedom: usize,
    scale: i128,
}

/// The forecast; none while less than a day was watched, and outside of the period.
pub fn forecast(known: &Known<'_>) -> Option<Forecast> {
    if !known.window.contains(known.now) {
        return None;
    }
    let pattern = pattern(known)?;
    let mut days = Vec::new();
    let (mut ahead, mut reached) = (0_i128, None);
    let missing =
        known.limit.map(|limit| i128::from(limit) - i128::from(known.used)).filter(|more| *more > 0);
    for (day, from, seconds) in pieces(known.now, known.window.end) {
        let a_day = pattern.weekdays[weekday(day)];
        let more = a_day * i128::from(seconds) / i128::from(DAY);
        if let Some(missing) = missing
            && reached.is_none()
            && ahead + more >= missing * MICRO
            && a_day > 0
        {
            let after = (missing * MICRO - ahead) * i128::from(DAY) / a_day;
            reached = Some(later(from, i64::try_from(after).unwrap_or(i64::MAX)));
        }
        ahead += more;
        days.push((day, whole(more)));
    }
    let expected = known.used.saturating_add(whole(ahead));
    let (down, up) = stray(&pattern, known, ahead);
    Some(Forecast {
        expected,
        low: expected.saturating_sub(down).max(known.used),
        high: expected.saturating_add(up),
        reaches_limit_at: reached,
        days,
    })
}

fn pattern(known: &Known<'_>) -> Option<Pattern> {
    let past = &known.past[known.past.len().saturating_sub(usize::try_from(LOOK_BACK).unwrap_or(56))..];
    if past.is_empty() {
        let watched = known.now.as_second() - known.window.start.max(known.since).as_second();
        let a_day = i128::from(known.used) * MICRO * i128::from(DAY) / i128::from(watched.max(1));
        let none = Pattern { weekdays: [a_day; 7], days: 0, squares: 0, freedom: 0, scale: 1 };
        return (watched >= DAY).then_some(none);
    }
    // Whole weeks as soon as weekdays count, so that none is there more often than another.
    let by_weekday = past.len() >= WEEKDAYS_FROM;
    let past = if by_weekday { &past[past.len() % 7..] } else { past };
    let today = day_of(known.now);
    let first = today - i64::try_from(past.len()).unwrap_or(0);
    let recent = &past[past.len().saturating_sub(PACE)..];
    let pace = mean(recent);
    let all = mean(past);
    let mut weekdays = [pace; 7];
    let mut fitted = [all; 7];
    if by_weekday && all > 0 {
        let weeks = i128::try_from(past.len() / 7).unwrap_or(1);
        for offset in 0..7 {
            let sum: i128 = past.iter().skip(offset).step_by(7).map(|day| i128::from(*day)).sum();
            let day = weekday(first + i64::try_from(offset).unwrap_or(0));
            fitted[day] = sum * MICRO / weeks;
            weekdays[day] = mul_div(pace, fitted[day], all);
        }
    }
    // Squares of what is large are taken of whole units, of what is small of thousandths.
    let largest = past.iter().copied().max().unwrap_or(0);
    let scale = if largest < 1 << 40 { 1_000 } else { 1 };
    let squares = past.iter().zip(first..).fold(0_u128, |sum, (day, number)| {
        let off = (i128::from(*day) * MICRO - fitted[weekday(number)]) * scale / MICRO;
        sum.saturating_add(off.unsigned_abs().saturating_mul(off.unsigned_abs()))
    });
    let taken = if by_weekday { 7 } else { 1 };
    Some(Pattern { weekdays, days: recent.len(), squares, freedom: past.len() - taken, scale })
}

/// How far below and above the expected the period may end.
fn stray(pattern: &Pattern, known: &Known<'_>, ahead: i128) -> (i64, i64) {
    if pattern.freedom == 0 {
        // One day, or less: it may as well be nothing more, or twice as much.
        return (whole(ahead), whole(ahead));
    }
    let left = u128::try_from(known.window.end.as_second() - known.now.as_second()).unwrap_or(0);
    let (day, days) = (u128::from(DAY.unsigned_abs()), pattern.days.max(1) as u128);
    let variance = pattern.squares / pattern.freedom as u128;
    // Of n days to come: n times the spread of a day, and n² times that of the mean that the pace is.
    let seconds = left.saturating_add(left.saturating_mul(left) / day / days);
    let spread = if variance > u128::MAX / seconds.max(1) {
        (variance / day).saturating_mul(seconds).isqrt()
    } else {
        (variance * seconds / day).isqrt()
    };
    let within = WITHIN.get(pattern.freedom - 1).copied().unwrap_or(match pattern.freedom {
        ..20 => 1_780,
        20..40 => 1_710,
        _ => 1_670,
    });
    let off = spread.saturating_mul(within) / 1_000 / pattern.scale.unsigned_abs();
    let off = i64::try_from(off).unwrap_or(i64::MAX);
    (off, off)
}

/// What is left of today, the whole days after it, and what is in the period of its last: day, from when, seconds.
fn pieces(now: Timestamp, end: Timestamp) -> impl Iterator<Item = (i64, Timestamp, i64)> {
    (day_of(now)..=day_of(end)).filter_map(move |day| {
        let from = start_of_day(day).max(now);
        let to = start_of_day(day + 1).min(end);
        let seconds = to.as_second() - from.as_second();
        (seconds > 0).then_some((day, from, seconds))
    })
}

/// 0 to 6; the first of January 1970 was a Thursday, which does not matter here.
fn weekday(day: i64) -> usize {
    usize::try_from(day.rem_euclid(7)).unwrap_or(0)
}

fn mean(days: &[i64]) -> i128 {
    let sum: i128 = days.iter().map(|day| i128::from(*day)).sum();
    sum * MICRO / i128::try_from(days.len().max(1)).unwrap_or(1)
}

/// `a * b / c` without leaving the type: both factors are below 2^74.
fn mul_div(a: i128, b: i128, c: i128) -> i128 {
    a.checked_mul(b).map_or_else(|| a / MICRO * b / (c / MICRO).max(1), |product| product / c)
}

/// Rounded to the nearest whole unit.
fn whole(micro: i128) -> i64 {
    i64::try_from((micro + MICRO / 2).div_euclid(MICRO)).unwrap_or(i64::MAX)
}

fn later(from: Timestamp, seconds: i64) -> Timestamp {
    crate::clock::from_seconds(from.as_second().saturating_add(seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::TestRng;

    use super::*;

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    /// A period of 30 days that begins at midnight, `into` seconds of which are over.
    fn known<'a>(past: &'a [i64], used: i64, into: i64, limit: Option<i64>) -> Known<'a> {
        let start = 1_793_491_200;
        let window = Window { start: second(start), end: second(start + 30 * DAY) };
        let since = second(start - i64::try_from(past.len()).expect("days") * DAY);
        Known { past, window, used, since, limit, now: second(start + into) }
    }

    #[test]
    fn a_limit_is_reached_when_the_pace_says_so() {
        let past = [100; 10];
        let seen = forecast(&known(&past, 1_000, 10 * DAY, Some(2_050))).expect("a forecast");
        assert_eq!((seen.expected, seen.low, seen.high), (3_000, 3_000, 3_000));
        let at = seen.reaches_limit_at.expect("reached").as_second() - 1_793_491_200;
        assert_eq!(at, 20 * DAY + DAY / 2);
        assert_eq!(
            forecast(&known(&past, 1_000, 10 * DAY, Some(3_001))).expect("a forecast").reaches_limit_at,
            None
        );
        assert_eq!(
            forecast(&known(&past, 1_000, 10 * DAY, Some(1_000))).expect("a forecast").reaches_limit_at,
            None
        );
        assert_eq!(seen.days.len(), 20);
        assert!(seen.days.iter().all(|(_, expected)| *expected == 100));
    }

    #[test]
    fn weekdays_are_told_apart_after_two_weeks() {
        // Five days of work and two of rest, for eight weeks; the period begins with a day of work.
        let week = [10, 10, 10, 10, 10, 0, 0];
        let past: Vec<i64> = week.iter().cycle().take(56).copied().collect();
        let seen = forecast(&known(&past, 0, 0, None)).expect("a forecast");
        assert_eq!((seen.expected, seen.low, seen.high), (220, 220, 220));
        assert_eq!(seen.days.iter().take(7).map(|(_, more)| *more).collect::<Vec<_>>(), week);
    }

    #[test]
    fn one_day_is_too_early_and_nothing_stays_nothing() {
        assert_eq!(forecast(&known(&[], 50, DAY - 1, None)), None);
        assert_eq!(
            forecast(&known(&[], 50, DAY, None)).map(|f| (f.low, f.expected, f.high)),
            Some((50, 1_500, 2_950))
        );
        let nothing = forecast(&known(&[0; 56], 0, DAY, Some(5))).expect("a forecast");
        assert_eq!((nothing.expected, nothing.high, nothing.reaches_limit_at), (0, 0, None));
    }

    #[test]
    fn the_largest_numbers_do_not_wrap() {
        let past = [super::super::MOST; 56];
        let seen = forecast(&known(&past, i64::MAX - 5, 3 * DAY, Some(i64::MAX))).expect("a forecast");
        assert_eq!(seen.expected, i64::MAX);
        let wild: Vec<i64> = (0..56).map(|day| if day % 2 == 0 { super::super::MOST } else { 0 }).collect();
        let seen = forecast(&known(&wild, 0, 3 * DAY, None)).expect("a forecast");
        assert!(seen.low <= seen.expected && seen.expected <= seen.high);
    }

    proptest! {
        #[test]
        fn a_constant_pace_is_forecast_exactly(
            a_second in 0_i64..50, past in 0_usize..80, into in DAY..29 * DAY,
        ) {
            let past: Vec<i64> = vec![a_second * DAY; past];
            let seen = forecast(&known(&past, a_second * into, into, None)).expect("a forecast");
            prop_assert_eq!(seen.expected, a_second * 30 * DAY);
            if past.len() > 1 {
                prop_assert_eq!((seen.low, seen.high), (seen.expected, seen.expected));
            }
        }

        #[test]
        fn whatever_was_the_forecast_is_sane(
            past in prop::collection::vec(0_i64..=super::super::MOST, 0..80),
            used in 0_i64..=super::super::MOST, into in DAY..30 * DAY, limit in prop::option::of(0_i64..i64::MAX),
        ) {
            let seen = forecast(&known(&past, used, into, limit)).expect("a forecast");
            prop_assert!(used <= seen.low && seen.low <= seen.expected && seen.expected <= seen.high);
            if let Some(at) = seen.reaches_limit_at {
                prop_assert!(limit.is_some_and(|limit| limit > used) && at >= second(1_793_491_200 + into));
            }
        }
    }

    /// A day of a made-up customer: a mean by weekday, and chance around it that is the sum of four throws.
    fn throw(random: &mut TestRng, mean: i64, noise: i64) -> i64 {
        let spread = mean * noise / 100;
        let off: i64 = (0..4).map(|_| random.random_range(-spread..=spread)).sum::<i64>() / 2;
        (mean + off).max(0)
    }

    #[test]
    fn the_range_covers_at_least_four_of_five_generated_series() {
        let mut random = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
        let patterns: [[i64; 7]; 3] =
            [[100; 7], [120, 120, 120, 110, 100, 30, 20], [10, 10, 10, 10, 80, 200, 150]];
        for pattern in patterns {
            for (noise, history, into) in
                [(5, 56, 3), (30, 56, 10), (60, 30, 5), (60, 14, 14), (30, 6, 6), (90, 21, 25)]
            {
                let mut covered = 0;
                for _ in 0..400 {
                    let all: Vec<i64> = (0..history + 30 - into)
                        .map(|day| throw(&mut random, pattern[day % 7] * 100, noise))
                        .collect();
                    let (past, future) = all.split_at(history);
                    let used: i64 = past.iter().rev().take(into).sum();
                    let at = i64::try_from(into).expect("days") * DAY;
                    let seen = forecast(&known(past, used, at, None)).expect("a forecast");
                    let truth = used + future.iter().sum::<i64>();
                    covered += i32::from((seen.low..=seen.high).contains(&truth));
                }
                assert!(
                    covered >= 320,
                    "{pattern:?} noise {noise} history {history} into {into}: {covered} of 400"
                );
            }
        }
    }
}
