//! Receiver: the typed consuming end of a chain, where stages are added and the result comes
//! out.

use std::task::Poll;

use super::control::{PauseToken, look};
use super::flavour::{Flavour, Waited};
use super::link::LinkedReceiver;
use super::phase::{ReceiverState, Transition};
use super::raw::{CoreRef, CoreWeak, Fits, ReceiverRef, RunGuard, Slot};
use super::run::{self, Stage, Step};
use super::trampoline::run_pending;
use crate::error::ResultTaken;
use crate::failure::{Failure, Result};
use crate::panics::drop_contained;
use crate::stage_trace::CallSite;
use crate::state::State;
use crate::unhandled::Unhandled;

/// A result of type `T`, now or later. It is consumed, or given up by [`Receiver::let_go`]: to
/// just drop it would leave the chain in [`ReceiverState::Held`].
pub(crate) enum Receiver<M: Flavour, T> {
    /// The result is there, and needs no core: there is no handle to it.
    Ready(Result<T>),
    Linked(LinkedReceiver<M, T>),
    /// The result was taken out.
    Taken,
}

impl<M: Flavour, T: Fits<M>> Receiver<M, T> {
    /// Moves the content out, leaving [`Receiver::Taken`].
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Taken)
    }

    /// Makes a receiver of the outcome of a stage that ran without a chain.
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

    /// Makes the receiver the outcome of a stage.
    #[inline]
    pub(crate) fn into_step(self) -> Step<M, T> {
        match self {
            Self::Ready(result) => Step::Done(result),
            Self::Linked(link) => Step::Wait(link),
            Self::Taken => Step::Done(taken_before()),
        }
    }

    /// Adds a stage; if the result is there, runs it before returning.
    #[inline(always)]
    pub(crate) fn add<S: Stage<M, T>>(self, stage: S, added_at: CallSite) -> Receiver<M, S::Out> {
        // Taken apart at once: a whole receiver that is passed on has to be in memory, and
        // is copied there.
        let link = match self {
            Self::Linked(link) => link,
            Self::Ready(input) => return Self::add_now(input, stage, added_at),
            Self::Taken => return Self::add_now(taken_before(), stage, added_at),
        };
        let core = link.core;
        if let Some(guard) = RunGuard::<M>::add_stage::<T, S>(&core, stage, added_at) {
            run::run(guard);
        }
        Receiver::Linked(LinkedReceiver::new(core))
    }

    /// Runs a stage whose input is there.
    #[inline]
    fn add_now<S: Stage<M, T>>(
        input: Result<T>,
        stage: S,
        added_at: CallSite,
    ) -> Receiver<M, S::Out> {
        Receiver::from_first(run::run_now::<M, T, S>(stage, input, added_at), added_at)
    }

    /// Makes a receiver of the outcome of the first stage of a chain.
    #[inline]
    fn from_first(step: Step<M, T>, added_at: CallSite) -> Self {
        match step {
            Step::Wait(link) => Self::waiting_for(link, added_at),
            step => Self::from_step(step),
        }
    }

    /// The receiver of a new chain that waits for `inner`.
    fn waiting_for(inner: LinkedReceiver<M, T>, made_at: CallSite) -> Self {
        // It begins by waiting, and `Wait` begins in `Running`: so it is fired before it has a
        // result, with its guard held here. No other thread knows of it yet.
        let outer = ReceiverRef::new(made_at);
        let Ok((guard, ())) =
            RunGuard::<M>::acquire(&outer, Transition::Fire, |_state| Ok::<_, ()>(()))
        else {
            unreachable!("it was not refused");
        };
        if let Waited::HasResult(guard) = M::wait_for(guard, inner.into_core()) {
            run::run(guard);
        }
        Self::Linked(LinkedReceiver::new(outer))
    }

    /// The core, which is made if there is none yet; `None` if the result was taken.
    pub(crate) fn core(&mut self, made_at: CallSite) -> Option<&CoreRef<M>> {
        if matches!(self, Self::Ready(_)) {
            let Self::Ready(result) = self.take() else {
                unreachable!("it was just seen to be ready");
            };
            let core = ReceiverRef::new(made_at);
            core.with(|state| {
                state.slot().put(result);
                // It has no stage that could run.
                state.go(Transition::FireIdle);
            });
            *self = Self::Linked(LinkedReceiver::new(core));
        }
        match self {
            Self::Linked(link) => Some(&link.core),
            Self::Ready(_) | Self::Taken => None,
        }
    }

    /// Pauses the chain for as long as the token lives.
    pub(crate) fn pause(&mut self, made_at: CallSite) -> PauseToken<M> {
        let core = match self.core(made_at) {
            Some(core) => core.clone(),
            // The result was taken: the token pauses a chain of its own.
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

    /// The state of the chain; `None` if it has no core.
    pub(crate) fn look(&self) -> Option<State> {
        match self {
            Self::Linked(link) => Some(look::<M>(&link.core)),
            Self::Ready(_) | Self::Taken => None,
        }
    }

    /// Whether the result is there. Runs no code of users.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Linked(link) => link.core.with(|state| state.seen()) == State::Done,
            Self::Ready(_) | Self::Taken => true,
        }
    }

    /// The result, if it is there; else the receiver itself.
    #[inline(always)]
    pub(crate) fn into_result(self) -> Result<Result<T>, Self> {
        match self {
            Self::Ready(result) => Ok(result),
            Self::Linked(mut link) => match link.take().or_else(|| take_late(&mut link)) {
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

    /// Takes the result; else calls `listen` to set a listener. `Ready(None)` if the result
    /// was taken before.
    ///
    /// It does not run pending abandonments: executors do so before, since they may go to
    /// sleep. A task just returns, and is resumed when the queue has run.
    pub(crate) fn poll(
        &mut self,
        listen: impl FnOnce(&LinkedReceiver<M, T>),
    ) -> Poll<Option<Result<T>>> {
        if let Self::Linked(link) = self {
            let result = link.take().or_else(|| {
                // The result may come, from another thread, before the listener is set: so it is
                // looked for again after that, or nothing would wake this task.
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

    /// Gives the receiver up. The stages still run; an unhandled failure is reported, if
    /// `receiver` is [`ReceiverState::Detached`].
    pub(crate) fn let_go(self, receiver: ReceiverState) {
        match self {
            Self::Ready(Ok(value)) => drop_contained(value),
            Self::Ready(Err(failure)) => dispose::<M>(failure, receiver, None),
            Self::Linked(link) => let_go_linked::<M>(&link.core, receiver),
            Self::Taken => {}
        }
    }
}

/// As [`Receiver::let_go`]. The value is dropped without its type, so that this is compiled once.
fn let_go_linked<M: Flavour>(core: &CoreRef<M>, receiver: ReceiverState) {
    // Under one lock: from then on another thread may end the chain, which looks at `receiver` to
    // know whether a failure is to be reported.
    let (slot, made_at, listener, with_task) = core.with(|state| {
        let slot = state.take_settled(Slot::take_all);
        state.receiver = receiver;
        let listener = state.cold.take_listener();
        let with_task = state.is_cancelled_with_task();
        (slot, state.made_at, listener, with_task)
    });
    // User code, a waker: not under the lock.
    drop_contained(listener);
    let Some(mut slot) = slot else {
        return;
    };
    if let Some(failure) = slot.take_failure() {
        if with_task {
            failure.note_enclosing_cancel();
        }
        dispose::<M>(failure, receiver, Some(made_at));
    }
}

/// Takes the result when an abandonment that is still in the queue may bring it.
#[cold]
fn take_late<M: Flavour, T: Fits<M>>(link: &mut LinkedReceiver<M, T>) -> Option<Result<T>> {
    run_pending();
    link.take()
}

#[cold]
fn taken_before<T>() -> Result<T> {
    Err(Failure::new(ResultTaken::new()))
}

fn dispose<M: Flavour>(failure: Failure, receiver: ReceiverState, made_at: Option<CallSite>) {
    if receiver == ReceiverState::Detached {
        let is_moot = run::is_passing_by::<M>();
        Unhandled::new(failure, made_at, is_moot).report();
    } else {
        drop_contained(failure);
    }
}
