//! Cancelling a chain, wherever it is.

use std::panic::Location;

use super::core::{Cancelling, Phase, State};
use super::mode::Mode;
use super::run;
use crate::contain::run_contained;
use crate::error::Cancelled;
use crate::failure::Failure;

enum Cancel<M: Mode> {
    Nothing,
    Ask(M::Canceller),
    /// It is claimed.
    Run,
    Forward(M::Weak),
}

impl<M: Mode> State<M> {
    fn cancel(&mut self, cancelled_at: &'static Location<'static>) -> Cancel<M> {
        match (self.phase, &self.waiting_on) {
            (Phase::Unfired, _) => match self.canceller.take() {
                Some(canceller) => {
                    self.cancelling = Cancelling::CancellerRuns;
                    Cancel::Ask(canceller)
                }
                None if self.cancelling == Cancelling::CancellerRuns => Cancel::Nothing,
                None => {
                    self.cancelling = Cancelling::SwallowOne;
                    self.fail_with_cancelled(cancelled_at);
                    Cancel::Run
                }
            },
            (Phase::Waiting, Some(inner)) => Cancel::Forward(inner.clone()),
            _ => Cancel::Nothing,
        }
    }

    fn fail_with_cancelled(&mut self, cancelled_at: &'static Location<'static>) {
        self.phase = Phase::Running;
        let failure = Failure::raised_at_place(Cancelled::new(), cancelled_at);
        self.slot.put_failure(failure);
    }
}

/// Cancels `core`: if it was not fired, asks its canceller or fails it; if it
/// waits for another chain, cancels that one; else does nothing.
pub(super) fn cancel<M: Mode>(core: M::Ref, cancelled_at: &'static Location<'static>) {
    let mut current = core;
    loop {
        match current.with(|state| state.cancel(cancelled_at)) {
            Cancel::Nothing => return,
            Cancel::Run => return run::run::<M>(&current),
            Cancel::Forward(inner) => match M::upgrade(&inner) {
                Some(inner) => current = inner,
                None => return,
            },
            Cancel::Ask(canceller) => return ask::<M>(&current, canceller, cancelled_at),
        }
    }
}

fn ask<M: Mode>(core: &M::Ref, canceller: M::Canceller, cancelled_at: &'static Location<'static>) {
    let given = core.clone();
    run_contained("a canceller", || M::call_canceller(canceller, given));
    let is_unfired = core.with(|state| {
        state.cancelling = Cancelling::No;
        let is_unfired = state.phase == Phase::Unfired;
        if is_unfired {
            state.fail_with_cancelled(cancelled_at);
        }
        is_unfired
    });
    if is_unfired {
        run::run::<M>(core);
    }
}
