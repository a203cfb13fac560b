//! `LoopingCall`: a function that is called again and again.

mod machine;
mod timetable;

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use self::machine::Machine;
use crate::failure::Result;
use crate::local::Deferred;
use crate::local::Outcome;
use crate::local::maybe_deferred_at;
use crate::stage_trace::CallSite;
use crate::time::clock::ToClock;

/// Calls a function at fixed intervals, until it is stopped or the function fails.
///
/// The k-th call is due at the start plus k intervals, by the clock: being late
/// does not add up. Times that have gone by when a call ends are left out. If
/// the function returns a Deferred, the next call waits until it has fired.
///
/// A clone is another handle on the same loop. Dropping them all does not stop it.
///
/// # The Deferred of the loop
///
/// [`start`](Self::start) gives a Deferred that fires when the loop is over:
///
/// - with `()` after [`stop`](Self::stop), once a call that is being made has ended;
/// - with the failure of the function, of the Deferred it returned, or of its panic;
/// - with [`Abandoned`](crate::Abandoned) if the clock ends.
///
/// Cancelling it stops the loop, and cancels what a call waits for.
///
/// # What it keeps
///
/// While it runs, the loop keeps a clone of the clock, and the clock keeps the
/// loop. So a clock that owns its calls, as a [`VirtualClock`](crate::VirtualClock)
/// does, lives on until the loop is over.
///
/// # Examples
///
/// ```
/// use deferred::{LoopingCall, VirtualClock};
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let beats = Rc::new(Cell::new(0));
/// let counter = Rc::clone(&beats);
/// let heart = LoopingCall::new(move || counter.set(counter.get() + 1));
///
/// let stopped = heart.start(&clock, Duration::from_secs(1))?;
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(beats.get(), 4, "at once, and after each second");
///
/// heart.stop()?;
/// stopped.into_result().unwrap().unwrap();
/// # Ok::<(), deferred::LoopingCallError>(())
/// ```
#[derive(Clone)]
pub struct LoopingCall {
    machine: Rc<Machine>,
}

impl LoopingCall {
    /// A loop over `f`, not started yet.
    ///
    /// `f` is called again only when what it returned has its result. A value is
    /// dropped, a failure ends the loop.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{LoopingCall, VirtualClock, sleep};
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let calls = Rc::new(Cell::new(0));
    /// let (count, slow) = (Rc::clone(&calls), clock.clone());
    /// let backup = LoopingCall::new(move || {
    ///     count.set(count.get() + 1);
    ///     sleep(&slow, Duration::from_millis(2500))
    /// });
    /// backup.start(&clock, Duration::from_secs(1))?.detach();
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!(calls.get(), 2, "at 0 and at 3 seconds: never two at a time");
    /// # backup.stop()?;
    /// # Ok::<(), deferred::LoopingCallError>(())
    /// ```
    #[track_caller]
    pub fn new<F, O>(mut f: F) -> Self
    where
        F: FnMut() -> O + 'static,
        O: Outcome,
    {
        let made_at = Location::caller();
        let function = move |_: &Self, _count| outcome(made_at, &mut f);
        Self {
            machine: Machine::new(Box::new(function), false),
        }
    }

    /// As [`new`](Self::new), and `f` is told how many times have come since its
    /// last call: 1, or more if times were left out. Never 0.
    ///
    /// With no interval it is always 1. A start or a [`reset`](Self::reset)
    /// counts afresh. It is `LoopingCall.withCount` in Twisted.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{LoopingCall, VirtualClock};
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let frames = Rc::new(Cell::new(0));
    /// let frame = Rc::clone(&frames);
    /// let video = LoopingCall::with_count(move |count| frame.set(frame.get() + count));
    /// video.start(&clock, Duration::from_millis(40))?.detach();
    /// assert_eq!(frames.get(), 1);
    /// clock.jump(Duration::from_millis(400)); // somebody else was busy
    /// assert_eq!(frames.get(), 11);
    /// # video.stop()?;
    /// # Ok::<(), deferred::LoopingCallError>(())
    /// ```
    #[track_caller]
    pub fn with_count<F, O>(mut f: F) -> Self
    where
        F: FnMut(u64) -> O + 'static,
        O: Outcome,
    {
        let made_at = Location::caller();
        let function = move |_: &Self, count| outcome(made_at, || f(count));
        Self {
            machine: Machine::new(Box::new(function), true),
        }
    }

    /// As [`new`](Self::new), and `f` is given the loop, to stop it or to change its
    /// interval.
    ///
    /// A closure that captured the loop would keep itself, and never be freed.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{LoopingCall, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let mut seconds = 3;
    /// let countdown = LoopingCall::with_loop(move |countdown| {
    ///     println!("{seconds}");
    ///     seconds -= 1;
    ///     if seconds == 0 { countdown.stop()? }
    ///     Ok(())
    /// });
    /// let over = countdown.start(&clock, Duration::from_secs(1))?;
    /// clock.advance(Duration::from_secs(2));
    /// assert!(over.into_result().is_ok());
    /// # Ok::<(), deferred::LoopingCallError>(())
    /// ```
    #[track_caller]
    pub fn with_loop<F, O>(mut f: F) -> Self
    where
        F: FnMut(&Self) -> O + 'static,
        O: Outcome,
    {
        let made_at = Location::caller();
        let function = move |looping: &Self, _count| outcome(made_at, || f(looping));
        Self {
            machine: Machine::new(Box::new(function), false),
        }
    }

    /// Starts: makes the first call now, before this returns, and the next ones
    /// at each `interval`.
    ///
    /// An interval of zero calls as often as the clock makes calls: each time
    /// with no delay, but never again from inside itself.
    ///
    /// # Errors
    ///
    /// It [runs](LoopingCallError::AlreadyRunning) already, or was stopped and the
    /// last call has [not ended](LoopingCallError::StillCalling).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Failure, LoopingCall, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let mut seconds = 3;
    /// let countdown = LoopingCall::new(move || {
    ///     seconds -= 1;
    ///     if seconds > 0 { Ok(()) } else { Err(Failure::msg("lift-off")) }
    /// });
    /// let over = countdown.start(&clock, Duration::from_secs(1))?;
    /// clock.advance(Duration::from_secs(2));
    /// assert_eq!(over.into_result().unwrap().unwrap_err().message(), "lift-off");
    /// # Ok::<(), deferred::LoopingCallError>(())
    /// ```
    #[track_caller]
    pub fn start<C>(&self, clock: &C, interval: Duration) -> Result<Deferred<()>, LoopingCallError>
    where
        C: ToClock + ?Sized,
    {
        self.machine.start(clock.to_clock(), interval, true)
    }

    /// As [`start`](Self::start), but the first call is made after one interval.
    /// It is `start` with `now=False` in Twisted.
    ///
    /// # Errors
    ///
    /// As for `start`.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{LoopingCall, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let reminder = LoopingCall::new(|| println!("drink something"));
    /// reminder.start_later(&clock, Duration::from_secs(3600))?.detach();
    /// clock.advance(Duration::from_secs(3600)); // prints it
    /// # reminder.stop()?;
    /// # Ok::<(), deferred::LoopingCallError>(())
    /// ```
    #[track_caller]
    pub fn start_later<C>(
        &self,
        clock: &C,
        interval: Duration,
    ) -> Result<Deferred<()>, LoopingCallError>
    where
        C: ToClock + ?Sized,
    {
        self.machine.start(clock.to_clock(), interval, false)
    }

    /// Stops: there is no further call. The Deferred of the loop fires now, or, if
    /// a call is being made or waits for its Deferred, when that has ended; its
    /// failure is then the loop's.
    ///
    /// The function may stop its own loop.
    ///
    /// # Errors
    ///
    /// It does [not run](LoopingCallError::NotRunning).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{LoopingCall, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let looping = LoopingCall::new(|| println!("still here"));
    /// let gone = looping
    ///     .start(&clock, Duration::from_secs(1))?
    ///     .add_callback(|()| Ok("gone"));
    /// looping.stop()?;
    /// assert!(!looping.is_running());
    /// assert_eq!(gone.into_result().unwrap().unwrap(), "gone");
    /// # Ok::<(), deferred::LoopingCallError>(())
    /// ```
    pub fn stop(&self) -> Result<(), LoopingCallError> {
        self.machine.stop()
    }

    /// Starts the interval anew: the next call is made one interval from now, and
    /// the others at the intervals after that. While a call is being made or
    /// waits for its Deferred, it does nothing.
    ///
    /// # Errors
    ///
    /// It does [not run](LoopingCallError::NotRunning).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{LoopingCall, LoopingCallError, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let idle = LoopingCall::new(|| Err::<(), _>(deferred::Failure::msg("nothing for a minute")));
    /// let watched = idle.start_later(&clock, Duration::from_secs(60))?;
    /// clock.advance(Duration::from_secs(50));
    /// idle.reset()?; // something came
    /// clock.advance(Duration::from_secs(50));
    /// assert!(idle.is_running());
    /// clock.advance(Duration::from_secs(10));
    /// assert_eq!(idle.reset(), Err(LoopingCallError::NotRunning));
    /// # watched.ignore();
    /// # Ok::<(), LoopingCallError>(())
    /// ```
    pub fn reset(&self) -> Result<(), LoopingCallError> {
        self.machine.reset()
    }

    /// Changes the interval of a loop that runs. The next call is made one interval after
    /// the last one, or after the start if there was none; if that time has passed, at
    /// the next multiple.
    ///
    /// # Errors
    ///
    /// It does [not run](LoopingCallError::NotRunning).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{LoopingCall, VirtualClock};
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let polls = Rc::new(Cell::new(0));
    /// let count = Rc::clone(&polls);
    /// let poll = LoopingCall::new(move || count.set(count.get() + 1));
    /// poll.start(&clock, Duration::from_secs(60))?.detach();
    /// clock.advance(Duration::from_secs(5));
    /// poll.set_interval(Duration::from_secs(10))?; // something is going on
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!(polls.get(), 2, "at the start, and 10 seconds after it");
    /// # poll.stop()?;
    /// # Ok::<(), deferred::LoopingCallError>(())
    /// ```
    pub fn set_interval(&self, interval: Duration) -> Result<(), LoopingCallError> {
        self.machine.set_interval(interval)
    }

    /// Whether there will be a further call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// let clock = deferred::VirtualClock::new();
    /// let ticks = deferred::LoopingCall::new(|| println!("tick"));
    /// assert!(!ticks.is_running());
    /// ticks.start(&clock, Duration::from_secs(1))?.detach();
    /// assert!(ticks.is_running());
    /// # ticks.stop()?;
    /// # Ok::<(), deferred::LoopingCallError>(())
    /// ```
    pub fn is_running(&self) -> bool {
        self.machine.is_running()
    }
}

/// What a call comes to, without its value.
fn outcome<O: Outcome>(made_at: CallSite, f: impl FnOnce() -> O) -> Deferred<()> {
    maybe_deferred_at(made_at, f).add_callback(|_value| Ok(()))
}

impl fmt::Debug for LoopingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopingCall")
            .field("is_running", &self.is_running())
            .finish_non_exhaustive()
    }
}

/// Why a [`LoopingCall`] does not do what it was asked for.
///
/// # Examples
///
/// ```
/// use deferred::{LoopingCall, LoopingCallError, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let second = Duration::from_secs(1);
/// let ticks = LoopingCall::new(|| println!("tick"));
/// assert_eq!(ticks.stop(), Err(LoopingCallError::NotRunning));
/// ticks.start(&clock, second)?.detach();
/// assert_eq!(ticks.start(&clock, second).unwrap_err(), LoopingCallError::AlreadyRunning);
/// # ticks.stop()?;
/// # Ok::<(), LoopingCallError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopingCallError {
    /// It was started before, and runs.
    AlreadyRunning,
    /// It was stopped, but its last call has not ended: it, or the Deferred it
    /// returned, has to end before the loop can be started again.
    StillCalling,
    /// It was not started, or is over.
    NotRunning,
}

impl fmt::Display for LoopingCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyRunning => "the looping call runs already",
            Self::StillCalling => "the looping call was stopped, but its last call has not ended",
            Self::NotRunning => "the looping call does not run",
        })
    }
}

impl Error for LoopingCallError {}
