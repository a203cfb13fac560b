//! Cancelling a chain, wherever it is.

use super::core::{Canceller, Cancelling, Phase};
use super::mode::Mode;
use super::raw::{Claim, CoreRef, CoreWeak, Guarded};
use super::run;
use crate::contain::{drop_contained, run_contained};
use crate::error::Cancelled;
use crate::failure::Failure;
use crate::trail::Place;

/// What a chain that is cancelled asks for, when it does not fail at once.
enum Cancel<M: Mode> {
    Nothing,
    Ask(M::Canceller),
    Forward(CoreWeak<M>),
    Body(M::WeakBody),
}

impl<M: Mode> Guarded<'_, M> {
    /// `Ok` if it has failed and is to be run.
    fn cancel(&mut self, cancelled_at: Place) -> Result<(), Cancel<M>> {
        match (self.phase(), self.rare.waiting_on()) {
            (Phase::Unfired, _) => match self.rare.take_canceller() {
                Some(Canceller::Call(canceller)) => {
                    if self.cancelling != Cancelling::Delegated {
                        self.cancelling = Cancelling::CancellerRuns;
                    }
                    Err(Cancel::Ask(canceller))
                }
                Some(Canceller::Body(body)) => {
                    self.rare.replace_canceller(Canceller::Body(body.clone()));
                    Err(Cancel::Body(body))
                }
                None if self.cancelling != Cancelling::No => Err(Cancel::Nothing),
                None => {
                    self.cancelling = Cancelling::SwallowOne;
                    self.slot().put_failure(cancelled(cancelled_at));
                    Ok(())
                }
            },
            (Phase::Waiting, Some(inner)) if self.cancelling != Cancelling::Delegated => {
                Err(Cancel::Forward(inner.clone()))
            }
            _ => Err(Cancel::Nothing),
        }
    }
}

fn cancelled(at: Place) -> Failure {
    Failure::raised_at_place(Cancelled::new(), at)
}

/// Cancels `core`: if it was not fired, asks its canceller or fails it; if it
/// waits for another chain, cancels that one; else does nothing.
pub(super) fn cancel<M: Mode>(core: CoreRef<M>, cancelled_at: Place) {
    let mut current = core;
    loop {
        match Claim::<M>::take(&current, |state| state.cancel(cancelled_at)) {
            Ok((claim, ())) => return run::run(claim),
            Err(Cancel::Nothing) => return,
            Err(Cancel::Forward(inner)) => match inner.upgrade() {
                Some(inner) => current = inner,
                None => return,
            },
            Err(Cancel::Body(body)) => {
                if let Some(body) = M::upgrade_body(&body) {
                    M::cancel_body(body, cancelled_at);
                }
                return;
            }
            Err(Cancel::Ask(canceller)) => return ask::<M>(&current, canceller, cancelled_at),
        }
    }
}

/// Fails `core` with `Cancelled`, if it was not fired; then `before` is called
/// before anything runs.
pub(super) fn fail_with_cancelled<M: Mode>(
    core: &CoreRef<M>,
    cancelled_at: Place,
    before: impl FnOnce(),
) {
    run::fail::<M>(core, |_made_at| cancelled(cancelled_at), before);
}

fn ask<M: Mode>(core: &CoreRef<M>, canceller: M::Canceller, cancelled_at: Place) {
    let given = core.clone();
    run_contained("a canceller", || M::call_canceller(canceller, given));
    let is_delegated = core.with(|state| {
        let is_delegated = state.cancelling == Cancelling::Delegated;
        if !is_delegated {
            state.cancelling = Cancelling::No;
        }
        is_delegated
    });
    if !is_delegated {
        fail_with_cancelled::<M>(core, cancelled_at, || {});
    }
}

/// Has a cancel of `core` call `canceller` and leave the rest to whom that asks.
///
/// It is called once; if there is to be another time, it puts another one in place.
/// When the chain was fired, a cancel does nothing any more: that is how Twisted's
/// `DeferredList` has it, also for one that waits for another Deferred.
pub(crate) fn delegate<M: Mode>(core: &CoreRef<M>, canceller: M::Canceller) {
    let unused = core.with(|state| {
        if state.phase() != Phase::Unfired {
            return Some(Canceller::Call(canceller));
        }
        state.cancelling = Cancelling::Delegated;
        state.rare.replace_canceller(Canceller::Call(canceller))
    });
    drop_contained(unused);
}
