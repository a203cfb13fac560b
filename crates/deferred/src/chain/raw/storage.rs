//! Storage of a flavour: how a core is counted, locked and kept, and what its fields hold.
//!
//! [`Storage`] is the lower half of [`Flavour`](crate::chain::flavour::Flavour). The modules here
//! call the modules above only through it: [`Storage::discard`].

use std::ops::Deref;

use super::counts::Counts;
use super::free_list::FreeList;
use super::head::Group;
use super::lock::{CoreLock, Incoming};
use super::remains::Remains;
use crate::chain::phase::PhaseCell;

/// How a flavour keeps its cores.
pub(crate) trait Storage: Sized + 'static {
    /// Whether several threads may reach a core at the same time.
    const IS_SHARED: bool;

    /// Counts the references to a core.
    type Counts: Counts;
    /// Keeps the phase of a core.
    type PhaseCell: PhaseCell;
    /// Lets one thread at a time reach the state of a core.
    type CoreLock<X>: CoreLock<X>;
    /// Keeps stages that are added while another thread holds the run guard.
    type Incoming<X>: Incoming<X>;
    /// Closure that the cancel of an unfired chain calls, with the core of the chain.
    type Canceller;
    /// The parts of a chain that is made of other chains.
    type Group: Clone + Deref<Target: Group<Self>> + 'static;
    /// A task of [`inline_callbacks`](crate::inline_callbacks) that waits for a chain.
    type Task: Clone + 'static;
    type WeakTask: Clone + 'static;

    /// The address of the task, which identifies it.
    fn address_of(task: &Self::Task) -> *const ();
    fn address_of_weak(task: &Self::WeakTask) -> *const ();

    /// Calls `f` with the memory that this thread keeps; `None` if the thread is at its
    /// end.
    fn free_list<R>(f: impl FnOnce(&FreeList<Self>) -> R) -> Option<R>;

    /// Drops the fields of a dropped core, on a stack that does not grow with the number of cores
    /// that hold one another.
    fn discard(remains: Remains<Self>);
}

/// A flavour whose chains may be reached from several threads.
#[diagnostic::on_unimplemented(
    message = "a `Deferred` of one thread, or what fires or controls it, is used in another thread",
    label = "goes to another thread",
    note = "`deferred::sync` has the same types for several threads (feature `sync`): \
            `deferred::sync::Deferred::pair()` gives a trigger that any thread may fire",
    note = "`into_local()` makes a Deferred of this thread from one of `deferred::sync`"
)]
pub(crate) trait CrossesThreads: Storage {}
