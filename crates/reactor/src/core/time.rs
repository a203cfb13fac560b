//! Clock of a loop: monotonic, or virtual in a test.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

/// The time since the loop was made.
pub(crate) enum Time {
    Real(Instant),
    /// The virtual time of a test, which the test advances.
    Virtual(Cell<Duration>),
}

impl Time {
    pub(crate) fn real() -> Self {
        Self::Real(Instant::now())
    }

    pub(crate) fn at_rest() -> Self {
        Self::Virtual(Cell::default())
    }

    #[inline]
    pub(crate) fn now(&self) -> Duration {
        match self {
            Self::Real(start) => start.elapsed(),
            Self::Virtual(now) => now.get(),
        }
    }

    /// The calendar time: that of the system, or, in a test, the UNIX epoch plus the virtual time.
    pub(crate) fn wall(&self) -> SystemTime {
        match self {
            Self::Real(_) => SystemTime::now(),
            Self::Virtual(now) => SystemTime::UNIX_EPOCH + now.get(),
        }
    }

    /// Sets the virtual time of a test; does nothing to real time.
    pub(crate) fn move_to(&self, time: Duration) {
        if let Self::Virtual(now) = self {
            now.set(time);
        }
    }
}
