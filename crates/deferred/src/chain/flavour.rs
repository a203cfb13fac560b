//! Flavour: what differs between chains of one thread and of several. The algorithm is
//! written once, over this trait; [`Local`](super::raw::Local) and
//! [`Shared`](super::raw::Shared) are the two flavours.

use std::ops::Deref;

use super::raw::{CoreRef, OwnedRunGuard, RunGuard, Storage};
use super::task::Awaited;
use super::work_queue::WorkQueue;
use crate::stage_trace::CallSite;

/// Outcome of an attempt to wait: see [`Flavour::wait_for`].
pub(crate) enum Waited<'a, M: Storage> {
    /// The outer chain has its result and may run on: it was there, or waiting was refused.
    HasResult(RunGuard<'a, M>),
    /// The outer chain is in `Waiting`; the inner one resumes it.
    Waits,
    /// The outer chain only passed results on, so it was taken out, and its waiter has got the
    /// result: the caller runs the waiter. See [`Flavour::hand_down`].
    Resumes(OwnedRunGuard<M>),
}

/// What differs between chains of one thread and of several, beside their storage.
///
/// `cancel`, `wait_for`, `hand_down` and `go_on` are the same for both flavours: each flavour
/// calls the generic function of that name. Because a method of a concrete flavour is compiled
/// once, in this crate, they are not compiled again by each crate that adds a callback.
pub(crate) trait Flavour: Storage {
    /// The lock of what several handles share.
    type Lock<X>;
    /// One of several handles to a value behind such a lock.
    type Handle<X: 'static>: Clone + Deref<Target = Self::Lock<X>> + 'static;

    fn call_canceller(canceller: Self::Canceller, core: CoreRef<Self>);

    fn upgrade_task(weak: &Self::WeakTask) -> Option<Self::Task>;
    /// Resumes a task. Returns the chain that gets its result, if the caller is to run that.
    fn resume(task: Self::Task) -> Option<OwnedRunGuard<Self>>;
    /// The chain that gets the task's result, while there is one.
    fn result_of(task: &Self::Task) -> Option<CoreRef<Self>>;
    /// Cancels a task: returns the chains that it awaits, for the caller to cancel.
    fn cancel_task(task: Self::Task, cancelled_at: CallSite) -> Awaited<Self>;
    /// Drops the future of a task; the result is `Cancelled`.
    fn give_up_task(task: Self::Task, cancelled_at: CallSite);
    /// A number that changes whenever the task goes on.
    fn progress_of(task: &Self::Task) -> u32;
    /// The chains that the task awaits.
    fn awaited_by(task: &Self::Task) -> Awaited<Self>;
    /// Whether the task sleeps: a future other than a Deferred has its waker.
    fn is_task_asleep(task: &Self::Task) -> bool;

    /// Called when `outer` has begun to wait for `inner`.
    fn linked(outer: &CoreRef<Self>, inner: &CoreRef<Self>);
    /// Called when the task that has awaited `core` does so no more.
    fn unlinked(core: &CoreRef<Self>);

    fn handle<X: 'static>(content: X) -> Self::Handle<X>;
    /// Calls `f` with the content of `lock`.
    ///
    /// INVARIANT: `f` runs no user code (no closure, no drop of a value, no waker), so that a
    /// callback may use any chain. Nor does `f` take another lock.
    fn with<X, R>(lock: &Self::Lock<X>, f: impl FnOnce(&mut X) -> R) -> R;

    /// As [`cancel`](super::cancel::cancel).
    fn cancel(core: CoreRef<Self>, cancelled_at: CallSite);
    /// As [`wait_for`](super::wait::wait_for).
    fn wait_for<'a>(guard: RunGuard<'a, Self>, inner: CoreRef<Self>) -> Waited<'a, Self>;
    /// As [`hand_down`](super::wait::hand_down).
    fn hand_down(link: &CoreRef<Self>) -> Option<OwnedRunGuard<Self>>;
    /// As [`go_on`](super::run::go_on).
    fn go_on(next: OwnedRunGuard<Self>, caller: Option<OwnedRunGuard<Self>>);

    /// Calls `f` with this thread's queue; `None` if the thread is at its end.
    fn work_queue<R>(f: impl FnOnce(&WorkQueue<Self>) -> R) -> Option<R>;
}
