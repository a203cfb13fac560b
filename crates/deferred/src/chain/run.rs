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
use super::erased::{Queued, Slot};
use super::mode::Mode;
use super::wait::{self, Waited};
use crate::contain::{catch, drop_contained, run_contained};
use crate::error::Panicked;
use crate::failure::{Failure, Result};
use crate::unhandled::Unhandled;

/// One pair of a chain, taking a `T` or a failure.
pub(crate) trait Stage<M: Mode, T>: 'static {
    type Out: 'static;
    /// What it passes on untouched.
    const SKIPS: Skips;

    fn run(self, input: Result<T>) -> Step<M, Self::Out>;
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

/// How a stage is run once its type is forgotten.
pub(crate) type RunStage<M> = fn(&<M as Mode>::Ref) -> Flow<M>;

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
    const RUN: RunStage<M> = run_first::<M, T, S>;
}

/// Runs the first stage of `core`, which is an `S` and takes a `T`.
fn run_first<M: Mode, T: 'static, S: Stage<M, T>>(core: &M::Ref) -> Flow<M> {
    let (stage, added_at, input) = core.with(|state| {
        let Some((entry, added_at)) = state.stages.pop::<Entry<T, S>>() else {
            unreachable!("the stage that is first said how to run itself");
        };
        let is_skipped = match S::SKIPS {
            Skips::Nothing => false,
            Skips::Values => !state.slot.is_failure(),
            Skips::Failures => state.slot.is_failure(),
        };
        if is_skipped {
            state.slot.note_passed(added_at);
            return (entry.stage, added_at, None);
        }
        let Some(input) = state.slot.take::<T>() else {
            unreachable!("the types of the stages were checked when they were added");
        };
        (entry.stage, added_at, Some(input))
    });
    let Some(input) = input else {
        drop_contained(stage);
        return Flow::Next;
    };
    match catch(|| stage.run(input)) {
        Ok(Step::Done(result)) => {
            core.with(|state| {
                state.slot.put(result);
                state.slot.note_passed(added_at);
            });
            Flow::Next
        }
        Ok(Step::Wait(link)) => Flow::Wait(link.into_core()),
        Ok(Step::Run(target, value)) => {
            core.with(|state| state.slot.put(Ok(value)));
            Flow::Run(target)
        }
        Err(payload) => {
            let panicked = Panicked::from_payload(payload);
            let failure = Failure::raised_at_place(panicked, added_at);
            core.with(|state| state.slot.put::<S::Out>(Err(failure)));
            backlog::drain::<M>();
            Flow::Next
        }
    }
}

/// Runs a stage on a result that is there already, outside of any chain.
#[inline]
pub(super) fn run_now<M: Mode, T, S: Stage<M, T>>(
    stage: S,
    input: Result<T>,
    added_at: &'static Location<'static>,
) -> Step<M, S::Out> {
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

/// What is left to do when a chain does not go on by itself.
enum Rest<M: Mode> {
    Nothing,
    /// Go on with another chain instead.
    GoTo(M::Ref),
    /// Run another chain, then come back.
    Call(M::Ref),
    /// The result belongs to the chain that waits for it.
    HandOver(M::Ref, Slot),
    /// Nobody holds the end of the chain.
    LetGo(Slot, EndState, &'static Location<'static>),
    Wake(Waker),
}

enum Next<M: Mode> {
    Stage(RunStage<M>),
    Rest(Rest<M>),
}

impl<M: Mode> State<M> {
    /// What a running chain does next.
    #[inline]
    fn next(&mut self) -> Next<M> {
        if self.pauses == 0 {
            if let Some(run) = self.stages.first() {
                return Next::Stage(run);
            }
            if let Some(waiter) = self.waiter.take() {
                self.phase = Phase::Spent;
                return Next::Rest(Rest::HandOver(waiter, self.slot.take_all()));
            }
            if self.end != EndState::Held {
                self.phase = Phase::Spent;
                let slot = self.slot.take_all();
                return Next::Rest(Rest::LetGo(slot, self.end, self.made_at));
            }
        }
        self.phase = Phase::Settled;
        match self.waker.take() {
            Some(waker) if self.pauses == 0 => Next::Rest(Rest::Wake(waker)),
            waker => {
                self.waker = waker;
                Next::Rest(Rest::Nothing)
            }
        }
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
fn advance<M: Mode>(core: &M::Ref) -> Rest<M> {
    loop {
        let run_stage = match core.with(State::next) {
            Next::Stage(run_stage) => run_stage,
            Next::Rest(rest) => return rest,
        };
        match run_stage(core) {
            Flow::Next => {}
            Flow::Run(target) => return Rest::Call(target),
            Flow::Wait(inner) => match wait::wait_for::<M>(core, inner) {
                Waited::HasResult => {}
                Waited::Waits => return Rest::Nothing,
                Waited::WaitsForClaimed(inner) => return Rest::GoTo(inner),
            },
        }
    }
}

/// Does what `first` left to do, and what that leaves, to the end.
fn settle<M: Mode>(first: &M::Ref, mut rest: Rest<M>) {
    let mut current = first.clone();
    // Those that run another one, innermost last.
    let mut callers = SmallVec::<[M::Ref; 4]>::new();
    loop {
        current = match rest {
            Rest::GoTo(core) => core,
            Rest::Call(target) => {
                callers.push(current);
                target
            }
            Rest::HandOver(waiter, slot) => {
                wait::resume::<M>(&waiter, slot);
                waiter
            }
            Rest::Nothing | Rest::LetGo(..) | Rest::Wake(_) => {
                if let Rest::LetGo(slot, end, made_at) = rest {
                    let_go(slot, end, Some(made_at));
                } else if let Rest::Wake(waker) = rest {
                    run_contained("a waker", || waker.wake());
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
fn let_go(mut slot: Slot, end: EndState, made_at: Option<&'static Location<'static>>) {
    match slot.take_failure() {
        Some(failure) if end == EndState::Detached => {
            Unhandled::new(failure, made_at, true).report();
        }
        Some(failure) => drop_contained(failure),
        None => drop(slot),
    }
}
