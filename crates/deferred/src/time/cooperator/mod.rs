//! `Cooperator`: cooperative multitasking with iterators.

mod error;
mod handle;
mod task;
mod turns;

use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

pub use self::error::{CooperatorStopped, NotPaused, TaskFinished, TaskStopped};
pub use self::handle::CooperativeTask;
use self::task::{Steps, Task};
use self::turns::Turns;
use crate::error::Cancelled;
use crate::failure::Failure;
use crate::local::Deferred;
use crate::local::Outcome;
use crate::stage_trace::CallSite;
use crate::time::clock::ToClock;

/// Runs iterators in small steps, so that long work does not block the loop.
///
/// Each `next` of an iterator is a step, and should take milliseconds at most. In a turn, the
/// tasks make one step each, round robin, until the [slice](Self::set_slice) has passed; then
/// the clock makes its other calls, and the next turn is due at once.
///
/// The items are [`Outcome`]s. If an item is a Deferred, its task waits for it before the next
/// step, and the other tasks go on. A failure or a panic ends the task.
///
/// A clone is another handle on the same cooperator.
///
/// # Memory
///
/// The cooperator keeps a clone of the clock. While a task is ready, the clock keeps the
/// cooperator. If the clock ends, the tasks are [`Abandoned`](crate::Abandoned).
///
/// # Examples
///
/// ```
/// use deferred::{Cooperator, VirtualClock};
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let cooperator = Cooperator::new(&clock);
///
/// let sum = Rc::new(Cell::new(0_u64));
/// let total = Rc::clone(&sum);
/// let summed = cooperator.coiterate((1..=100_000).map(move |n| total.set(total.get() + n)));
///
/// clock.advance(Duration::ZERO);
/// summed.into_result().unwrap()?;
/// assert_eq!(sum.get(), 5_000_050_000);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "yield_now")]
#[doc(alias = "requestIdleCallback")]
#[derive(Clone)]
pub struct Cooperator {
    turns: Rc<Turns>,
}

impl Cooperator {
    /// The default [slice](Self::set_slice): 10 ms.
    pub const DEFAULT_SLICE: Duration = turns::DEFAULT_SLICE;

    /// The default [number of steps](Self::set_max_steps) in a turn: 1000.
    pub const DEFAULT_MAX_STEPS: usize = turns::DEFAULT_MAX_STEPS;

    /// A cooperator without tasks, with turns on `clock`.
    pub fn new<C: ToClock + ?Sized>(clock: &C) -> Self {
        Self {
            turns: Turns::new(clock.to_clock()),
        }
    }

    /// Sets how long a turn may take, by the clock: when it has passed, no further step begins.
    /// A turn makes one step at least, and never interrupts a step.
    pub fn set_slice(&self, slice: Duration) {
        self.turns.slice.set(slice);
    }

    /// Sets how many steps a turn makes at most; 0 counts as 1. It ends the turns of a clock
    /// that stands still during a turn, as a [`VirtualClock`](crate::VirtualClock) does.
    pub fn set_max_steps(&self, steps: usize) {
        self.turns.max_steps.set(steps);
    }

    /// Sets the time between two turns, which is zero by default.
    ///
    /// If it is zero, [`VirtualClock::advance`](crate::VirtualClock::advance) runs every task to
    /// its end, and never returns if a task has no end.
    pub fn set_delay(&self, delay: Duration) {
        self.turns.delay.set(delay);
    }

    /// Adds a task. Its first step is made in the next turn.
    ///
    /// Dropping the handle does not stop the task. A failure that ends it is reported as
    /// unhandled, unless [`when_done`](CooperativeTask::when_done) returns it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::errors::TaskStopped;
    /// use deferred::{Cooperator, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let cooperator = Cooperator::new(&clock);
    /// let task = cooperator.cooperate(std::iter::repeat_with(|| println!("searching")));
    /// let searched = task.when_done();
    /// task.stop();
    /// assert!(searched.into_result().unwrap().unwrap_err().is::<TaskStopped>());
    /// ```
    #[track_caller]
    pub fn cooperate<I>(&self, work: I) -> CooperativeTask
    where
        I: IntoIterator,
        I::IntoIter: 'static,
        I::Item: Outcome,
    {
        let task = self.task(work, Location::caller());
        task.join();
        CooperativeTask::new(task)
    }

    /// Adds a task, and returns a Deferred that fires at its end, with `()` or with the failure
    /// that has ended it.
    ///
    /// Cancelling the Deferred stops the task; it fails with [`Cancelled`](crate::Cancelled).
    ///
    /// # Examples
    ///
    /// Items may be Deferreds, which the task waits for one after the other:
    ///
    /// ```
    /// use deferred::{Cooperator, VirtualClock, sleep};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let same_clock = clock.clone();
    /// let naps = (0..3).map(move |_| sleep(&same_clock, Duration::from_secs(1)));
    /// let rested = Cooperator::new(&clock).coiterate(naps);
    /// clock.advance(Duration::from_secs(3));
    /// assert!(rested.into_result().unwrap().is_ok());
    /// ```
    #[track_caller]
    pub fn coiterate<I>(&self, work: I) -> Deferred<()>
    where
        I: IntoIterator,
        I::IntoIter: 'static,
        I::Item: Outcome,
    {
        let called_at = Location::caller();
        let task = self.task(work, called_at);
        // The caller gets no handle on the task: a cancel is its way to stop it.
        let deferred = task.observe(move |task| {
            task.stop_with(Failure::raised_at_place(Cancelled::new(), called_at));
        });
        task.join();
        deferred
    }

    fn task<I>(&self, work: I, made_at: CallSite) -> Rc<Task>
    where
        I: IntoIterator,
        I::IntoIter: 'static,
        I::Item: Outcome,
    {
        let mut items = work.into_iter();
        let steps: Steps = Box::new(move || {
            let item = Deferred::from_step(items.next()?.into_step());
            // The task waits for the end of a step, not for its value.
            Some(item.add_callback(|_value| Ok(())))
        });
        Task::new(Rc::clone(&self.turns), steps, made_at)
    }

    /// Stops the cooperator: ready tasks end with [`CooperatorStopped`] now, paused and waiting
    /// ones when they become ready, and new ones when they are added.
    pub fn stop(&self) {
        self.turns.stop();
    }

    /// Accepts tasks again after a [`stop`](Self::stop). Tasks that have ended stay ended.
    pub fn start(&self) {
        self.turns.start();
    }

    /// Whether the cooperator accepts tasks: until it is stopped.
    pub fn is_running(&self) -> bool {
        self.turns.is_running()
    }
}

impl fmt::Debug for Cooperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cooperator")
            .field("is_running", &self.is_running())
            .field("ready", &self.turns.len())
            .finish_non_exhaustive()
    }
}
