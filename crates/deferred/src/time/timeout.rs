//! Timeouts: `add_timeout` cancels a Deferred at a deadline.

use std::panic::Location;
use std::time::Duration;

use super::clock::Clock;
use super::timer_queue::DelayedCall;
use crate::error::Cancelled;
pub use crate::failure::TimedOut;
use crate::failure::{Failure, Result};
use crate::local::Deferred;
use crate::local::Outcome;

impl<T: 'static> Deferred<T> {
    /// Cancels the Deferred if it has no result after `delay` on `clock`; it then fails with
    /// [`TimedOut`].
    ///
    /// The deadline is for the callbacks that were added before. A result that reaches this
    /// stage in time, value or failure, cancels the timer.
    ///
    /// At the deadline the Deferred is [cancelled](Self::cancel), and so is one that it waits
    /// for. A [`Cancelled`] that reaches this stage after that becomes `TimedOut`. Any other
    /// result, of a canceller or an errback, stays as it is.
    ///
    /// Of several timeouts, the first to pass decides. If the clock ends, there is no timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, TimedOut, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let (_trigger, answer) = Deferred::<String>::pair();
    /// let answer = answer.add_timeout(Duration::from_secs(30), &clock);
    /// clock.advance(Duration::from_secs(30));
    /// let failure = answer.into_result().unwrap().unwrap_err();
    /// assert_eq!(failure.check::<TimedOut>().unwrap().after(), Duration::from_secs(30));
    /// ```
    #[track_caller]
    #[doc(alias = "addTimeout")]
    #[doc(alias = "timeout")]
    pub fn add_timeout<C: Clock + ?Sized>(self, delay: Duration, clock: &C) -> Self {
        let added_at = Location::caller();
        self.timed(delay, clock, |deferred, deadline| {
            deferred.add_both(move |result| {
                // Asked whatever the result is, because it also cancels the timer.
                let is_over = deadline.is_over();
                match result {
                    Err(failure) if is_over && is_cancelled(&failure) => {
                        Err(Failure::raised_at_place(TimedOut::new(delay), added_at))
                    }
                    result => result,
                }
            })
        })
    }

    /// As [`add_timeout`](Self::add_timeout), but `on_timeout` makes the result: Twisted's
    /// `onTimeoutCancel`.
    ///
    /// It is called only if the deadline has passed, with the result that reaches this stage:
    /// a [`Cancelled`] failure, or what a canceller or an errback has made instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let (_trigger, count) = Deferred::pair();
    /// let count = count.add_timeout_with(Duration::from_secs(1), &clock, |_result| Ok(0));
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(count.into_result().unwrap().unwrap(), 0);
    /// ```
    #[track_caller]
    pub fn add_timeout_with<C, F, O>(self, delay: Duration, clock: &C, on_timeout: F) -> Self
    where
        C: Clock + ?Sized,
        F: FnOnce(Result<T>) -> O + 'static,
        O: Outcome<Value = T>,
    {
        self.timed(delay, clock, |deferred, deadline| {
            deferred.add_both(move |result| {
                if deadline.is_over() {
                    Self::from_step(on_timeout(result).into_step())
                } else {
                    Self::from(result)
                }
            })
        })
    }

    #[track_caller]
    fn timed<C: Clock + ?Sized>(
        mut self,
        delay: Duration,
        clock: &C,
        add: impl FnOnce(Self, Deadline) -> Self,
    ) -> Self {
        if self.receiver_mut().is_done() {
            // It has its result: no timer is needed.
            return self;
        }
        let handle = self.handle();
        let call = clock.schedule(delay, Box::new(move || handle.cancel()));
        add(self, Deadline { call })
    }
}

/// Whether the failure is a plain `Cancelled`. An error that has a `Cancelled` as its source says
/// more, and does not count.
pub(super) fn is_cancelled(failure: &Failure) -> bool {
    failure.downcast_ref::<Cancelled>().is_some()
}

/// The delayed call that cancels the Deferred at the deadline. It is cancelled when the stage that
/// owns it is dropped, whether that was called or not.
struct Deadline {
    call: DelayedCall,
}

impl Deadline {
    /// Cancels the timer; tells whether the deadline had passed.
    fn is_over(&self) -> bool {
        // A clock that has ended has not made the call.
        !self.call.cancel() && self.call.was_made()
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.call.cancel();
    }
}
