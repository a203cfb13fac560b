//! The consuming end of a chain, typed: where stages are added and the result
//! comes out.

use std::marker::PhantomData;
use std::task::{Poll, Waker};

use super::control::{PauseToken, look};
use super::core::{Listener, NestedWaker, Phase, ReceiverState};
use super::flavour::{Fits, Flavour};
use super::raw::{CoreRef, CoreWeak, Local, ReceiverRef, RunGuard, Slot};
use super::run::{self, Stage, Step};
use super::run_pending;
use super::task::{SharedTask, WeakTask, address, is_same_task};
use super::trampoline;
use super::variance::Invariant;
use super::wait::{self, Waited};
use crate::error::ResultTaken;
use crate::failure::{Failure, Result};
use crate::panics::drop_contained;
use crate::stage_trace::CallSite;
use crate::state::State;
use crate::unhandled::Unhandled;

/// Where a result of type `T` is or will be. It is consumed, or let go of with
/// [`Receiver::let_go`]; merely dropping it leaves the chain believing it held.
pub(crate) enum Receiver<M: Flavour, T> {
    /// It is there and needs no core: nobody else has a handle to it.
    Ready(Result<T>),
    Linked(LinkedReceiver<M, T>),
    /// It was taken out.
    Taken,
}

/// The end of a chain that has a core.
///
/// INVARIANT: it is the only one for its core, and `T` is what the last of the
/// core's stages gives.
pub(crate) struct LinkedReceiver<M: Flavour, T> {
    core: ReceiverRef<M>,
    result: Invariant<T>,
}

impl<M: Flavour, T: Fits<M>> LinkedReceiver<M, T> {
    pub(super) fn new(core: ReceiverRef<M>) -> Self {
        Self {
            core,
            result: PhantomData,
        }
    }

    pub(super) fn into_core(self) -> CoreRef<M> {
        self.core.into_core()
    }

    pub(crate) fn core(&self) -> &CoreRef<M> {
        &self.core
    }

    /// Takes the result out if all stages have run.
    #[inline(always)]
    fn take(&mut self) -> Option<Result<T>> {
        self.core.take_settled(Slot::take::<T>)?
    }

    /// The same, when an abandonment that is still in the queue may bring the result.
    #[cold]
    fn take_late(&mut self) -> Option<Result<T>> {
        run_pending();
        self.take()
    }

    /// Has `waker` woken when all stages have run. They may have run meanwhile: a
    /// waker's clone and drop are other people's code.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let is_set = self.core.with(|state| {
            let old = state.cold.waker();
            old.is_some_and(|old| old.will_wake(waker))
        });
        if !is_set {
            self.set_listener(Listener::Waker(waker.clone()));
        }
    }

    fn set_listener(&self, listener: Listener<M>) {
        let task = listener.task();
        let replaced = self
            .core
            .with(|state| state.cold.replace_listener(listener));
        if let Some(replaced) = replaced {
            if replaced.task().is_some_and(|old| Some(old) != task) {
                M::unlinked(&self.core);
            }
            drop_contained(replaced);
        }
    }
}

impl<T: 'static> LinkedReceiver<Local, T> {
    /// Has `body` resumed when all stages have run.
    pub(crate) fn set_task(&self, task: &SharedTask) {
        let is_set = self.core.with(|state| {
            let old = state.cold.task();
            old.is_some_and(|old| is_same_task(old, task))
        });
        if !is_set {
            self.set_listener(Listener::Task(task.clone()));
        }
    }

    /// Has `waker` woken when all stages have run, by which a future that `body` is polling
    /// is to go on.
    pub(crate) fn set_nested(&self, waker: &Waker, task: &SharedTask) {
        let is_set = self.core.with(|state| {
            let old = state.cold.nested();
            old.is_some_and(|old| {
                old.waker.will_wake(waker) && old.task.address() == address(&**task)
            })
        });
        if !is_set {
            self.set_listener(Listener::Nested(Box::new(NestedWaker {
                waker: waker.clone(),
                task: WeakTask::new(task),
            })));
        }
    }
}

impl<M: Flavour, T: Fits<M>> Receiver<M, T> {
    /// Takes the content, leaving [`Receiver::Taken`].
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Taken)
    }

    /// The end of what `step` comes to, outside of any chain.
    pub(crate) fn from_step(step: Step<M, T>) -> Self {
        match step {
            Step::Done(result) => Self::Ready(result),
            Step::Wait(link) => Self::Linked(link),
            Step::Run(target, value) => {
                run::run_owned(target);
                Self::Ready(Ok(value))
            }
        }
    }

    /// The end as what a stage came to.
    #[inline]
    pub(crate) fn into_step(self) -> Step<M, T> {
        match self {
            Self::Ready(result) => Step::Done(result),
            Self::Linked(link) => Step::Wait(link),
            Self::Taken => Step::Done(taken_before()),
        }
    }

    /// Adds a stage; runs it, before returning, if the result is there.
    #[inline(always)]
    pub(crate) fn add<S: Stage<M, T>>(self, stage: S, added_at: CallSite) -> Receiver<M, S::Out> {
        // Taken apart at once: where a whole end is passed on, it has to be in memory,
        // and is moved about there.
        let link = match self {
            Self::Linked(link) => link,
            Self::Ready(input) => return Self::add_now(input, stage, added_at),
            Self::Taken => return Self::add_now(taken_before(), stage, added_at),
        };
        let core = link.core;
        let claimed = RunGuard::<M>::acquire(&core, |state| {
            state.push::<T, S>(stage, added_at);
            state.is_at_end().then_some(()).ok_or(())
        });
        if let Ok((guard, ())) = claimed {
            run::run(guard);
        }
        Receiver::Linked(LinkedReceiver::new(core))
    }

    /// Runs a stage that nobody has to wait for.
    #[inline]
    fn add_now<S: Stage<M, T>>(
        input: Result<T>,
        stage: S,
        added_at: CallSite,
    ) -> Receiver<M, S::Out> {
        match run::run_now::<M, T, S>(stage, input, added_at) {
            Step::Wait(link) => Receiver::waiting_for(link, added_at),
            step => Receiver::from_step(step),
        }
    }

    /// An end that gets the result of `inner`.
    fn waiting_for(inner: LinkedReceiver<M, T>, made_at: CallSite) -> Self {
        let outer = ReceiverRef::new(made_at);
        let Ok((guard, ())) = RunGuard::<M>::acquire(&outer, |_state| Ok::<_, ()>(())) else {
            unreachable!("nobody else has it");
        };
        if let Waited::HasResult(guard) = wait::wait_for(guard, inner.into_core()) {
            run::run(guard);
        }
        Self::Linked(LinkedReceiver::new(outer))
    }

    /// The core; one is made if there is none yet.
    pub(crate) fn core(&mut self, made_at: CallSite) -> Option<&CoreRef<M>> {
        if matches!(self, Self::Ready(_)) {
            let Self::Ready(result) = self.take() else {
                unreachable!("it was just seen to be ready");
            };
            let core = ReceiverRef::new(made_at);
            core.with(|state| {
                state.slot().put(result);
                state.set_phase(Phase::Settled);
            });
            *self = Self::Linked(LinkedReceiver::new(core));
        }
        match self {
            Self::Linked(link) => Some(&link.core),
            Self::Ready(_) | Self::Taken => None,
        }
    }

    /// Holds the chain up for as long as the token lives.
    pub(crate) fn pause(&mut self, made_at: CallSite) -> PauseToken<M> {
        let core = match self.core(made_at) {
            Some(core) => core.clone(),
            // The result is gone: what is paused is nobody's.
            None => CoreRef::new(0, made_at),
        };
        PauseToken::new(core)
    }

    /// A weak reference to the core, if there is one.
    pub(crate) fn downgrade(&self) -> Option<CoreWeak<M>> {
        match self {
            Self::Linked(link) => Some(CoreRef::downgrade(&link.core)),
            Self::Ready(_) | Self::Taken => None,
        }
    }

    /// What the chain is doing; `None` if it has no core.
    pub(crate) fn look(&self) -> Option<State> {
        match self {
            Self::Linked(link) => Some(look::<M>(&link.core)),
            Self::Ready(_) | Self::Taken => None,
        }
    }

    /// Whether the result is there, as far as can be told without running anything.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Linked(link) => link.core.with(|state| state.seen()) == State::Done,
            Self::Ready(_) | Self::Taken => true,
        }
    }

    /// The result, if it is there; else the end itself.
    #[inline(always)]
    pub(crate) fn into_result(self) -> Result<Result<T>, Self> {
        match self {
            Self::Ready(result) => Ok(result),
            Self::Linked(mut link) => match link.take().or_else(|| link.take_late()) {
                Some(result) => Ok(result),
                None => Err(Self::Linked(link)),
            },
            Self::Taken => Err(self),
        }
    }

    /// The result, if it is there.
    #[inline]
    pub(crate) fn take_ready(&mut self) -> Option<Result<T>> {
        let Self::Linked(link) = self else {
            return match self.take() {
                Self::Ready(result) => Some(result),
                Self::Linked(_) | Self::Taken => None,
            };
        };
        let result = link.take();
        if result.is_some() {
            *self = Self::Taken;
        }
        result
    }

    /// The result, or `listen` is called to say who is told when it is there;
    /// `Ready(None)` if it was taken before.
    ///
    /// It does not run what is pending: that is for executors, which may go to sleep. A
    /// body returns, and its chain goes on when the queue does.
    pub(crate) fn poll(
        &mut self,
        listen: impl FnOnce(&LinkedReceiver<M, T>),
    ) -> Poll<Option<Result<T>>> {
        if let Self::Linked(link) = self {
            let result = link.take().or_else(|| {
                listen(link);
                link.take()
            });
            let Some(result) = result else {
                return Poll::Pending;
            };
            *self = Self::Taken;
            return Poll::Ready(Some(result));
        }
        match self.take() {
            Self::Ready(result) => Poll::Ready(Some(result)),
            Self::Linked(_) | Self::Taken => Poll::Ready(None),
        }
    }

    /// Gives the end up. The stages still run; a failure that nobody handles is
    /// reported, unless `end` says to ignore it.
    pub(crate) fn let_go(self, receiver: ReceiverState) {
        match self {
            Self::Ready(Err(failure)) => dispose::<M, T>(Err(failure), receiver, None),
            Self::Ready(ready) => drop_contained(ready),
            Self::Linked(link) => {
                let (result, made_at, listener) = link.core.with(|state| {
                    let result = state.take_settled(Slot::take::<T>).flatten();
                    state.receiver = receiver;
                    (result, state.made_at, state.cold.take_listener())
                });
                drop_contained(listener);
                if let Some(result) = result {
                    dispose::<M, T>(result, receiver, Some(made_at));
                }
            }
            Self::Taken => {}
        }
    }
}

#[cold]
fn taken_before<T>() -> Result<T> {
    Err(Failure::new(ResultTaken::new()))
}

fn dispose<M: Flavour, T>(result: Result<T>, receiver: ReceiverState, made_at: Option<CallSite>) {
    match result {
        Err(failure) if receiver == ReceiverState::Detached => {
            let is_moot = trampoline::is_passing_by::<M>();
            Unhandled::new(failure, made_at, is_moot).report();
        }
        result => drop_contained(result),
    }
}
