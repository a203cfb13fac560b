//! Run loop: runs the stages of a chain, and of the chains that this sets going.
//!
//! A stage gives a result, or a chain to wait for, or a chain to run first. The loop goes on
//! with the chain that can run, and keeps a list of those to return to. So the depth of the
//! stack does not depend on how many chains wait for, or fire, one another.

use std::any::Any;
use std::task::Waker;

use smallvec::SmallVec;

use super::flavour::{Flavour, Waited};
use super::link::LinkedReceiver;
use super::phase::{Phase, ReceiverState, Transition};
use super::raw::{Core, CoreRef, Fits, Flow, OwnedRunGuard, Queued, Release, RunGuard, Slot};
use super::wait;
use crate::error::Panicked;
use crate::failure::{Failure, Result};
use crate::panics::{catch, drop_contained, run_contained};
use crate::stage_trace::CallSite;
use crate::unhandled::Unhandled;

/// A stage: one pair of callback and errback, which takes a `T` or a failure.
pub(crate) trait Stage<M: Flavour, T>: Fits<M> {
    type Out: Fits<M>;
    /// The results that it passes on without a run.
    const SKIPS: Skips;
    /// Whether it passes values on without a run. A constant of type `bool`, so that the code of a
    /// case that a stage does not have is not compiled for it.
    const SKIPS_VALUES: bool = matches!(Self::SKIPS, Skips::Values);
    /// As [`SKIPS_VALUES`](Self::SKIPS_VALUES), of failures.
    const SKIPS_FAILURES: bool = matches!(Self::SKIPS, Skips::Failures);

    fn run(self, input: Result<T>) -> Step<M, Self::Out>;

    /// Converts a skipped value, whose type is `Out` in fact.
    fn pass(value: T) -> Self::Out
    where
        Self: Sized,
    {
        let _ = value;
        unreachable!("a stage that skips values says how")
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Skips {
    Nothing,
    /// Only with `Out` the same type as `T`.
    Values,
    Failures,
}

/// Outcome of the run of a stage.
pub(crate) enum Step<M: Flavour, U> {
    Done(Result<U>),
    /// The chain is to wait for the result of this one.
    Wait(LinkedReceiver<M, U>),
    /// The other chain is to be run first; the result is this value.
    Run(OwnedRunGuard<M>, U),
}

impl<M: Flavour, T: Fits<M>, S: Stage<M, T>> Queued<Core<M>, T> for S {
    /// May panic: [`advance`] catches that.
    #[inline(always)]
    fn run_queued(self, slot: &mut Slot<M>) -> Flow<M> {
        // The input is moved out of the slot before code of the user runs: so nothing of the core
        // is borrowed during the call, and after a panic the slot is empty, as `put_panic` expects.
        let input = if S::SKIPS_VALUES {
            match slot.take_failure() {
                Some(failure) => Err(failure),
                // The value stays in the slot, for the next stage.
                None => {
                    drop_contained(self);
                    return Flow::Next;
                }
            }
        } else {
            match slot.take_value::<T>() {
                Some(value) => Ok(value),
                None if S::SKIPS_FAILURES => {
                    assert!(slot.is_failure(), "{TYPES_FIT}");
                    drop_passed_by::<M, S>(self);
                    return Flow::Failed;
                }
                None => Err(take_failure(slot)),
            }
        };
        put(slot, self.run(input))
    }
}

/// Puts the outcome of a stage into the slot of its chain.
///
/// Generic over the value only, as are other functions here, because a function that is generic
/// over the stage is compiled for each callback of a program.
#[inline(always)]
fn put<M: Flavour, U: Fits<M>>(slot: &mut Slot<M>, step: Step<M, U>) -> Flow<M> {
    match step {
        Step::Done(Ok(value)) => {
            slot.put_value(value);
            Flow::Next
        }
        Step::Done(Err(failure)) => {
            slot.put_failure(failure);
            Flow::Failed
        }
        Step::Wait(link) => Flow::Wait(link.into_core()),
        // The value is stored first: when `target` has stopped, this chain goes on with it.
        Step::Run(target, value) => {
            slot.put_value(value);
            Flow::Call(target)
        }
    }
}

#[inline(always)]
fn take_failure<M: Flavour>(slot: &mut Slot<M>) -> Failure {
    match slot.take_failure() {
        Some(failure) => failure,
        None => unreachable!("{TYPES_FIT}"),
    }
}

const TYPES_FIT: &str = "the types of the stages were checked when they were added";

/// Runs a stage on a result that needs no chain.
#[inline]
pub(super) fn run_now<M: Flavour, T: 'static, S: Stage<M, T>>(
    stage: S,
    input: Result<T>,
    added_at: CallSite,
) -> Step<M, S::Out> {
    let input = match input {
        Err(failure) if S::SKIPS_FAILURES => {
            drop_passed_by::<M, S>(stage);
            return Step::Done(Err(note_passed(failure, added_at)));
        }
        Ok(value) if S::SKIPS_VALUES => {
            drop_contained(stage);
            return Step::Done(Ok(S::pass(value)));
        }
        input => input,
    };
    outcome_of(catch(|| stage.run(input)), added_at)
}

/// The outcome of the stage that was added at `added_at`, which has returned it or panicked.
#[inline(always)]
fn outcome_of<M: Flavour, U>(
    outcome: std::result::Result<Step<M, U>, Box<dyn Any + Send>>,
    added_at: CallSite,
) -> Step<M, U> {
    match outcome {
        Ok(Step::Done(Err(failure))) => Step::Done(Err(note_passed(failure, added_at))),
        Ok(step) => step,
        Err(payload) => Step::Done(Err(failure_of_panic(payload, added_at))),
    }
}

#[inline]
fn note_passed(mut failure: Failure, added_at: CallSite) -> Failure {
    failure.passed(added_at);
    failure
}

#[cold]
fn failure_of_panic(payload: Box<dyn Any + Send>, added_at: CallSite) -> Failure {
    Failure::raised_at_place(Panicked::from_payload(payload), added_at)
}

/// Drops a callback because a failure passes it.
///
/// If the callback has captured a Deferred, whose trigger was lost to the same failure, then
/// the report of its `Abandoned` is minor: see [`is_passing_by`].
fn drop_passed_by<M: Flavour, S>(callback: S) {
    if const { std::mem::needs_drop::<S>() } {
        count_passed_by::<M>(1);
        drop_contained(callback);
        count_passed_by::<M>(-1);
    }
}

/// Counts the calls of [`drop_passed_by`] that run. A count and no flag: the drop may run another
/// chain, in which a failure passes a stage.
fn count_passed_by<M: Flavour>(change: isize) {
    M::work_queue(|queue| {
        let count = queue.passed_by.get();
        queue.passed_by.set(count.saturating_add_signed(change));
    });
}

/// Whether a drop that runs now is part of [`drop_passed_by`].
pub(super) fn is_passing_by<M: Flavour>() -> bool {
    M::work_queue(|queue| queue.passed_by.get() > 0).unwrap_or(false)
}

/// The chains to run after one has stopped.
struct Rest<M: Flavour> {
    /// To be run first.
    next: Option<OwnedRunGuard<M>>,
    /// The chain that has stopped, if it goes on after `next`.
    caller: Option<OwnedRunGuard<M>>,
}

impl<M: Flavour> Rest<M> {
    const NOTHING: Self = Self {
        next: None,
        caller: None,
    };
}

/// Runs a chain, and the chains that this sets going.
pub(super) fn run<M: Flavour>(guard: RunGuard<'_, M>) {
    let rest = advance(guard);
    if let Some(next) = rest.next {
        M::go_on(next, rest.caller);
    }
}

/// Runs a chain that another one has set going, and the chains that this sets going.
///
/// Not inlined into [`run`], so that a chain that sets nothing going pays nothing for it.
pub(super) fn go_on<M: Flavour>(mut next: OwnedRunGuard<M>, mut caller: Option<OwnedRunGuard<M>>) {
    let mut core = None;
    loop {
        if let Some(caller) = caller {
            return call(next, caller);
        }
        let rest = advance(next.borrow_in(&mut core));
        let Some(following) = rest.next else {
            return;
        };
        (next, caller) = (following, rest.caller);
    }
}

/// As [`go_on`], if `caller` has to go on after `next`: a list of callers takes the place of the
/// stack.
#[inline(never)]
fn call<M: Flavour>(next: OwnedRunGuard<M>, caller: OwnedRunGuard<M>) {
    // The innermost last.
    let mut callers = SmallVec::<[OwnedRunGuard<M>; 4]>::new();
    callers.push(caller);
    let mut next = Some(next);
    // A chain that was set going runs to its stop before its caller goes on, as if the caller had
    // called it.
    while let Some(guard) = next.or_else(|| callers.pop()) {
        let rest = advance_owned(guard);
        callers.extend(rest.caller);
        next = rest.next;
    }
}

/// As [`run`], for an owned guard.
pub(crate) fn run_owned<M: Flavour>(guard: OwnedRunGuard<M>) {
    run(guard.borrow_in(&mut None));
}

/// Fires an unfired chain with a failure; else does nothing. `make` gets the place where the
/// chain was made; `before` is called before any callback runs.
pub(super) fn fail<M: Flavour>(
    core: &CoreRef<M>,
    make: impl FnOnce(CallSite) -> Failure,
    before: impl FnOnce(),
) {
    let acquired = RunGuard::<M>::acquire(core, Transition::Fire, |state| {
        // Fired before, or by another thread just now: that result stands.
        if state.phase() != Phase::Unfired {
            return Err(());
        }
        Ok((state.cold.take_canceller(), state.made_at))
    });
    let acquired = acquired.map(|(mut guard, (canceller, made_at))| {
        // Not under the lock: to make a failure may allocate.
        guard.slot().put_failure(make(made_at));
        (guard, canceller)
    });
    // Called in either case: it drops the future of a task, which must not outlive the cancel.
    before();
    if let Ok((guard, canceller)) = acquired {
        drop_contained(canceller);
        run(guard);
    }
}

#[inline(never)]
fn advance_owned<M: Flavour>(guard: OwnedRunGuard<M>) -> Rest<M> {
    advance(guard.borrow_in(&mut None))
}

/// Runs stages until the chain stops: at its end, at a pause, to wait, or to run another one.
#[inline(always)]
fn advance<M: Flavour>(mut guard: RunGuard<'_, M>) -> Rest<M> {
    // One `catch` around all stages: it costs more than a stage, and a panic is rare.
    let mut running = None;
    loop {
        let flow = match catch(|| run_stages(&mut guard, &mut running)) {
            Ok(flow) => flow,
            Err(payload) => {
                // The failure is the input of the next stage.
                put_panic(&mut guard, running, payload);
                continue;
            }
        };
        match flow {
            Flow::Next | Flow::Failed => match finish(guard) {
                // `finish` has given the guard away: from here on, another call may run this chain.
                Ok(next) => return Rest { next, caller: None },
                Err(kept) => guard = kept,
            },
            Flow::Wait(inner) => match M::wait_for(guard, inner) {
                Waited::HasResult(kept) => guard = kept,
                Waited::Waits => return Rest::NOTHING,
                Waited::Resumes(next) => {
                    return Rest {
                        next: Some(next),
                        caller: None,
                    };
                }
            },
            Flow::Call(target) => {
                return Rest {
                    next: Some(target),
                    caller: Some(guard.into_owned()),
                };
            }
        }
    }
}

/// Runs stages until one gives no result, and returns its flow; `Next` if none is left, or
/// there is a pause. `running` is the place of the stage that runs: if that panics, the slot
/// is empty.
#[inline(always)]
fn run_stages<M: Flavour>(guard: &mut RunGuard<'_, M>, running: &mut Option<CallSite>) -> Flow<M> {
    while !guard.core().is_paused()
        && let Some(flow) = guard.run_first(running)
    {
        // Tested first and alone, because it is the common case.
        if matches!(flow, Flow::Next) {
            continue;
        }
        // A failure goes on through the stages here, so that its path costs the values nothing.
        // Every other flow stops the run.
        match (flow, *running) {
            (Flow::Failed, Some(place)) => guard.slot().note_passed(place),
            (flow, _) => return flow,
        }
    }
    Flow::Next
}

#[cold]
fn put_panic<M: Flavour>(
    guard: &mut RunGuard<'_, M>,
    running: Option<CallSite>,
    payload: Box<dyn Any + Send>,
) {
    let place = running.unwrap_or_else(|| guard.core().with(|state| state.made_at));
    guard.slot().put_failure(failure_of_panic(payload, place));
}

/// Ends the run of a chain whose stages have run, or that is paused; the guard comes back if
/// there are new stages. Returns the chain that is to be run next.
#[inline(always)]
fn finish<M: Flavour>(guard: RunGuard<'_, M>) -> Result<Option<OwnedRunGuard<M>>, RunGuard<'_, M>> {
    // The common cases: the receiver is held and will take the result, or a waiter gets it,
    // or a task is resumed. (Two options and no enum, which would be put together in memory.)
    let left = guard.release(|state, has_stages| {
        // `has_stages`: another thread, or a callback of this run, has added stages to the side
        // list. `finish_for_others` gives the guard back for them.
        if has_stages || state.is_paused() {
            return None;
        }
        if let Some(waiter) = state.cold.take_waiter() {
            return Some((Transition::PassOn, (Some(waiter), None)));
        }
        if state.receiver != ReceiverState::Held || state.cold.has_waker() {
            return None;
        }
        Some((Transition::Rest, (None, state.cold.take_task())))
    });
    match left {
        Release::Kept(guard) => finish_for_others(guard),
        Release::Taken(mut guard, (Some(waiter), _)) => {
            Ok(Some(wait::resume::<M>(waiter, guard.slot())))
        }
        Release::Released((_, Some(task))) => Ok(M::resume(task)),
        Release::Released((_, None)) | Release::Taken(..) => Ok(None),
    }
}

#[inline(never)]
fn finish_for_others<M: Flavour>(
    guard: RunGuard<'_, M>,
) -> Result<Option<OwnedRunGuard<M>>, RunGuard<'_, M>> {
    enum Left {
        Nothing,
        LetGo,
        Wakes(Waker),
    }
    let left = guard.release(|state, has_stages| {
        if state.is_paused() {
            // Before the look at the stages: those that were added wait for the end of the pause,
            // too.
            return Some((Transition::PauseRun, Left::Nothing));
        }
        // Between the two locks, a waiter or a task may have come.
        if has_stages || state.cold.waiter().is_some() || state.cold.task().is_some() {
            return None;
        }
        // Taken under the same lock that makes the result visible: a poll that comes later finds
        // the result, one that came before has its waker woken.
        let waker = state.cold.take_waker();
        if state.receiver != ReceiverState::Held {
            return Some((Transition::PassOn, Left::LetGo));
        }
        Some((Transition::Rest, waker.map_or(Left::Nothing, Left::Wakes)))
    });
    match left {
        Release::Kept(guard) => return Err(guard),
        Release::Taken(guard, _) => let_go(guard),
        // Woken after the guard was released: the waker may poll this chain at once.
        Release::Released(Left::Wakes(waker)) => run_contained("a waker", || waker.wake()),
        Release::Released(_) => {}
    }
    Ok(None)
}

/// Disposes of the result of a chain whose receiver was let go.
#[inline(never)]
fn let_go<M: Flavour>(mut guard: RunGuard<'_, M>) {
    let (receiver, made_at, with_task) = guard.core().with(|state| {
        (
            state.receiver,
            state.made_at,
            state.is_cancelled_with_task(),
        )
    });
    let mut slot = guard.slot().take_all();
    match slot.take_failure() {
        Some(failure) if receiver == ReceiverState::Detached => {
            if with_task {
                failure.note_enclosing_cancel();
            }
            Unhandled::new(failure, Some(made_at), true).report();
        }
        Some(failure) => drop_contained(failure),
        None => drop(slot),
    }
}
