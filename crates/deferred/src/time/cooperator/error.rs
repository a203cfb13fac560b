//! The errors of cooperative tasks.

use std::error::Error;
use std::fmt;

/// A [`CooperativeTask`](crate::CooperativeTask) has ended, in this way, and cannot be paused.
///
/// It is Twisted's `TaskFinished`, with its subclasses as variants.
///
/// # Examples
///
/// ```
/// use deferred::errors::TaskFinished;
/// use deferred::{Cooperator, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let cooperator = Cooperator::new(&clock);
/// let (short, long) = (cooperator.cooperate([()]), cooperator.cooperate([(); 1000]));
/// long.stop();
/// clock.advance(Duration::ZERO);
/// assert_eq!(short.pause(), Err(TaskFinished::Done));
/// assert_eq!(long.pause(), Err(TaskFinished::Stopped));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// A task that is not paused cannot be resumed.
///
/// # Examples
///
/// ```
/// use deferred::errors::NotPaused;
/// use deferred::{Cooperator, VirtualClock};
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

/// [`when_done`](crate::CooperativeTask::when_done) fails with this if the task was stopped.
///
/// # Examples
///
/// ```
/// use deferred::errors::TaskStopped;
/// use deferred::{Cooperator, VirtualClock};
///
/// let task = Cooperator::new(&VirtualClock::new()).cooperate([()]);
/// let searched = task.when_done().add_errback(|failure| {
///     failure.trap::<TaskStopped>()?; // by ourselves
///     Ok(())
/// });
/// task.stop();
/// assert!(searched.into_result().unwrap().is_ok());
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

/// [`when_done`](crate::CooperativeTask::when_done) fails with this if the task's cooperator
/// was stopped.
///
/// It is Twisted's `SchedulerStopped`.
///
/// # Examples
///
/// ```
/// use deferred::errors::CooperatorStopped;
/// use deferred::{Cooperator, VirtualClock};
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
