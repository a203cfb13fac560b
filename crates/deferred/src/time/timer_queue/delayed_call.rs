//! `DelayedCall`: what can still be done about a call that was scheduled.

use std::error::Error;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::queue::{Queue, from_nanos, to_nanos};
use super::slab::{Key, Status};

/// A call that was scheduled with [`Clock::call_later`](crate::Clock::call_later).
///
/// Clones stand for the same call. Dropping them does not cancel it.
///
/// # Examples
///
/// ```
/// use deferred::{DelayedCallError, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let call = clock.call_later(Duration::from_secs(5), || println!("too late"));
/// call.delay(Duration::from_secs(2)).unwrap();
/// assert_eq!(call.time(), Duration::from_secs(7));
/// call.cancel().unwrap();
/// assert!(!call.is_active());
/// assert_eq!(call.cancel(), Err(DelayedCallError::AlreadyCancelled));
/// ```
pub struct DelayedCall {
    /// The queue that knows it. `None` if the clock had ended before.
    queue: Option<Rc<Queue>>,
    key: Key,
}

impl DelayedCall {
    /// A handle that was counted when the call was added.
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
    /// assert!(failure.is::<Abandoned>(), "nobody waits for ever");
    /// ```
    pub fn inactive() -> Self {
        Self {
            queue: None,
            key: 0,
        }
    }

    /// Sees to it that the call is not made. Its closure is dropped.
    ///
    /// # Errors
    ///
    /// The call was made (or is being made), or cancelled before.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{DelayedCallError, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let call = clock.call_later(Duration::from_secs(1), || unreachable!("it is cancelled"));
    /// call.cancel()?;
    /// assert_eq!(call.cancel(), Err(DelayedCallError::AlreadyCancelled));
    /// clock.advance(Duration::from_secs(2));
    /// # Ok::<(), DelayedCallError>(())
    /// ```
    pub fn cancel(&self) -> Result<(), DelayedCallError> {
        self.active_queue()?.cancel(self.key);
        Ok(())
    }

    /// Makes it due `delay` from now, whenever it was due before. Among calls
    /// due at the same time it counts as the one scheduled last.
    ///
    /// # Errors
    ///
    /// The call was made, or cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::VirtualClock;
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let idle = clock.call_later(Duration::from_secs(60), || println!("nobody there"));
    /// clock.advance(Duration::from_secs(50));
    /// idle.reset(Duration::from_secs(60))?; // somebody said something
    /// assert_eq!(idle.time(), Duration::from_secs(110));
    /// # Ok::<(), deferred::DelayedCallError>(())
    /// ```
    pub fn reset(&self, delay: Duration) -> Result<(), DelayedCallError> {
        let queue = self.active_queue()?;
        let due = queue.now().saturating_add(delay);
        queue.reschedule(self.key, to_nanos(due));
        Ok(())
    }

    /// Makes it due `delay` later than it was. Among calls due at the same time
    /// it counts as the one scheduled last.
    ///
    /// # Errors
    ///
    /// The call was made, or cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::VirtualClock;
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let call = clock.call_later(Duration::from_secs(60), || {});
    /// call.delay(Duration::from_secs(5))?;
    /// assert_eq!(call.time(), Duration::from_secs(65));
    /// # Ok::<(), deferred::DelayedCallError>(())
    /// ```
    pub fn delay(&self, delay: Duration) -> Result<(), DelayedCallError> {
        let queue = self.active_queue()?;
        queue.reschedule(self.key, to_nanos(self.time().saturating_add(delay)));
        Ok(())
    }

    /// Whether the call is still to be made.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// let clock = deferred::VirtualClock::new();
    /// let call = clock.call_later(Duration::from_secs(1), || println!("tick"));
    /// assert!(call.is_active());
    /// clock.advance(Duration::from_secs(1));
    /// assert!(!call.is_active());
    /// ```
    pub fn is_active(&self) -> bool {
        self.active_queue().is_ok()
    }

    /// When the call is due, or was: the time since the clock's start.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// let clock = deferred::VirtualClock::new();
    /// clock.advance(Duration::from_secs(60));
    /// let call = clock.call_later(Duration::from_secs(1), || println!("tick"));
    /// assert_eq!(call.time(), Duration::from_secs(61));
    /// ```
    pub fn time(&self) -> Duration {
        let due = self.queue.as_ref().map(|queue| queue.due(self.key));
        from_nanos(due.unwrap_or_default())
    }

    fn status(&self) -> Status {
        let status = self.queue.as_ref().map(|queue| queue.status(self.key));
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

/// Why nothing can be done about a [`DelayedCall`] any more.
///
/// # Examples
///
/// ```
/// use deferred::{DelayedCallError, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let letter = clock.call_later(Duration::from_secs(10), || println!("it is sent"));
/// clock.advance(Duration::from_secs(10));
/// assert_eq!(letter.cancel(), Err(DelayedCallError::AlreadyCalled), "too late");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelayedCallError {
    /// It was made, or is being made.
    AlreadyCalled,
    /// It was cancelled, or its clock has ended.
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
