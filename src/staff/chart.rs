//! The geometry of charts that go both ways: what came above a line, what went below it.

use crate::usage::chart::{Bar, Column, HEIGHT, chart};

/// A chart, ready for a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrored {
    /// What came.
    pub up: Vec<Bar>,
    /// What went.
    pub down: Vec<Bar>,
    /// What the upper side of the box stands for; the lower side stands for as much that went.
    pub top: i64,
}

/// The line between what came and what went.
pub const MIDDLE: i64 = HEIGHT / 2;

/// Pairs of what came and what went, both as positive numbers, on one scale.
pub fn mirrored(pairs: &[(i64, i64)]) -> Mirrored {
    let larger = |(index, (up, down)): (i64, &(i64, i64))| Column {
        day: index,
        // Where there is nothing, the place of the bar is still needed.
        used: (*up).max(*down).max(1),
        expected: 0,
    };
    let columns: Vec<Column> = (0..).zip(pairs).map(larger).collect();
    let frame = chart(&columns);
    let scaled = |value: i64| {
        let height = i128::from(value) * i128::from(MIDDLE) / i128::from(frame.top);
        i64::try_from(height).unwrap_or(MIDDLE).max(1)
    };
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for (place, (up, down)) in frame.used.iter().zip(pairs) {
        if *up > 0 {
            above.push(Bar { y: MIDDLE - scaled(*up), height: scaled(*up), ..*place });
        }
        if *down > 0 {
            below.push(Bar { y: MIDDLE, height: scaled(*down), ..*place });
        }
    }
    Mirrored { up: above, down: below, top: frame.top }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::chart::WIDTH;

    #[test]
    fn both_ways_have_one_scale_and_stay_in_their_half() {
        for pairs in [&[][..], &[(0, 0)], &[(1, 0), (0, 1)], &[(50, 100), (7, 0)], &[(i64::MAX, 1)]] {
            let drawn = mirrored(pairs);
            assert_eq!(drawn.up.len(), pairs.iter().filter(|pair| pair.0 > 0).count());
            assert_eq!(drawn.down.len(), pairs.iter().filter(|pair| pair.1 > 0).count());
            for bar in drawn.up.iter().chain(&drawn.down) {
                assert!(bar.x >= 0 && bar.x + bar.width <= WIDTH && bar.height >= 1, "{bar:?}");
            }
            assert!(drawn.up.iter().all(|bar| bar.y >= 0 && bar.y + bar.height == MIDDLE));
            assert!(drawn.down.iter().all(|bar| bar.y == MIDDLE && bar.y + bar.height <= HEIGHT));
        }
        let drawn = mirrored(&[(50, 100)]);
        assert_eq!((drawn.top, drawn.up[0].height, drawn.down[0].height), (100, 50, 100));
        assert_eq!(drawn.up[0].x, drawn.down[0].x);
    }
}
