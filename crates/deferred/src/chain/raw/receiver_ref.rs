//! The reference of the one who has the end of a chain.

use std::ops::Deref;

use super::{CoreRef, Slot};
use crate::chain::core::Phase;
use crate::chain::flavour::Flavour;
use crate::stage_trace::CallSite;

/// A reference to a core that there is one of at most.
///
/// INVARIANT: it was made with the core. While it is there, the slot of a chain in
/// `Settled` belongs to whoever can reach this mutably, and to those who only look at
/// it under the lock.
pub(crate) struct ReceiverRef<M: Flavour> {
    core: CoreRef<M>,
}

impl<M: Flavour> ReceiverRef<M> {
    /// The end of a new chain that was not fired and has no triggers.
    #[inline(always)]
    pub(crate) fn new(made_at: CallSite) -> Self {
        Self {
            core: CoreRef::new(0, made_at),
        }
    }

    /// The end of a new chain, and a reference for its trigger.
    #[inline(always)]
    pub(crate) fn new_pair(made_at: CallSite) -> (CoreRef<M>, Self) {
        let (first, core) = CoreRef::new_pair(1, made_at);
        (first, Self { core })
    }

    /// Gives the end up: the reference becomes one like any other.
    #[inline(always)]
    pub(crate) fn into_core(self) -> CoreRef<M> {
        self.core
    }

    /// Calls `f` with the slot if the result rests there, and goes on to `Spent`.
    ///
    /// No lock is taken unless somebody else may pause the chain: of the phases, `Settled`
    /// is one that only the end leaves, but for that.
    #[inline(always)]
    pub(crate) fn take_settled<R>(&mut self, f: impl FnOnce(&mut Slot<M>) -> R) -> Option<R> {
        if self.core.last_phase() != Phase::Settled {
            return None;
        }
        if self.core.is_handed_out() {
            return self.core.with(|state| state.take_settled(f));
        }
        // SAFETY: nobody has a claim in `Settled`, and the slot is the end's, which is
        // borrowed mutably. Only the end hands out what can pause the chain, so if
        // nothing was handed out that is so until this is over.
        Some(unsafe { self.core.take_unlocked(f) })
    }
}

impl<M: Flavour> Deref for ReceiverRef<M> {
    type Target = CoreRef<M>;

    #[inline(always)]
    fn deref(&self) -> &CoreRef<M> {
        &self.core
    }
}
