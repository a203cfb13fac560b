//! Run guard: the exclusive right to run a chain.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;

use super::core::Core;
use super::core_ref::CoreRef;
use super::lock::Incoming;
use super::record::{Queued, RunsStages};
use super::slot::Slot;
use super::stages::Stages;
use super::state_guard::StateGuard;
use super::storage::Storage;
use super::word::Word;
use crate::chain::phase::Transition;
use crate::stage_trace::CallSite;

/// A reference to a core that is not counted, borrowed from one that is.
///
/// Like `&CoreRef<M>`, with one indirection less: it is a copy of the pointer, so that the
/// lender can keep its own in a register.
pub(crate) struct BorrowedCore<'a, M: Storage> {
    /// INVARIANT: a copy of a counted reference that lives for `'a`; never dropped.
    core: ManuallyDrop<CoreRef<M>>,
    lent: PhantomData<&'a CoreRef<M>>,
}

impl<'a, M: Storage> BorrowedCore<'a, M> {
    #[inline(always)]
    pub(crate) fn new(core: &'a CoreRef<M>) -> Self {
        Self {
            // SAFETY: the copy is never dropped, only `&CoreRef` is made of it, and
            // `lent` keeps the original borrowed for as long as it lives.
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

impl<M: Storage> Deref for BorrowedCore<'_, M> {
    type Target = CoreRef<M>;

    #[inline(always)]
    fn deref(&self) -> &CoreRef<M> {
        &self.core
    }
}

/// The right to run a chain.
///
/// INVARIANT: a core in `Running` has exactly one, a core in another phase none; except that
/// the guard that has moved the core to `Taken` stays until it has emptied the slot.
#[must_use = "a chain whose guard is lost is stuck"]
pub(crate) struct RunGuard<'a, M: Storage> {
    core: BorrowedCore<'a, M>,
}

/// A [`RunGuard`] with a reference of its own to the core.
#[must_use = "a chain whose guard is lost is stuck"]
pub(crate) struct OwnedRunGuard<M: Storage> {
    core: CoreRef<M>,
}

/// Result of an attempt to release a run guard.
pub(crate) enum Release<'a, M: Storage, R> {
    /// There is more to run.
    Kept(RunGuard<'a, M>),
    /// The chain rests, waits or is paused; another thread may run it already.
    Released(R),
    /// The chain is in `Taken`, and its result is the guard's to take from the slot.
    Taken(RunGuard<'a, M>, R),
}

/// Next step after the run of one stage, whose result is in the slot.
pub(crate) enum Flow<M: Storage> {
    /// A value is in the slot, for the next stage.
    Next,
    /// The stage has returned a failure, or a failure has passed it by.
    Failed,
    /// The stage has returned a Deferred of this other chain, whose result the chain takes over.
    Wait(CoreRef<M>),
    /// This other chain is to be run before the chain goes on.
    Call(OwnedRunGuard<M>),
}

// SAFETY: both are fields of the core, which is never moved.
unsafe impl<M: Storage> RunsStages for Core<M> {
    type Flavour = M;
    type Flow = Flow<M>;

    #[inline(always)]
    fn head(&self) -> *mut *mut Word {
        // SAFETY: the queue is there.
        unsafe { Stages::head_of(self.stages.get()) }
    }

    #[inline(always)]
    fn slot(&self) -> *mut Slot<M> {
        self.slot.get()
    }
}

impl<'a, M: Storage> RunGuard<'a, M> {
    /// Acquires the guard of `core` if `f` returns `Ok`; `f` may prepare the slot.
    #[inline(always)]
    pub(crate) fn acquire<X, Y>(
        core: &'a CoreRef<M>,
        transition: Transition,
        f: impl FnOnce(&mut StateGuard<'_, M>) -> Result<X, Y>,
    ) -> Result<(Self, X), Y> {
        Self::acquire_borrowed(BorrowedCore::new(core), transition, f)
    }

    /// As `acquire`, of a core that is borrowed already.
    #[inline(always)]
    pub(crate) fn acquire_borrowed<X, Y>(
        core: BorrowedCore<'a, M>,
        transition: Transition,
        f: impl FnOnce(&mut StateGuard<'_, M>) -> Result<X, Y>,
    ) -> Result<(Self, X), Y> {
        let prepared = core.with(|state| {
            let prepared = f(state)?;
            state.acquire(transition);
            Ok(prepared)
        })?;
        Ok((Self { core }, prepared))
    }

    /// Adds a stage to a chain; if the chain is at its end, acquires the guard to run it.
    #[inline(always)]
    pub(crate) fn add_stage<T: 'static, S: Queued<Core<M>, T>>(
        core: &'a CoreRef<M>,
        stage: S,
        added_at: CallSite,
    ) -> Option<Self> {
        // Added in any phase: if the chain runs or waits, its run takes the stage; if it is at its
        // end, this call gets the guard and runs it.
        if M::IS_SHARED {
            let acquired = Self::acquire(core, Transition::AddStage, |state| {
                state.push::<T, S>(stage, added_at);
                state.is_at_end().then_some(()).ok_or(())
            });
            return acquired.ok().map(|(guard, ())| guard);
        }
        // SAFETY: the chain is of one thread.
        unsafe { core.push_unlocked::<T, S>(stage, added_at) };
        Self::acquire_at_end(core)
    }

    /// Acquires the guard of a chain that is at its end. A function of its own, so that it is not
    /// compiled for each type of stage.
    #[inline(always)]
    fn acquire_at_end(core: &'a CoreRef<M>) -> Option<Self> {
        let is_at_end = core.with(|state| {
            let is_at_end = state.is_at_end();
            if is_at_end {
                state.acquire(Transition::AddStage);
            }
            is_at_end
        });
        is_at_end.then(|| Self {
            core: BorrowedCore::new(core),
        })
    }

    /// Releases the guard by the transition that `f` returns; keeps it if `f` returns
    /// `None`. The argument of `f` says whether stages are queued, including those that other
    /// threads have added since the run began.
    #[inline(always)]
    pub(crate) fn release<R>(
        self,
        f: impl FnOnce(&mut StateGuard<'_, M>, bool) -> Option<(Transition, R)>,
    ) -> Release<'a, M, R> {
        let left = self.core.with(|state| {
            self.core.witness.reached();
            // SAFETY: the stages belong to this guard.
            let stages = unsafe { &mut *self.core.stages.get() };
            if M::IS_SHARED
                && let Some(incoming) = state.locked.incoming.take()
            {
                stages.append(incoming);
            }
            let has_stages = !stages.is_empty();
            let (transition, left) = f(state, has_stages)?;
            state.release(transition);
            Some((transition, left))
        });
        match left {
            None => Release::Kept(self),
            Some((Transition::PassOn, left)) => Release::Taken(self, left),
            Some((_, left)) => Release::Released(left),
        }
    }

    #[inline(always)]
    pub(crate) fn core(&self) -> &CoreRef<M> {
        &self.core
    }

    /// The core, for as long as the guard may live.
    #[inline(always)]
    pub(crate) fn borrowed(&self) -> BorrowedCore<'a, M> {
        self.core.copy()
    }

    #[inline(always)]
    pub(crate) fn slot(&mut self) -> &mut Slot<M> {
        self.core.witness.reached();
        // SAFETY: the slot belongs to this guard, which is borrowed for as long.
        unsafe { &mut *self.core.slot.get() }
    }

    /// Runs the first stage; `running` is set to where it was added. `None` if
    /// there is no stage.
    #[inline(always)]
    pub(crate) fn run_first(&mut self, running: &mut Option<CallSite>) -> Option<Flow<M>> {
        self.core.witness.reached();
        // SAFETY: the stages belong to this guard. The reference ends here, before the
        // stage runs, which may add further stages.
        let first = unsafe { &mut *self.core.stages.get() }.first()?;
        *running = Some(first.added_at);
        // SAFETY: `first` is the first of this core, whose stages and slot are the guard's.
        Some(unsafe { first.run(&**self.core) })
    }

    pub(crate) fn into_owned(self) -> OwnedRunGuard<M> {
        OwnedRunGuard {
            core: (*self.core).clone(),
        }
    }
}

impl<M: Storage> OwnedRunGuard<M> {
    /// As [`RunGuard::acquire`].
    pub(crate) fn acquire<X, Y>(
        core: CoreRef<M>,
        transition: Transition,
        f: impl FnOnce(&mut StateGuard<'_, M>) -> Result<X, Y>,
    ) -> Result<(Self, X), Y> {
        let (_guard, prepared) = RunGuard::<M>::acquire(&core, transition, f)?;
        Ok((Self { core }, prepared))
    }

    /// The guard as one that borrows its core, which moves into `core`.
    pub(crate) fn borrow_in(self, core: &mut Option<CoreRef<M>>) -> RunGuard<'_, M> {
        RunGuard {
            core: BorrowedCore::new(core.insert(self.core)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, Location, catch_unwind};

    use super::*;
    use crate::chain::phase::Phase;
    use crate::chain::raw::{Fits, Local};
    use crate::chain::{Flavour, Skips, Stage, Step};

    /// A stage that adds one.
    struct AddOne;

    impl<M: Flavour> Stage<M, u32> for AddOne
    where
        Self: Fits<M>,
        u32: Fits<M>,
    {
        type Out = u32;
        const SKIPS: Skips = Skips::Failures;

        fn run(self, input: crate::Result<u32>) -> Step<M, u32> {
            Step::Done(input.map(|number| number + 1))
        }
    }

    fn core<M: Storage>() -> CoreRef<M> {
        CoreRef::new(0, Location::caller())
    }

    fn fire<M: Storage>(core: &CoreRef<M>, number: u32) -> RunGuard<'_, M>
    where
        u32: Fits<M>,
    {
        let fired = RunGuard::acquire(core, Transition::Fire, |state| {
            state.slot().put_value(number);
            Ok::<_, ()>(())
        });
        fired.map(|(guard, ())| guard).expect("it was not refused")
    }

    #[test]
    fn a_refusal_leaves_the_chain_where_it_is() {
        let core = core::<Local>();
        let refused = RunGuard::acquire(&core, Transition::Fire, |_state| Err::<(), _>("no"));
        assert_eq!(refused.err(), Some("no"));
        assert_eq!(core.with(|state| state.phase()), Phase::Unfired);
    }

    #[test]
    fn there_is_one_guard_at_a_time() {
        let core = core::<Local>();
        let guard = fire(&core, 1);
        let second = catch_unwind(AssertUnwindSafe(|| {
            let _ = RunGuard::acquire(&core, Transition::AddStage, |_state| Ok::<_, ()>(()));
        }));
        assert!(second.is_err());
        drop(guard);
    }

    #[test]
    fn what_is_added_meanwhile_keeps_the_guard() {
        fn check<M: Flavour>()
        where
            AddOne: Fits<M>,
            u32: Fits<M>,
        {
            let core = core::<M>();
            let guard = fire(&core, 1);
            core.with(|state| state.push::<u32, _>(AddOne, Location::caller()));
            let kept =
                guard.release(|_state, has_stages| (!has_stages).then_some((Transition::Rest, ())));
            let Release::Kept(mut guard) = kept else {
                panic!("it has a stage to run");
            };
            let mut running = None;
            assert!(matches!(guard.run_first(&mut running), Some(Flow::Next)));
            assert!(running.is_some());
            assert!(guard.run_first(&mut running).is_none());
            let released = guard.release(|_state, _has_stages| Some((Transition::Rest, ())));
            assert!(matches!(released, Release::Released(())));
            let number = core.with(|state| state.take_settled(Slot::take_value::<u32>));
            assert_eq!(number.flatten(), Some(2));
            assert_eq!(core.with(|state| state.phase()), Phase::Taken);
        }
        check::<Local>();
        #[cfg(all(feature = "sync", not(deferred_loom)))]
        check::<crate::chain::raw::Shared>();
    }

    #[test]
    fn one_that_passes_its_result_on_may_still_take_it() {
        let core = core::<Local>();
        let guard = fire(&core, 5);
        let taken = guard.release(|_state, _has_stages| Some((Transition::PassOn, ())));
        let Release::Taken(mut guard, ()) = taken else {
            panic!("the result was not taken");
        };
        assert_eq!(guard.slot().take_value::<u32>(), Some(5));
    }
}
