//! The geometry of the day chart: bars in a box that the page stretches to its width. Words stand beside it, not in it, so that
//! they keep their size on a telephone.

/// Width of the box, in units of its own.
pub const WIDTH: i64 = 1_000;
/// Height of the box.
pub const HEIGHT: i64 = 200;
/// Space between bars, in hundredths of a bar.
const GAP: i64 = 22;

/// A day to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its number.
    pub day: i64,
    /// What was used.
    pub used: i64,
    /// What is expected on top.
    pub expected: i64,
}

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its left side.
    pub x: i64,
    /// Its upper side.
    pub y: i64,
    /// Its width.
    pub width: i64,
    /// Its height.
    pub height: i64,
}

/// A chart, ready for a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// What was used; days without use have no bar.
    pub used: Vec<Bar>,
    /// What is expected, above it.
    pub expected: Vec<Bar>,
    /// What the upper side of the box stands for.
    pub top: i64,
    /// Heights of the lines at a half and at the top.
    pub lines: [i64; 2],
}

/// The chart of days.
pub fn chart(columns: &[Column]) -> Chart {
    let largest = columns.iter().map(|day| day.used.saturating_add(day.expected)).max().unwrap_or(0);
    let top = nice(largest);
    let count = i64::try_from(columns.len()).unwrap_or(1).max(1);
    let scaled = |value: i64| {
        let height = i128::from(value) * i128::from(HEIGHT) / i128::from(top);
        // What is not nothing is seen.
        i64::try_from(height).unwrap_or(HEIGHT).max(i64::from(value > 0))
    };
    let (mut used, mut expected) = (Vec::new(), Vec::new());
    for (index, column) in (0_i64..).zip(columns) {
        let (from, to) = (index * WIDTH / count, (index + 1) * WIDTH / count);
        let gap = ((to - from) * GAP / 100).max(1);
        let (x, width) = (from + gap / 2, (to - from - gap).max(1));
        let done = scaled(column.used);
        let more = scaled(column.expected).min(HEIGHT - done);
        if column.used > 0 {
            used.push(Bar { x, y: HEIGHT - done, width, height: done });
        }
        if column.expected > 0 && more > 0 {
            expected.push(Bar { x, y: HEIGHT - done - more, width, height: more });
        }
    }
    Chart { used, expected, top, lines: [HEIGHT / 2, 0] }
}

/// The next of 2, 4, 10, 20, 40, 100, …, each of which has a half: what an axis ends at.
fn nice(largest: i64) -> i64 {
    let mut step = 2_i64;
    loop {
        for factor in [1, 2, 5] {
            match step.checked_mul(factor) {
                Some(top) if top >= largest => return top,
                Some(_) => {}
                None => return i64::MAX,
            }
        }
        match step.checked_mul(10) {
            Some(next) => step = next,
            None => return i64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(used: &[i64]) -> Vec<Column> {
        (0..).zip(used).map(|(day, used)| Column { day, used: *used, expected: 0 }).collect()
    }

    #[test]
    fn bars_stay_in_their_box_and_tell_more_from_less() {
        for used in [&[][..], &[0, 0], &[1], &[3, 0, 7, 10], &[i64::MAX, 1, i64::MAX / 2], &[5; 400]] {
            let chart = chart(&columns(used));
            assert_eq!(chart.used.len(), used.iter().filter(|value| **value > 0).count());
            for bar in &chart.used {
                assert!(bar.x >= 0 && bar.width >= 1 && bar.x + bar.width <= WIDTH, "{bar:?}");
                assert!(bar.y >= 0 && bar.height >= 1 && bar.y + bar.height == HEIGHT, "{bar:?}");
            }
        }
        let chart =
            chart(&[Column { day: 0, used: 50, expected: 50 }, Column { day: 1, used: 25, expected: 0 }]);
        assert_eq!((chart.top, chart.used[0].height, chart.used[1].height), (100, 100, 50));
        assert_eq!(chart.expected, [Bar { y: 0, height: 100, ..chart.used[0] }]);
    }

    #[test]
    fn the_axis_ends_at_a_round_number() {
        assert_eq!(
            [0, 2, 3, 4, 5, 99, 100, 101, 201, 999].map(nice),
            [2, 2, 4, 4, 10, 100, 100, 200, 400, 1_000]
        );
        assert_eq!(nice(i64::MAX), i64::MAX);
    }
}
