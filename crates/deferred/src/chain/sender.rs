//! Sender: the typed firing end of a chain.

use std::marker::PhantomData;
use std::panic::Location;

use super::flavour::Flavour;
use super::link::LinkedReceiver;
use super::phase::{Cancelling, Phase, Transition};
use super::raw::{Canceller, CoreRef, CoreWeak, Fits, OwnedRunGuard, ReceiverRef, RunGuard};
use super::receiver::Receiver;
use super::run;
use super::trampoline::{self, run_pending};
use super::variance::Invariant;
use crate::failure::Result;
use crate::panics::drop_contained;

/// One of the counted handles that may fire a chain whose input is a `T`.
///
/// If the last one is dropped and the chain is unfired, the chain is abandoned.
pub(crate) struct Sender<M: Flavour, T> {
    core: CoreRef<M>,
    input: Invariant<T>,
}

/// Why a fire gives no chain to run.
enum NotRun<T> {
    /// It has no stages and no listener.
    Settled,
    /// A cancel has failed the chain before: the result is dropped.
    Swallowed(Result<T>),
    /// The chain was fired before.
    Refused(Result<T>),
}

impl<M: Flavour, T: Fits<M>> Sender<M, T> {
    /// A new chain: its two ends.
    #[inline(always)]
    pub(crate) fn pair(made_at: &'static Location<'static>) -> (Self, Receiver<M, T>) {
        let (core, receiver) = ReceiverRef::new_pair(made_at);
        let link = LinkedReceiver::new(receiver);
        let sender = Self {
            core,
            input: PhantomData,
        };
        (sender, Receiver::Linked(link))
    }

    /// Another handle on the chain of `core`, whose input is a `T`.
    pub(crate) fn attach(core: CoreRef<M>) -> Self {
        core.with(|state| state.triggers += 1);
        Self {
            core,
            input: PhantomData,
        }
    }

    #[inline(always)]
    pub(crate) fn set_canceller(&self, canceller: Canceller<M>) {
        let replaced = self
            .core
            .with(|state| state.cold.replace_canceller(canceller));
        if let Some(replaced) = replaced {
            // Here, outside of the lock: it is a closure of the user's.
            replaced.drop_contained();
        }
    }

    /// Fires the chain and runs it, before returning.
    ///
    /// # Errors
    ///
    /// The result, if the chain was fired before.
    #[inline]
    pub(crate) fn fire(&self, result: Result<T>) -> Result<(), Result<T>> {
        if let Some(guard) = self.acquire(result)? {
            run::run(guard);
        }
        Ok(())
    }

    /// Fires the chain, leaving it to the caller to run it.
    #[inline(always)]
    pub(crate) fn fire_unrun(
        &self,
        result: Result<T>,
    ) -> Result<Option<OwnedRunGuard<M>>, Result<T>> {
        Ok(self.acquire(result)?.map(RunGuard::into_owned))
    }

    /// Fires the chain; `None` if there is nothing to run.
    #[inline(always)]
    fn acquire(&self, result: Result<T>) -> Result<Option<RunGuard<'_, M>>, Result<T>> {
        let fired = RunGuard::acquire(&self.core, Transition::Fire, |state| {
            if state.phase() == Phase::Unfired {
                state.slot().put(result);
                // Nothing to run, and nothing that listens: the result rests, and no run guard is
                // needed.
                if state.is_idle() {
                    state.go(Transition::FireIdle);
                    return Err(NotRun::Settled);
                }
                Ok(state.cold.take_canceller())
            // The producer could not know of the cancel. Its one late fire is swallowed; a second
            // one is an error, as without a cancel.
            } else if state.cancelling == Cancelling::SwallowOne {
                state.cancelling = Cancelling::No;
                Err(NotRun::Swallowed(result))
            } else {
                Err(NotRun::Refused(result))
            }
        });
        match fired {
            Ok((guard, canceller)) => {
                if let Some(canceller) = canceller {
                    canceller.drop_contained();
                }
                Ok(Some(guard))
            }
            Err(NotRun::Settled) => Ok(None),
            Err(NotRun::Swallowed(result)) => {
                drop_contained(result);
                Ok(None)
            }
            Err(NotRun::Refused(result)) => Err(result),
        }
    }

    pub(crate) fn is_fired(&self) -> bool {
        let look = || self.core.with(|state| state.phase() != Phase::Unfired);
        // An abandonment that waits in this thread's queue may concern this chain.
        look() || (run_pending() > 0 && look())
    }

    pub(crate) fn core(&self) -> &CoreRef<M> {
        &self.core
    }

    /// Whether both fire the same chain.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        CoreRef::is_same(&self.core, &other.core)
    }

    pub(crate) fn downgrade(&self) -> CoreWeak<M> {
        CoreRef::downgrade(&self.core)
    }

    /// A handle from a weak one, if another handle is still there.
    pub(crate) fn upgrade(weak: &CoreWeak<M>) -> Option<Self> {
        let core = weak.upgrade()?;
        let is_alive = core.with(|state| {
            let is_alive = state.triggers > 0;
            state.triggers += u32::from(is_alive);
            is_alive
        });
        // Made only if it counts: dropping it would be counted too.
        is_alive.then(|| Self {
            core,
            input: PhantomData,
        })
    }
}

impl<M: Flavour, T> Clone for Sender<M, T> {
    fn clone(&self) -> Self {
        self.core.with(|state| state.triggers += 1);
        Self {
            core: self.core.clone(),
            input: PhantomData,
        }
    }
}

impl<M: Flavour, T> Drop for Sender<M, T> {
    #[inline]
    fn drop(&mut self) {
        let is_abandoned = self.core.with_last(|state| {
            state.triggers -= 1;
            state.triggers == 0
                && state.phase() == Phase::Unfired
                // Not while a canceller runs: it may drop the trigger, and the cancel fails the
                // chain when it has returned.
                && matches!(state.cancelling, Cancelling::No | Cancelling::Delegated)
        });
        if is_abandoned {
            trampoline::abandon::<M>(self.core.clone());
        }
    }
}
