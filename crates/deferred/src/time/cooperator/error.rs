//! Why a task does not do what it was asked for, or ended early.

use std::error::Error;
use std::fmt;

/// Nothing can be done about a [`CooperativeTask`](crate::CooperativeTask) any
/// more: it is over. This says in which way.
///
/// It is Twisted's `TaskFinished`, with its subclasses as variants.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CooperatorStopped;

impl fmt::Display for CooperatorStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cooperator was stopped")
    }
}

impl Error for CooperatorStopped {}
