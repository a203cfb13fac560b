//! The run of a chain: one loop, whatever hangs on what.
//!
//! A stage gives a result, or another chain to wait for, or another chain to
//! fire. The loop goes to whichever chain can go on, and keeps a list of its own
//! of those to come back to. So the depth of the stack does not depend on how
//! many chains wait for, or fire, one another.

use std::any::Any;
use std::task::Waker;

use smallvec::SmallVec;

use super::core::{Phase, ReceiverState};
use super::flavour::{Fits, Flavour};
use super::raw::{CoreRef, OwnedRunGuard, Queued, Release, RunGuard, Slot};
use super::receiver::LinkedReceiver;
use super::trampoline;
use super::wait::{self, Waited};
use crate::error::Panicked;
use crate::failure::{Failure, Result};
use crate::panics::{catch, drop_contained, run_contained};
use crate::stage_trace::CallSite;
use crate::unhandled::Unhandled;

/// One pair of a chain, taking a `T` or a failure.
pub(crate) trait Stage<M: Flavour, T>: Fits<M> {
    type Out: Fits<M>;
    /// What it passes on untouched.
    const SKIPS: Skips;

    fn run(self, input: Result<T>) -> Step<M, Self::Out>;

    /// What a value that is skipped becomes: itself.
    fn pass(value: T) -> Self::Out
    where
        Self: Sized,
    {
        let _ = value;
        unreachable!("a stage that skips values says how")
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skips {
    Nothing,
    /// Only with `Out` the same type as `T`.
    Values,
    Failures,
}

/// What a stage came to.
pub(crate) enum Step<M: Flavour, U> {
    Done(Result<U>),
    /// The result of another chain is to be this one's.
    Wait(LinkedReceiver<M, U>),
    /// The result is this value, once that chain has been run.
    Run(OwnedRunGuard<M>, U),
}

/// The same as [`Step`], with the result in the slot.
pub(crate) enum Flow<M: Flavour> {
    Next,
    /// A failure has left the stage, be it its own or one that passed.
    Failed,
    Wait(CoreRef<M>),
    Call(OwnedRunGuard<M>),
}

impl<M: Flavour, T: Fits<M>, S: Stage<M, T>> Queued<M, T> for S {
    /// It may panic; see [`advance`].
    #[inline(always)]
    fn run_queued(self, slot: &mut Slot<M>) -> Flow<M> {
        let input = if S::SKIPS == Skips::Values {
            match slot.take_failure() {
                Some(failure) => Err(failure),
                None => return skip_value(self),
            }
        } else {
            match slot.take_value::<T>() {
                Some(value) => Ok(value),
                None if S::SKIPS == Skips::Failures => return skip_failure(self, slot),
                None => Err(take_failure(slot)),
            }
        };
        match self.run(input) {
            Step::Done(Ok(value)) => {
                slot.put_value(value);
                Flow::Next
            }
            Step::Done(Err(failure)) => {
                slot.put_failure(failure);
                Flow::Failed
            }
            Step::Wait(link) => Flow::Wait(link.into_core()),
            Step::Run(target, value) => {
                slot.put_value(value);
                Flow::Call(target)
            }
        }
    }
}

#[inline(always)]
fn skip_value<M: Flavour, S>(stage: S) -> Flow<M> {
    drop_contained(stage);
    Flow::Next
}

#[inline(always)]
fn skip_failure<M: Flavour, S>(stage: S, slot: &Slot<M>) -> Flow<M> {
    assert!(slot.is_failure(), "{TYPES_FIT}");
    trampoline::drop_passed_by::<M, S>(stage);
    Flow::Failed
}

#[inline(always)]
fn take_failure<M: Flavour>(slot: &mut Slot<M>) -> Failure {
    match slot.take_failure() {
        Some(failure) => failure,
        None => unreachable!("{TYPES_FIT}"),
    }
}

const TYPES_FIT: &str = "the types of the stages were checked when they were added";

/// Runs a stage on a result that is there already, outside of any chain.
#[inline]
pub(super) fn run_now<M: Flavour, T: 'static, S: Stage<M, T>>(
    stage: S,
    input: Result<T>,
    added_at: CallSite,
) -> Step<M, S::Out> {
    let input = match input {
        Err(failure) if S::SKIPS == Skips::Failures => {
            return Step::Done(Err(pass_by::<M, S>(stage, failure, added_at)));
        }
        Ok(value) if S::SKIPS == Skips::Values => {
            drop_contained(stage);
            return Step::Done(Ok(S::pass(value)));
        }
        input => input,
    };
    match catch(|| stage.run(input)) {
        Ok(Step::Done(Err(mut failure))) => {
            failure.passed(added_at);
            Step::Done(Err(failure))
        }
        Ok(step) => step,
        Err(payload) => {
            let panicked = Panicked::from_payload(payload);
            Step::Done(Err(Failure::raised_at_place(panicked, added_at)))
        }
    }
}

/// A failure passes by a stage, outside of any chain. Out of the way of values.
#[cold]
#[inline(never)]
fn pass_by<M: Flavour, S>(stage: S, mut failure: Failure, added_at: CallSite) -> Failure {
    trampoline::drop_passed_by::<M, S>(stage);
    failure.passed(added_at);
    failure
}

/// What is left to do when a chain does not go on by itself.
struct Rest<M: Flavour> {
    /// This one is to be run,
    next: Option<OwnedRunGuard<M>>,
    /// and this one afterwards, which has called it.
    caller: Option<OwnedRunGuard<M>>,
}

impl<M: Flavour> Rest<M> {
    const NOTHING: Self = Self {
        next: None,
        caller: None,
    };
}

/// Runs a chain, and whatever that sets going.
pub(super) fn run<M: Flavour>(guard: RunGuard<'_, M>) {
    let rest = advance(guard);
    if let Some(next) = rest.next {
        go_on(next, rest.caller);
    }
}

/// Runs a chain that another one has set going, and whatever that sets going.
///
/// Apart from [`run`], so that one chain by itself pays nothing for it.
#[inline(never)]
fn go_on<M: Flavour>(mut next: OwnedRunGuard<M>, mut caller: Option<OwnedRunGuard<M>>) {
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

/// The same, where chains call others and have to go on afterwards.
#[inline(never)]
fn call<M: Flavour>(next: OwnedRunGuard<M>, caller: OwnedRunGuard<M>) {
    // The innermost last.
    let mut callers = SmallVec::<[OwnedRunGuard<M>; 4]>::new();
    callers.push(caller);
    let mut next = Some(next);
    while let Some(guard) = next.or_else(|| callers.pop()) {
        let rest = advance_owned(guard);
        callers.extend(rest.caller);
        next = rest.next;
    }
}

/// The same, for one that holds on to its core by itself.
pub(super) fn run_owned<M: Flavour>(guard: OwnedRunGuard<M>) {
    run(guard.borrow_in(&mut None));
}

/// Fires a chain that was not fired yet with the failure that `make` gives for the
/// place it was made at; `before` is called before anything runs.
pub(super) fn fail<M: Flavour>(
    core: &CoreRef<M>,
    make: impl FnOnce(CallSite) -> Failure,
    before: impl FnOnce(),
) {
    let claimed = RunGuard::<M>::acquire(core, |state| {
        if state.phase() != Phase::Unfired {
            return Err(());
        }
        Ok((state.cold.take_canceller(), state.made_at))
    });
    let claimed = claimed.map(|(mut guard, (canceller, made_at))| {
        // Made without the lock.
        guard.slot().put_failure(make(made_at));
        (guard, canceller)
    });
    before();
    if let Ok((guard, canceller)) = claimed {
        drop_contained(canceller);
        run(guard);
    }
}

#[inline(never)]
fn advance_owned<M: Flavour>(guard: OwnedRunGuard<M>) -> Rest<M> {
    advance(guard.borrow_in(&mut None))
}

/// Runs the stages until none can go on.
#[inline(always)]
fn advance<M: Flavour>(mut guard: RunGuard<'_, M>) -> Rest<M> {
    // Guarded as a whole: that is dearer than a stage, and panics are rare.
    let mut running = None;
    loop {
        let flow = match catch(|| run_stages(&mut guard, &mut running)) {
            Ok(flow) => flow,
            Err(payload) => {
                put_panic(&mut guard, running, payload);
                continue;
            }
        };
        match flow {
            Flow::Next | Flow::Failed => match finish(guard) {
                Ok(next) => return Rest { next, caller: None },
                Err(kept) => guard = kept,
            },
            Flow::Wait(inner) => match wait::wait_for(guard, inner) {
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

/// Runs stages until one does not give a result, and gives what that comes to; `Next`
/// if none is left, or a pause holds them up. Notes in `running` where the stage was
/// added that it runs; if that panics, the slot is empty.
#[inline(always)]
fn run_stages<M: Flavour>(guard: &mut RunGuard<'_, M>, running: &mut Option<CallSite>) -> Flow<M> {
    while !guard.core().is_paused()
        && let Some(flow) = guard.run_first(running)
    {
        // First, and by itself: it is what the next stage waits for.
        if matches!(flow, Flow::Next) {
            continue;
        }
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
    let failure = Failure::raised_at_place(Panicked::from_payload(payload), place);
    guard.slot().put_failure(failure);
}

/// What a running chain does when its stages have run, or are held up; the claim
/// comes back if there are new ones. Gives the chain that is to be run next.
#[inline(always)]
fn finish<M: Flavour>(guard: RunGuard<'_, M>) -> Result<Option<OwnedRunGuard<M>>, RunGuard<'_, M>> {
    // Mostly somebody holds the end and will ask for the result, or another chain
    // gets it, or a body that awaits it goes on. (Each by itself, and not in an enum:
    // that would be put together in memory.)
    let left = guard.release(|state, has_stages| {
        if has_stages || state.is_paused() {
            return None;
        }
        if let Some(waiter) = state.cold.take_waiter() {
            return Some((Phase::Taken, (Some(waiter), None)));
        }
        if state.receiver != ReceiverState::Held || state.cold.has_waker() {
            return None;
        }
        Some((Phase::Settled, (None, state.cold.take_task())))
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
        Told(Waker),
    }
    let left = guard.release(|state, has_stages| {
        if state.is_paused() {
            return Some((Phase::Paused, Left::Nothing));
        }
        // Others have the chain meanwhile: perhaps there is one that waits now.
        if has_stages || state.cold.waiter().is_some() || state.cold.task().is_some() {
            return None;
        }
        let waker = state.cold.take_waker();
        if state.receiver != ReceiverState::Held {
            return Some((Phase::Taken, Left::LetGo));
        }
        Some((Phase::Settled, waker.map_or(Left::Nothing, Left::Told)))
    });
    match left {
        Release::Kept(guard) => return Err(guard),
        Release::Taken(guard, _) => let_go(guard),
        Release::Released(Left::Told(waker)) => run_contained("a waker", || waker.wake()),
        Release::Released(_) => {}
    }
    Ok(None)
}

/// Disposes of a result that came after the end of its chain was let go.
#[inline(never)]
fn let_go<M: Flavour>(mut guard: RunGuard<'_, M>) {
    let (receiver, made_at) = guard.core().with(|state| (state.receiver, state.made_at));
    let mut slot = guard.slot().take_all();
    match slot.take_failure() {
        Some(failure) if receiver == ReceiverState::Detached => {
            Unhandled::new(failure, Some(made_at), true).report();
        }
        Some(failure) => drop_contained(failure),
        None => drop(slot),
    }
}
