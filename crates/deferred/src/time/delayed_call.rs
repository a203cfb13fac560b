//! `DelayedCall`: what can still be done about a call that was scheduled.

use std::error::Error;
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::timers::{Queue, Status, Timer, from_nanos, to_nanos};

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
#[derive(Clone)]
pub struct DelayedCall {
    timer: Rc<Timer>,
    queue: Weak<Queue>,
}

impl DelayedCall {
    pub(super) fn new(timer: Rc<Timer>, queue: Weak<Queue>) -> Self {
        Self { timer, queue }
    }

    /// A call that will never be made, for a clock that has ended.
    pub fn inactive() -> Self {
        Self::new(Timer::cancelled(), Weak::new())
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
        self.active_queue()?.cancel(&self.timer);
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
        queue.reschedule(&self.timer, to_nanos(due));
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
        queue.reschedule(&self.timer, to_nanos(self.time().saturating_add(delay)));
        Ok(())
    }

    /// Whether the call is still to be made.
    pub fn is_active(&self) -> bool {
        self.active_queue().is_ok()
    }

    /// When the call is due, or was: the time since the clock's start.
    pub fn time(&self) -> Duration {
        from_nanos(self.timer.due())
    }

    fn active_queue(&self) -> Result<Rc<Queue>, DelayedCallError> {
        match self.timer.status() {
            Status::Active => self
                .queue
                .upgrade()
                .ok_or(DelayedCallError::AlreadyCancelled),
            Status::Called => Err(DelayedCallError::AlreadyCalled),
            Status::Cancelled => Err(DelayedCallError::AlreadyCancelled),
        }
    }
}

impl fmt::Debug for DelayedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayedCall")
            .field("time", &self.time())
            .field("status", &self.timer.status())
            .finish()
    }
}

/// Why nothing can be done about a [`DelayedCall`] any more.
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
