//! `CooperativeTask`: what can be done about one task.

use std::fmt;
use std::rc::Rc;

use super::error::{NotPaused, TaskFinished};
use super::task::Task;
use crate::failure::Result;
use crate::local::Deferred;

/// A task of a [`Cooperator`](crate::Cooperator), from
/// [`Cooperator::cooperate`](crate::Cooperator::cooperate).
///
/// A clone is another handle on the same task.
///
/// # Examples
///
/// ```
/// use deferred::{Cooperator, TaskFinished, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let task = Cooperator::new(&clock).cooperate((0..3).map(|n| println!("{n}")));
///
/// task.pause()?;
/// clock.advance(Duration::from_secs(1)); // prints nothing
/// task.resume().unwrap();
/// clock.advance(Duration::from_secs(1)); // prints 0, 1 and 2
/// assert!(task.when_done().into_result().unwrap().is_ok());
/// assert_eq!(task.stop(), Err(TaskFinished::Done));
/// # Ok::<(), TaskFinished>(())
/// ```
#[derive(Clone)]
pub struct CooperativeTask {
    task: Rc<Task>,
}

impl CooperativeTask {
    pub(super) fn new(task: Rc<Task>) -> Self {
        Self { task }
    }

    /// Has the task make no step until it is [resumed](Self::resume), as often as
    /// it was paused. A step that is being made is finished.
    ///
    /// # Errors
    ///
    /// It is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cooperator, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let task = Cooperator::new(&clock).cooperate([(); 3]);
    /// task.pause()?;
    /// clock.advance(Cooperator::DEFAULT_SLICE);
    /// assert!(task.when_done().into_result().is_err(), "it makes no step");
    /// task.resume().expect("it is paused");
    /// clock.advance(Cooperator::DEFAULT_SLICE);
    /// assert!(task.when_done().into_result().is_ok());
    /// # Ok::<(), deferred::TaskFinished>(())
    /// ```
    pub fn pause(&self) -> Result<(), TaskFinished> {
        self.task.pause()
    }

    /// Takes one pause back. After the last one the task goes on, behind those
    /// that are ready already.
    ///
    /// Waiting for a Deferred is not a pause, and cannot be ended by this.
    ///
    /// # Errors
    ///
    /// It is not paused.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cooperator, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let task = Cooperator::new(&clock).cooperate([()]);
    /// task.pause().and_then(|()| task.pause())?;
    /// task.resume().unwrap();
    /// clock.advance(Duration::ZERO);
    /// assert!(task.when_done().into_result().is_err(), "it was paused twice");
    /// task.resume().unwrap();
    /// clock.advance(Duration::ZERO);
    /// assert!(task.when_done().into_result().is_ok());
    /// # Ok::<(), deferred::TaskFinished>(())
    /// ```
    pub fn resume(&self) -> Result<(), NotPaused> {
        self.task.resume()
    }

    /// Stops the task: drops its iterator, cancels the Deferred it waits for, and
    /// has [`when_done`](Self::when_done) fail with
    /// [`TaskStopped`](crate::TaskStopped), all before this returns. An iterator that
    /// stops its own task is dropped after its step.
    ///
    /// # Errors
    ///
    /// It is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cooperator, VirtualClock};
    /// use std::rc::Rc;
    ///
    /// let book = Rc::new("It was a dark and stormy night");
    /// let copy = Rc::clone(&book);
    /// let words = (0..).map(move |n| println!("{:?}", copy.split(' ').nth(n)));
    /// let task = Cooperator::new(&VirtualClock::new()).cooperate(words);
    /// task.stop()?;
    /// assert_eq!(Rc::strong_count(&book), 1, "the iterator is gone");
    /// # Ok::<(), deferred::TaskFinished>(())
    /// ```
    pub fn stop(&self) -> Result<(), TaskFinished> {
        self.task.stop()
    }

    /// A Deferred that fires when the task is over; at once, if it is. There may
    /// be any number of them.
    ///
    /// It fails with the failure of the item, or the panic, that has ended the
    /// task, with [`TaskStopped`](crate::TaskStopped), with
    /// [`CooperatorStopped`](crate::CooperatorStopped), or with
    /// [`Abandoned`](crate::Abandoned) if the clock has ended, or the task is paused and
    /// nobody is left to resume it.
    ///
    /// Cancelling it does not stop the task.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cooperator, Failure, VirtualClock};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let steps = [Ok(()), Err(Failure::msg("the disk is full")), Ok(())];
    /// let task = Cooperator::new(&clock).cooperate(steps);
    /// let copied = task.when_done();
    /// clock.advance(Duration::ZERO);
    /// let failure = copied.into_result().unwrap().unwrap_err();
    /// assert_eq!(failure.message(), "the disk is full");
    /// ```
    #[track_caller]
    pub fn when_done(&self) -> Deferred<()> {
        self.task.when_done()
    }
}

impl fmt::Debug for CooperativeTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CooperativeTask")
            .field("finished", &self.task.finished())
            .finish_non_exhaustive()
    }
}
