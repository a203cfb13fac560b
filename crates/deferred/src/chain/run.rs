//! The run of a chain: one loop, whatever hangs on what.
//!
//! A stage gives a result, or another chain to wait for, or another chain to
//! fire. The loop goes to whichever chain can go on, and keeps a list of its own
//! of those to come back to. So the depth of the stack does not depend on how
//! many chains wait for, or fire, one another.

use std::any::Any;
use std::task::Waker;

use smallvec::SmallVec;

use super::backlog;
use super::core::{EndState, Listener, Phase};
use super::end::Link;
use super::mode::{Fits, Mode};
use super::raw::{Claim, Leave, OwnedClaim, Queued, Slot};
use super::wait::{self, Waited};
use crate::contain::{catch, drop_contained, run_contained};
use crate::error::Panicked;
use crate::failure::{Failure, Result};
use crate::trail::Place;
use crate::unhandled::Unhandled;

/// One pair of a chain, taking a `T` or a failure.
pub(crate) trait Stage<M: Mode, T>: Fits<M> {
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
pub(crate) enum Step<M: Mode, U> {
    Done(Result<U>),
    /// The result of another chain is to be this one's.
    Wait(Link<M, U>),
    /// The result is this value, once that chain has been run.
    Run(OwnedClaim<M>, U),
}

/// The same as [`Step`], with the result in the slot.
pub(crate) enum Flow<M: Mode> {
    Next,
    /// A failure has left the stage, be it its own or one that passed.
    Failed,
    Wait(M::Ref),
    Run(OwnedClaim<M>),
}

impl<M: Mode, T: Fits<M>, S: Stage<M, T>> Queued<M, T> for S {
    /// It may panic; see [`advance`].
    #[inline(always)]
    fn run_queued(self, mut claim: Claim<'_, M>) -> Flow<M> {
        let slot = claim.slot();
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
                claim.slot().put_value(value);
                Flow::Next
            }
            Step::Done(Err(failure)) => {
                claim.slot().put_failure(failure);
                Flow::Failed
            }
            Step::Wait(link) => Flow::Wait(link.into_core()),
            Step::Run(target, value) => {
                claim.slot().put_value(value);
                Flow::Run(target)
            }
        }
    }
}

#[inline(always)]
fn skip_value<M: Mode, S>(stage: S) -> Flow<M> {
    drop_contained(stage);
    Flow::Next
}

#[inline(always)]
fn skip_failure<M: Mode, S>(stage: S, slot: &Slot<M>) -> Flow<M> {
    assert!(slot.is_failure(), "{TYPES_FIT}");
    backlog::drop_passed_by::<M, S>(stage);
    Flow::Failed
}

#[inline(always)]
fn take_failure<M: Mode>(slot: &mut Slot<M>) -> Failure {
    match slot.take_failure() {
        Some(failure) => failure,
        None => unreachable!("{TYPES_FIT}"),
    }
}

const TYPES_FIT: &str = "the types of the stages were checked when they were added";

/// Runs a stage on a result that is there already, outside of any chain.
#[inline]
pub(super) fn run_now<M: Mode, T: 'static, S: Stage<M, T>>(
    stage: S,
    input: Result<T>,
    added_at: Place,
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
fn pass_by<M: Mode, S>(stage: S, mut failure: Failure, added_at: Place) -> Failure {
    backlog::drop_passed_by::<M, S>(stage);
    failure.passed(added_at);
    failure
}

/// Why the stages of a chain were left.
enum Stop<M: Mode> {
    /// There is none left, or a pause holds them up.
    End,
    Wait(M::Ref),
    Call(OwnedClaim<M>),
}

/// What is left to do when a chain does not go on by itself.
enum Rest<'a, M: Mode> {
    Nothing,
    /// Run another chain, then go on with this one.
    Call(Claim<'a, M>, OwnedClaim<M>),
    /// The result belongs to the chain that waits for it.
    HandOver(Claim<'a, M>, M::Ref),
    /// Nobody holds the end of the chain.
    LetGo(Claim<'a, M>),
    Wake(Waker),
    Resume(M::Body),
}

/// Runs a chain, and whatever that sets going.
pub(super) fn run<M: Mode>(claim: Claim<'_, M>) {
    match advance(claim) {
        Rest::Nothing => {}
        rest => settle(rest),
    }
}

/// The same, for one that holds on to its core by itself.
pub(super) fn run_owned<M: Mode>(claim: OwnedClaim<M>) {
    run(claim.into_claim(&mut None));
}

/// Fires a chain that was not fired yet with the failure that `make` gives for the
/// place it was made at; `before` is called before anything runs.
pub(super) fn fail<M: Mode>(
    core: &M::Ref,
    make: impl FnOnce(Place) -> Failure,
    before: impl FnOnce(),
) {
    let claimed = Claim::<M>::take(core, |state| {
        if state.phase() != Phase::Unfired {
            return Err(());
        }
        let failure = make(state.made_at);
        state.slot().put_failure(failure);
        Ok(state.rare.take_canceller())
    });
    before();
    if let Ok((claim, canceller)) = claimed {
        drop_contained(canceller);
        run(claim);
    }
}

/// Runs the stages until none can go on.
#[inline]
fn advance<M: Mode>(mut claim: Claim<'_, M>) -> Rest<'_, M> {
    // Guarded as a whole: that is dearer than a stage, and panics are rare.
    let mut running = None;
    loop {
        let stop = match catch(|| run_stages(&mut claim, &mut running)) {
            Ok(stop) => stop,
            Err(payload) => {
                put_panic(&mut claim, running, payload);
                continue;
            }
        };
        match stop {
            Stop::End => match finish(claim) {
                Ok(rest) => return rest,
                Err(kept) => claim = kept,
            },
            Stop::Wait(inner) => match wait::wait_for(claim, inner) {
                Waited::HasResult(kept) => claim = kept,
                Waited::Waits => return Rest::Nothing,
            },
            Stop::Call(target) => return Rest::Call(claim, target),
        }
    }
}

/// Notes in `running` where the stage was added that it runs; if that panics,
/// the slot is empty.
#[inline(always)]
fn run_stages<M: Mode>(claim: &mut Claim<'_, M>, running: &mut Option<Place>) -> Stop<M> {
    while !claim.core().is_paused() {
        match claim.run_first(running) {
            Some(Flow::Next) => {}
            Some(Flow::Failed) => note_passed(claim, *running),
            Some(Flow::Run(target)) => return Stop::Call(target),
            Some(Flow::Wait(inner)) => return Stop::Wait(inner),
            None => break,
        }
    }
    Stop::End
}

/// Notes in the failure that it has left the stage that ran.
#[inline(never)]
fn note_passed<M: Mode>(claim: &mut Claim<'_, M>, running: Option<Place>) {
    if let Some(place) = running
        && let Some(failure) = claim.slot().failure()
    {
        failure.passed(place);
    }
}

#[cold]
fn put_panic<M: Mode>(
    claim: &mut Claim<'_, M>,
    running: Option<Place>,
    payload: Box<dyn Any + Send>,
) {
    let place = running.unwrap_or_else(|| claim.core().with(|state| state.made_at));
    let failure = Failure::raised_at_place(Panicked::from_payload(payload), place);
    claim.slot().put_failure(failure);
}

/// What a running chain does when its stages have run, or are held up; the claim
/// comes back if there are new ones.
#[inline(always)]
fn finish<M: Mode>(claim: Claim<'_, M>) -> Result<Rest<'_, M>, Claim<'_, M>> {
    // Mostly somebody holds the end and will ask for the result.
    let left = claim.leave(|state, has_stages| {
        let is_awaited = state.rare.has_listener() || state.end != EndState::Held;
        let is_done = !has_stages && !is_awaited && !state.is_paused();
        is_done.then_some((Phase::Settled, ()))
    });
    match left {
        Leave::NotYet(claim) => finish_for_others(claim),
        Leave::Rests(()) | Leave::Spent(..) => Ok(Rest::Nothing),
    }
}

#[inline(never)]
fn finish_for_others<M: Mode>(claim: Claim<'_, M>) -> Result<Rest<'_, M>, Claim<'_, M>> {
    enum Left<M: Mode> {
        Nothing,
        To(M::Ref),
        LetGo,
        Told(Listener<M>),
    }
    let left = claim.leave(|state, has_stages| {
        if state.is_paused() {
            return Some((Phase::Held, Left::<M>::Nothing));
        }
        if has_stages {
            return None;
        }
        let listener = state.rare.take_listener();
        if let Some(Listener::Chain(waiter)) = listener {
            return Some((Phase::Spent, Left::To(waiter)));
        }
        if state.end != EndState::Held {
            return Some((Phase::Spent, Left::LetGo));
        }
        Some((Phase::Settled, listener.map_or(Left::Nothing, Left::Told)))
    });
    match left {
        Leave::NotYet(claim) => Err(claim),
        Leave::Spent(claim, Left::To(waiter)) => Ok(Rest::HandOver(claim, waiter)),
        Leave::Spent(claim, Left::LetGo) => Ok(Rest::LetGo(claim)),
        Leave::Rests(Left::Told(Listener::Waker(waker))) => Ok(Rest::Wake(waker)),
        Leave::Rests(Left::Told(Listener::Body(body))) => Ok(Rest::Resume(body)),
        Leave::Rests(_) | Leave::Spent(..) => Ok(Rest::Nothing),
    }
}

/// Does what is left to do, and what that leaves, to the end.
#[inline(never)]
fn settle<M: Mode>(first: Rest<'_, M>) {
    // Those that run another one, innermost last.
    let mut callers = SmallVec::<[OwnedClaim<M>; 4]>::new();
    let mut next = follow(first, &mut callers);
    loop {
        let Some(claim) = next.or_else(|| callers.pop()) else {
            return;
        };
        let mut core = None;
        next = follow(advance(claim.into_claim(&mut core)), &mut callers);
    }
}

/// Does what one chain has left to do; gives the one that goes on.
#[inline]
fn follow<M: Mode>(
    rest: Rest<'_, M>,
    callers: &mut SmallVec<[OwnedClaim<M>; 4]>,
) -> Option<OwnedClaim<M>> {
    match rest {
        Rest::Nothing => None,
        Rest::Call(claim, target) => {
            callers.push(claim.into_owned());
            Some(target)
        }
        Rest::HandOver(mut claim, waiter) => Some(wait::resume::<M>(waiter, claim.slot())),
        Rest::LetGo(claim) => {
            let_go(claim);
            None
        }
        Rest::Wake(waker) => {
            run_contained("a waker", || waker.wake());
            None
        }
        Rest::Resume(body) => M::resume(body),
    }
}

/// Disposes of a result that came after the end of its chain was let go.
fn let_go<M: Mode>(mut claim: Claim<'_, M>) {
    let (end, made_at) = claim.core().with(|state| (state.end, state.made_at));
    let mut slot = claim.slot().take_all();
    match slot.take_failure() {
        Some(failure) if end == EndState::Detached => {
            Unhandled::new(failure, Some(made_at), true).report();
        }
        Some(failure) => drop_contained(failure),
        None => drop(slot),
    }
}
