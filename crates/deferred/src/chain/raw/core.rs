//! The core that the handles of one chain share, and who may touch what in it.
//!
//! - The head is behind the lock of the flavour.
//! - The stages and the slot belong to whoever has the claim, and needs no lock for
//!   them. While nobody has it, they belong to whoever has the lock.
//! - A stage that is added to a shared chain while somebody else has the claim goes
//!   to `incoming`, which is behind the lock.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

use super::atomic::{AtomicU32, Ordering, Witness};
use super::cold::CommonState;
use super::stages::Room;
use super::{ColdState, Queued, Slot, Stages};
use crate::chain::core::{Head, Phase};
use crate::chain::flavour::{Flavour, PhaseCell};
use crate::stage_trace::CallSite;

/// What the handles of one chain share.
///
/// INVARIANT: it is not moved, since `stages` points to `room`.
#[repr(C)] // what is always used first, the large rooms last
pub(crate) struct Core<M: Flavour> {
    pub(super) stages: UnsafeCell<Stages<M>>,
    /// Explicit pauses; waiting is a phase of its own and not counted here. It is
    /// changed under the lock only.
    ///
    /// [`HANDED_OUT`], once somebody else may pause the chain, and [`PAUSE`] for each.
    pauses: AtomicU32,
    /// INVARIANT: becomes `Running` only with a claim being made, and something
    /// else only with that claim being given back. It is changed under the lock only,
    /// but for what [`ReceiverRef`](super::ReceiverRef) does.
    phase: M::PhaseCell,
    pub(super) locked: M::CoreLock,
    /// Of `stages` and `slot`.
    pub(super) witness: Witness,
    /// INVARIANT: holds a result in `Running` (between two stages), `Settled` and
    /// `Held`, and is empty in the other phases.
    pub(super) slot: UnsafeCell<Slot<M>>,
    /// The first buffer of `stages`, which is the one to use it.
    room: UnsafeCell<Room>,
}

/// A chain that waits takes this with up to three small stages, and no more.
const _: () = assert!(cfg!(debug_assertions) || size_of::<Core<super::Local>>() <= 248);

const HANDED_OUT: u32 = 1;
const PAUSE: u32 = 2;

/// What is behind the lock.
#[repr(C)] // as above
pub(crate) struct LockedState<M: Flavour> {
    head: Head<M>,
    pub(super) incoming: M::Incoming,
}

/// Stages that were added while another thread has the claim. A chain of one thread has
/// none: they go to the others.
pub(crate) trait Incoming<M: Flavour>: Sized {
    const NONE: Self;

    fn is_none(&self) -> bool;
    fn take(&mut self) -> Option<Stages<M>>;
    fn push<T: 'static, S: Queued<M, T>>(&mut self, stage: S, added_at: CallSite);
}

/// Of a chain of one thread.
pub(crate) struct NoIncoming;

impl<M: Flavour> Incoming<M> for NoIncoming {
    const NONE: Self = Self;

    #[inline(always)]
    fn is_none(&self) -> bool {
        true
    }

    #[inline(always)]
    fn take(&mut self) -> Option<Stages<M>> {
        None
    }

    fn push<T: 'static, S: Queued<M, T>>(&mut self, _stage: S, _added_at: CallSite) {
        unreachable!("one thread has the guard, or nobody")
    }
}

#[cfg(feature = "sync")]
impl<M: Flavour> Incoming<M> for Option<Box<Stages<M>>> {
    const NONE: Self = None;

    #[inline(always)]
    fn is_none(&self) -> bool {
        self.is_none()
    }

    #[inline(always)]
    fn take(&mut self) -> Option<Stages<M>> {
        self.take().map(|stages| *stages)
    }

    #[inline(always)]
    fn push<T: 'static, S: Queued<M, T>>(&mut self, stage: S, added_at: CallSite) {
        let stages = self.get_or_insert_with(|| Box::new(Stages::new()));
        stages.push::<T, S>(stage, added_at);
    }
}

// SAFETY: see the rules above. Two threads never reach the same stages or slot at
// the same time, and what is in them fits the flavour (`Stages::push` and
// `Slot::put_value` ask for it), so it may move between the threads that may have
// the lock.
unsafe impl<M: Flavour> Sync for Core<M>
where
    M::CoreLock: Sync,
    Stages<M>: Send,
    Slot<M>: Send,
{
}

impl<M: Flavour> Core<M> {
    /// Makes ready memory for a core at `place`: it has a queue of stages, and nothing
    /// else yet.
    ///
    /// # Safety
    /// `place` is aligned and valid for writes, and the core stays there.
    pub(super) unsafe fn write_stages(place: *mut Self) {
        // SAFETY: by contract.
        unsafe {
            let room = UnsafeCell::raw_get(&raw const (*place).room);
            let stages = Stages::with_room(room);
            UnsafeCell::raw_get(&raw const (*place).stages).write(stages);
        }
    }

    /// Makes the queue of stages ready for the next core at this place. What else was in
    /// the core may be gone already.
    ///
    /// # Safety
    /// The queue of `place` is there, without stages, and nobody else reaches it.
    #[inline(always)]
    pub(super) unsafe fn reset_stages(place: *mut Self) {
        // SAFETY: by contract.
        unsafe {
            let room = UnsafeCell::raw_get(&raw const (*place).room);
            (*UnsafeCell::raw_get(&raw const (*place).stages)).reset(room);
        }
    }

    /// Lets go of the buffer for stages on the heap, if there is one. The queue is as new.
    ///
    /// # Safety
    /// As of [`reset_stages`](Self::reset_stages).
    pub(super) unsafe fn free_stages(place: *mut Self) {
        // SAFETY: by contract. What is written over has nothing left to drop.
        unsafe {
            (*UnsafeCell::raw_get(&raw const (*place).stages)).free();
            Self::write_stages(place);
        }
    }

    /// Makes a core at `place`, of a chain that was not fired and has no stages.
    ///
    /// In place: a core is mostly room for what is to come, and to put one together
    /// elsewhere and move it copies that.
    ///
    /// # Safety
    /// `place` is aligned and valid for writes, the core stays there, and
    /// [`write_stages`](Self::write_stages) has made it ready, or
    /// [`reset_stages`](Self::reset_stages) again.
    #[inline(always)]
    pub(super) unsafe fn write_new(place: *mut Self, triggers: u32, made_at: CallSite) {
        // SAFETY: by contract. Nothing is read before it is written, these are all
        // the fields but the queue, and the room may be left uninitialised.
        unsafe {
            (&raw mut (*place).pauses).write(AtomicU32::new(0));
            (&raw mut (*place).phase).write(PhaseCell::new(Phase::Unfired));
            (&raw mut (*place).witness).write(Witness::new());
            let locked = &raw mut (*place).locked;
            M::init_locked(&mut *locked.cast(), triggers, made_at);
            Slot::write_empty(UnsafeCell::raw_get(&raw const (*place).slot));
        }
    }

    /// Takes the lock for `f`, which runs nothing of a user's: see [`Mode::with`].
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut StateGuard<'_, M>) -> R) -> R {
        M::with_locked(&self.locked, |locked| {
            f(&mut StateGuard { locked, core: self })
        })
    }

    /// The same without the lock.
    ///
    /// # Safety
    /// Nobody else reaches the core meanwhile.
    #[inline(always)]
    pub(super) unsafe fn with_unlocked<R>(&self, f: impl FnOnce(&mut StateGuard<'_, M>) -> R) -> R {
        // SAFETY: by contract, this is the only reference to what is in the lock.
        let locked = unsafe { &mut *M::locked_ptr(&self.locked) };
        f(&mut StateGuard { locked, core: self })
    }

    #[inline(always)]
    pub(crate) fn is_paused(&self) -> bool {
        self.pauses.load(Ordering::Relaxed) >= PAUSE
    }

    /// What the phase was a moment ago.
    #[inline(always)]
    pub(super) fn last_phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether others than the end may pause the chain, or could once.
    #[inline(always)]
    pub(crate) fn is_handed_out(&self) -> bool {
        self.pauses.load(Ordering::Relaxed) != 0
    }

    /// Goes from `Settled` to `Spent` without the lock, and calls `f` with the slot.
    ///
    /// # Safety
    /// Nobody else reaches the slot, or changes the phase, meanwhile.
    #[inline(always)]
    pub(super) unsafe fn take_unlocked<R>(&self, f: impl FnOnce(&mut Slot<M>) -> R) -> R {
        self.phase.set(Phase::Taken);
        self.witness.reached();
        // SAFETY: by contract.
        f(unsafe { &mut *self.slot.get() })
    }

    /// Takes out what is in a core that nobody else has.
    pub(crate) fn take_parts(&mut self) -> (Slot<M>, Stages<M>) {
        self.witness.reached();
        let stages = self.stages.get_mut().take_all(self.room.get_mut());
        (self.slot.get_mut().take_all(), stages)
    }

    /// Whether nothing is left in a core that nobody else has, but perhaps a buffer
    /// for stages.
    #[inline(always)]
    pub(super) fn is_bare(&mut self) -> bool {
        self.witness.reached();
        let is_empty = self.slot.get_mut().is_empty() && self.stages.get_mut().is_empty();
        let locked = M::locked_mut(&mut self.locked);
        is_empty && locked.head.cold.is_none() && locked.incoming.is_none()
    }

    /// What is behind the lock of a core that nobody else has.
    pub(crate) fn head_mut(&mut self) -> &mut Head<M> {
        &mut M::locked_mut(&mut self.locked).head
    }
}

impl<M: Flavour> LockedState<M> {
    /// Makes one at `place`, for a chain that was not fired.
    ///
    /// Field by field, since a whole one would be put together elsewhere first.
    ///
    /// # Safety
    /// `place` is aligned and valid for writes.
    #[inline(always)]
    pub(super) unsafe fn write_new(place: *mut Self, triggers: u32, made_at: CallSite) {
        // SAFETY: by contract, and these are all the fields.
        unsafe {
            let head = &raw mut (*place).head;
            (&raw mut (*head).made_at).write(made_at);
            ColdState::write_none(&raw mut (*head).cold, CommonState::new(triggers));
            (&raw mut (*place).incoming).write(M::Incoming::NONE);
        }
    }
}

/// The core, while the lock is held.
pub(crate) struct StateGuard<'a, M: Flavour> {
    pub(super) locked: &'a mut LockedState<M>,
    pub(super) core: &'a Core<M>,
}

impl<M: Flavour> Deref for StateGuard<'_, M> {
    type Target = Head<M>;

    #[inline(always)]
    fn deref(&self) -> &Head<M> {
        &self.locked.head
    }
}

impl<M: Flavour> DerefMut for StateGuard<'_, M> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Head<M> {
        &mut self.locked.head
    }
}

impl<M: Flavour> StateGuard<'_, M> {
    #[inline(always)]
    pub(crate) fn phase(&self) -> Phase {
        self.core.phase.get()
    }

    /// Moves a chain that nobody runs to `Running`: the claim is the caller's.
    #[inline(always)]
    pub(super) fn acquire(&mut self) {
        self.assert_not_running();
        self.core.phase.set(Phase::Running);
    }

    /// Gives the claim back, which is the caller's.
    #[inline(always)]
    pub(super) fn release(&mut self, phase: Phase) {
        assert!(
            phase != Phase::Running,
            "a guard is not given back for that"
        );
        self.core.phase.set(phase);
    }

    /// Moves a chain that nobody runs to another phase in which nobody does.
    #[inline(always)]
    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.assert_not_running();
        assert!(phase != Phase::Running, "it takes a guard to run a chain");
        self.core.phase.set(phase);
    }

    #[inline(always)]
    pub(crate) fn is_paused(&self) -> bool {
        self.core.is_paused()
    }

    /// Notes that others than the end may pause the chain from now on.
    pub(crate) fn hand_out(&mut self) {
        self.change_pauses(|pauses| pauses | HANDED_OUT);
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

    /// The slot of a chain that nobody runs.
    #[inline(always)]
    pub(crate) fn slot(&mut self) -> &mut Slot<M> {
        self.assert_not_running();
        self.core.witness.reached();
        // SAFETY: the lock is held, and there is no claim.
        unsafe { &mut *self.core.slot.get() }
    }

    /// Calls `f` with the slot if the result rests there and nothing holds it up, and goes
    /// on to `Spent`.
    #[inline(always)]
    pub(crate) fn take_settled<R>(&mut self, f: impl FnOnce(&mut Slot<M>) -> R) -> Option<R> {
        if self.phase() != Phase::Settled {
            return None;
        }
        self.set_phase(Phase::Taken);
        Some(f(self.slot()))
    }

    /// Whether stages wait in a chain that nobody runs.
    #[inline(always)]
    pub(crate) fn has_stages(&self) -> bool {
        self.assert_not_running();
        self.core.witness.reached();
        // SAFETY: the lock is held, and there is no claim.
        !unsafe { &*self.core.stages.get() }.is_empty()
    }

    /// Adds a stage at the end.
    #[inline(always)]
    pub(crate) fn push<T: 'static, S: Queued<M, T>>(&mut self, stage: S, added_at: CallSite) {
        if M::IS_SHARED && self.phase() == Phase::Running {
            return self.locked.incoming.push::<T, S>(stage, added_at);
        }
        self.core.witness.reached();
        // SAFETY: the lock is held, and there is no claim; or the chain is of one
        // thread, and whoever has the claim holds no reference to the stages while
        // others get to run (see `RunGuard::run_first`).
        unsafe { &mut *self.core.stages.get() }.push::<T, S>(stage, added_at);
    }

    /// Where the stages that wait were added, if that can be told now.
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
            "whoever runs a chain has its parts"
        );
    }
}
