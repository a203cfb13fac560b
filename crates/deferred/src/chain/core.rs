//! What a chain knows of itself, and the phases it goes through.
//!
//! ```text
//!  Unfired ──▶ Running    fired or cancelled
//!  Running ──▶ Waiting    a stage returned a pending Deferred
//!  Waiting ──▶ Running    its result came
//!  Running ──▶ Settled    no stage is left
//!  Settled ──▶ Running    a stage was added
//!  Running ──▶ Paused       paused
//!  Settled ──▶ Paused       paused
//!  Paused  ──▶ Running    no longer paused
//!  Settled ──▶ Taken      the result was taken
//!  Running ──▶ Taken      another chain waits for the result, or nobody does
//! ```
//!
//! Whoever moves a core to `Running` holds the claim on it and runs it; nobody else
//! does until it has left that phase. So runs of one chain never nest, while runs of
//! different chains do.

use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::task::Waker;

use super::flavour::Flavour;
use super::raw::{ColdState, CommonState, Core, CoreRef, CoreWeak, Slot, Stages, StateGuard};
use crate::panics::drop_contained;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// No result yet.
    Unfired,
    /// Somebody has the claim: is running the stages, or has taken it upon himself to.
    Running,
    /// For the result of another chain, which has this one as its listener.
    Waiting,
    /// The result rests in the slot, at the end of the stages, and nothing holds it up.
    Settled,
    /// The result rests in the slot, where a pause stopped it.
    Paused,
    /// The result was taken out or handed over.
    Taken,
}

/// What is known of a chain beside its phase, its stages and its result.
#[repr(C)] // what is mostly looked at first
pub(crate) struct Head<M: Flavour> {
    pub(super) cold: ColdState<M>,
    pub(super) made_at: &'static Location<'static>,
}

impl<M: Flavour> Deref for Head<M> {
    type Target = CommonState;

    #[inline(always)]
    fn deref(&self) -> &CommonState {
        &self.cold
    }
}

impl<M: Flavour> DerefMut for Head<M> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut CommonState {
        &mut self.cold
    }
}

/// Who holds the end of a chain, and is told when it is at its end. The result stays.
pub(crate) enum Listener<M: Flavour> {
    Waker(Waker),
    /// Is resumed from the run.
    Task(M::Task),
    /// Is woken: a body has polled it inside of another future, with the waker of that.
    Nested(Box<NestedWaker<M>>),
}

impl<M: Flavour> Listener<M> {
    /// Where the body is that listens, if it is one.
    pub(super) fn task(&self) -> Option<*const ()> {
        match self {
            Self::Waker(_) => None,
            Self::Task(task) => Some(M::address_of(task)),
            Self::Nested(nested) => Some(M::address_of_weak(&nested.task)),
        }
    }
}

/// What a body awaits inside of a future that has wakers of its own, as a set of futures
/// has.
pub(crate) struct NestedWaker<M: Flavour> {
    pub(crate) waker: Waker,
    /// The waker leads to it in the end, which keeps it alive.
    pub(crate) task: M::WeakTask,
}

/// What a chain that is cancelled before it was fired turns to.
pub(crate) enum Canceller<M: Flavour> {
    /// Is called, once.
    Call(M::Canceller),
    /// Asks others to stop, whose results make that of the chain.
    Parts(M::Group),
    /// Fires the chain in the end, whatever it makes of being cancelled.
    Task(M::WeakTask),
}

impl<M: Flavour> Canceller<M> {
    /// Drops it, containing a panic. (Taken apart here, since a whole one would have to
    /// be in memory.)
    #[inline(always)]
    pub(super) fn drop_contained(self) {
        match self {
            Self::Call(canceller) => drop_contained(canceller),
            Self::Parts(parts) => drop_contained(parts),
            Self::Task(task) => drop_contained(task),
        }
    }
}

/// What knows those that a chain is made of, which it asks to stop when it is cancelled.
pub(crate) trait Group<M: Flavour> {
    /// Those that have no result yet, in order; called when they are to be cancelled.
    fn due(&self) -> Vec<CoreWeak<M>>;

    /// Where it is said that they were cancelled.
    fn made_at(&self) -> &'static Location<'static>;

    /// Whether the chain fails as cancelled if that leaves it unfired.
    fn ends_at_once(&self) -> bool;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancelling {
    No,
    /// The canceller runs. It may fire the chain; another cancel does nothing.
    CancellerRuns,
    /// Cancelled without a canceller: the one fire still to come is swallowed.
    SwallowOne,
    /// Others are asked, each time: the chain ends by what they do, and not by being
    /// cancelled. See [`delegate`](super::cancel::delegate).
    Delegated,
    /// The chain that waited for this one waits for another one instead: this one is
    /// kept by nobody, or but for a moment. See [`hand_down`](super::wait::hand_down).
    HandedDown,
}

/// Whether somebody holds the typed end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiverState {
    Held,
    /// Let go: an unhandled failure is to be reported.
    Detached,
    /// Let go, and nobody wants to hear of failures.
    Ignored,
}

impl<M: Flavour> StateGuard<'_, M> {
    /// Whether the result may be taken: all stages have run, and nothing holds it up.
    #[inline(always)]
    pub(super) fn is_at_end(&self) -> bool {
        self.phase() == Phase::Settled
    }

    /// Whether nothing is to be done with a result but to keep it: there is no stage,
    /// somebody holds the end, and nobody is to be told, or to be let go.
    #[inline(always)]
    pub(super) fn is_idle(&mut self) -> bool {
        !self.has_stages()
            && self.receiver == ReceiverState::Held
            && self.cold.is_none()
            && !self.is_paused()
    }

    /// Counts a pause more.
    pub(super) fn pause(&mut self) {
        self.count_pause();
        if self.phase() == Phase::Settled {
            self.set_phase(Phase::Paused);
        }
    }

    /// Counts a pause less; `Ok` if the chain was held up, and can go on.
    pub(super) fn unpause(&mut self) -> Result<(), ()> {
        self.count_unpause();
        let may_go_on = self.phase() == Phase::Paused && !self.is_paused();
        may_go_on.then_some(()).ok_or(())
    }
}

/// What a chain held when it went.
pub(super) struct Remains<M: Flavour> {
    _slot: Slot<M>,
    _stages: Stages<M>,
    _waiter: Option<CoreRef<M>>,
    _listener: Option<Listener<M>>,
    _canceller: Option<Canceller<M>>,
}

impl<M: Flavour> Drop for Core<M> {
    /// What a dying chain holds may hold further chains, a million deep: it goes
    /// to the trampoline, which drops one after the other.
    #[cold]
    fn drop(&mut self) {
        let (slot, stages) = self.take_parts();
        let is_empty = stages.is_empty();
        let cold = &mut self.head_mut().cold;
        let waiter = cold.take_waiter();
        let listener = cold.take_listener();
        let canceller = cold.take_canceller();
        let holds_more = !is_empty || waiter.is_some() || canceller.is_some();
        match listener {
            None | Some(Listener::Waker(_) | Listener::Nested(_)) if !holds_more => {
                drop_contained(listener);
            }
            listener => super::trampoline::discard::<M>(Remains {
                _slot: slot,
                _stages: stages,
                _waiter: waiter,
                _listener: listener,
                _canceller: canceller,
            }),
        }
    }
}
