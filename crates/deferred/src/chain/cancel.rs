//! Cancelling a chain, wherever it is.

use super::core::{Canceller, Cancelling, Group, Phase};
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
    AskParts(M::Group),
    Forward(CoreWeak<M>),
    Body(M::WeakBody),
}

/// What is still to be done of a cancel.
enum Task<M: Mode> {
    Cancel(CoreWeak<M>, Place),
    /// The parts of a chain were asked.
    Asked(CoreRef<M>, M::Group, Place),
}

impl<M: Mode> Guarded<'_, M> {
    /// `Ok` if it has failed and is to be run.
    fn cancel(&mut self, cancelled_at: Place) -> Result<(), Cancel<M>> {
        match (self.phase(), self.rare.waiting_on()) {
            (Phase::Unfired, _) => match self.rare.take_canceller() {
                Some(Canceller::Call(canceller)) => {
                    self.cancelling = Cancelling::CancellerRuns;
                    Err(Cancel::Ask(canceller))
                }
                Some(Canceller::Parts(parts)) => {
                    if self.cancelling != Cancelling::Delegated {
                        self.cancelling = Cancelling::CancellerRuns;
                    }
                    Err(Cancel::AskParts(parts))
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

/// Cancels `core`: if it was not fired, asks its canceller or its parts, or fails it; if
/// it waits for another chain, cancels that one; else does nothing.
///
/// Parts may be made of parts, and so on: the stack does not grow with that.
pub(super) fn cancel<M: Mode>(core: CoreRef<M>, cancelled_at: Place) {
    let mut tasks = Vec::new();
    let mut next = Some((core, cancelled_at));
    loop {
        if let Some((core, at)) = next.take()
            && let Some((core, parts)) = cancel_one::<M>(core, at)
        {
            let (due, made_at) = (parts.due(), parts.made_at());
            tasks.push(Task::Asked(core, parts, at));
            // The first is done first.
            let due = due.into_iter().rev();
            tasks.extend(due.map(|part| Task::Cancel(part, made_at)));
        }
        match tasks.pop() {
            Some(Task::Cancel(part, at)) => next = part.upgrade().map(|part| (part, at)),
            Some(Task::Asked(core, parts, at)) => end_parts(&core, parts, at),
            None => return,
        }
    }
}

/// Cancels `core`, or the one it waits for; gives that one and its parts, if those are
/// to be asked.
fn cancel_one<M: Mode>(core: CoreRef<M>, cancelled_at: Place) -> Option<(CoreRef<M>, M::Group)> {
    let mut current = core;
    loop {
        match Claim::<M>::take(&current, |state| state.cancel(cancelled_at)) {
            Ok((claim, ())) => {
                run::run(claim);
                return None;
            }
            Err(Cancel::Nothing) => return None,
            Err(Cancel::Forward(inner)) => current = inner.upgrade()?,
            Err(Cancel::Body(body)) => {
                M::cancel_body(M::upgrade_body(&body)?, cancelled_at);
                return None;
            }
            Err(Cancel::AskParts(parts)) => return Some((current, parts)),
            Err(Cancel::Ask(canceller)) => {
                ask::<M>(&current, canceller, cancelled_at);
                return None;
            }
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
    end_as_cancelled(core, cancelled_at);
}

fn end_as_cancelled<M: Mode>(core: &CoreRef<M>, cancelled_at: Place) {
    core.with(|state| state.cancelling = Cancelling::No);
    fail_with_cancelled::<M>(core, cancelled_at, || {});
}

/// The parts of `core` were asked: it ends by what they do, and they may be asked
/// again; or as cancelled, if they have left it unfired.
fn end_parts<M: Mode>(core: &CoreRef<M>, parts: M::Group, cancelled_at: Place) {
    if parts.ends_at_once() {
        drop(parts);
        end_as_cancelled(core, cancelled_at);
    } else {
        delegate(core, parts);
    }
}

/// Has a cancel of `core` ask `parts`.
///
/// When the chain was fired, a cancel does nothing any more: that is how Twisted's
/// `DeferredList` has it, also for one that waits for another Deferred.
pub(crate) fn delegate<M: Mode>(core: &CoreRef<M>, parts: M::Group) {
    let ends_at_once = parts.ends_at_once();
    let unused = core.with(|state| {
        if state.phase() != Phase::Unfired {
            return Some(Canceller::Parts(parts));
        }
        if !ends_at_once {
            state.cancelling = Cancelling::Delegated;
        }
        state.rare.replace_canceller(Canceller::Parts(parts))
    });
    drop_contained(unused);
}

/// Has a cancel of `core`, which was fired, do nothing, as [`delegate`] does: it does not
/// reach a chain that this one may wait for later.
pub(crate) fn keep_from_waited<M: Mode>(core: &CoreRef<M>) {
    core.with(|state| state.cancelling = Cancelling::Delegated);
}
