//! A clock that stands still until somebody turns it.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::clock::Clock;
use super::timer_queue::DelayedCall;
use super::timer_queue::TimerQueue;
use crate::chain::run_all_pending;

/// A [`Clock`] for tests: time passes only when told to, and at no cost.
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
#[derive(Clone)]
pub struct VirtualClock {
    now: Rc<Cell<Duration>>,
    timers: TimerQueue,
}

impl VirtualClock {
    /// A clock that stands at zero.
    ///
    /// # Examples
    ///
    /// ```
    /// let clock = deferred::VirtualClock::new();
    /// assert_eq!(clock.now(), std::time::Duration::ZERO);
    /// ```
    pub fn new() -> Self {
        let now = Rc::new(Cell::new(Duration::ZERO));
        let clock = Rc::clone(&now);
        Self {
            now,
            timers: TimerQueue::new(move || clock.get()),
        }
    }

    /// The time since the clock's start.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// let clock = deferred::VirtualClock::new();
    /// clock.advance(Duration::from_secs(7));
    /// assert_eq!(clock.now(), Duration::from_secs(7));
    /// ```
    pub fn now(&self) -> Duration {
        self.now.get()
    }

    /// As [`Clock::call_later`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let (ring, rung) = Deferred::pair();
    /// clock.call_later(Duration::from_secs(60), move || ring.callback("it is time").unwrap());
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(rung.into_result().unwrap().unwrap(), "it is time");
    /// ```
    pub fn call_later<F: FnOnce() + 'static>(&self, delay: Duration, call: F) -> DelayedCall {
        self.timers.call_later(delay, call)
    }

    /// Lets `by` pass, stopping at each time at which a call is due: a call sees
    /// the time it was due at, and what it schedules within `by` is called too.
    ///
    /// A call that schedules itself again with no delay keeps this from ever
    /// returning.
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
        // An abandonment may schedule a call.
        run_all_pending();
        let end = self.now().saturating_add(by);
        while let Some(due) = self.timers.next_due().filter(|due| *due <= end) {
            // A call may have advanced the clock itself.
            self.now.set(self.now().max(due));
            self.timers.run_due(self.now());
        }
        self.now.set(self.now().max(end));
    }

    /// Lets `by` pass at once, then makes the calls that were due by then: each
    /// sees the time at the end, as if the loop had been busy all the while.
    ///
    /// It is what Twisted's `Clock.advance` does. Calls that are scheduled
    /// meanwhile and are due are made too, so one that schedules itself again
    /// with no delay keeps this from ever returning. Time ends 584 years after the
    /// clock's start: a call that would be due then or later is never made, so a jump by
    /// [`Duration::MAX`] makes each call that waits, and none of those that follow.
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
        while self.timers.next_due().is_some_and(|due| due <= self.now()) {
            self.timers.run_due(self.now());
        }
    }

    /// How many calls wait: a test may want to end with none.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let (trigger, answer) = Deferred::pair();
    /// let answer = answer.add_timeout(Duration::from_secs(30), &clock);
    /// assert_eq!(clock.pending_calls(), 1);
    /// trigger.callback("here").unwrap();
    /// assert_eq!(clock.pending_calls(), 0, "the timeout has gone, too");
    /// # answer.ignore();
    /// ```
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
