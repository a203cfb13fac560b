//! The right to run a chain.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;

use super::core::{Guarded, Incoming};
use super::{CoreRef, Slot};
use crate::chain::core::Phase;
use crate::chain::mode::Mode;
use crate::chain::run::Flow;
use crate::trail::Place;

/// A reference to a core that is not counted: one that is lives as long as this.
///
/// It is what `&CoreRef<M>` would be, but it is the reference, and not the place of one:
/// so whoever has lent it need not keep it in memory.
pub(crate) struct Borrowed<'a, M: Mode> {
    /// INVARIANT: a copy of one that lives for `'a`; never dropped.
    core: ManuallyDrop<CoreRef<M>>,
    lent: PhantomData<&'a CoreRef<M>>,
}

impl<'a, M: Mode> Borrowed<'a, M> {
    #[inline(always)]
    pub(crate) fn new(core: &'a CoreRef<M>) -> Self {
        Self {
            // SAFETY: two of them are used like one, since the one who gets this
            // one sees no more than a reference to it, for as long as the other
            // is borrowed; and this one is not dropped.
            core: unsafe { ptr::read(ptr::from_ref(core).cast::<ManuallyDrop<CoreRef<M>>>()) },
            lent: PhantomData,
        }
    }

    #[inline(always)]
    pub(crate) fn copy(&self) -> Self {
        Self {
            // SAFETY: as in `new`.
            core: unsafe { ptr::read(&raw const self.core) },
            lent: PhantomData,
        }
    }
}

impl<M: Mode> Deref for Borrowed<'_, M> {
    type Target = CoreRef<M>;

    #[inline(always)]
    fn deref(&self) -> &CoreRef<M> {
        &self.core
    }
}

/// The right to run a chain.
///
/// INVARIANT: there is one for each core in `Running`, and none for one in another
/// phase, but for `Spent`, in which the one who has spent it may still have it.
#[must_use = "a chain whose claim is lost is stuck"]
pub(crate) struct Claim<'a, M: Mode> {
    core: Borrowed<'a, M>,
}

/// The same, with its own reference to the core.
#[must_use = "a chain whose claim is lost is stuck"]
pub(crate) struct OwnedClaim<M: Mode> {
    core: CoreRef<M>,
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
        core: &'a CoreRef<M>,
        f: impl FnOnce(&mut Guarded<'_, M>) -> Result<X, Y>,
    ) -> Result<(Self, X), Y> {
        Self::take_borrowed(Borrowed::new(core), f)
    }

    /// The same.
    #[inline(always)]
    pub(crate) fn take_borrowed<X, Y>(
        core: Borrowed<'a, M>,
        f: impl FnOnce(&mut Guarded<'_, M>) -> Result<X, Y>,
    ) -> Result<(Self, X), Y> {
        let prepared = core.with(|state| {
            let prepared = f(state)?;
            state.claim();
            Ok(prepared)
        })?;
        Ok((Self { core }, prepared))
    }

    /// Gives the claim back, for the phase that `f` says; if it says `None`, or
    /// stages have come meanwhile, it is kept. `f` is told whether stages wait.
    #[inline(always)]
    pub(crate) fn leave<R>(
        self,
        f: impl FnOnce(&mut Guarded<'_, M>, bool) -> Option<(Phase, R)>,
    ) -> Leave<'a, M, R> {
        let left = self.core.with(|state| {
            self.core.witness.reached();
            // SAFETY: the claim is ours.
            let stages = unsafe { &mut *self.core.stages.get() };
            if M::IS_SHARED
                && let Some(incoming) = state.locked.incoming.take()
            {
                stages.append(incoming);
            }
            let has_stages = !stages.is_empty();
            let (phase, left) = f(state, has_stages)?;
            state.leave(phase);
            Some((phase, left))
        });
        match left {
            None => Leave::NotYet(self),
            Some((Phase::Spent, left)) => Leave::Spent(self, left),
            Some((_, left)) => Leave::Rests(left),
        }
    }

    #[inline(always)]
    pub(crate) fn core(&self) -> &CoreRef<M> {
        &self.core
    }

    /// The core, for as long as the claim may be there.
    #[inline(always)]
    pub(crate) fn borrowed(&self) -> Borrowed<'a, M> {
        self.core.copy()
    }

    #[inline(always)]
    pub(crate) fn slot(&mut self) -> &mut Slot<M> {
        self.core.witness.reached();
        // SAFETY: the claim is ours, and borrowed for as long as the slot.
        unsafe { &mut *self.core.slot.get() }
    }

    /// Runs the first stage; `running` is set to where it was added. `None` if
    /// there is no stage.
    #[inline(always)]
    pub(crate) fn run_first(&mut self, running: &mut Option<Place>) -> Option<Flow<M>> {
        self.core.witness.reached();
        // SAFETY: the claim is ours. The reference is gone when the stage runs.
        let first = unsafe { &mut *self.core.stages.get() }.first()?;
        *running = Some(first.added_at);
        // SAFETY: it is the first, and the claim is ours.
        Some(unsafe { first.run(&self.core) })
    }

    pub(crate) fn into_owned(self) -> OwnedClaim<M> {
        OwnedClaim {
            core: (*self.core).clone(),
        }
    }
}

impl<M: Mode> OwnedClaim<M> {
    /// As [`Claim::take`].
    pub(crate) fn take<X, Y>(
        core: CoreRef<M>,
        f: impl FnOnce(&mut Guarded<'_, M>) -> Result<X, Y>,
    ) -> Result<(Self, X), Y> {
        let (_claim, prepared) = Claim::<M>::take(&core, f)?;
        Ok((Self { core }, prepared))
    }

    /// The claim, for as long as the core is borrowed to it in `core`.
    pub(crate) fn into_claim(self, core: &mut Option<CoreRef<M>>) -> Claim<'_, M> {
        Claim {
            core: Borrowed::new(core.insert(self.core)),
        }
    }
}
