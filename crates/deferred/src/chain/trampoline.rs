//! Trampoline for drops: a queue per thread, so that drops inside of one another take
//! constant stack.
//!
//! Dropping a chain may drop another chain that one of its stages has captured, and so
//! on. The outermost drop works through the queue; the drops inside it only add to it.
//!
//! Whether the thread is panicking makes no difference: all code of users that this runs
//! is contained, so it may run while a panic unwinds. Nothing is left for later, because
//! nothing of this crate may come by later: the panic may be caught by `std::thread`, by
//! an executor, or by a `catch_unwind` of the user's.
//!
//! An errback that the queue runs may look at a chain whose abandonment is still in the
//! queue. So everything that looks at a chain runs first what has been added since the task
//! on the stack began: as if the drops of that task had run it at once. What was in the
//! queue before stays there: so tasks that look take no more stack, however many there are.
//!
//! An errback may also run a loop, which waits for any of them, and may go to sleep without
//! asking again. So a loop runs the whole queue, and from then on, until that errback
//! returns, abandonments run at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::core::Remains;
use super::flavour::Flavour;
use super::raw::{CoreRef, OwnedRunGuard};
use super::run;
use crate::error::Abandoned;
use crate::failure::Failure;
use crate::panics::drop_contained;

enum Job<M: Flavour> {
    /// The last trigger is gone and has not fired.
    Abandon(CoreRef<M>),
    Discard(Box<Remains<M>>),
}

/// One per thread.
pub(crate) struct Trampoline<M: Flavour> {
    /// Added before the task on the stack began.
    tasks: RefCell<VecDeque<Job<M>>>,
    /// Added since then.
    added: RefCell<Vec<Job<M>>>,
    /// A drain is on the stack that runs what is added. INVARIANT: if not, there is
    /// nothing.
    is_draining: Cell<bool>,
    /// How many callbacks are being dropped because a failure passes by them.
    passed_by: Cell<usize>,
    /// How many hand-overs are on the stack.
    handing_over: Cell<usize>,
    /// Those that would have nested too deep.
    handed_over: RefCell<VecDeque<OwnedRunGuard<M>>>,
}

impl<M: Flavour> Trampoline<M> {
    pub(super) const fn new() -> Self {
        Self {
            tasks: RefCell::new(VecDeque::new()),
            added: RefCell::new(Vec::new()),
            is_draining: Cell::new(false),
            passed_by: Cell::new(0),
            handing_over: Cell::new(0),
            handed_over: RefCell::new(VecDeque::new()),
        }
    }
}

/// Drops a callback that a failure passes by.
///
/// A Deferred that it has captured, and that fails because its trigger was lost to
/// the same failure, is no news: see [`is_passing_by`].
pub(super) fn drop_passed_by<M: Flavour, S>(callback: S) {
    if !std::mem::needs_drop::<S>() {
        return;
    }
    let change = |by: isize| {
        M::trampoline(|trampoline| {
            let count = trampoline.passed_by.get();
            trampoline.passed_by.set(count.saturating_add_signed(by));
        });
    };
    change(1);
    drop_contained(callback);
    change(-1);
}

/// Whether what is dropped now goes because a failure passes by its owner.
pub(super) fn is_passing_by<M: Flavour>() -> bool {
    M::trampoline(|trampoline| trampoline.passed_by.get() > 0).unwrap_or(false)
}

/// Fires `core`, whose last trigger is gone, with [`Abandoned`].
#[cold]
pub(super) fn abandon<M: Flavour>(core: CoreRef<M>) {
    add(Job::<M>::Abandon(core));
}

#[cold]
pub(super) fn discard<M: Flavour>(remains: Remains<M>) {
    add(Job::<M>::Discard(Box::new(remains)));
}

fn add<M: Flavour>(task: Job<M>) {
    let mut task = Some(task);
    M::trampoline(|trampoline| {
        trampoline.added.borrow_mut().extend(task.take());
    });
    match task {
        // The thread is at its end and has no queue any more.
        Some(task) => perform(task),
        None => {
            M::trampoline(|trampoline| {
                if !trampoline.is_draining.get() {
                    drain(trampoline);
                }
            });
        }
    }
}

/// Works through the queue; says how many tasks there were.
fn drain<M: Flavour>(trampoline: &Trampoline<M>) -> usize {
    let _draining = Draining::enter(&trampoline.is_draining);
    let mut count = 0;
    loop {
        // Each time: a loop inside the last task has ended this state.
        trampoline.is_draining.set(true);
        let task = {
            let mut tasks = trampoline.tasks.borrow_mut();
            tasks.extend(trampoline.added.borrow_mut().drain(..));
            tasks.pop_front()
        };
        match task {
            Some(task) => perform(task),
            None => return count,
        }
        count += 1;
    }
}

/// Works through what the task on the stack has added, and what that adds; says how many
/// tasks there were.
#[cold]
fn drain_added<M: Flavour>(trampoline: &Trampoline<M>) -> usize {
    let before = trampoline.tasks.borrow().len();
    let mut count = 0;
    loop {
        let task = {
            let mut tasks = trampoline.tasks.borrow_mut();
            // Taken from the back: the first of them is to be the last.
            tasks.extend(trampoline.added.borrow_mut().drain(..).rev());
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
        // Again: a loop inside the last task has ended this state.
        trampoline.is_draining.set(true);
        count += 1;
    }
}

/// Runs what drops inside the task on the stack have put into the queue; says how many
/// tasks there were. For whatever looks at a chain.
#[inline]
pub(super) fn run_pending<M: Flavour>() -> usize {
    let ran = M::trampoline(|trampoline| {
        if trampoline.added.borrow().is_empty() {
            0
        } else {
            drain_added(trampoline)
        }
    });
    // Without a queue, nothing is put off: the thread is at its end.
    ran.unwrap_or(0)
}

/// Runs all that is in the queue, for a loop, which may go to sleep without asking again:
/// afterwards, abandonments run at once, until the task on the stack is over. It also gets
/// the hand-overs that would nest too deep, since it may wait for one of them.
#[inline]
pub(super) fn run_pending_in_loop<M: Flavour>() -> usize {
    let ran = M::trampoline(|trampoline| {
        if trampoline.is_draining.get() || trampoline.handing_over.get() > 0 {
            run_all(trampoline)
        } else {
            0
        }
    });
    ran.unwrap_or(0)
}

#[cold]
fn run_all<M: Flavour>(trampoline: &Trampoline<M>) -> usize {
    let mut count = drain(trampoline);
    // Those that come further in begin to count anew, and so run at once.
    trampoline.handing_over.set(0);
    loop {
        let guard = trampoline.handed_over.borrow_mut().pop_front();
        match guard {
            Some(guard) => run::run_owned(guard),
            None => return count,
        }
        count += 1;
    }
}

/// How many hand-overs may nest.
const NESTED_HAND_OVERS: usize = 8;

/// Runs a chain that was given what somebody else gave back: now, inside whatever
/// runs; or, if that happened in a hand-over in a hand-over and so on, when the
/// outermost one is over.
pub(crate) fn hand_over<M: Flavour>(guard: OwnedRunGuard<M>) {
    let mut guard = Some(guard);
    M::trampoline(|trampoline| {
        let depth = trampoline.handing_over.get();
        if depth == NESTED_HAND_OVERS {
            trampoline.handed_over.borrow_mut().extend(guard.take());
            return;
        }
        let _nested = NestedHandOver::enter(&trampoline.handing_over);
        while let Some(next) = guard.take() {
            run::run_owned(next);
            if depth == 0 {
                guard = trampoline.handed_over.borrow_mut().pop_front();
            }
        }
    });
    // The thread is at its end.
    if let Some(guard) = guard {
        run::run_owned(guard);
    }
}

/// A hand-over is on the stack, for as long as this lives.
struct NestedHandOver<'a> {
    depth: &'a Cell<usize>,
    outer: usize,
}

impl<'a> NestedHandOver<'a> {
    fn enter(depth: &'a Cell<usize>) -> Self {
        let outer = depth.get();
        depth.set(outer + 1);
        count_on_stack(1);
        Self { depth, outer }
    }
}

impl Drop for NestedHandOver<'_> {
    fn drop(&mut self) {
        self.depth.set(self.outer);
        count_on_stack(-1);
    }
}

/// A drain is on the stack, for as long as this lives.
struct Draining<'a>(&'a Cell<bool>);

impl<'a> Draining<'a> {
    fn enter(is_draining: &'a Cell<bool>) -> Self {
        count_on_stack(1);
        Self(is_draining)
    }
}

impl Drop for Draining<'_> {
    fn drop(&mut self) {
        self.0.set(false);
        count_on_stack(-1);
    }
}

thread_local! {
    /// Number of drains and hand-overs on the stack, of both flavours. Unlike the queues, it
    /// has no destructor, so a loop that asks each turn pays for one load.
    static ON_STACK: Cell<usize> = const { Cell::new(0) };
}

fn count_on_stack(by: isize) {
    ON_STACK.set(ON_STACK.get().wrapping_add_signed(by));
}

/// Whether the queues of this thread may hold anything: without a drain or a hand-over on
/// the stack, they are empty.
#[inline]
pub(super) fn is_any_on_stack() -> bool {
    ON_STACK.get() > 0
}

fn perform<M: Flavour>(task: Job<M>) {
    match task {
        Job::Abandon(core) => {
            let make = |made_at| Failure::without_backtrace(Abandoned::new(), made_at);
            run::fail::<M>(&core, make, || {});
        }
        Job::Discard(remains) => drop_contained(remains),
    }
}
