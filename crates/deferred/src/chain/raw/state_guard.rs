//! State guard: a core while its lock is held.

use std::ops::{Deref, DerefMut};

use super::atomic::Ordering;
use super::core::{CANCELLED_WITH_TASK, Core, HANDED_OUT, LockedState, PAUSE};
use super::core_ref::CoreRef;
use super::head::Head;
use super::lock::{CoreLock, Incoming};
use super::record::Queued;
use super::slot::Slot;
use super::stages::Stages;
use super::storage::Storage;
use crate::chain::phase::{Phase, ReceiverState, Transition};
use crate::stage_trace::CallSite;

impl<M: Storage> Core<M> {
    /// Takes the lock for `f`, which must not run code of users: see [`CoreLock::with`].
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut StateGuard<'_, M>) -> R) -> R {
        self.locked
            .with(|locked| f(&mut StateGuard { locked, core: self }))
    }

    /// As `with`, without taking the lock.
    ///
    /// # Safety
    /// Until this returns, no other thread and no other call reaches the core.
    #[inline(always)]
    pub(super) unsafe fn with_unlocked<R>(&self, f: impl FnOnce(&mut StateGuard<'_, M>) -> R) -> R {
        // SAFETY: by contract, this is the only reference to the locked state.
        let locked = unsafe { &mut *self.locked.as_ptr() };
        f(&mut StateGuard { locked, core: self })
    }
}

impl<M: Storage> CoreRef<M> {
    /// As [`Core::with`], without the lock if this is the only reference.
    #[inline(always)]
    pub(crate) fn with_last<R>(&self, f: impl FnOnce(&mut StateGuard<'_, M>) -> R) -> R {
        if self.is_sole() {
            // SAFETY: there is no other reference, strong or weak, and this one is
            // borrowed, so nothing else reaches the core until `f` has returned.
            return unsafe { self.with_unlocked(f) };
        }
        self.with(f)
    }
}

/// The core, while the lock is held.
pub(crate) struct StateGuard<'a, M: Storage> {
    pub(super) locked: &'a mut LockedState<M>,
    pub(super) core: &'a Core<M>,
}

impl<M: Storage> Deref for StateGuard<'_, M> {
    type Target = Head<M>;

    #[inline(always)]
    fn deref(&self) -> &Head<M> {
        &self.locked.head
    }
}

impl<M: Storage> DerefMut for StateGuard<'_, M> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Head<M> {
        &mut self.locked.head
    }
}

impl<M: Storage> StateGuard<'_, M> {
    #[inline(always)]
    pub(crate) fn phase(&self) -> Phase {
        self.core.phase.get()
    }

    /// Moves the chain to `Running`: the caller makes the run guard.
    #[inline(always)]
    pub(super) fn acquire(&mut self, transition: Transition) {
        assert!(transition.to() == Phase::Running, "it leads elsewhere");
        self.assert_not_running();
        self.core.phase.go(transition);
    }

    /// Moves the chain out of `Running`: the caller gives its run guard up.
    #[inline(always)]
    pub(super) fn release(&mut self, transition: Transition) {
        assert!(transition.from() == Phase::Running, "it begins elsewhere");
        self.core.phase.go(transition);
    }

    /// Moves a chain that is not running to another phase.
    #[inline(always)]
    pub(crate) fn go(&mut self, transition: Transition) {
        assert!(transition.to() != Phase::Running, "it takes a run guard");
        self.assert_not_running();
        self.core.phase.go(transition);
    }

    #[inline(always)]
    pub(crate) fn is_paused(&self) -> bool {
        self.core.is_paused()
    }

    /// Notes that a handle was given out, which may pause the chain.
    pub(crate) fn hand_out(&mut self) {
        self.change_pauses(|pauses| pauses | HANDED_OUT);
    }

    /// Notes that the body that awaits the chain was cancelled, and the chain with it.
    pub(crate) fn note_cancelled_with_task(&mut self) {
        self.change_pauses(|pauses| pauses | CANCELLED_WITH_TASK);
    }

    pub(crate) fn is_cancelled_with_task(&self) -> bool {
        self.core.pauses.load(Ordering::Relaxed) & CANCELLED_WITH_TASK != 0
    }

    pub(crate) fn count_pause(&mut self) {
        self.change_pauses(|pauses| pauses.saturating_add(PAUSE) | HANDED_OUT);
    }

    pub(crate) fn count_unpause(&mut self) {
        self.change_pauses(|pauses| pauses.saturating_sub(PAUSE) | HANDED_OUT);
    }

    fn change_pauses(&mut self, change: impl FnOnce(u32) -> u32) {
        let pauses = self.core.pauses.load(Ordering::Relaxed);
        self.core.pauses.store(change(pauses), Ordering::Relaxed);
    }

    /// The slot of a chain that is not running.
    #[inline(always)]
    pub(crate) fn slot(&mut self) -> &mut Slot<M> {
        self.assert_not_running();
        self.core.witness.reached();
        // SAFETY: the lock is held, and there is no run guard, so both are this guard's.
        unsafe { &mut *self.core.slot.get() }
    }

    /// In `Settled`, calls `f` with the slot and moves on to `Taken`.
    #[inline(always)]
    pub(crate) fn take_settled<R>(&mut self, f: impl FnOnce(&mut Slot<M>) -> R) -> Option<R> {
        if self.phase() != Phase::Settled {
            return None;
        }
        self.go(Transition::Take);
        Some(f(self.slot()))
    }

    /// Whether a chain that is not running has stages.
    #[inline(always)]
    pub(crate) fn has_stages(&self) -> bool {
        self.assert_not_running();
        self.core.witness.reached();
        // SAFETY: the lock is held, and there is no run guard, so both are this guard's.
        !unsafe { &*self.core.stages.get() }.is_empty()
    }

    /// Adds a stage at the end.
    #[inline(always)]
    pub(super) fn push<T: 'static, S: Queued<Core<M>, T>>(&mut self, stage: S, added_at: CallSite) {
        if M::IS_SHARED && self.phase() == Phase::Running {
            let incoming = self.locked.incoming.get_or_insert_with(Stages::new);
            return incoming.push::<T, S>(stage, added_at);
        }
        // SAFETY: the lock is held, and either there is no run guard, or the chain is of one thread.
        unsafe { self.core.push_unlocked::<T, S>(stage, added_at) };
    }

    /// Where the queued stages were added; `None` while another thread may run them.
    pub(crate) fn places(&mut self) -> Option<Vec<CallSite>> {
        if M::IS_SHARED && self.phase() == Phase::Running {
            return None;
        }
        self.core.witness.reached();
        // SAFETY: as in `push`.
        Some(unsafe { &*self.core.stages.get() }.places().collect())
    }

    #[inline(always)]
    pub(super) fn assert_not_running(&self) {
        assert!(
            self.phase() != Phase::Running,
            "while a chain runs, its parts belong to the run guard"
        );
    }

    /// Whether the result may be taken: all stages have run, and there is no pause.
    #[inline(always)]
    pub(crate) fn is_at_end(&self) -> bool {
        self.phase() == Phase::Settled
    }

    /// Whether a result that is put in now only has to be kept: there is no stage, no
    /// pause, no waiter, listener or canceller, and the receiver is held.
    #[inline(always)]
    pub(crate) fn is_idle(&mut self) -> bool {
        !self.has_stages()
            && self.receiver == ReceiverState::Held
            && self.cold.is_none()
            && !self.is_paused()
    }

    /// Adds a pause.
    pub(crate) fn pause(&mut self) {
        self.count_pause();
        if self.phase() == Phase::Settled {
            self.go(Transition::PauseResult);
        }
    }

    /// Ends a pause; `Ok` if the chain was stopped by it, and is to run on.
    pub(crate) fn unpause(&mut self) -> Result<(), ()> {
        self.count_unpause();
        let may_go_on = self.phase() == Phase::Paused && !self.is_paused();
        may_go_on.then_some(()).ok_or(())
    }
}
