//! `VirtualClock`: a clock for tests, whose time passes by calls.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::clock::Clock;
use super::timer_queue::DelayedCall;
use super::timer_queue::TimerQueue;
use crate::chain::run_all_pending;
use crate::local::Outcome;

/// A [`Clock`] for tests: time passes only by [`advance`](Self::advance) and
/// [`jump`](Self::jump), without waiting.
///
/// A clone is another handle on the same clock.
///
/// # Examples
///
/// ```
/// use deferred::{VirtualClock, defer_later};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let day = Duration::from_secs(24 * 60 * 60);
/// let tomorrow = defer_later(&clock, day, || Ok("the sun has risen"));
/// clock.advance(day);
/// assert_eq!(tomorrow.into_result().unwrap().unwrap(), "the sun has risen");
/// ```
#[doc(alias = "MemoryReactorClock")]
#[doc(alias = "task.Clock")]
#[derive(Clone)]
pub struct VirtualClock {
    now: Rc<Cell<Duration>>,
    timers: TimerQueue,
}

impl VirtualClock {
    /// A clock that stands at zero.
    pub fn new() -> Self {
        let now = Rc::new(Cell::new(Duration::ZERO));
        let clock = Rc::clone(&now);
        Self {
            now,
            timers: TimerQueue::new(move || clock.get()),
        }
    }

    /// The time since the clock's start.
    pub fn now(&self) -> Duration {
        self.now.get()
    }

    /// As [`Clock::call_later`].
    pub fn call_later<F, O>(&self, delay: Duration, call: F) -> DelayedCall
    where
        F: FnOnce() -> O + 'static,
        O: Outcome,
    {
        self.timers.call_later(delay, call)
    }

    /// Lets `by` pass, and makes each call at its due time, those that other calls schedule
    /// within `by` included.
    ///
    /// If a call schedules itself again without a delay, this never returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{VirtualClock, defer_later};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let second = Duration::from_secs(1);
    /// let same_clock = clock.clone();
    /// let slept = defer_later(&clock, second, || Ok(()))
    ///     .add_callback(move |()| defer_later(&same_clock, second, || Ok("two seconds")));
    /// clock.advance(2 * second);
    /// assert_eq!(slept.into_result().unwrap().unwrap(), "two seconds");
    /// ```
    pub fn advance(&self, by: Duration) {
        // A pending abandonment may schedule a call.
        run_all_pending();
        let end = self.now().saturating_add(by);
        while let Some(due) = self.timers.next_due().filter(|due| *due <= end) {
            // A call may have advanced the clock itself.
            self.now.set(self.now().max(due));
            self.timers.run_due(self.now());
        }
        // A call may have advanced the clock beyond `end`.
        self.now.set(self.now().max(end));
    }

    /// Lets `by` pass at once, then makes the calls that are due: each sees the time at the
    /// end, as after a loop was busy for `by`. Twisted's `Clock.advance` does this.
    ///
    /// Calls that these schedule are made, too, if they are due: if one schedules itself again
    /// without a delay, this never returns. Time ends 584 years after the clock's start, and a
    /// call that is due then or later is never made. So a jump by [`Duration::MAX`] makes each
    /// call that waits now, and none of those that they schedule.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::VirtualClock;
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let seen = clock.clone();
    /// clock.call_later(Duration::from_secs(1), move || {
    ///     assert_eq!(seen.now(), Duration::from_secs(5));
    /// });
    /// clock.jump(Duration::from_secs(5));
    /// ```
    pub fn jump(&self, by: Duration) {
        run_all_pending();
        self.now.set(self.now().saturating_add(by));
        // Again and again, because calls may schedule others that are due at once.
        while self.timers.next_due().is_some_and(|due| due <= self.now()) {
            self.timers.run_due(self.now());
        }
    }

    /// How many calls wait. A test may assert that none is left.
    pub fn pending_calls(&self) -> usize {
        self.timers.len()
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        self.now()
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        self.timers.call_later(delay, call)
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock")
            .field("now", &self.now())
            .field("pending_calls", &self.pending_calls())
            .finish()
    }
}
