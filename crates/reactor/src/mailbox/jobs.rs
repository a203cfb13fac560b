//! Jobs: the queue of a mailbox, and the loop that runs it.
//!
//! They are compiled once, and not for each protocol of a program: so a job gets its owner and the
//! protocol as `dyn Any`, and downcasts them to their types.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;

use deferred::{Failure, Result};

use crate::panics::drop_contained;

/// Work for a protocol that does not come from its own handler. The arguments are the owner, and
/// its `Open`: see [`job_of`](super::job_of).
pub(crate) type Job = Box<dyn FnOnce(&dyn Any, &mut dyn Any) -> Result<()>>;

/// Whether the output of a job counts as an answer to input: see
/// [`WriteLimits::high_water`](crate::WriteLimits::high_water).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A handler of input has posted the job, or a job with this cause has.
    Input,
    /// Other code has posted the job.
    Other,
}

/// The owner of a mailbox, without the type of its protocol.
pub(crate) trait JobOwner: Any {
    fn jobs(&self) -> &Jobs;

    /// Notes whether there are jobs. By default, an owner looks into the queue.
    fn set_has_jobs(&self, has_jobs: bool) {
        let _ = has_jobs;
    }

    /// Calls `job` as a job with this cause. By default, the cause is of no interest.
    fn run_as(&self, cause: Cause, job: &mut dyn FnMut()) {
        let _ = cause;
        job();
    }

    /// Called when a handler or a job has failed or panicked.
    fn handler_failed(&self, failure: Failure);
}

/// The jobs that wait for a protocol.
#[derive(Default)]
pub(crate) struct Jobs(RefCell<VecDeque<(Job, Cause)>>);

impl Jobs {
    pub(super) fn push(&self, job: Job, cause: Cause) {
        self.0.borrow_mut().push_back((job, cause));
    }

    fn next(&self) -> Option<(Job, Cause)> {
        self.0.borrow_mut().pop_front()
    }

    /// Drops all jobs. The owner is closed already, so the drops cannot post further ones.
    #[inline]
    pub(super) fn discard(&self) {
        // Most owners end without any.
        if !self.0.borrow().is_empty() {
            self.discard_all();
        }
    }

    #[cold]
    fn discard_all(&self) {
        while let Some(job) = self.next() {
            drop_contained("the drop of a job", job);
        }
    }
}

/// Runs the jobs of `owner` that wait now; jobs that they post wait for the next call.
#[inline(never)]
pub(crate) fn run_waiting(owner: &dyn JobOwner, open: &mut dyn Any) {
    let jobs = owner.jobs();
    // Counted first, so that a job which posts itself again does not keep the loop busy.
    let count = jobs.0.borrow().len();
    for _ in 0..count {
        // Popped one by one, with no borrow during the job, because the job may post others, or
        // close the owner, which takes the remaining ones.
        let Some((job, cause)) = jobs.next() else {
            break;
        };
        let (mut job, mut called) = (Some(job), Ok(()));
        owner.run_as(cause, &mut || {
            if let Some(job) = job.take() {
                called = Failure::catch(|| job(owner, open)).flatten();
            }
        });
        // Outside of `run_as`, because a connection reports in its span, which must not be entered
        // twice.
        if let Err(failure) = called {
            owner.handler_failed(failure);
        }
    }
    let has_jobs = !jobs.0.borrow().is_empty();
    owner.set_has_jobs(has_jobs);
}
