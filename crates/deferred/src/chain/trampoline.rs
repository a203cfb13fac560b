//! Trampoline for drops: a queue per thread, so that drops inside of one another take
//! constant stack.
//!
//! Dropping a chain may drop another chain that one of its stages has captured, and so
//! on. The outermost drop works through the queue; the drops inside it only add to it.
//!
//! The queue runs while the thread panics, too. The panics of all user code that it runs are
//! contained, so it may run while a panic unwinds; and it must not leave work for later, because
//! the panic may be caught outside of this crate, where nothing runs the queue.
//!
//! An errback that the queue runs may look at a chain whose abandonment is still in the
//! queue. So a call that looks at a chain first runs the jobs that were added since the job
//! on the stack began, as if the drops of that job had run them at once. Jobs from before
//! stay in the queue: so any number of errbacks that look take constant stack.
//!
//! An errback may also run an event loop, which may wait for any of the jobs, and may go to sleep
//! without a further look at the queue. So an event loop runs the whole queue, and from then on,
//! until that errback returns, abandonments run at once.

use super::flavour::Flavour;
#[cfg(feature = "sync")]
use super::raw::Shared;
use super::raw::{CoreRef, Local, OwnedRunGuard, Remains};
use super::run;
use super::work_queue::{self, Draining, Job, NestedHandOver, WorkQueue};
use crate::error::Abandoned;
use crate::failure::Failure;
use crate::panics::drop_contained;

/// Fires `core`, whose last trigger is gone, with [`Abandoned`].
#[cold]
pub(super) fn abandon<M: Flavour>(core: CoreRef<M>) {
    add(Job::<M>::Abandon(core));
}

#[cold]
pub(super) fn discard<M: Flavour>(remains: Remains<M>) {
    add(Job::<M>::Discard(Box::new(remains)));
}

fn add<M: Flavour>(job: Job<M>) {
    // In an `Option`, because at the end of a thread `work_queue` does not call the closure; then
    // the job is still here.
    let mut job = Some(job);
    M::work_queue(|queue| {
        if let Some(job) = job.take() {
            queue.added.borrow_mut().push(job);
        }
    });
    match job {
        // The thread is at its end: its queue was dropped.
        Some(job) => perform(job),
        None => {
            M::work_queue(|queue| {
                // Inside of a drain, the loop further down the stack takes the job.
                if !queue.is_draining.get() {
                    drain(queue);
                }
            });
        }
    }
}

/// Runs the whole queue; returns the number of jobs.
fn drain<M: Flavour>(queue: &WorkQueue<M>) -> usize {
    let _draining = Draining::enter(&queue.is_draining);
    let mut count = 0;
    loop {
        // Set again for each job: an event loop inside of the last job has cleared it.
        queue.is_draining.set(true);
        let task = {
            let mut tasks = queue.tasks.borrow_mut();
            // The borrows end before the job runs: it may add jobs.
            tasks.extend(queue.added.borrow_mut().drain(..));
            tasks.pop_front()
        };
        match task {
            Some(task) => perform(task),
            None => return count,
        }
        count += 1;
    }
}

/// Runs the jobs that the job on the stack has added, and those that they add; returns their
/// number.
#[cold]
fn drain_added<M: Flavour>(queue: &WorkQueue<M>) -> usize {
    let before = queue.tasks.borrow().len();
    let mut count = 0;
    loop {
        let task = {
            let mut tasks = queue.tasks.borrow_mut();
            let mut added = queue.added.borrow_mut();
            // Reversed, because they are taken from the back.
            while let Some(job) = added.pop() {
                tasks.push_back(job);
            }
            if tasks.len() > before {
                tasks.pop_back()
            } else {
                None
            }
        };
        let Some(task) = task else {
            return count;
        };
        perform(task);
        // Set again: an event loop inside of the last job has cleared it.
        queue.is_draining.set(true);
        count += 1;
    }
}

/// Runs the jobs that the job on the stack has added, for a call that looks at a chain;
/// returns their number.
#[inline]
fn run_pending_of<M: Flavour>() -> usize {
    let ran = M::work_queue(|queue| {
        if queue.added.borrow().is_empty() {
            0
        } else {
            drain_added(queue)
        }
    });
    // At the end of a thread there is no queue, and jobs run at once.
    ran.unwrap_or(0)
}

/// Runs the whole queue, for an event loop, which may go to sleep without a further look at the
/// queue: afterwards, abandonments run at once, until the job on the stack is over. Also runs the
/// hand-overs that would have nested too deep, since the event loop may wait for one of them.
#[inline]
fn run_pending_in_loop<M: Flavour>() -> usize {
    let ran = M::work_queue(|queue| {
        // Otherwise nothing of this thread is on the stack, and the queue is empty.
        if queue.is_draining.get() || queue.handing_over.get() > 0 {
            run_all(queue)
        } else {
            0
        }
    });
    ran.unwrap_or(0)
}

#[cold]
fn run_all<M: Flavour>(queue: &WorkQueue<M>) -> usize {
    let mut count = drain(queue);
    // Hand-overs inside of this loop count from zero, and so run at once.
    queue.handing_over.set(0);
    loop {
        let guard = queue.handed_over.borrow_mut().pop_front();
        match guard {
            Some(guard) => run::run_owned(guard),
            None => return count,
        }
        count += 1;
    }
}

/// Number of hand-overs that may nest on the stack.
const NESTED_HAND_OVERS: usize = 8;

/// Runs a chain that was fired by a release, such as that of a lock: at once; or, if
/// [`NESTED_HAND_OVERS`] of these calls are on the stack, when the outermost of them is over.
pub(crate) fn hand_over<M: Flavour>(guard: OwnedRunGuard<M>) {
    let mut guard = Some(guard);
    M::work_queue(|queue| {
        // Each hand-over may release another lock in a callback, and so hand over again.
        let depth = queue.handing_over.get();
        if depth == NESTED_HAND_OVERS {
            if let Some(guard) = guard.take() {
                queue.handed_over.borrow_mut().push_back(guard);
            }
            return;
        }
        let _nested = NestedHandOver::enter(&queue.handing_over);
        while let Some(next) = guard.take() {
            run::run_owned(next);
            // Only the outermost call runs the hand-overs that were put off, in their order.
            if depth == 0 {
                guard = queue.handed_over.borrow_mut().pop_front();
            }
        }
    });
    // The guard is still here only if the thread is at its end and has no queue.
    if let Some(guard) = guard {
        run::run_owned(guard);
    }
}

fn perform<M: Flavour>(task: Job<M>) {
    match task {
        Job::Abandon(core) => {
            let make = |made_at| Failure::raised_at_place(Abandoned::new(), made_at);
            run::fail::<M>(&core, make, || {});
        }
        Job::Discard(remains) => drop_contained(remains),
    }
}

/// Runs the jobs of both flavours that the job on the stack has added, before a call looks at
/// a chain; returns their number.
#[inline]
pub(crate) fn run_pending() -> usize {
    let local = run_pending_of::<Local>();
    #[cfg(feature = "sync")]
    let local = run_pending_of_both(local);
    local
}

/// Repeats [`run_pending_of`], because a job of one flavour may add jobs of the other.
#[cfg(feature = "sync")]
#[inline]
fn run_pending_of_both(local: usize) -> usize {
    let mut count = local;
    loop {
        let shared = run_pending_of::<Shared>();
        if shared == 0 {
            return count;
        }
        count += shared + run_pending_of::<Local>();
    }
}

/// Runs this thread's queues of both flavours, for an event loop; returns the number of jobs.
#[inline]
pub(crate) fn run_all_pending() -> usize {
    if work_queue::is_any_on_stack() {
        run_all_of_both()
    } else {
        0
    }
}

#[cold]
fn run_all_of_both() -> usize {
    let count = run_pending_in_loop::<Local>();
    #[cfg(feature = "sync")]
    let count = count + run_pending_in_loop::<Shared>();
    count
}
