//! Receiver reference: the one reference to a core that may take its result.

use std::ops::Deref;

use super::core_ref::CoreRef;
use super::slot::Slot;
use super::storage::Storage;
use crate::chain::phase::Phase;
use crate::stage_trace::CallSite;

/// A reference to a core, of which there is at most one for each core.
///
/// INVARIANT: it was made with the core. In `Settled`, the slot belongs to the exclusive
/// reference to this; others only read it, under the lock.
pub(crate) struct ReceiverRef<M: Storage> {
    core: CoreRef<M>,
}

impl<M: Storage> ReceiverRef<M> {
    /// The receiver reference of a new chain that was not fired and has no triggers.
    #[inline(always)]
    pub(crate) fn new(made_at: CallSite) -> Self {
        Self {
            core: CoreRef::new(0, made_at),
        }
    }

    /// Of a new chain: a reference for its trigger, and the receiver reference.
    #[inline(always)]
    pub(crate) fn new_pair(made_at: CallSite) -> (CoreRef<M>, Self) {
        let (first, core) = CoreRef::new_pair(1, made_at);
        (first, Self { core })
    }

    /// Makes it a reference like any other: the chain has no receiver then.
    #[inline(always)]
    pub(crate) fn into_core(self) -> CoreRef<M> {
        self.core
    }

    /// In `Settled`, calls `f` with the slot and moves on to `Taken`.
    ///
    /// It takes the lock only if a handle or a pause was given out: a pause is the only
    /// other way out of `Settled` while the receiver adds no stage.
    #[inline(always)]
    pub(crate) fn take_settled<R>(&mut self, f: impl FnOnce(&mut Slot<M>) -> R) -> Option<R> {
        if self.core.last_phase() != Phase::Settled {
            return None;
        }
        if self.core.is_handed_out() {
            return self.core.with(|state| state.take_settled(f));
        }
        // SAFETY: in `Settled` there is no run guard, and the slot belongs to this reference,
        // which is borrowed mutably. Only its owner can give out a handle or a pause, so
        // none is given out before this returns.
        Some(unsafe { self.core.take_unlocked(f) })
    }
}

impl<M: Storage> Deref for ReceiverRef<M> {
    type Target = CoreRef<M>;

    #[inline(always)]
    fn deref(&self) -> &CoreRef<M> {
        &self.core
    }
}
