//! Timeouts: a Deferred that is cancelled when it takes too long.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::clock::Clock;
use super::timer_queue::{DelayedCall, DelayedCallError};
use crate::error::Cancelled;
use crate::failure::{Failure, Result};
use crate::local::Deferred;
use crate::local::Outcome;

impl<T: 'static> Deferred<T> {
    /// Cancels the Deferred if it has no result `delay` from now on `clock`; it
    /// then fails with [`TimedOut`].
    ///
    /// What was added before has to be finished in time, what is added after has
    /// not. A result that comes earlier, whichever it is, stops the timer.
    ///
    /// At the deadline the Deferred is [cancelled](Self::cancel), so one that it
    /// waits for is cancelled too. Only a [`Cancelled`] that arrives here after
    /// that becomes `TimedOut`. What a canceller or an errback made of it
    /// instead, value or failure, stays as it is.
    ///
    /// With several timeouts, the one that is over first counts. If the clock
    /// ends, there is no timeout.
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
    pub fn add_timeout<C: Clock + ?Sized>(self, delay: Duration, clock: &C) -> Self {
        let added_at = Location::caller();
        self.timed(delay, clock, |deferred, deadline| {
            deferred.add_both(move |result| {
                let is_over = deadline.is_over();
                match result {
                    Err(failure) if is_over && is_cancelled(&failure) => Err(
                        Failure::without_backtrace(TimedOut { after: delay }, added_at),
                    ),
                    result => result,
                }
            })
        })
    }

    /// As [`add_timeout`](Self::add_timeout), but `on_timeout` says what becomes
    /// of the result.
    ///
    /// It is called only if the time was over, with whatever arrives then: most
    /// often the failure [`Cancelled`], but a value, if a canceller or an errback
    /// gave one. Without a timeout it is dropped. It is `onTimeoutCancel` in
    /// Twisted.
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
        if self.receiver().is_done() {
            // There is nothing that could be late.
            return self;
        }
        let handle = self.handle();
        let call = clock.schedule(delay, Box::new(move || handle.cancel()));
        add(self, Deadline { call })
    }
}

/// A failure that was nothing but the cancelling: one that has it as its source
/// says more, and stays.
pub(super) fn is_cancelled(failure: &Failure) -> bool {
    failure.downcast_ref::<Cancelled>().is_some()
}

/// The call that cancels. It goes with the stage that holds it, also if that is
/// dropped without being called.
struct Deadline {
    call: DelayedCall,
}

impl Deadline {
    /// Stops the timer; says whether it was too late for that.
    fn is_over(&self) -> bool {
        // A clock that ended has not made the call: that is `AlreadyCancelled`.
        self.call.cancel() == Err(DelayedCallError::AlreadyCalled)
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        // It was made or cancelled before, most often.
        let _ = self.call.cancel();
    }
}

/// The Deferred had no result in time: [`Deferred::add_timeout`] has cancelled it.
///
/// It is Twisted's `TimeoutError`.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, TimedOut, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let (_trigger, answer) = Deferred::pair();
/// let answer = answer.add_timeout(Duration::from_secs(5), &clock).add_errback(|failure| {
///     failure.trap::<TimedOut>()?;
///     Ok("nobody is there")
/// });
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(answer.into_result().unwrap().unwrap(), "nobody is there");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut {
    after: Duration,
}

impl TimedOut {
    /// The error of a limit that is measured elsewhere: by a protocol's own timer.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, TimedOut};
    /// use std::time::Duration;
    ///
    /// let failure = Failure::new(TimedOut::new(Duration::from_secs(5)));
    /// assert!(failure.is::<TimedOut>());
    /// ```
    pub const fn new(after: Duration) -> Self {
        Self { after }
    }

    /// How long it was given.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, TimedOut, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let (_trigger, answer) = Deferred::<()>::pair();
    /// let answer = answer
    ///     .add_timeout(Duration::from_secs(5), &clock) // for the answer
    ///     .add_timeout(Duration::from_secs(60), &clock); // for all of it
    /// clock.advance(Duration::from_secs(60));
    /// let failure = answer.into_result().unwrap().unwrap_err();
    /// assert_eq!(failure.check::<TimedOut>().unwrap().after(), Duration::from_secs(5));
    /// ```
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the deferred timed out after {:?}", self.after)
    }
}

impl Error for TimedOut {}
