//! The one thing that whatever needs time asks for.

use std::rc::Rc;
use std::time::Duration;

use super::timer_queue::DelayedCall;

/// Something that knows the time and calls back later: a reactor, the
/// [`VirtualClock`](crate::VirtualClock) of a test, or a loop of your own (see
/// [`TimerQueue`](crate::TimerQueue)).
///
/// Times are [`Duration`]s since the clock's own start, never a point on the
/// calendar, so a clock that somebody sets has no effect on them.
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
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Clock, VirtualClock};
    /// use std::time::Duration;
    ///
    /// fn age(clock: &dyn Clock, born: Duration) -> Duration {
    ///     clock.now() - born
    /// }
    ///
    /// let clock = VirtualClock::new();
    /// let born = clock.now();
    /// clock.advance(Duration::from_secs(7));
    /// assert_eq!(age(&clock, born), Duration::from_secs(7));
    /// ```
    fn now(&self) -> Duration;

    /// Calls `call` once, `delay` from now: not before, and not from inside this
    /// method. Calls that are due at the same time are made in the order in which
    /// they were scheduled.
    ///
    /// A clock that has ended drops `call` and gives a [`DelayedCall`] that is
    /// not active.
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

    /// As [`schedule`](Self::schedule), for any closure.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Clock, Deferred, Trigger, VirtualClock};
    /// use std::time::Duration;
    ///
    /// fn set_alarm<C: Clock>(clock: &C, alarm: Trigger<&'static str>) {
    ///     clock.call_later(Duration::from_secs(180), move || {
    ///         let _ = alarm.callback("tea is ready");
    ///     });
    /// }
    ///
    /// let clock = VirtualClock::new();
    /// let (alarm, tea) = Deferred::pair();
    /// set_alarm(&clock, alarm);
    /// clock.advance(Duration::from_secs(180));
    /// assert_eq!(tea.into_result().unwrap().unwrap(), "tea is ready");
    /// ```
    fn call_later<F: FnOnce() + 'static>(&self, delay: Duration, call: F) -> DelayedCall
    where
        Self: Sized,
    {
        self.schedule(delay, Box::new(call))
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

/// What gives a handle on a clock to keep, for those that go on by themselves, such as a
/// [`LoopingCall`](crate::LoopingCall).
///
/// It is any clock that can be cloned. The owner of a clock, which cannot be cloned, may
/// implement this to be given itself: a reactor does.
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
/// # step.stop()?;
/// # Ok::<(), deferred::LoopingCallError>(())
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
