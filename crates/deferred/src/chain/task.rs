//! Tasks: what a chain knows of an async body of `inline_callbacks` that awaits it.

use std::cell::Cell;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use super::poller::Poller;
use super::raw::{CoreRef, CoreWeak, Local, OwnedRunGuard, PinWeak};

/// The chains that a task awaits: inline if there is one.
pub(crate) type Awaited<M> = SmallVec<[CoreWeak<M>; 1]>;

/// A task: an async body that awaits Deferreds, and fires one in the end.
///
/// Only chains of one thread know of tasks. A chain of several threads wakes it as it wakes
/// any other future.
pub(crate) trait Task {
    /// Polls the body, since something that it awaits has come; returns the chain of its
    /// result if that is to be run now.
    fn resume(self: Pin<Rc<Self>>) -> Option<OwnedRunGuard<Local>>;

    /// The chain that the body fires; `None` when it has.
    fn result(&self) -> Option<CoreRef<Local>>;

    /// Cancels it: returns the chains that it awaits, for the caller to cancel. If it awaits
    /// none, the body is dropped, and its result is `Cancelled`.
    fn cancel(self: Pin<Rc<Self>>, cancelled_at: &'static Location<'static>) -> Awaited<Local>;

    /// Drops the body; its result is `Cancelled`.
    fn give_up(self: Pin<Rc<Self>>, cancelled_at: &'static Location<'static>);

    /// A number that changes with each poll.
    fn progress(&self) -> u32;

    /// The chains it awaits.
    fn awaited(&self) -> Awaited<Local>;

    /// Whether the task sleeps: a future other than a Deferred has its waker.
    fn is_asleep(&self) -> bool;

    /// The poller of the executor above; `None` until it, or a task that it waits for, was
    /// asleep.
    fn poller(&self) -> Option<Arc<Poller>>;

    fn set_poller(&self, poller: &Arc<Poller>);
}

pub(crate) type SharedTask = Pin<Rc<dyn Task>>;
pub(crate) type WeakTask = PinWeak<dyn Task>;

/// The address of a task, which identifies it.
pub(crate) fn address<B: Task + ?Sized>(task: &B) -> *const () {
    std::ptr::from_ref(task).cast()
}

pub(super) fn is_same_task(a: &SharedTask, b: &SharedTask) -> bool {
    address(&**a) == address(&**b)
}

/// How a task awaits a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaits {
    No,
    /// The chain resumes it.
    Directly,
    /// The chain wakes another future inside of it.
    Nested,
}

impl Awaits {
    /// How the task at `address` awaits `core`.
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

/// Whether a task of this thread has a poller.
#[inline]
pub(crate) fn has_any_poller() -> bool {
    WITH_POLLER.try_with(Cell::get).is_ok_and(|count| count > 0)
}

/// Counts one more task with a poller, or one less.
pub(crate) fn count_pollers(by: isize) {
    // Errs at the end of the thread, when the count is not read any more.
    let _ = WITH_POLLER.try_with(|count| count.set(count.get().saturating_add_signed(by)));
}
