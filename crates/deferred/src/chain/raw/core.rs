//! The core that the handles of one chain share, and who may touch what in it.
//!
//! - The head is behind the lock of the flavour.
//! - The stages and the slot belong to whoever has the claim, and needs no lock for
//!   them. While nobody has it, they belong to whoever has the lock.
//! - A stage that is added to a shared chain while somebody else has the claim goes
//!   to `incoming`, which is behind the lock.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Queued, Slot, Stages};
use crate::chain::core::{Head, Phase};
use crate::chain::mode::Mode;
use crate::chain::run::Flow;
use crate::trail::Place;

/// What the handles of one chain share.
///
/// The rooms of the two containers are at the two ends, so that what a new core
/// has to be filled with is in one piece.
#[repr(C)]
pub(crate) struct Core<M: Mode> {
    pub(super) stages: UnsafeCell<Stages<M>>,
    pub(super) locked: M::Lock<Locked<M>>,
    /// Explicit pauses; waiting is a phase of its own and not counted here. It is
    /// changed under the lock only.
    pub(super) pauses: AtomicU32,
    /// INVARIANT: holds a result in `Running` (between two stages) and `Settled`,
    /// and is empty in the other phases.
    pub(super) slot: UnsafeCell<Slot<M>>,
}

/// What is behind the lock.
pub(crate) struct Locked<M: Mode> {
    /// INVARIANT: becomes `Running` only with a claim being made, and something
    /// else only with that claim being given back.
    pub(super) phase: Phase,
    pub(super) head: Head<M>,
    pub(super) incoming: Option<Box<Stages<M>>>,
}

// SAFETY: see the rules above. Two threads never reach the same stages or slot at
// the same time, and what is in them fits the flavour (`Stages::push` and
// `Slot::put_value` ask for it), so it may move between the threads that may have
// the lock.
unsafe impl<M: Mode> Sync for Core<M>
where
    M::Lock<Locked<M>>: Sync,
    Stages<M>: Send,
    Slot<M>: Send,
{
}

impl<M: Mode> Core<M> {
    #[cfg(feature = "sync")]
    #[inline(always)]
    pub(super) fn new(head: Head<M>, lock: impl FnOnce(Locked<M>) -> M::Lock<Locked<M>>) -> Self {
        Self {
            stages: UnsafeCell::new(Stages::default()),
            locked: lock(Locked {
                phase: Phase::Unfired,
                head,
                incoming: None,
            }),
            pauses: AtomicU32::new(0),
            slot: UnsafeCell::new(Slot::empty()),
        }
    }

    /// Takes the lock for `f`, which runs nothing of a user's: see [`Mode::with`].
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Guarded<'_, M>) -> R) -> R {
        M::with(&self.locked, |locked| {
            f(&mut Guarded { locked, core: self })
        })
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.pauses.load(Ordering::Relaxed) > 0
    }

    /// The stages and the slot of a core that nobody else has.
    pub(crate) fn parts_mut(&mut self) -> (&mut Slot<M>, &mut Stages<M>) {
        (self.slot.get_mut(), self.stages.get_mut())
    }
}

/// The core, while the lock is held.
pub(crate) struct Guarded<'a, M: Mode> {
    locked: &'a mut Locked<M>,
    core: &'a Core<M>,
}

impl<M: Mode> Deref for Guarded<'_, M> {
    type Target = Head<M>;

    #[inline(always)]
    fn deref(&self) -> &Head<M> {
        &self.locked.head
    }
}

impl<M: Mode> DerefMut for Guarded<'_, M> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Head<M> {
        &mut self.locked.head
    }
}

impl<M: Mode> Guarded<'_, M> {
    #[inline(always)]
    pub(crate) fn phase(&self) -> Phase {
        self.locked.phase
    }

    /// Moves a chain that nobody runs to another phase in which nobody does.
    #[inline(always)]
    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.assert_unclaimed();
        assert!(phase != Phase::Running, "it takes a claim to run a chain");
        self.locked.phase = phase;
    }

    #[inline(always)]
    pub(crate) fn is_paused(&self) -> bool {
        self.core.is_paused()
    }

    /// Counts a pause more, or one less.
    pub(crate) fn change_pauses(&mut self, by: i32) {
        let pauses = self.core.pauses.load(Ordering::Relaxed);
        let changed = pauses.saturating_add_signed(by);
        self.core.pauses.store(changed, Ordering::Relaxed);
    }

    /// The slot of a chain that nobody runs.
    #[inline(always)]
    pub(crate) fn slot(&mut self) -> &mut Slot<M> {
        self.assert_unclaimed();
        // SAFETY: the lock is held, and there is no claim.
        unsafe { &mut *self.core.slot.get() }
    }

    /// Whether stages wait in a chain that nobody runs.
    #[inline(always)]
    pub(crate) fn has_stages(&mut self) -> bool {
        self.assert_unclaimed();
        // SAFETY: the lock is held, and there is no claim.
        !unsafe { &*self.core.stages.get() }.is_empty()
    }

    /// Adds a stage at the end.
    #[inline(always)]
    pub(crate) fn push<T: 'static, S: Queued<M, T>>(&mut self, stage: S, added_at: Place) {
        if M::IS_SHARED && self.locked.phase == Phase::Running {
            let incoming = self.locked.incoming.get_or_insert_default();
            return incoming.push::<T, S>(stage, added_at);
        }
        // SAFETY: the lock is held, and there is no claim; or the chain is of one
        // thread, and whoever has the claim holds no reference to the stages while
        // others get to run (see `Claim::run_first`).
        unsafe { &mut *self.core.stages.get() }.push::<T, S>(stage, added_at);
    }

    /// Where the stages that wait were added, if that can be told now.
    pub(crate) fn places(&mut self) -> Option<Vec<Place>> {
        if M::IS_SHARED && self.locked.phase == Phase::Running {
            return None;
        }
        // SAFETY: as in `push`.
        Some(unsafe { &*self.core.stages.get() }.places().collect())
    }

    #[inline(always)]
    fn assert_unclaimed(&self) {
        assert!(
            self.locked.phase != Phase::Running,
            "whoever runs a chain has its parts"
        );
    }
}

/// The right to run a chain.
///
/// INVARIANT: there is one for each core in `Running`, and none for one in another
/// phase, but for `Spent`, in which the one who has spent it may still have it.
#[must_use = "a chain whose claim is lost is stuck"]
pub(crate) struct Claim<'a, M: Mode> {
    core: &'a M::Ref,
}

/// The same, with its own reference to the core.
#[must_use = "a chain whose claim is lost is stuck"]
pub(crate) struct OwnedClaim<M: Mode> {
    core: M::Ref,
}

/// How it came out when a claim was to be given back.
pub(crate) enum Leave<'a, M: Mode, R> {
    NotYet(Claim<'a, M>),
    Rests(R),
    /// The result may be taken from the slot.
    Spent(Claim<'a, M>, R),
}

impl<'a, M: Mode> Claim<'a, M> {
    /// Claims `core`, if `f` says so; it may prepare the slot.
    #[inline(always)]
    pub(crate) fn take<X, Y>(
        core: &'a M::Ref,
        f: impl FnOnce(&mut Guarded<'_, M>) -> Result<X, Y>,
    ) -> Result<(Self, X), Y> {
        core.with(|state| {
            let prepared = f(state)?;
            state.assert_unclaimed();
            state.locked.phase = Phase::Running;
            Ok((Self { core }, prepared))
        })
    }

    /// Gives the claim back, for the phase that `f` says; if it says `None`, or
    /// stages have come meanwhile, it is kept. `f` is told whether stages wait.
    #[inline(always)]
    pub(crate) fn leave<R>(
        self,
        f: impl FnOnce(&mut Guarded<'_, M>, bool) -> Option<(Phase, R)>,
    ) -> Leave<'a, M, R> {
        let left = self.core.with(|state| {
            // SAFETY: the claim is ours.
            let stages = unsafe { &mut *self.core.stages.get() };
            if M::IS_SHARED
                && let Some(incoming) = state.locked.incoming.take()
            {
                stages.append(*incoming);
            }
            let has_stages = !stages.is_empty();
            let (phase, left) = f(state, has_stages)?;
            assert!(
                phase != Phase::Running,
                "a claim is not given back for that"
            );
            state.locked.phase = phase;
            Some((phase, left))
        });
        match left {
            None => Leave::NotYet(self),
            Some((Phase::Spent, left)) => Leave::Spent(self, left),
            Some((_, left)) => Leave::Rests(left),
        }
    }

    #[inline(always)]
    pub(crate) fn core(&self) -> &'a M::Ref {
        self.core
    }

    #[inline(always)]
    pub(crate) fn slot(&mut self) -> &mut Slot<M> {
        // SAFETY: the claim is ours, and borrowed for as long as the slot.
        unsafe { &mut *self.core.slot.get() }
    }

    /// Runs the first stage; `running` is set to where it was added. `None` if
    /// there is no stage.
    #[inline(always)]
    pub(crate) fn run_first(&mut self, running: &mut Option<Place>) -> Option<Flow<M>> {
        // SAFETY: the claim is ours. The reference is gone when the stage runs.
        let first = unsafe { &mut *self.core.stages.get() }.leave_first()?;
        *running = Some(first.added_at());
        // SAFETY: this is the next thing that is done with the queue: whoever has
        // the claim is the one who takes from it, and what another thread adds
        // goes elsewhere.
        Some(unsafe { first.run(self) })
    }

    pub(crate) fn into_owned(self) -> OwnedClaim<M> {
        OwnedClaim {
            core: self.core.clone(),
        }
    }
}

impl<M: Mode> OwnedClaim<M> {
    /// As [`Claim::take`].
    pub(crate) fn take<X, Y>(
        core: M::Ref,
        f: impl FnOnce(&mut Guarded<'_, M>) -> Result<X, Y>,
    ) -> Result<(Self, X), Y> {
        let (_claim, prepared) = Claim::<M>::take(&core, f)?;
        Ok((Self { core }, prepared))
    }

    /// The claim, for as long as the core is borrowed to it in `core`.
    pub(crate) fn into_claim(self, core: &mut Option<M::Ref>) -> Claim<'_, M> {
        Claim {
            core: core.insert(self.core),
        }
    }
}
