//! The right to run a chain.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;

use super::core::{Incoming, StateGuard};
use super::{CoreRef, Slot};
use crate::chain::core::Phase;
use crate::chain::flavour::Flavour;
use crate::chain::run::Flow;
use crate::stage_trace::CallSite;

/// A reference to a core that is not counted: one that is lives as long as this.
///
/// It is what `&CoreRef<M>` would be, but it is the reference, and not the place of one:
/// so whoever has lent it need not keep it in memory.
pub(crate) struct BorrowedCore<'a, M: Flavour> {
    /// INVARIANT: a copy of one that lives for `'a`; never dropped.
    core: ManuallyDrop<CoreRef<M>>,
    lent: PhantomData<&'a CoreRef<M>>,
}

impl<'a, M: Flavour> BorrowedCore<'a, M> {
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

impl<M: Flavour> Deref for BorrowedCore<'_, M> {
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
#[must_use = "a chain whose guard is lost is stuck"]
pub(crate) struct RunGuard<'a, M: Flavour> {
    core: BorrowedCore<'a, M>,
}

/// The same, with its own reference to the core.
#[must_use = "a chain whose guard is lost is stuck"]
pub(crate) struct OwnedRunGuard<M: Flavour> {
    core: CoreRef<M>,
}

/// How it came out when a claim was to be given back.
pub(crate) enum Release<'a, M: Flavour, R> {
    Kept(RunGuard<'a, M>),
    Released(R),
    /// The result may be taken from the slot.
    Taken(RunGuard<'a, M>, R),
}

impl<'a, M: Flavour> RunGuard<'a, M> {
    /// Claims `core`, if `f` says so; it may prepare the slot.
    #[inline(always)]
    pub(crate) fn acquire<X, Y>(
        core: &'a CoreRef<M>,
        f: impl FnOnce(&mut StateGuard<'_, M>) -> Result<X, Y>,
    ) -> Result<(Self, X), Y> {
        Self::acquire_borrowed(BorrowedCore::new(core), f)
    }

    /// The same.
    #[inline(always)]
    pub(crate) fn acquire_borrowed<X, Y>(
        core: BorrowedCore<'a, M>,
        f: impl FnOnce(&mut StateGuard<'_, M>) -> Result<X, Y>,
    ) -> Result<(Self, X), Y> {
        let prepared = core.with(|state| {
            let prepared = f(state)?;
            state.acquire();
            Ok(prepared)
        })?;
        Ok((Self { core }, prepared))
    }

    /// Gives the claim back, for the phase that `f` says; if it says `None`, or
    /// stages have come meanwhile, it is kept. `f` is told whether stages wait.
    #[inline(always)]
    pub(crate) fn release<R>(
        self,
        f: impl FnOnce(&mut StateGuard<'_, M>, bool) -> Option<(Phase, R)>,
    ) -> Release<'a, M, R> {
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
            state.release(phase);
            Some((phase, left))
        });
        match left {
            None => Release::Kept(self),
            Some((Phase::Taken, left)) => Release::Taken(self, left),
            Some((_, left)) => Release::Released(left),
        }
    }

    #[inline(always)]
    pub(crate) fn core(&self) -> &CoreRef<M> {
        &self.core
    }

    /// The core, for as long as the claim may be there.
    #[inline(always)]
    pub(crate) fn borrowed(&self) -> BorrowedCore<'a, M> {
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
    pub(crate) fn run_first(&mut self, running: &mut Option<CallSite>) -> Option<Flow<M>> {
        self.core.witness.reached();
        // SAFETY: the claim is ours. The reference is gone when the stage runs.
        let first = unsafe { &mut *self.core.stages.get() }.first()?;
        *running = Some(first.added_at);
        // SAFETY: it is the first, and the claim is ours.
        Some(unsafe { first.run(&self.core) })
    }

    pub(crate) fn into_owned(self) -> OwnedRunGuard<M> {
        OwnedRunGuard {
            core: (*self.core).clone(),
        }
    }
}

impl<M: Flavour> OwnedRunGuard<M> {
    /// As [`RunGuard::acquire`].
    pub(crate) fn acquire<X, Y>(
        core: CoreRef<M>,
        f: impl FnOnce(&mut StateGuard<'_, M>) -> Result<X, Y>,
    ) -> Result<(Self, X), Y> {
        let (_claim, prepared) = RunGuard::<M>::acquire(&core, f)?;
        Ok((Self { core }, prepared))
    }

    /// The claim, for as long as the core is borrowed to it in `core`.
    pub(crate) fn borrow_in(self, core: &mut Option<CoreRef<M>>) -> RunGuard<'_, M> {
        RunGuard {
            core: BorrowedCore::new(core.insert(self.core)),
        }
    }
}
