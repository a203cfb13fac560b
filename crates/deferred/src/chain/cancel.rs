//! Cancelling a chain, whatever it waits for.

use super::address_map::AddressMap;
use super::flavour::Flavour;
use super::phase::{Cancelling, Phase, Transition};
use super::raw::{Canceller, CoreRef, CoreWeak, Group, RunGuard, StateGuard};
use super::run;
use crate::error::Cancelled;
use crate::failure::Failure;
use crate::panics::{drop_contained, run_contained};
use crate::stage_trace::CallSite;

/// What is to be done for a cancelled chain that does not fail at once.
enum Cancel<M: Flavour> {
    Nothing,
    /// Its canceller or its parts are being asked already.
    Again,
    Ask(M::Canceller),
    AskParts(M::Group),
    Forward(CoreWeak<M>),
    Task(M::WeakTask),
}

/// One entry of the stack of a cancel.
enum CancelJob<M: Flavour> {
    Cancel(CoreWeak<M>, CallSite),
    /// The parts of a chain were cancelled.
    PartsAsked(CoreRef<M>, M::Group, CallSite),
    /// The chains that a task awaits were cancelled. The number is the progress of the task before
    /// that.
    TaskAsked(M::Task, u32, CallSite),
}

/// What is to be cancelled instead of a chain.
enum Asked<M: Flavour> {
    Nothing,
    Parts(CoreRef<M>, M::Group),
    Task(M::Task),
    /// The parts of this chain are being cancelled already.
    Again(CoreRef<M>),
}

impl<M: Flavour> StateGuard<'_, M> {
    /// `Ok` if the chain is to be fired with `Cancelled`.
    fn cancel(&mut self) -> Result<(), Cancel<M>> {
        match (self.phase(), self.cold.waiting_on()) {
            (Phase::Unfired, _) => match self.cold.take_canceller() {
                // The canceller is taken out, so that it is called once. Until it has returned, a
                // fire is its own answer, and a further cancel is `Again`.
                Some(Canceller::Call(canceller)) => {
                    self.cancelling = Cancelling::CancellerRuns;
                    Err(Cancel::Ask(canceller))
                }
                Some(Canceller::Parts(parts)) => {
                    // `Delegated` stays: parts that decide may be cancelled any number of times.
                    if self.cancelling != Cancelling::Delegated {
                        self.cancelling = Cancelling::CancellerRuns;
                    }
                    Err(Cancel::AskParts(parts))
                }
                Some(Canceller::Task(task)) => {
                    // A task keeps its role as canceller, because its body may catch the
                    // `Cancelled` and go on; the next cancel reaches it again.
                    self.cold.replace_canceller(Canceller::Task(task.clone()));
                    Err(Cancel::Task(task))
                }
                // A cancel that still runs further down the stack has taken out the canceller, or
                // the group of parts.
                None if self.cancelling != Cancelling::No => Err(Cancel::Again),
                None => {
                    // Without a canceller, the producer does not learn of the cancel: its late
                    // result is swallowed, once.
                    self.cancelling = Cancelling::SwallowOne;
                    Ok(())
                }
            },
            // A chain that was fired is cancelled by cancelling the chain that it waits for. After
            // `Delegated` it is not, as with a `DeferredList` of Twisted's.
            (Phase::Waiting, Some(inner)) if self.cancelling != Cancelling::Delegated => {
                Err(Cancel::Forward(inner.clone()))
            }
            // Running, at rest, paused or taken: the result is there already.
            _ => Err(Cancel::Nothing),
        }
    }
}

fn cancelled(at: CallSite) -> Failure {
    Failure::raised_at_place(Cancelled::new(), at)
}

/// Cancels `core`: if it was not fired, calls its canceller, cancels its parts or the chains
/// that its task awaits, or fails it; if it waits for another chain, cancels that one; else
/// does nothing.
///
/// Parts may be made of parts, and tasks await chains that tasks fire: a list of jobs keeps
/// the stack constant.
pub(super) fn cancel<M: Flavour>(core: CoreRef<M>, cancelled_at: CallSite) {
    let mut jobs = Vec::new();
    let mut visited = Tasks::default();
    let mut next = Some((core, cancelled_at));
    loop {
        if let Some((core, at)) = next.take() {
            match cancel_one::<M>(core, at) {
                Asked::Nothing => {}
                Asked::Parts(core, parts) => {
                    let (due, made_at) = (parts.due(), parts.made_at());
                    // Pushed below its parts: so it is popped when all of them, and their parts,
                    // were cancelled.
                    jobs.push(CancelJob::PartsAsked(core, parts, at));
                    // Reversed, because jobs are taken from the back.
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

/// The tasks whose awaited chains are being cancelled, by address; and whether the cancel has
/// reached the task again from there.
#[derive(Default)]
struct Tasks {
    states: AddressMap,
}

/// The chains that the task awaits are not being cancelled: the cancel has not reached the task
/// yet, or has ended for it.
const FREE: u8 = 0;
/// The chains that the task awaits are being cancelled.
const ASKED: u8 = 1;
/// As [`ASKED`], and the cancel has reached the task again.
const REACHED_AGAIN: u8 = 2;

impl Tasks {
    /// Cancels a task: adds the chains that it awaits to `jobs`.
    fn ask<M: Flavour>(&mut self, task: M::Task, at: CallSite, jobs: &mut Vec<CancelJob<M>>) {
        let state = self.states.at(M::address_of(&task));
        if *state != FREE {
            *state = REACHED_AGAIN;
            return;
        }
        // Read first: cancelling what the task awaits may resume it, and then its progress differs
        // in `end`.
        let progress = M::progress_of(&task);
        let awaited = M::cancel_task(task.clone(), at);
        if !awaited.is_empty() {
            *state = ASKED;
            jobs.push(CancelJob::TaskAsked(task, progress, at));
            for core in awaited.iter().filter_map(CoreWeak::upgrade) {
                core.with(|state| state.note_cancelled_with_task());
            }
            let awaited = awaited.into_iter().rev();
            jobs.extend(awaited.map(|core| CancelJob::Cancel(core, at)));
        }
    }

    /// `core` was reached from its own parts. If a task is between, it waits for itself.
    #[cold]
    fn close_ring<M: Flavour>(&mut self, core: &CoreRef<M>, jobs: &[CancelJob<M>]) {
        let mut last_task = None;
        for job in jobs.iter().rev() {
            match job {
                CancelJob::PartsAsked(asked, ..) if CoreRef::is_same(asked, core) => {
                    if let Some(task) = last_task {
                        *self.states.at(task) = REACHED_AGAIN;
                    }
                    return;
                }
                CancelJob::TaskAsked(task, ..) => {
                    last_task.get_or_insert_with(|| M::address_of(task));
                }
                CancelJob::PartsAsked(..) | CancelJob::Cancel(..) => {}
            }
        }
    }

    /// All that a task awaits was cancelled. If it waits for itself, through lists, and has
    /// not gone on, then it never will: its future is dropped.
    fn end<M: Flavour>(&mut self, task: M::Task, progress: u32, at: CallSite) {
        let state = std::mem::replace(self.states.at(M::address_of(&task)), FREE);
        // Without progress, each chain that it awaits waits for the task itself: no result can come
        // any more.
        if state == REACHED_AGAIN && M::progress_of(&task) == progress {
            M::give_up_task(task, at);
        }
    }
}

/// Cancels `core`, or the chain at the end of those that it waits for; returns what is to be
/// cancelled for it.
fn cancel_one<M: Flavour>(core: CoreRef<M>, cancelled_at: CallSite) -> Asked<M> {
    let mut current = core;
    loop {
        match RunGuard::<M>::acquire(&current, Transition::Fire, |state| state.cancel()) {
            // The guard was acquired under the lock that saw the phase: no other thread can fire
            // the chain in between.
            Ok((mut guard, ())) => {
                guard.slot().put_failure(cancelled(cancelled_at));
                run::run(guard);
                return Asked::Nothing;
            }
            Err(Cancel::Nothing) => return Asked::Nothing,
            Err(Cancel::Again) => return Asked::Again(current),
            Err(Cancel::Forward(inner)) => match inner.upgrade() {
                Some(inner) => current = inner,
                None => return Asked::Nothing,
            },
            Err(Cancel::Task(task)) => {
                return M::upgrade_task(&task).map_or(Asked::Nothing, Asked::Task);
            }
            Err(Cancel::AskParts(parts)) => return Asked::Parts(current, parts),
            Err(Cancel::Ask(canceller)) => {
                ask::<M>(&current, canceller, cancelled_at);
                return Asked::Nothing;
            }
        }
    }
}

/// Fails `core` with `Cancelled` if it was not fired; `before` is called before any callback
/// runs.
pub(super) fn fail_with_cancelled<M: Flavour>(
    core: &CoreRef<M>,
    cancelled_at: CallSite,
    before: impl FnOnce(),
) {
    run::fail::<M>(core, |_made_at| cancelled(cancelled_at), before);
}

fn ask<M: Flavour>(core: &CoreRef<M>, canceller: M::Canceller, cancelled_at: CallSite) {
    // The canceller may fire the chain through this reference. If it has not, `end_as_cancelled`
    // does.
    let given = core.clone();
    run_contained("a canceller", || M::call_canceller(canceller, given));
    end_as_cancelled(core, cancelled_at);
}

fn end_as_cancelled<M: Flavour>(core: &CoreRef<M>, cancelled_at: CallSite) {
    // The canceller has returned. A later fire by the producer is refused and not swallowed: the
    // canceller has told it of the cancel.
    core.with(|state| state.cancelling = Cancelling::No);
    fail_with_cancelled::<M>(core, cancelled_at, || {});
}

/// Called when the parts of `core` were cancelled. If the group ends at once, the chain fails as
/// cancelled, unless the parts have fired it. Otherwise the results of the parts fire the chain,
/// and a further cancel asks the parts again.
fn end_parts<M: Flavour>(core: &CoreRef<M>, parts: M::Group, cancelled_at: CallSite) {
    if parts.ends_at_once() {
        drop(parts);
        end_as_cancelled(core, cancelled_at);
    } else {
        delegate(core, parts);
    }
}

/// Makes a cancel of `core` cancel `parts`.
///
/// Once the chain was fired, a cancel does nothing, even if the chain then waits for another
/// Deferred: a `DeferredList` of Twisted's behaves so, too.
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
    // Dropped without the lock: a canceller may own values of the user.
    drop_contained(unused);
}

/// Makes a cancel of `core`, which was fired, do nothing, as [`delegate`] does: it does not
/// reach a chain that this one may wait for later.
pub(crate) fn keep_from_waited<M: Flavour>(core: &CoreRef<M>) {
    core.with(|state| state.cancelling = Cancelling::Delegated);
}
