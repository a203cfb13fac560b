//! Core: the state that the handles of one chain share, and the rules of access to it.
//!
//! - The head is behind the lock of the flavour.
//! - While there is a [run guard](super::RunGuard), the stages and the slot belong to it,
//!   without the lock. While there is none, they belong to the thread that holds the lock.
//! - A stage that is added to a shared chain while another thread holds the run guard goes
//!   to `incoming`, which is behind the lock.

use std::cell::UnsafeCell;

use super::atomic::{AtomicU32, Ordering, Witness};
use super::cold::{ColdState, CommonState};
use super::head::Head;
use super::lock::{CoreLock, Incoming};
use super::record::Queued;
use super::slot::Slot;
use super::stages::{Room, Stages};
use super::storage::Storage;
use crate::chain::phase::{Phase, PhaseOf, Transition};
use crate::stage_trace::CallSite;

/// The state that the handles of one chain share.
///
/// INVARIANT: it is not moved, since `stages` points to `room`.
#[repr(C)] // fields of every step first, the large arrays last
pub(crate) struct Core<M: Storage> {
    pub(super) stages: UnsafeCell<Stages<Self>>,
    /// [`PAUSE`] times the number of pauses, plus the flags [`HANDED_OUT`] and
    /// [`CANCELLED_WITH_TASK`]. Changed under the lock only, read without it. A chain that waits
    /// for another is not paused: that is a phase.
    pub(super) pauses: AtomicU32,
    /// INVARIANT: becomes `Running` when a run guard is acquired, and leaves `Running` when
    /// that guard is released. Changed under the lock only, except by
    /// [`take_unlocked`](Self::take_unlocked).
    pub(super) phase: PhaseOf<M::PhaseCell>,
    pub(super) locked: M::CoreLock<LockedState<M>>,
    /// Checks in tests with `loom` that one thread at a time reaches `stages` and `slot`.
    pub(super) witness: Witness,
    /// INVARIANT: holds a result in `Running` (between two stages), `Settled` and
    /// `Paused`, and is empty in the other phases. In `Taken`, the run guard that made that
    /// transition may still be about to empty it.
    pub(super) slot: UnsafeCell<Slot<M>>,
    /// The first buffer of `stages`. Only `stages` refers to it.
    room: UnsafeCell<Room>,
}

/// Set when a handle or a pause is given out, never cleared: from then on, a thread other
/// than the receiver's may pause the chain, so the receiver takes the result under the lock.
pub(super) const HANDED_OUT: u32 = 1;
/// Set when the body that awaits the chain is cancelled, never cleared: the report of a
/// `Cancelled` that comes of it and stays unhandled is minor.
pub(super) const CANCELLED_WITH_TASK: u32 = 2;
/// One pause: added with each pause, subtracted when that ends.
pub(super) const PAUSE: u32 = 4;

/// The part of a core behind its lock.
#[repr(C)] // as above
pub(crate) struct LockedState<M: Storage> {
    pub(super) head: Head<M>,
    pub(super) incoming: M::Incoming<Stages<Core<M>>>,
}

// SAFETY: by the rules at the top, two threads never reach the stages or the slot at the
// same time. The values in them fit the flavour (`Stages::push` and `Slot::put_value` have
// the bound), so they may move between the threads that take the lock.
unsafe impl<M: Storage> Sync for Core<M>
where
    M::CoreLock<LockedState<M>>: Sync,
    Stages<Self>: Send,
    Slot<M>: Send,
{
}

impl<M: Storage> Core<M> {
    /// Makes memory at `place` ready for a core: writes an empty queue of stages, and
    /// nothing else.
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

    /// Makes the queue of stages ready for the next core at this place. The other fields may
    /// be dropped already.
    ///
    /// # Safety
    /// The queue at `place` is valid and has no stages; no other thread reaches it.
    #[inline(always)]
    pub(super) unsafe fn reset_stages(place: *mut Self) {
        // SAFETY: by contract.
        unsafe {
            let room = UnsafeCell::raw_get(&raw const (*place).room);
            (*UnsafeCell::raw_get(&raw const (*place).stages)).reset(room);
        }
    }

    /// Frees the buffer for stages on the heap, if there is one. The queue is as new.
    ///
    /// # Safety
    /// As of [`reset_stages`](Self::reset_stages).
    pub(super) unsafe fn free_stages(place: *mut Self) {
        // SAFETY: by contract. The queue that is overwritten owns no buffer any more.
        unsafe {
            (*UnsafeCell::raw_get(&raw const (*place).stages)).free();
            Self::write_stages(place);
        }
    }

    /// Makes a core at `place`, of a chain that was not fired and has no stages.
    ///
    /// It is written field by field, because a core that is put together elsewhere and
    /// moved here copies its uninitialised slot and room, some 160 bytes, too.
    ///
    /// # Safety
    /// `place` is aligned and valid for writes, the core stays there, and
    /// [`write_stages`](Self::write_stages) has made it ready, or
    /// [`reset_stages`](Self::reset_stages) again.
    #[inline(always)]
    pub(super) unsafe fn write_new(place: *mut Self, triggers: u32, made_at: CallSite) {
        // SAFETY: by contract. These are all fields but the queue, which is written
        // already, and the room, which may stay uninitialised. None is read before.
        unsafe {
            (&raw mut (*place).pauses).write(AtomicU32::new(0));
            (&raw mut (*place).phase).write(PhaseOf::new());
            (&raw mut (*place).witness).write(Witness::new());
            let locked = &raw mut (*place).locked;
            <M::CoreLock<LockedState<M>> as CoreLock<_>>::init(&mut *locked.cast(), |state| {
                LockedState::write_new(state, triggers, made_at);
            });
            Slot::write_empty(UnsafeCell::raw_get(&raw const (*place).slot));
        }
    }

    #[inline(always)]
    pub(crate) fn is_paused(&self) -> bool {
        self.pauses.load(Ordering::Relaxed) >= PAUSE
    }

    /// The phase, read without the lock: another thread may change it at once.
    #[inline(always)]
    pub(super) fn last_phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether a handle or a pause was ever given out.
    #[inline(always)]
    pub(crate) fn is_handed_out(&self) -> bool {
        self.pauses.load(Ordering::Relaxed) != 0
    }

    /// Goes from `Settled` to `Taken` without the lock, and calls `f` with the slot.
    ///
    /// # Safety
    /// The phase is `Settled`, and until this returns no other thread reaches the slot or
    /// changes the phase.
    #[inline(always)]
    pub(super) unsafe fn take_unlocked<R>(&self, f: impl FnOnce(&mut Slot<M>) -> R) -> R {
        self.phase.go(Transition::Take);
        self.witness.reached();
        // SAFETY: by contract.
        f(unsafe { &mut *self.slot.get() })
    }

    /// Adds a stage at the end, without the lock.
    ///
    /// # Safety
    /// The chain is of one thread; or the lock is held, and there is no run guard.
    #[inline(always)]
    pub(super) unsafe fn push_unlocked<T: 'static, S: Queued<Self, T>>(
        &self,
        stage: S,
        added_at: CallSite,
    ) {
        self.witness.reached();
        // SAFETY: by contract, and there is no other reference to the stages: if a chain of one
        // thread runs, this is called from inside of a stage, for whose run the guard has dropped
        // its reference (see `RunGuard::run_first`).
        unsafe { &mut *self.stages.get() }.push::<T, S>(stage, added_at);
    }

    /// Takes the result and the stages out of a core that has no other reference.
    pub(crate) fn take_parts(&mut self) -> (Slot<M>, Stages<Self>) {
        self.witness.reached();
        let stages = self.stages.get_mut().take_all(self.room.get_mut());
        (self.slot.get_mut().take_all(), stages)
    }

    /// Whether a core without other references holds nothing to drop, except perhaps an
    /// empty buffer for stages.
    #[inline(always)]
    pub(super) fn is_bare(&mut self) -> bool {
        self.witness.reached();
        let is_empty = self.slot.get_mut().is_empty() && self.stages.get_mut().is_empty();
        let locked = self.locked.get_mut();
        is_empty && locked.head.cold.is_none() && locked.incoming.is_none()
    }

    /// The head of a core that has no other reference.
    pub(crate) fn head_mut(&mut self) -> &mut Head<M> {
        &mut self.locked.get_mut().head
    }
}

impl<M: Storage> LockedState<M> {
    /// Writes the state of a chain that was not fired to `place`, field by field.
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
            (&raw mut (*place).incoming).write(<M::Incoming<Stages<Core<M>>> as Incoming<_>>::NONE);
        }
    }
}
