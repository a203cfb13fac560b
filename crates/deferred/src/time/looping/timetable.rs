//! Due times of a looping call.
//!
//! They are whole nanoseconds since the start: the k-th time is exactly `start + k *
//! interval`, however late the calls before it were.

use std::time::Duration;

/// The times `start + k * interval`.
#[derive(Debug)]
pub(super) struct Timetable {
    start: Duration,
    interval: Duration,
    /// Whether the start itself is a due time.
    // Cleared by a restart and by a change of the interval, which count from a call that was made.
    is_due_at_start: bool,
    /// How many due times `count` has returned so far.
    counted: u128,
    /// The time of the last call; before the first one, the start.
    last_call: Duration,
}

impl Timetable {
    pub(super) fn new(start: Duration, interval: Duration, is_due_at_start: bool) -> Self {
        Self {
            start,
            interval,
            is_due_at_start,
            counted: 0,
            last_call: start,
        }
    }

    /// Restarts the timetable at `now`, with the same interval.
    pub(super) fn restart(&mut self, now: Duration) {
        *self = Self::new(now, self.interval, false);
    }

    /// Sets another interval, counted from the last call.
    pub(super) fn set_interval(&mut self, interval: Duration) {
        *self = Self::new(self.last_call, interval, false);
    }

    /// Notes that a call is made `now`.
    pub(super) fn called(&mut self, now: Duration) {
        self.last_call = now;
    }

    /// The time from `now` to the next due time. It is zero only if the interval is, so missed
    /// calls are skipped.
    pub(super) fn until_next(&self, now: Duration) -> Duration {
        let interval = self.interval.as_nanos();
        // At an exact multiple, its call was just made: the next one is a whole interval away.
        // `None` is an interval of zero, which is always due.
        match self.elapsed(now).checked_rem(interval) {
            Some(over) => self.interval.saturating_sub(from_nanos(over)),
            None => Duration::ZERO,
        }
    }

    /// The number of due times since the last call of this. With an interval of zero it is
    /// always 1.
    pub(super) fn count(&mut self, now: Duration) -> u64 {
        // In 128 bits, which hold the nanoseconds of any `Duration`.
        let interval = self.interval.as_nanos();
        let Some(past) = self.elapsed(now).checked_div(interval) else {
            return 1;
        };
        let due = past + u128::from(self.is_due_at_start);
        let count = due.saturating_sub(self.counted);
        self.counted = self.counted.max(due);
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    fn elapsed(&self, now: Duration) -> u128 {
        now.saturating_sub(self.start).as_nanos()
    }
}

const NANOS_PER_SEC: u128 = 1_000_000_000;

/// `nanos` must not exceed `Duration::MAX`.
fn from_nanos(nanos: u128) -> Duration {
    let secs = u64::try_from(nanos / NANOS_PER_SEC).unwrap_or(u64::MAX);
    // The remainder is less than a second, so it fits.
    Duration::new(secs, (nanos % NANOS_PER_SEC) as u32)
}
