//! `LoopingCall`: a function that is called at an interval.

mod error;
mod machine;
mod timetable;

use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

pub use self::error::LoopingCallError;
use self::machine::Machine;
use crate::failure::Result;
use crate::local::Deferred;
use crate::local::Outcome;
use crate::local::maybe_deferred_at;
use crate::stage_trace::CallSite;
use crate::time::clock::ToClock;

/// Calls a function at a fixed interval, until it is stopped or the function fails.
///
/// The k-th call is due at the start plus k intervals, so delays do not add up. Times that
/// have passed when a call ends are skipped. If the function returns a Deferred, the next call
/// is made after that has fired.
///
/// A clone is another handle on the same loop. Dropping all handles does not stop it.
///
/// # The Deferred of the loop
///
/// [`start`](Self::start) returns a Deferred that fires when the loop has ended:
///
/// - with `()` after [`stop`](Self::stop), when the call that is being made has ended;
/// - with the failure of the function, of the Deferred that it returned, or of its panic;
/// - with [`Abandoned`](crate::Abandoned) if the clock ends.
///
/// Cancelling it stops the loop and cancels the Deferred that the function returned.
///
/// # Memory
///
/// While it runs, the loop keeps a clone of the clock, and the clock keeps the loop. So a
/// clock that owns its calls, as a [`VirtualClock`](crate::VirtualClock) does, exists until
/// the loop has ended.
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
/// heart.stop();
/// stopped.into_result().unwrap().unwrap();
/// # Ok::<(), deferred::errors::LoopingCallError>(())
/// ```
#[doc(alias = "setInterval")]
#[doc(alias = "interval")]
#[derive(Clone)]
pub struct LoopingCall {
    machine: Rc<Machine>,
}

impl LoopingCall {
    /// A loop over `f`, not started yet.
    ///
    /// If `f` returns a Deferred, `f` is called again only after that has fired. A value is
    /// dropped, a failure ends the loop.
    #[track_caller]
    pub fn new<F, O>(mut f: F) -> Self
    where
        F: FnMut() -> O + 'static,
        O: Outcome,
    {
        let made_at = Location::caller();
        let function = move |_: &Rc<Machine>, _count| outcome(made_at, &mut f);
        Self {
            machine: Machine::new(Box::new(function), false),
        }
    }

    /// As [`new`](Self::new), and `f` gets the number of intervals since its last call: 1, or
    /// more if calls were skipped; never 0.
    ///
    /// Without an interval it is always 1. A start or a [`reset`](Self::reset) counts anew.
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
    /// clock.jump(Duration::from_millis(400)); // a long computation
    /// assert_eq!(frames.get(), 11);
    /// # video.stop();
    /// # Ok::<(), deferred::errors::LoopingCallError>(())
    /// ```
    #[track_caller]
    #[doc(alias = "withCount")]
    pub fn with_count<F, O>(mut f: F) -> Self
    where
        F: FnMut(u64) -> O + 'static,
        O: Outcome,
    {
        let made_at = Location::caller();
        let function = move |_: &Rc<Machine>, count| outcome(made_at, || f(count));
        Self {
            machine: Machine::new(Box::new(function), true),
        }
    }

    /// As [`new`](Self::new), and `f` gets the loop, to stop it or to change its interval.
    ///
    /// A closure that captured the loop would own itself, and never be dropped.
    #[track_caller]
    pub fn with_loop<F, O>(mut f: F) -> Self
    where
        F: FnMut(&Self) -> O + 'static,
        O: Outcome,
    {
        let made_at = Location::caller();
        let function = move |machine: &Rc<Machine>, _count| {
            let looping = Self {
                machine: Rc::clone(machine),
            };
            outcome(made_at, || f(&looping))
        };
        Self {
            machine: Machine::new(Box::new(function), false),
        }
    }

    /// Starts the loop: makes the first call before this returns, and the next ones at each
    /// `interval`.
    ///
    /// With an interval of zero, each call schedules the next one without a delay.
    ///
    /// # Errors
    ///
    /// The loop [runs already](LoopingCallError::AlreadyRunning), or was stopped while a call
    /// [has not ended](LoopingCallError::StillCalling).
    #[track_caller]
    pub fn start<C>(&self, clock: &C, interval: Duration) -> Result<Deferred<()>, LoopingCallError>
    where
        C: ToClock + ?Sized,
    {
        self.machine.start(clock.to_clock(), interval, true)
    }

    /// As [`start`](Self::start), but the first call is made after one interval: Twisted's
    /// `start(now=False)`.
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
    /// # reminder.stop();
    /// # Ok::<(), deferred::errors::LoopingCallError>(())
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

    /// Stops the loop: no further call is made. Returns whether it was running.
    ///
    /// The Deferred of the loop fires now; or, if a call has not ended, when that ends, with
    /// its failure if it fails. The function may stop its own loop.
    #[doc(alias = "clearInterval")]
    pub fn stop(&self) -> bool {
        self.machine.stop()
    }

    /// Starts the interval anew: the next call is made one interval from now, and the others
    /// at the intervals after that. While a call has not ended, it does nothing.
    ///
    /// # Errors
    ///
    /// The loop does [not run](LoopingCallError::NotRunning).
    pub fn reset(&self) -> Result<(), LoopingCallError> {
        self.machine.reset()
    }

    /// Changes the interval of a loop that runs. The next call is made one interval after
    /// the last one, or after the start if there was none; if that time has passed, at
    /// the next multiple.
    ///
    /// # Errors
    ///
    /// The loop does [not run](LoopingCallError::NotRunning).
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
    /// # poll.stop();
    /// # Ok::<(), deferred::errors::LoopingCallError>(())
    /// ```
    pub fn set_interval(&self, interval: Duration) -> Result<(), LoopingCallError> {
        self.machine.set_interval(interval)
    }

    /// Whether a further call will be made.
    pub fn is_running(&self) -> bool {
        self.machine.is_running()
    }
}

/// The outcome of a call, without its value.
fn outcome<O: Outcome>(made_at: CallSite, f: impl FnOnce() -> O) -> Deferred<()> {
    // The loop waits for the end of a call, not for its value, which is dropped as soon as it is
    // there.
    maybe_deferred_at(made_at, f).add_callback(|_value| Ok(()))
}

impl fmt::Debug for LoopingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopingCall")
            .field("is_running", &self.is_running())
            .finish_non_exhaustive()
    }
}
