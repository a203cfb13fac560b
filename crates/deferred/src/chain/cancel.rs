//! Cancelling a chain, wherever it is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::core::{Canceller, Cancelling, Group, Phase};
use super::flavour::Flavour;
use super::raw::{CoreRef, CoreWeak, RunGuard, StateGuard};
use super::run;
use crate::error::Cancelled;
use crate::failure::Failure;
use crate::panics::{drop_contained, run_contained};
use crate::stage_trace::CallSite;

/// What a chain that is cancelled asks for, when it does not fail at once.
enum Cancel<M: Flavour> {
    Nothing,
    /// It is being asked already.
    Again,
    Ask(M::Canceller),
    AskParts(M::Group),
    Forward(CoreWeak<M>),
    Task(M::WeakTask),
}

/// What is still to be done of a cancel.
enum CancelJob<M: Flavour> {
    Cancel(CoreWeak<M>, CallSite),
    /// The parts of a chain were asked.
    PartsAsked(CoreRef<M>, M::Group, CallSite),
    /// What a body awaits was asked, when its progress was this.
    TaskAsked(M::Task, u32, CallSite),
}

/// Those that a chain turns to when it is cancelled, which are to be asked.
enum Asked<M: Flavour> {
    Nobody,
    Parts(CoreRef<M>, M::Group),
    Task(M::Task),
    /// Those of this chain are being asked already.
    Again(CoreRef<M>),
}

impl<M: Flavour> StateGuard<'_, M> {
    /// `Ok` if it is to be claimed, given its failure and run.
    fn cancel(&mut self) -> Result<(), Cancel<M>> {
        match (self.phase(), self.cold.waiting_on()) {
            (Phase::Unfired, _) => match self.cold.take_canceller() {
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
                Some(Canceller::Task(task)) => {
                    self.cold.replace_canceller(Canceller::Task(task.clone()));
                    Err(Cancel::Task(task))
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

fn cancelled(at: CallSite) -> Failure {
    Failure::without_backtrace(Cancelled::new(), at)
}

/// Cancels `core`: if it was not fired, asks its canceller, its parts or its body, or fails
/// it; if it waits for another chain, cancels that one; else does nothing.
///
/// Parts may be made of parts, and bodies await what bodies fire: the stack does not grow
/// with that.
pub(super) fn cancel<M: Flavour>(core: CoreRef<M>, cancelled_at: CallSite) {
    let mut jobs = Vec::new();
    let mut visited = Tasks::default();
    let mut next = Some((core, cancelled_at));
    loop {
        if let Some((core, at)) = next.take() {
            match cancel_one::<M>(core, at) {
                Asked::Nobody => {}
                Asked::Parts(core, parts) => {
                    let (due, made_at) = (parts.due(), parts.made_at());
                    jobs.push(CancelJob::PartsAsked(core, parts, at));
                    // The first is done first.
                    let due = due.into_iter().rev();
                    jobs.extend(due.map(|part| CancelJob::Cancel(part, made_at)));
                }
                Asked::Task(task) => visited.ask(task, at, &mut jobs),
                Asked::Again(core) => visited.close_ring(&core, &jobs),
            }
        }
        match jobs.pop() {
            Some(CancelJob::Cancel(part, at)) => next = part.upgrade().map(|part| (part, at)),
            Some(CancelJob::PartsAsked(core, parts, at)) => end_parts(&core, parts, at),
            Some(CancelJob::TaskAsked(task, progress, at)) => visited.end::<M>(task, progress, at),
            None => return,
        }
    }
}

/// The bodies for which a cancel is at what they await, by their addresses: with each,
/// whether it was reached again from there.
#[derive(Default)]
struct Tasks {
    reached_again: HashMap<*const (), bool>,
}

impl Tasks {
    /// Cancels a body: adds what it awaits to `tasks`.
    fn ask<M: Flavour>(&mut self, task: M::Task, at: CallSite, jobs: &mut Vec<CancelJob<M>>) {
        match self.reached_again.entry(M::address_of(&task)) {
            Entry::Occupied(mut reached_again) => *reached_again.get_mut() = true,
            Entry::Vacant(entry) => {
                let progress = M::progress_of(&task);
                let awaited = M::cancel_task(task.clone(), at);
                if !awaited.is_empty() {
                    entry.insert(false);
                    jobs.push(CancelJob::TaskAsked(task, progress, at));
                    let awaited = awaited.into_iter().rev();
                    jobs.extend(awaited.map(|core| CancelJob::Cancel(core, at)));
                }
            }
        }
    }

    /// The parts of `core` wait for it. If a body is between them, it waits for itself.
    #[cold]
    fn close_ring<M: Flavour>(&mut self, core: &CoreRef<M>, jobs: &[CancelJob<M>]) {
        let mut last_body = None;
        for task in jobs.iter().rev() {
            match task {
                CancelJob::PartsAsked(asked, ..) if CoreRef::is_same(asked, core) => {
                    self.reached_again
                        .extend(last_body.map(|task| (task, true)));
                    return;
                }
                CancelJob::TaskAsked(task, ..) => {
                    last_body.get_or_insert_with(|| M::address_of(task));
                }
                CancelJob::PartsAsked(..) | CancelJob::Cancel(..) => {}
            }
        }
    }

    /// All that a body awaits was cancelled. If it waits for itself, through lists, and
    /// that has changed nothing, then nothing ever will: it is dropped.
    fn end<M: Flavour>(&mut self, task: M::Task, progress: u32, at: CallSite) {
        let waits_for_itself = self.reached_again.remove(&M::address_of(&task)) == Some(true);
        if waits_for_itself && M::progress_of(&task) == progress {
            M::give_up_task(task, at);
        }
    }
}

/// Cancels `core`, or the one it waits for; gives who is to be asked for that one.
fn cancel_one<M: Flavour>(core: CoreRef<M>, cancelled_at: CallSite) -> Asked<M> {
    let mut current = core;
    loop {
        match RunGuard::<M>::acquire(&current, |state| state.cancel()) {
            Ok((mut guard, ())) => {
                guard.slot().put_failure(cancelled(cancelled_at));
                run::run(guard);
                return Asked::Nobody;
            }
            Err(Cancel::Nothing) => return Asked::Nobody,
            Err(Cancel::Again) => return Asked::Again(current),
            Err(Cancel::Forward(inner)) => match inner.upgrade() {
                Some(inner) => current = inner,
                None => return Asked::Nobody,
            },
            Err(Cancel::Task(task)) => {
                return M::upgrade_task(&task).map_or(Asked::Nobody, Asked::Task);
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
pub(super) fn fail_with_cancelled<M: Flavour>(
    core: &CoreRef<M>,
    cancelled_at: CallSite,
    before: impl FnOnce(),
) {
    run::fail::<M>(core, |_made_at| cancelled(cancelled_at), before);
}

fn ask<M: Flavour>(core: &CoreRef<M>, canceller: M::Canceller, cancelled_at: CallSite) {
    let given = core.clone();
    run_contained("a canceller", || M::call_canceller(canceller, given));
    end_as_cancelled(core, cancelled_at);
}

fn end_as_cancelled<M: Flavour>(core: &CoreRef<M>, cancelled_at: CallSite) {
    core.with(|state| state.cancelling = Cancelling::No);
    fail_with_cancelled::<M>(core, cancelled_at, || {});
}

/// The parts of `core` were asked: it ends by what they do, and they may be asked
/// again; or as cancelled, if they have left it unfired.
fn end_parts<M: Flavour>(core: &CoreRef<M>, parts: M::Group, cancelled_at: CallSite) {
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
pub(crate) fn delegate<M: Flavour>(core: &CoreRef<M>, parts: M::Group) {
    let ends_at_once = parts.ends_at_once();
    let unused = core.with(|state| {
        if state.phase() != Phase::Unfired {
            return Some(Canceller::Parts(parts));
        }
        if !ends_at_once {
            state.cancelling = Cancelling::Delegated;
        }
        state.cold.replace_canceller(Canceller::Parts(parts))
    });
    drop_contained(unused);
}

/// Has a cancel of `core`, which was fired, do nothing, as [`delegate`] does: it does not
/// reach a chain that this one may wait for later.
pub(crate) fn keep_from_waited<M: Flavour>(core: &CoreRef<M>) {
    core.with(|state| state.cancelling = Cancelling::Delegated);
}
