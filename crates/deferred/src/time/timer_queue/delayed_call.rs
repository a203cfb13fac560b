//! `DelayedCall`: the handle on a scheduled call.

use std::error::Error;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::queue::{Queue, from_nanos, to_nanos};
use super::slab::{Key, Status};

/// A call that was scheduled with [`Clock::call_later`](crate::Clock::call_later).
///
/// Clones refer to the same call. Dropping them does not cancel it.
///
/// # Examples
///
/// ```
/// use deferred::VirtualClock;
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let call = clock.call_later(Duration::from_secs(5), || println!("too late"));
/// call.delay(Duration::from_secs(2))?;
/// assert_eq!(call.time(), Duration::from_secs(7));
/// assert!(call.cancel());
/// assert!(!call.is_active() && !call.cancel());
/// # Ok::<(), deferred::errors::DelayedCallError>(())
/// ```
#[doc(alias = "IDelayedCall")]
pub struct DelayedCall {
    /// `None` if the clock had ended before.
    queue: Option<Rc<Queue>>,
    key: Key,
}

impl DelayedCall {
    /// A handle on a new call, whose handle count is 1.
    #[inline]
    pub(super) fn new(queue: Rc<Queue>, key: Key) -> Self {
        Self {
            queue: Some(queue),
            key,
        }
    }

    /// A call that will never be made, for a clock that has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Abandoned, Clock, DelayedCall, sleep};
    /// use std::time::Duration;
    ///
    /// struct Ended;
    ///
    /// impl Clock for Ended {
    ///     fn now(&self) -> Duration {
    ///         Duration::ZERO
    ///     }
    ///     fn schedule(&self, _delay: Duration, _call: Box<dyn FnOnce()>) -> DelayedCall {
    ///         DelayedCall::inactive()
    ///     }
    /// }
    ///
    /// let failure = sleep(&Ended, Duration::from_secs(1)).into_result().unwrap().unwrap_err();
    /// assert!(failure.is::<Abandoned>(), "no wait for ever");
    /// ```
    pub fn inactive() -> Self {
        Self {
            queue: None,
            // Never looked up: there is no queue.
            key: 0,
        }
    }

    /// Cancels the call and drops its closure. Returns whether it was still to be made: `false`
    /// if it was made, is being made, or was cancelled before.
    #[doc(alias = "abort")]
    pub fn cancel(&self) -> bool {
        match self.active_queue() {
            Ok(queue) => {
                queue.cancel(self.key);
                true
            }
            Err(_) => false,
        }
    }

    /// Whether the call was made, or is being made.
    pub(in crate::time) fn was_made(&self) -> bool {
        self.status() == Status::Called
    }

    /// Puts the call off until `delay` from now. Among calls that are due at the same time it
    /// counts as the one scheduled last.
    ///
    /// # Errors
    ///
    /// The call was made, or cancelled.
    pub fn reset(&self, delay: Duration) -> Result<(), DelayedCallError> {
        let queue = self.active_queue()?;
        let due = queue.now().saturating_add(delay);
        queue.reschedule(self.key, to_nanos(due));
        Ok(())
    }

    /// Puts the call off by `delay`. Among calls that are due at the same time it counts as the
    /// one scheduled last.
    ///
    /// # Errors
    ///
    /// The call was made, or cancelled.
    pub fn delay(&self, delay: Duration) -> Result<(), DelayedCallError> {
        let queue = self.active_queue()?;
        queue.reschedule(self.key, to_nanos(self.time().saturating_add(delay)));
        Ok(())
    }

    /// Whether the call is still to be made.
    pub fn is_active(&self) -> bool {
        self.active_queue().is_ok()
    }

    /// When the call is due, or was: the time since the clock's start.
    pub fn time(&self) -> Duration {
        let due = self.queue.as_ref().map(|queue| queue.due(self.key));
        from_nanos(due.unwrap_or_default())
    }

    fn status(&self) -> Status {
        let status = self.queue.as_ref().map(|queue| queue.status(self.key));
        // Without a queue, the call was never scheduled.
        status.unwrap_or(Status::Cancelled)
    }

    fn active_queue(&self) -> Result<&Rc<Queue>, DelayedCallError> {
        match (&self.queue, self.status()) {
            (Some(queue), Status::Active) => Ok(queue),
            (_, Status::Called) => Err(DelayedCallError::AlreadyCalled),
            _ => Err(DelayedCallError::AlreadyCancelled),
        }
    }
}

impl Clone for DelayedCall {
    fn clone(&self) -> Self {
        if let Some(queue) = &self.queue {
            queue.add_handle_of(self.key);
        }
        Self {
            queue: self.queue.clone(),
            key: self.key,
        }
    }
}

impl Drop for DelayedCall {
    #[inline]
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            // The queue keeps the status of a call that is over until the last handle goes.
            queue.drop_handle_of(self.key);
        }
    }
}

impl fmt::Debug for DelayedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayedCall")
            .field("time", &self.time())
            .field("status", &self.status())
            .finish()
    }
}

/// A [`DelayedCall`] cannot be put off any more.
///
/// # Examples
///
/// ```
/// use deferred::errors::DelayedCallError;
/// use deferred::VirtualClock;
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let letter = clock.call_later(Duration::from_secs(10), || println!("it is sent"));
/// clock.advance(Duration::from_secs(10));
/// let too_late = letter.reset(Duration::from_secs(10));
/// assert_eq!(too_late, Err(DelayedCallError::AlreadyCalled));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelayedCallError {
    /// The call was made, or is being made.
    AlreadyCalled,
    /// The call was cancelled, or its clock has ended.
    AlreadyCancelled,
}

impl fmt::Display for DelayedCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyCalled => "the delayed call was already made",
            Self::AlreadyCancelled => "the delayed call was already cancelled",
        })
    }
}

impl Error for DelayedCallError {}
