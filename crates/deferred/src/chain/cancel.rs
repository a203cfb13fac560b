//! Cancelling a chain, wherever it is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

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
    /// It is being asked already.
    Again,
    Ask(M::Canceller),
    AskParts(M::Group),
    Forward(CoreWeak<M>),
    Body(M::WeakBody),
}

/// What is still to be done of a cancel.
enum Task<M: Mode> {
    Cancel(CoreWeak<M>, Place),
    /// The parts of a chain were asked.
    PartsAsked(CoreRef<M>, M::Group, Place),
    /// What a body awaits was asked, when its progress was this.
    BodyAsked(M::Body, u32, Place),
}

/// Those that a chain turns to when it is cancelled, which are to be asked.
enum Asked<M: Mode> {
    Nobody,
    Parts(CoreRef<M>, M::Group),
    Body(M::Body),
    /// Those of this chain are being asked already.
    Again(CoreRef<M>),
}

impl<M: Mode> Guarded<'_, M> {
    /// `Ok` if it is to be claimed, given its failure and run.
    fn cancel(&mut self) -> Result<(), Cancel<M>> {
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
                None if self.cancelling != Cancelling::No => Err(Cancel::Again),
                None => {
                    self.cancelling = Cancelling::SwallowOne;
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
    Failure::without_backtrace(Cancelled::new(), at)
}

/// Cancels `core`: if it was not fired, asks its canceller, its parts or its body, or fails
/// it; if it waits for another chain, cancels that one; else does nothing.
///
/// Parts may be made of parts, and bodies await what bodies fire: the stack does not grow
/// with that.
pub(super) fn cancel<M: Mode>(core: CoreRef<M>, cancelled_at: Place) {
    let mut tasks = Vec::new();
    let mut bodies = Bodies::default();
    let mut next = Some((core, cancelled_at));
    loop {
        if let Some((core, at)) = next.take() {
            match cancel_one::<M>(core, at) {
                Asked::Nobody => {}
                Asked::Parts(core, parts) => {
                    let (due, made_at) = (parts.due(), parts.made_at());
                    tasks.push(Task::PartsAsked(core, parts, at));
                    // The first is done first.
                    let due = due.into_iter().rev();
                    tasks.extend(due.map(|part| Task::Cancel(part, made_at)));
                }
                Asked::Body(body) => bodies.ask(body, at, &mut tasks),
                Asked::Again(core) => bodies.close_ring(&core, &tasks),
            }
        }
        match tasks.pop() {
            Some(Task::Cancel(part, at)) => next = part.upgrade().map(|part| (part, at)),
            Some(Task::PartsAsked(core, parts, at)) => end_parts(&core, parts, at),
            Some(Task::BodyAsked(body, progress, at)) => bodies.end::<M>(body, progress, at),
            None => return,
        }
    }
}

/// The bodies for which a cancel is at what they await, by their addresses: with each,
/// whether it was reached again from there.
#[derive(Default)]
struct Bodies {
    reached_again: HashMap<*const (), bool>,
}

impl Bodies {
    /// Cancels a body: adds what it awaits to `tasks`.
    fn ask<M: Mode>(&mut self, body: M::Body, at: Place, tasks: &mut Vec<Task<M>>) {
        match self.reached_again.entry(M::address_of(&body)) {
            Entry::Occupied(mut reached_again) => *reached_again.get_mut() = true,
            Entry::Vacant(entry) => {
                let progress = M::progress_of(&body);
                let awaited = M::cancel_body(body.clone(), at);
                if !awaited.is_empty() {
                    entry.insert(false);
                    tasks.push(Task::BodyAsked(body, progress, at));
                    let awaited = awaited.into_iter().rev();
                    tasks.extend(awaited.map(|core| Task::Cancel(core, at)));
                }
            }
        }
    }

    /// The parts of `core` wait for it. If a body is between them, it waits for itself.
    #[cold]
    fn close_ring<M: Mode>(&mut self, core: &CoreRef<M>, tasks: &[Task<M>]) {
        let mut last_body = None;
        for task in tasks.iter().rev() {
            match task {
                Task::PartsAsked(asked, ..) if CoreRef::is_same(asked, core) => {
                    self.reached_again
                        .extend(last_body.map(|body| (body, true)));
                    return;
                }
                Task::BodyAsked(body, ..) => {
                    last_body.get_or_insert_with(|| M::address_of(body));
                }
                Task::PartsAsked(..) | Task::Cancel(..) => {}
            }
        }
    }

    /// All that a body awaits was cancelled. If it waits for itself, through lists, and
    /// that has changed nothing, then nothing ever will: it is dropped.
    fn end<M: Mode>(&mut self, body: M::Body, progress: u32, at: Place) {
        let waits_for_itself = self.reached_again.remove(&M::address_of(&body)) == Some(true);
        if waits_for_itself && M::progress_of(&body) == progress {
            M::give_up_body(body, at);
        }
    }
}

/// Cancels `core`, or the one it waits for; gives who is to be asked for that one.
fn cancel_one<M: Mode>(core: CoreRef<M>, cancelled_at: Place) -> Asked<M> {
    let mut current = core;
    loop {
        match Claim::<M>::take(&current, |state| state.cancel()) {
            Ok((mut claim, ())) => {
                claim.slot().put_failure(cancelled(cancelled_at));
                run::run(claim);
                return Asked::Nobody;
            }
            Err(Cancel::Nothing) => return Asked::Nobody,
            Err(Cancel::Again) => return Asked::Again(current),
            Err(Cancel::Forward(inner)) => match inner.upgrade() {
                Some(inner) => current = inner,
                None => return Asked::Nobody,
            },
            Err(Cancel::Body(body)) => {
                return M::upgrade_body(&body).map_or(Asked::Nobody, Asked::Body);
            }
            Err(Cancel::AskParts(parts)) => return Asked::Parts(current, parts),
            Err(Cancel::Ask(canceller)) => {
                ask::<M>(&current, canceller, cancelled_at);
                return Asked::Nobody;
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
