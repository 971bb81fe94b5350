//! The sandbox's time: the world's, or one that stands still, plus what the control endpoints have added.

/// Where the time comes from.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// Unix seconds of a clock that stands still; none for the system's.
    fixed: Option<i64>,
    /// Seconds between the world's time and the sandbox's.
    offset: i64,
}

impl Clock {
    /// A clock that shows `start` now (the system's time when none) and runs on, unless it is `frozen`.
    pub(crate) fn new(start: Option<i64>, frozen: bool) -> Self {
        let wall = system();
        if frozen {
            return Self { fixed: Some(start.unwrap_or(wall)), offset: 0 };
        }
        Self { fixed: None, offset: start.map_or(0, |start| start - wall) }
    }

    /// The time of the world, in unix seconds: signatures carry it.
    pub(crate) fn wall(&self) -> i64 {
        self.fixed.unwrap_or_else(system)
    }

    /// The time of the sandbox's business, in unix seconds.
    pub(crate) fn now(&self) -> i64 {
        self.wall().saturating_add(self.offset)
    }

    /// Whether the world's time stands still.
    pub(crate) fn frozen(&self) -> bool {
        self.fixed.is_some()
    }

    /// Moves the business time forward to `at`.
    pub(crate) fn travel_to(&mut self, at: i64) {
        self.offset = self.offset.max(at.saturating_sub(self.wall()));
    }

    /// Lets the world's time of a frozen clock pass.
    pub(crate) fn pass(&mut self, seconds: i64) {
        if let Some(fixed) = &mut self.fixed {
            *fixed = fixed.saturating_add(seconds.max(0));
        }
    }
}

/// The system's clock, in unix seconds.
fn system() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the sandbox is an outsider with a clock of its own: this is it"
    )]
    let now = jiff::Timestamp::now();
    now.as_second()
}
