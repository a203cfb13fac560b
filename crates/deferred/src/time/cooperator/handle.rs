//! `CooperativeTask`: the handle on one task of a cooperator.

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
/// use deferred::errors::TaskFinished;
/// use deferred::{Cooperator, VirtualClock};
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
/// assert!(!task.stop(), "it has ended");
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

    /// Pauses the task: it makes no step until it is [resumed](Self::resume) as often as it was
    /// paused. A step that is being made is finished.
    ///
    /// # Errors
    ///
    /// The task has ended.
    pub fn pause(&self) -> Result<(), TaskFinished> {
        self.task.pause()
    }

    /// Takes one pause back. After the last one, the task goes on, behind those that are ready
    /// already. It does not end the wait for a Deferred.
    ///
    /// # Errors
    ///
    /// The task is not paused.
    pub fn resume(&self) -> Result<(), NotPaused> {
        self.task.resume()
    }

    /// Stops the task. Returns whether it was still running.
    ///
    /// Its iterator is dropped, the Deferred that it waits for is cancelled, and
    /// [`when_done`](Self::when_done) fails with [`TaskStopped`](crate::errors::TaskStopped),
    /// all before this returns. An iterator that stops its own task is dropped after its step.
    #[doc(alias = "abort")]
    pub fn stop(&self) -> bool {
        self.task.stop()
    }

    /// A Deferred that fires when the task has ended. There may be any number of them.
    ///
    /// It fails with the failure of the item, or the panic, that has ended the task, with
    /// [`TaskStopped`](crate::errors::TaskStopped), with
    /// [`CooperatorStopped`](crate::errors::CooperatorStopped), or with
    /// [`Abandoned`](crate::Abandoned) if the clock has ended, or if the last handle of a paused
    /// task was dropped.
    ///
    /// Cancelling it does not stop the task.
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
