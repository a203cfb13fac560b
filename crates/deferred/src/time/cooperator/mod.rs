//! `Cooperator`: long work in small steps, a slice of time for all of it.

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

/// Runs many iterators a little at a time, so that long work does not hold up
/// the loop.
///
/// Each `next` of an iterator is a step. In a turn, the tasks make one step each,
/// round and round, until the [slice](Self::set_slice) is over; then the clock
/// goes on with its other calls, and the next turn is due at once. So an item is
/// to be a small piece of the work, some milliseconds at the most.
///
/// What an iterator gives is an [`Outcome`]: a Deferred is waited for before the
/// next step, and meanwhile the others go on. A failure ends the task, and so
/// does a panic.
///
/// A clone is another handle on the same cooperator.
///
/// # What it keeps
///
/// The cooperator keeps a clone of the clock, and while a task can go on, the
/// clock keeps the cooperator. If the clock ends, the tasks are
/// [`Abandoned`](crate::Abandoned).
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
#[derive(Clone)]
pub struct Cooperator {
    turns: Rc<Turns>,
}

impl Cooperator {
    /// How long a turn may take, unless said otherwise: 10 ms.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cooperator, VirtualClock};
    ///
    /// let cooperator = Cooperator::new(&VirtualClock::new());
    /// // A game that draws a picture every 16 ms has less time for it.
    /// cooperator.set_slice(Cooperator::DEFAULT_SLICE / 5);
    /// assert_eq!(Cooperator::DEFAULT_SLICE.as_millis(), 10);
    /// ```
    pub const DEFAULT_SLICE: Duration = Duration::from_millis(10);

    /// How many steps are made in a turn, unless said otherwise: 1000.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::cell::Cell;
    /// # use std::rc::Rc;
    /// use deferred::{Cooperator, VirtualClock};
    /// use std::time::Duration;
    ///
    /// # let clock = VirtualClock::new();
    /// # let cooperator = Cooperator::new(&clock);
    /// # let steps = Rc::new(Cell::new(0));
    /// # let count = Rc::clone(&steps);
    /// # let work = std::iter::repeat_with(move || count.set(count.get() + 1));
    /// cooperator.set_delay(Duration::from_secs(1));
    /// cooperator.cooperate(work); // it counts its steps
    /// clock.advance(Duration::from_secs(2)); // two turns, on a clock that stands still in each
    /// assert_eq!(steps.get(), 2 * Cooperator::DEFAULT_MAX_STEPS);
    /// # cooperator.stop();
    /// ```
    pub const DEFAULT_MAX_STEPS: usize = 1000;

    /// A cooperator without tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cooperator, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let cooperator = Cooperator::new(&clock);
    /// let counted = cooperator.coiterate((1..=3).map(|n| println!("{n}")));
    /// clock.advance(Duration::ZERO); // has the steps made
    /// assert!(counted.into_result().unwrap().is_ok());
    /// ```
    pub fn new<C: ToClock + ?Sized>(clock: &C) -> Self {
        Self {
            turns: Turns::new(clock.to_clock()),
        }
    }

    /// Sets for how long tasks make steps in a turn, by the clock. There is one
    /// step at least, and a step is never interrupted.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::cell::Cell;
    /// # use std::rc::Rc;
    /// use deferred::{Cooperator, VirtualClock};
    /// use std::time::Duration;
    ///
    /// # let clock = VirtualClock::new();
    /// # let cooperator = Cooperator::new(&clock);
    /// # let steps = Rc::new(Cell::new(0));
    /// # let (count, busy) = (Rc::clone(&steps), clock.clone());
    /// # let work = std::iter::repeat_with(move || {
    /// #     count.set(count.get() + 1);
    /// #     busy.jump(Duration::from_millis(4));
    /// # });
    /// cooperator.set_slice(Duration::from_millis(12));
    /// cooperator.set_delay(Duration::from_secs(1));
    /// cooperator.cooperate(work); // each step takes 4 ms
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(steps.get(), 3);
    /// # cooperator.stop();
    /// ```
    pub fn set_slice(&self, slice: Duration) {
        self.turns.slice.set(slice);
    }

    /// Sets how many steps are made in a turn at the most; 0 counts as 1. It ends
    /// the turn on a clock that stands still meanwhile, as a
    /// [`VirtualClock`](crate::VirtualClock) does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::cell::Cell;
    /// # use std::rc::Rc;
    /// use deferred::{Cooperator, VirtualClock};
    /// use std::time::Duration;
    ///
    /// # let clock = VirtualClock::new();
    /// # let cooperator = Cooperator::new(&clock);
    /// # let steps = Rc::new(Cell::new(0));
    /// # let count = Rc::clone(&steps);
    /// # let work = std::iter::repeat_with(move || count.set(count.get() + 1));
    /// cooperator.set_max_steps(10);
    /// cooperator.set_delay(Duration::from_secs(1));
    /// cooperator.cooperate(work); // it counts its steps
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(steps.get(), 10);
    /// # cooperator.stop();
    /// ```
    pub fn set_max_steps(&self, steps: usize) {
        self.turns.max_steps.set(steps);
    }

    /// Sets how long to wait between two turns: not at all, unless said otherwise.
    ///
    /// Without a delay, [`VirtualClock::advance`](crate::VirtualClock::advance)
    /// runs every task to its end; it does not return if one has none.
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
    /// cooperator.set_max_steps(1);
    /// cooperator.set_delay(Duration::from_millis(20));
    ///
    /// let steps = Rc::new(Cell::new(0));
    /// let count = Rc::clone(&steps);
    /// cooperator.cooperate(std::iter::repeat_with(move || count.set(count.get() + 1)));
    /// clock.advance(Duration::from_millis(100));
    /// assert_eq!(steps.get(), 5);
    /// # cooperator.stop();
    /// ```
    pub fn set_delay(&self, delay: Duration) {
        self.turns.delay.set(delay);
    }

    /// Adds a task. Its first step is made in the next turn, not before this
    /// returns.
    ///
    /// Letting go of the task does not stop it. A failure that ends it is reported
    /// as unhandled if nobody asks for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cooperator, TaskStopped, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let cooperator = Cooperator::new(&clock);
    /// let task = cooperator.cooperate(std::iter::repeat_with(|| println!("searching")));
    /// let searched = task.when_done();
    /// task.stop()?;
    /// assert!(searched.into_result().unwrap().unwrap_err().is::<TaskStopped>());
    /// # Ok::<(), deferred::TaskFinished>(())
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

    /// Adds a task, and gives a Deferred that fires when it is over: with `()`,
    /// or with the failure that has ended it.
    ///
    /// Cancelling it stops the task, and it fails with
    /// [`Cancelled`](crate::Cancelled).
    ///
    /// # Examples
    ///
    /// Items may be Deferreds; the work is done one after the other:
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
        let deferred = task.observe(move |task| {
            task.stop_with(Failure::without_backtrace(Cancelled::new(), called_at));
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
            Some(item.add_callback(|_value| Ok(())))
        });
        Task::new(Rc::clone(&self.turns), steps, made_at)
    }

    /// Stops: ends all tasks with [`CooperatorStopped`], those that are paused or
    /// wait when they would go on, and those that are added from now on at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cooperator, CooperatorStopped, VirtualClock};
    ///
    /// let cooperator = Cooperator::new(&VirtualClock::new());
    /// let before = cooperator.coiterate([()]);
    /// cooperator.stop();
    /// let after = cooperator.coiterate([()]);
    /// for work in [before, after] {
    ///     assert!(work.into_result().unwrap().unwrap_err().is::<CooperatorStopped>());
    /// }
    /// ```
    pub fn stop(&self) {
        self.turns.stop();
    }

    /// Takes tasks again after a [`stop`](Self::stop). Those that have ended stay so.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cooperator, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let cooperator = Cooperator::new(&clock);
    /// cooperator.stop();
    /// cooperator.start();
    /// let work = cooperator.coiterate([()]);
    /// clock.advance(Duration::ZERO);
    /// assert!(work.into_result().unwrap().is_ok());
    /// ```
    pub fn start(&self) {
        self.turns.start();
    }

    /// Whether it takes tasks: from the beginning, and until it is stopped.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cooperator, VirtualClock};
    ///
    /// let cooperator = Cooperator::new(&VirtualClock::new());
    /// assert!(cooperator.is_running());
    /// cooperator.stop();
    /// assert!(!cooperator.is_running());
    /// ```
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
