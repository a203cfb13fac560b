//! What awaits chains from outside of any: a body of `inline_callbacks`.

use std::cell::Cell;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use super::poller::Poller;
use super::raw::{CoreRef, CoreWeak, Local, OwnedRunGuard, PinWeak};

/// Chains that a body awaits; mostly one.
pub(crate) type Awaited<M> = SmallVec<[CoreWeak<M>; 1]>;

/// A body that awaits Deferreds, and fires one in the end.
///
/// Only chains of one thread know of bodies: by a shared chain it is woken like any
/// other future.
pub(crate) trait Task {
    /// Goes on, since something it awaits has come; gives the chain of its result if
    /// that is to be run now.
    fn resume(self: Pin<Rc<Self>>) -> Option<OwnedRunGuard<Local>>;

    /// The chain that gets its result, while there is one.
    fn result(&self) -> Option<CoreRef<Local>>;

    /// Cancels it: gives what it awaits, for the caller to cancel. If it awaits nothing,
    /// it is dropped, and its result is `Cancelled`.
    fn cancel(self: Pin<Rc<Self>>, cancelled_at: &'static Location<'static>) -> Awaited<Local>;

    /// Drops it; its result is `Cancelled`.
    fn give_up(self: Pin<Rc<Self>>, cancelled_at: &'static Location<'static>);

    /// A number that changes whenever it goes on.
    fn progress(&self) -> u32;

    /// The chains it awaits.
    fn awaited(&self) -> Awaited<Local>;

    /// Whether it waits to be woken by something else, too.
    fn is_asleep(&self) -> bool;

    /// What wakes the executor that polls for it, if it is or was asleep, or a body is
    /// or was that it waits for.
    fn poller(&self) -> Option<Arc<Poller>>;

    fn set_poller(&self, poller: &Arc<Poller>);
}

pub(crate) type SharedTask = Pin<Rc<dyn Task>>;
pub(crate) type WeakTask = PinWeak<dyn Task>;

/// Where a body is, by which it is told from others.
pub(crate) fn address<B: Task + ?Sized>(task: &B) -> *const () {
    std::ptr::from_ref(task).cast()
}

pub(super) fn is_same_task(a: &SharedTask, b: &SharedTask) -> bool {
    address(&**a) == address(&**b)
}

/// How a body awaits a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaits {
    No,
    /// It is resumed.
    Directly,
    /// A future that it polls is woken.
    Nested,
}

impl Awaits {
    /// How the body at `address` awaits `core`.
    pub(crate) fn of(core: &CoreRef<Local>, address: *const ()) -> Self {
        core.with(|state| {
            let task = state.cold.task().map(|task| self::address(&**task));
            let nested = state.cold.nested().map(|nested| nested.task.address());
            match (task, nested) {
                (Some(task), _) if task == address => Self::Directly,
                (_, Some(task)) if task == address => Self::Nested,
                _ => Self::No,
            }
        })
    }
}

thread_local! {
    static WITH_POLLER: Cell<usize> = const { Cell::new(0) };
}

/// Whether some body of this thread has a poller.
#[inline]
pub(crate) fn has_any_poller() -> bool {
    WITH_POLLER.try_with(Cell::get).is_ok_and(|count| count > 0)
}

/// Counts one more body with a poller, or one less.
pub(crate) fn count_pollers(by: isize) {
    // At the end of the thread, nobody asks any more.
    let _ = WITH_POLLER.try_with(|count| count.set(count.get().saturating_add_signed(by)));
}
