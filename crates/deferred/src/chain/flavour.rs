//! What tells one flavour of chain from another: how a core is shared, how its
//! state is reached, and what may go into it. The algorithm is written once, over
//! this.

use std::mem::MaybeUninit;
use std::ops::Deref;
use std::panic::Location;

use super::core::{Group, Phase};
use super::raw::{CoreRef, Counts, FreeList, Incoming, LockedState, OwnedRunGuard};
use super::task::Awaited;
use super::trampoline::Trampoline;
use crate::stage_trace::CallSite;

/// How the parts of a chain hold on to its core.
pub(crate) trait Flavour: Sized + 'static {
    /// Whether several threads may reach a core at the same time.
    const IS_SHARED: bool;

    /// Counts the references to a core.
    type Counts: Counts;
    /// Keeps the phase of a core.
    type PhaseCell: PhaseCell;
    /// Lets one at a time at what is in a core.
    type CoreLock;
    /// Keeps stages that are added while another thread has the claim.
    type Incoming: Incoming<Self>;
    /// The same, for what several handles share.
    type Lock<X>;
    /// One of several handles to what is behind such a lock.
    type Handle<X: 'static>: Clone + Deref<Target = Self::Lock<X>> + 'static;
    /// What a chain that is cancelled before it was fired calls, with its core.
    type Canceller;
    /// What a chain that is made of others knows of them.
    type Group: Clone + Deref<Target: Group<Self>> + 'static;
    /// A body of [`inline_callbacks`](crate::inline_callbacks) that waits for a
    /// chain.
    type Task: Clone + 'static;
    type WeakTask: Clone + 'static;

    /// Makes the lock of a new core, and what is behind it, in its place.
    fn init_locked(place: &mut MaybeUninit<Self::CoreLock>, triggers: u32, made_at: CallSite);
    /// Calls `f` with what is in the lock of a core; see [`with`](Self::with).
    fn with_locked<R>(lock: &Self::CoreLock, f: impl FnOnce(&mut LockedState<Self>) -> R) -> R;
    /// Where what is in the lock of a core is.
    fn locked_ptr(lock: &Self::CoreLock) -> *mut LockedState<Self>;
    /// What is in the lock of a core that nobody else has.
    fn locked_mut(lock: &mut Self::CoreLock) -> &mut LockedState<Self>;
    fn call_canceller(canceller: Self::Canceller, core: CoreRef<Self>);
    fn upgrade_task(weak: &Self::WeakTask) -> Option<Self::Task>;
    /// Goes on with a body; what comes of it may be a chain to be run.
    fn resume(task: Self::Task) -> Option<OwnedRunGuard<Self>>;
    /// The chain that gets the body's result, while there is one.
    fn result_of(task: &Self::Task) -> Option<CoreRef<Self>>;
    /// Cancels a body: gives what it awaits, for the caller to cancel.
    fn cancel_task(task: Self::Task, cancelled_at: &'static Location<'static>) -> Awaited<Self>;
    /// Drops a body; its result is `Cancelled`.
    fn give_up_task(task: Self::Task, cancelled_at: &'static Location<'static>);
    /// A number that changes whenever the body goes on.
    fn progress_of(task: &Self::Task) -> u32;
    /// Where the body is, by which it is told from others.
    fn address_of(task: &Self::Task) -> *const ();
    fn address_of_weak(task: &Self::WeakTask) -> *const ();
    /// The chains that the body awaits.
    fn awaited_by(task: &Self::Task) -> Awaited<Self>;
    /// Whether the body waits for more than Deferreds.
    fn is_task_asleep(task: &Self::Task) -> bool;
    /// Hears that `outer` waits for `inner` from now on.
    fn linked(outer: &CoreRef<Self>, inner: &CoreRef<Self>);
    /// Hears that the body which has awaited `core` does so no more.
    fn unlinked(core: &CoreRef<Self>);
    fn handle<X: 'static>(content: X) -> Self::Handle<X>;
    /// Calls `f` with what is in `lock`.
    ///
    /// INVARIANT: `f` runs nothing of a user's: no closure, no drop of a value,
    /// no waker. That is what lets callbacks do anything to any chain. Nor does
    /// it reach for another lock.
    fn with<X, R>(lock: &Self::Lock<X>, f: impl FnOnce(&mut X) -> R) -> R;
    /// Calls `f` with the memory that this thread keeps; `None` if the thread is at its
    /// end.
    fn free_list<R>(f: impl FnOnce(&FreeList<Self>) -> R) -> Option<R>;
    /// Calls `f` with this thread's trampoline; `None` if the thread is at its end.
    fn trampoline<R>(f: impl FnOnce(&Trampoline<Self>) -> R) -> Option<R>;
}

/// A flavour whose chains may be reached from several threads.
#[diagnostic::on_unimplemented(
    message = "a `Deferred` of one thread, or what fires or controls it, is used in another thread",
    label = "goes to another thread",
    note = "`deferred::sync` has the same types for several threads (feature `sync`): \
            `deferred::sync::Deferred::pair()` gives a trigger that any thread may fire",
    note = "`into_local()` makes a Deferred of this thread from one of `deferred::sync`"
)]
pub(crate) trait CrossesThreads: Flavour {}

/// Keeps a phase. One who reads it sees what was done before it was set.
pub(crate) trait PhaseCell {
    fn new(phase: Phase) -> Self;
    fn get(&self) -> Phase;
    fn set(&self, phase: Phase);
}

/// What may go into a chain of flavour `M`: what the threads that may reach it
/// can pass to one another.
pub(crate) trait Fits<M: Flavour>: 'static {}
