//! Head of a core: its state beside the phase, the stages and the result.

use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::task::Waker;

use super::cold::{ColdState, CommonState};
use super::core_ref::CoreWeak;
use super::storage::Storage;
use crate::panics::drop_contained;

/// The state of a chain beside its phase, stages and result.
#[repr(C)] // `cold` first: it begins with the `CommonState`, which is read most often
pub(crate) struct Head<M: Storage> {
    pub(crate) cold: ColdState<M>,
    pub(crate) made_at: &'static Location<'static>,
}

impl<M: Storage> Deref for Head<M> {
    type Target = CommonState;

    #[inline(always)]
    fn deref(&self) -> &CommonState {
        &self.cold
    }
}

impl<M: Storage> DerefMut for Head<M> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut CommonState {
        &mut self.cold
    }
}

/// Waker or task to wake or resume when the chain settles. The result stays in the chain.
pub(crate) enum Listener<M: Storage> {
    Waker(Waker),
    /// A task that awaits the chain directly: the run of the chain resumes it.
    Task(M::Task),
    /// The waker of another future inside of a task: it is woken, not resumed.
    Nested(Box<NestedWaker<M>>),
}

impl<M: Storage> Listener<M> {
    /// The address of the task, if there is one.
    pub(crate) fn task(&self) -> Option<*const ()> {
        match self {
            Self::Waker(_) => None,
            Self::Task(task) => Some(M::address_of(task)),
            Self::Nested(nested) => Some(M::address_of_weak(&nested.task)),
        }
    }
}

/// Listener of a task that polls the chain inside of a future with wakers of its own, such as
/// `FuturesUnordered`.
pub(crate) struct NestedWaker<M: Storage> {
    pub(crate) waker: Waker,
    /// Weak, because the waker keeps the task alive.
    pub(crate) task: M::WeakTask,
}

/// Action of a cancel of an unfired chain, in place of failing it at once.
pub(crate) enum Canceller<M: Storage> {
    /// A closure, called once.
    Call(M::Canceller),
    /// Cancels the parts, whose results make the result of the chain.
    Parts(M::Group),
    /// Cancels what the task awaits; the task fires the chain in the end.
    Task(M::WeakTask),
}

impl<M: Storage> Canceller<M> {
    /// Drops the canceller, containing a panic.
    // One drop for each variant, and inlined: the caller has just taken the content of one variant
    // out of a union, and the compiler can drop that content in place, without building the enum in
    // memory.
    #[inline(always)]
    pub(crate) fn drop_contained(self) {
        match self {
            Self::Call(canceller) => drop_contained(canceller),
            Self::Parts(parts) => drop_contained(parts),
            Self::Task(task) => drop_contained(task),
        }
    }
}

/// The parts that a combined chain is made of, which a cancel of the chain cancels.
pub(crate) trait Group<M: Storage> {
    /// The parts without a result, in order; called when they are to be cancelled.
    fn due(&self) -> Vec<CoreWeak<M>>;

    /// The place that the failures of the cancelled parts name.
    fn made_at(&self) -> &'static Location<'static>;

    /// Whether the chain fails as cancelled if the cancel of its parts leaves it unfired.
    fn ends_at_once(&self) -> bool;
}
