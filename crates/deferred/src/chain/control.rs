//! Handles to a chain without its types: to cancel it, pause it, or see its state.

use std::panic::Location;

use super::cancel;
use super::flavour::Flavour;
use super::phase::{Phase, Transition};
use super::raw::{CoreRef, CoreWeak, RunGuard, StateGuard};
use super::run;
use super::trampoline::run_pending;
use crate::failure::Failure;
use crate::stage_trace::CallSite;
use crate::state::State;

/// A handle that does not keep the chain alive.
pub(crate) struct Control<M: Flavour> {
    core: Option<CoreWeak<M>>,
}

impl<M: Flavour> Control<M> {
    pub(crate) fn new(core: Option<&CoreRef<M>>) -> Self {
        Self {
            core: core.map(|core| {
                // From now on another thread may pause the chain, so the receiver takes the result
                // under the lock.
                core.with(|state| state.hand_out());
                CoreRef::downgrade(core)
            }),
        }
    }

    fn core(&self) -> Option<CoreRef<M>> {
        self.core.as_ref()?.upgrade()
    }

    pub(crate) fn cancel(&self, cancelled_at: &'static Location<'static>) {
        if let Some(core) = self.core() {
            M::cancel(core, cancelled_at);
        }
    }

    pub(crate) fn pause(&self) -> Option<PauseToken<M>> {
        Some(PauseToken::new(self.core()?))
    }

    pub(crate) fn look(&self) -> Option<State> {
        Some(look::<M>(&self.core()?))
    }
}

impl<M: Flavour> Drop for Control<M> {
    /// Hands the chain down if this was the last handle to a mere link.
    fn drop(&mut self) {
        let core = self.core();
        // Dropped first: a link is handed down only if no weak reference to it is left.
        self.core = None;
        if let Some(core) = core
            && let Some(guard) = M::hand_down(&core)
        {
            run::run_owned(guard);
        }
    }
}

impl<M: Flavour> Clone for Control<M> {
    fn clone(&self) -> Self {
        Self {
            core: self.core.clone(),
        }
    }
}

/// The state of a chain, after a run of the abandonments that are in the queue.
pub(crate) fn look<M: Flavour>(core: &CoreRef<M>) -> State {
    let seen = core.with(|state| state.seen());
    // A pending abandonment may concern this very chain.
    if seen != State::Done && run_pending() > 0 {
        return core.with(|state| state.seen());
    }
    seen
}

/// Where a chain was made.
pub(crate) fn made_at<M: Flavour>(core: &CoreRef<M>) -> CallSite {
    core.with(|state| state.made_at)
}

pub(crate) fn cancel_core<M: Flavour>(core: &CoreRef<M>, cancelled_at: &'static Location<'static>) {
    M::cancel(core.clone(), cancelled_at);
}

/// Fails a chain that was not fired with `Cancelled`; `before` is called before
/// anything runs.
pub(crate) fn fail_core<M: Flavour>(
    core: &CoreRef<M>,
    cancelled_at: &'static Location<'static>,
    before: impl FnOnce(),
) {
    cancel::fail_with_cancelled::<M>(core, cancelled_at, before);
}

/// Pauses a chain for as long as the token lives.
pub(crate) struct PauseToken<M: Flavour> {
    core: CoreRef<M>,
}

impl<M: Flavour> PauseToken<M> {
    pub(crate) fn new(core: CoreRef<M>) -> Self {
        core.with(|state| state.pause());
        Self { core }
    }
}

impl<M: Flavour> Drop for PauseToken<M> {
    fn drop(&mut self) {
        let acquired =
            RunGuard::<M>::acquire(&self.core, Transition::Unpause, |state| state.unpause());
        match acquired {
            Ok((guard, ())) => run::run(guard),
            // The pause may have been all that kept a mere link from being handed down.
            Err(()) => {
                if let Some(guard) = M::hand_down(&self.core) {
                    run::run_owned(guard);
                }
            }
        }
    }
}

impl<M: Flavour> StateGuard<'_, M> {
    /// The state that users see.
    pub(super) fn seen(&self) -> State {
        match self.phase() {
            Phase::Unfired => State::Unfired,
            Phase::Running => State::Running,
            Phase::Waiting => State::Waiting,
            Phase::Paused => State::Paused,
            Phase::Taken if self.is_paused() => State::Paused,
            Phase::Settled | Phase::Taken => State::Done,
        }
    }

    /// The failure that rests in the slot, if there is one.
    pub(super) fn failure(&mut self) -> Option<Failure> {
        if matches!(self.phase(), Phase::Settled | Phase::Paused) {
            self.slot().failure().cloned()
        } else {
            None
        }
    }
}
