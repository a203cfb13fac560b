//! `Clock`: the trait of everything that has the time and schedules calls.

use std::rc::Rc;
use std::time::Duration;

use super::timer_queue::DelayedCall;
use crate::local::Outcome;

/// A source of time that schedules calls: a reactor, the
/// [`VirtualClock`](crate::VirtualClock) of a test, or the
/// [`TimerQueue`](crate::TimerQueue) of a loop of your own.
///
/// Times are [`Duration`]s since the clock's own start, so setting the system's clock has no
/// effect on them.
///
/// # Examples
///
/// ```
/// use deferred::{Clock, VirtualClock};
/// use std::time::Duration;
///
/// fn remind(clock: &dyn Clock, after: Duration) {
///     clock.schedule(after, Box::new(|| println!("tea is ready")));
/// }
///
/// let clock = VirtualClock::new();
/// remind(&clock, Duration::from_secs(180));
/// clock.advance(Duration::from_secs(200));
/// assert_eq!(clock.now(), Duration::from_secs(200));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a clock",
    label = "not a clock",
    note = "pass a reference to what has the time: the reactor or its handle, a `VirtualClock` in a test, a `TimerQueue` of a loop of your own"
)]
pub trait Clock {
    /// The time since the clock's start.
    fn now(&self) -> Duration;

    /// Calls `call` once, `delay` from now: not earlier, and not from inside this method. Calls
    /// that are due at the same time are made in the order in which they were scheduled.
    ///
    /// A clock that has ended drops `call` and returns a [`DelayedCall`] that is not active.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Clock, DelayedCall, Deferred, VirtualClock};
    /// use std::time::Duration;
    ///
    /// /// For a clock of whatever type; a generic function would use `call_later`.
    /// fn in_a_minute(clock: &dyn Clock, call: Box<dyn FnOnce()>) -> DelayedCall {
    ///     clock.schedule(Duration::from_secs(60), call)
    /// }
    ///
    /// let clock = VirtualClock::new();
    /// let (ring, rung) = Deferred::pair();
    /// in_a_minute(&clock, Box::new(move || ring.callback("it is time").unwrap()));
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(rung.into_result().unwrap().unwrap(), "it is time");
    /// ```
    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall;

    /// As [`schedule`](Self::schedule), for a closure that returns `()` or any other
    /// [`Outcome`]: a failure that it returns is reported as [unhandled](crate::unhandled).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let (trigger, tea) = Deferred::pair();
    /// clock.call_later(Duration::from_secs(180), move || Ok(trigger.callback("ready")?));
    /// clock.advance(Duration::from_secs(180));
    /// assert_eq!(tea.into_result().unwrap().unwrap(), "ready");
    /// ```
    #[doc(alias = "callLater")]
    #[doc(alias = "setTimeout")]
    fn call_later<F, O>(&self, delay: Duration, call: F) -> DelayedCall
    where
        Self: Sized,
        F: FnOnce() -> O + 'static,
        O: Outcome,
    {
        self.schedule(delay, Box::new(move || call().detach()))
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Duration {
        (**self).now()
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        (**self).schedule(delay, call)
    }
}

impl<C: Clock + ?Sized> Clock for Rc<C> {
    fn now(&self) -> Duration {
        (**self).now()
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        (**self).schedule(delay, call)
    }
}

/// A source of handles on a clock, for objects that keep one: a
/// [`LoopingCall`](crate::LoopingCall), a [`Cooperator`](crate::Cooperator).
///
/// Every clock that can be cloned implements it. The owner of a clock, which cannot be cloned,
/// may implement it to be passed itself: a reactor does.
///
/// # Examples
///
/// ```
/// use deferred::{Clock, LoopingCall, ToClock, VirtualClock};
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// /// Has the one clock of the program.
/// struct Simulation {
///     clock: VirtualClock,
/// }
///
/// impl ToClock for Simulation {
///     fn to_clock(&self) -> Rc<dyn Clock> {
///         Rc::new(self.clock.clone())
///     }
/// }
///
/// let simulation = Simulation { clock: VirtualClock::new() };
/// let step = LoopingCall::new(|| println!("step"));
/// step.start(&simulation, Duration::from_millis(16))?.detach();
/// # step.stop();
/// # Ok::<(), deferred::errors::LoopingCallError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "no handle on `{Self}` can be kept",
    label = "neither a clock that is `Clone` and `'static`, nor the owner of one",
    note = "give a clock that can be cloned, such as a handle of a reactor"
)]
pub trait ToClock {
    /// A handle on the clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Clock, ToClock, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let handle = clock.to_clock();
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(handle.now(), Duration::from_secs(1));
    /// ```
    fn to_clock(&self) -> Rc<dyn Clock>;
}

impl<C: Clock + Clone + 'static> ToClock for C {
    fn to_clock(&self) -> Rc<dyn Clock> {
        Rc::new(self.clone())
    }
}
