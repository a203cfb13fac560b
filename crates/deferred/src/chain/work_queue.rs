//! Work queue of a thread: drops, abandonments and hand-overs that wait for their turn. The
//! [`trampoline`](super::trampoline) runs them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::raw::{CoreRef, OwnedRunGuard, Remains, Storage};

pub(super) enum Job<M: Storage> {
    /// Fire the chain with `Abandoned`: its last trigger was dropped.
    Abandon(CoreRef<M>),
    /// Drop the fields of a core.
    Discard(Box<Remains<M>>),
}

/// The work queue of one thread, for the chains of one flavour.
pub(crate) struct WorkQueue<M: Storage> {
    /// Jobs that were added before the job on the stack began.
    pub(super) tasks: RefCell<VecDeque<Job<M>>>,
    /// Jobs that were added since then.
    pub(super) added: RefCell<Vec<Job<M>>>,
    /// Set while a drain on the stack will run the jobs that are added. Cleared at the end of the
    /// drain, and by an event loop inside of it: from then on abandonments run at once. INVARIANT:
    /// without a drain on the stack, `tasks` and `added` are empty.
    pub(super) is_draining: Cell<bool>,
    /// Number of callbacks that are being dropped because a failure passes them by. A chain that
    /// such a drop abandons gets a minor report only, since that failure has a report of its own.
    pub(super) passed_by: Cell<usize>,
    /// Number of hand-overs on the stack.
    pub(super) handing_over: Cell<usize>,
    /// Hand-overs that would have nested too deep. Empty while no hand-over is on the stack.
    pub(super) handed_over: RefCell<VecDeque<OwnedRunGuard<M>>>,
}

impl<M: Storage> WorkQueue<M> {
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

/// Counts a hand-over on the stack, for as long as this lives.
pub(super) struct NestedHandOver<'a> {
    depth: &'a Cell<usize>,
    outer: usize,
}

impl<'a> NestedHandOver<'a> {
    pub(super) fn enter(depth: &'a Cell<usize>) -> Self {
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

/// Counts a drain on the stack, for as long as this lives.
pub(super) struct Draining<'a>(&'a Cell<bool>);

impl<'a> Draining<'a> {
    pub(super) fn enter(is_draining: &'a Cell<bool>) -> Self {
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
    /// has no destructor, so an event loop that looks at it in each turn pays for one load.
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
