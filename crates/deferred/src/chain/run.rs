//! The run of a chain: one loop, whatever hangs on what.
//!
//! A stage gives a result, or another chain to wait for, or another chain to
//! fire. The loop goes to whichever chain can go on, and keeps a list of its own
//! of those to come back to. So the depth of the stack does not depend on how
//! many chains wait for, or fire, one another.

use std::marker::PhantomData;
use std::panic::Location;
use std::task::Waker;

use smallvec::SmallVec;

use super::backlog;
use super::core::{EndState, Phase, State};
use super::end::Link;
use super::mode::Mode;
use super::raw::{self, Queued};
use super::wait::{self, Waited};
use crate::contain::{catch, drop_contained, run_contained};
use crate::error::Panicked;
use crate::failure::{Failure, Result};
use crate::unhandled::Unhandled;

type Place = &'static Location<'static>;

/// One pair of a chain, taking a `T` or a failure.
pub(crate) trait Stage<M: Mode, T>: 'static {
    type Out: 'static;
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
    /// The result is this value, once that chain has been run. It is claimed.
    Run(M::Ref, U),
}

/// The same as [`Step`], with the result in the slot.
pub(crate) enum Flow<M: Mode> {
    Next,
    Wait(M::Ref),
    Run(M::Ref),
}

/// A stage in the queue of a chain.
pub(super) struct Entry<T, S> {
    stage: S,
    input: PhantomData<fn(T)>,
}

impl<T, S> Entry<T, S> {
    pub(super) fn new(stage: S) -> Self {
        Self {
            stage,
            input: PhantomData,
        }
    }
}

impl<M: Mode, T: 'static, S: Stage<M, T>> Queued<M::Ref, Flow<M>> for Entry<T, S> {
    /// It may panic; see [`advance`].
    fn run(self, core: &M::Ref, added_at: Place) -> Flow<M> {
        run_stage::<M, T, S>(self.stage, core, added_at)
    }
}

#[inline(always)]
fn run_stage<M: Mode, T: 'static, S: Stage<M, T>>(
    stage: S,
    core: &M::Ref,
    added_at: Place,
) -> Flow<M> {
    let input = core.with(|state| {
        let is_skipped = match S::SKIPS {
            Skips::Nothing => false,
            Skips::Values => !state.slot.is_failure(),
            Skips::Failures => state.slot.is_failure(),
        };
        if is_skipped {
            state.slot.note_passed(added_at);
            return None;
        }
        let Some(input) = state.slot.take::<T>() else {
            unreachable!("the types of the stages were checked when they were added");
        };
        Some(input)
    });
    let Some(input) = input else {
        match S::SKIPS {
            Skips::Failures => backlog::drop_passed_by::<M, S>(stage),
            Skips::Nothing | Skips::Values => drop_contained(stage),
        }
        return Flow::Next;
    };
    match stage.run(input) {
        Step::Done(Ok(value)) => {
            core.with(|state| state.slot.put_value(value));
            Flow::Next
        }
        Step::Done(Err(failure)) => {
            core.with(|state| {
                state.slot.put_failure(failure);
                state.slot.note_passed(added_at);
            });
            Flow::Next
        }
        Step::Wait(link) => Flow::Wait(link.into_core()),
        Step::Run(target, value) => {
            core.with(|state| state.slot.put_value(value));
            Flow::Run(target)
        }
    }
}

/// Runs a stage on a result that is there already, outside of any chain.
#[inline]
pub(super) fn run_now<M: Mode, T, S: Stage<M, T>>(
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
            backlog::drain::<M>();
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

/// What is left to do when a chain does not go on by itself.
enum Rest<M: Mode> {
    Nothing,
    /// Run another chain, then come back.
    Call(M::Ref),
    /// The result belongs to the chain that waits for it.
    HandOver(M::Ref),
    /// Nobody holds the end of the chain.
    LetGo,
    Wake(Waker),
}

impl<M: Mode> State<M> {
    /// What a running chain does when all its stages have run.
    fn finish(&mut self) -> Rest<M> {
        if let Some(waiter) = self.waiter.take() {
            self.phase = Phase::Spent;
            return Rest::HandOver(waiter);
        }
        if self.end != EndState::Held {
            self.phase = Phase::Spent;
            return Rest::LetGo;
        }
        self.phase = Phase::Settled;
        self.waker.take().map_or(Rest::Nothing, Rest::Wake)
    }
}

/// Runs a chain that the caller has claimed, and whatever that sets going.
pub(super) fn run<M: Mode>(claimed: &M::Ref) {
    match advance::<M>(claimed) {
        Rest::Nothing => {}
        rest => settle::<M>(claimed, rest),
    }
}

/// Runs the stages of `core` until none can go on.
#[inline]
fn advance<M: Mode>(core: &M::Ref) -> Rest<M> {
    // Guarded as a whole: that is dearer than a stage, and panics are rare.
    let mut running = None;
    loop {
        match catch(|| advance_unguarded::<M>(core, &mut running)) {
            Ok(rest) => return rest,
            Err(payload) => {
                let failure = Panicked::from_payload(payload);
                core.with(|state| {
                    let place = running.unwrap_or(state.made_at);
                    state
                        .slot
                        .put_failure(Failure::raised_at_place(failure, place));
                });
                backlog::drain::<M>();
            }
        }
    }
}

/// Notes in `running` where the stage was added that it runs; if that panics,
/// the slot is empty.
fn advance_unguarded<M: Mode>(core: &M::Ref, running: &mut Option<Place>) -> Rest<M> {
    while core.with(|state| state.pauses == 0) {
        let Some(flow) = raw::run_first::<M>(core, running) else {
            return core.with(State::finish);
        };
        match flow {
            Flow::Next => {}
            Flow::Run(target) => return Rest::Call(target),
            Flow::Wait(inner) => match wait::wait_for::<M>(core, inner) {
                Waited::HasResult => {}
                Waited::Waits => return Rest::Nothing,
            },
        }
    }
    core.with(|state| state.phase = Phase::Settled);
    Rest::Nothing
}

/// Does what `first` left to do, and what that leaves, to the end.
#[inline(never)]
fn settle<M: Mode>(first: &M::Ref, mut rest: Rest<M>) {
    let mut current = first.clone();
    // Those that run another one, innermost last.
    let mut callers = SmallVec::<[M::Ref; 4]>::new();
    loop {
        current = match rest {
            Rest::Call(target) => {
                callers.push(current);
                target
            }
            Rest::HandOver(waiter) => {
                let result = current.with(|state| state.slot.take_all());
                wait::resume::<M>(&waiter, result);
                waiter
            }
            Rest::Nothing | Rest::LetGo | Rest::Wake(_) => {
                match rest {
                    Rest::LetGo => let_go::<M>(&current),
                    Rest::Wake(waker) => run_contained("a waker", || waker.wake()),
                    _ => {}
                }
                match callers.pop() {
                    Some(caller) => caller,
                    None => return,
                }
            }
        };
        rest = advance::<M>(&current);
    }
}

/// Disposes of a result that came after the end of its chain was let go.
fn let_go<M: Mode>(core: &M::Ref) {
    let (mut slot, end, made_at) =
        core.with(|state| (state.slot.take_all(), state.end, state.made_at));
    match slot.take_failure() {
        Some(failure) if end == EndState::Detached => {
            Unhandled::new(failure, Some(made_at), true).report();
        }
        Some(failure) => drop_contained(failure),
        None => drop(slot),
    }
}
