//! Why a task does not do what it was asked for, or ended early.

use std::error::Error;
use std::fmt;

/// Nothing can be done about a [`CooperativeTask`](crate::CooperativeTask) any
/// more: it is over. This says in which way.
///
/// It is Twisted's `TaskFinished`, with its subclasses as variants.
///
/// # Examples
///
/// ```
/// use deferred::{Cooperator, TaskFinished, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let cooperator = Cooperator::new(&clock);
/// let (short, long) = (cooperator.cooperate([()]), cooperator.cooperate([(); 1000]));
/// long.stop()?;
/// clock.advance(Duration::ZERO);
/// assert_eq!(short.pause(), Err(TaskFinished::Done));
/// assert_eq!(long.pause(), Err(TaskFinished::Stopped));
/// # Ok::<(), TaskFinished>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskFinished {
    /// Its iterator came to its end (`TaskDone`).
    Done,
    /// Its iterator gave a failure, or panicked, or its clock ended (`TaskFailed`).
    Failed,
    /// It was stopped (`TaskStopped`).
    Stopped,
    /// Its cooperator was stopped (`SchedulerStopped`).
    CooperatorStopped,
}

impl fmt::Display for TaskFinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "the task is done",
            Self::Failed => "the task has failed",
            Self::Stopped => "the task was stopped",
            Self::CooperatorStopped => "the task's cooperator was stopped",
        })
    }
}

impl Error for TaskFinished {}

/// A task was to be resumed that is not paused.
///
/// # Examples
///
/// ```
/// use deferred::{Cooperator, NotPaused, VirtualClock};
///
/// let task = Cooperator::new(&VirtualClock::new()).cooperate([()]);
/// let error: NotPaused = task.resume().unwrap_err();
/// assert_eq!(error.to_string(), "the task is not paused");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotPaused;

impl fmt::Display for NotPaused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task is not paused")
    }
}

impl Error for NotPaused {}

/// What [`when_done`](crate::CooperativeTask::when_done) fails with if the task
/// was stopped.
///
/// # Examples
///
/// ```
/// use deferred::{Cooperator, TaskStopped, VirtualClock};
///
/// let task = Cooperator::new(&VirtualClock::new()).cooperate([()]);
/// let searched = task.when_done().add_errback(|failure| {
///     failure.trap::<TaskStopped>()?; // we have done that ourselves
///     Ok(())
/// });
/// task.stop()?;
/// assert!(searched.into_result().unwrap().is_ok());
/// # Ok::<(), deferred::TaskFinished>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskStopped;

impl fmt::Display for TaskStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task was stopped")
    }
}

impl Error for TaskStopped {}

/// What [`when_done`](crate::CooperativeTask::when_done) fails with if the
/// task's cooperator was stopped.
///
/// It is Twisted's `SchedulerStopped`.
///
/// # Examples
///
/// ```
/// use deferred::{Cooperator, CooperatorStopped, VirtualClock};
///
/// let cooperator = Cooperator::new(&VirtualClock::new());
/// let searched = cooperator.coiterate([()]);
/// cooperator.stop();
/// assert!(searched.into_result().unwrap().unwrap_err().is::<CooperatorStopped>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CooperatorStopped;

impl fmt::Display for CooperatorStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cooperator was stopped")
    }
}

impl Error for CooperatorStopped {}
