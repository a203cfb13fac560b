//! The consuming end of a chain, typed: where stages are added and the result
//! comes out.

use std::marker::PhantomData;
use std::task::{Poll, Waker};

use super::backlog;
use super::body::{SharedBody, WeakBody, address, is_same_body};
use super::control::{Paused, look};
use super::core::{EndState, Inside, Listener, Phase};
use super::mode::{Fits, Mode};
use super::raw::{Claim, CoreRef, CoreWeak, EndRef, Local, Slot};
use super::run::{self, Stage, Step};
use super::run_pending;
use super::variance::Invariant;
use super::wait::{self, Waited};
use crate::contain::drop_contained;
use crate::error::ResultTaken;
use crate::failure::{Failure, Result};
use crate::state::State;
use crate::trail::Place;
use crate::unhandled::Unhandled;

/// Where a result of type `T` is or will be. It is consumed, or let go of with
/// [`End::let_go`]; merely dropping it leaves the chain believing it held.
pub(crate) enum End<M: Mode, T> {
    /// It is there and needs no core: nobody else has a handle to it.
    Ready(Result<T>),
    Linked(Link<M, T>),
    /// It was taken out.
    Taken,
}

/// The end of a chain that has a core.
///
/// INVARIANT: it is the only one for its core, and `T` is what the last of the
/// core's stages gives.
pub(crate) struct Link<M: Mode, T> {
    core: EndRef<M>,
    result: Invariant<T>,
}

impl<M: Mode, T: Fits<M>> Link<M, T> {
    pub(super) fn new(core: EndRef<M>) -> Self {
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
            let old = state.rare.waker();
            old.is_some_and(|old| old.will_wake(waker))
        });
        if !is_set {
            self.set_listener(Listener::Waker(waker.clone()));
        }
    }

    fn set_listener(&self, listener: Listener<M>) {
        let body = listener.body();
        let replaced = self
            .core
            .with(|state| state.rare.replace_listener(listener));
        if let Some(replaced) = replaced {
            if replaced.body().is_some_and(|old| Some(old) != body) {
                M::unlinked(&self.core);
            }
            drop_contained(replaced);
        }
    }
}

impl<T: 'static> Link<Local, T> {
    /// Has `body` resumed when all stages have run.
    pub(crate) fn set_body(&self, body: &SharedBody) {
        let is_set = self.core.with(|state| {
            let old = state.rare.body();
            old.is_some_and(|old| is_same_body(old, body))
        });
        if !is_set {
            self.set_listener(Listener::Body(body.clone()));
        }
    }

    /// Has `waker` woken when all stages have run, by which a future that `body` is polling
    /// is to go on.
    pub(crate) fn set_inside(&self, waker: &Waker, body: &SharedBody) {
        let is_set = self.core.with(|state| {
            let old = state.rare.inside();
            old.is_some_and(|old| {
                old.waker.will_wake(waker) && old.body.address() == address(&**body)
            })
        });
        if !is_set {
            self.set_listener(Listener::Inside(Box::new(Inside {
                waker: waker.clone(),
                body: WeakBody::new(body),
            })));
        }
    }
}

impl<M: Mode, T: Fits<M>> End<M, T> {
    /// Takes the content, leaving [`End::Taken`].
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
    pub(crate) fn add<S: Stage<M, T>>(self, stage: S, added_at: Place) -> End<M, S::Out> {
        // Taken apart at once: where a whole end is passed on, it has to be in memory,
        // and is moved about there.
        let link = match self {
            Self::Linked(link) => link,
            Self::Ready(input) => return Self::add_now(input, stage, added_at),
            Self::Taken => return Self::add_now(taken_before(), stage, added_at),
        };
        let core = link.core;
        let claimed = Claim::<M>::take(&core, |state| {
            state.push::<T, S>(stage, added_at);
            state.is_at_end().then_some(()).ok_or(())
        });
        if let Ok((claim, ())) = claimed {
            run::run(claim);
        }
        End::Linked(Link::new(core))
    }

    /// Runs a stage that nobody has to wait for.
    #[inline]
    fn add_now<S: Stage<M, T>>(input: Result<T>, stage: S, added_at: Place) -> End<M, S::Out> {
        match run::run_now::<M, T, S>(stage, input, added_at) {
            Step::Wait(link) => End::waiting_for(link, added_at),
            step => End::from_step(step),
        }
    }

    /// An end that gets the result of `inner`.
    fn waiting_for(inner: Link<M, T>, made_at: Place) -> Self {
        let outer = EndRef::new(made_at);
        let Ok((claim, ())) = Claim::<M>::take(&outer, |_state| Ok::<_, ()>(())) else {
            unreachable!("nobody else has it");
        };
        if let Waited::HasResult(claim) = wait::wait_for(claim, inner.into_core()) {
            run::run(claim);
        }
        Self::Linked(Link::new(outer))
    }

    /// The core; one is made if there is none yet.
    pub(crate) fn core(&mut self, made_at: Place) -> Option<&CoreRef<M>> {
        if matches!(self, Self::Ready(_)) {
            let Self::Ready(result) = self.take() else {
                unreachable!("it was just seen to be ready");
            };
            let core = EndRef::new(made_at);
            core.with(|state| {
                state.slot().put(result);
                state.set_phase(Phase::Settled);
            });
            *self = Self::Linked(Link::new(core));
        }
        match self {
            Self::Linked(link) => Some(&link.core),
            Self::Ready(_) | Self::Taken => None,
        }
    }

    /// Holds the chain up for as long as the token lives.
    pub(crate) fn pause(&mut self, made_at: Place) -> Paused<M> {
        let core = match self.core(made_at) {
            Some(core) => core.clone(),
            // The result is gone: what is paused is nobody's.
            None => CoreRef::new(0, made_at),
        };
        Paused::new(core)
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
    pub(crate) fn poll(&mut self, listen: impl FnOnce(&Link<M, T>)) -> Poll<Option<Result<T>>> {
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
    pub(crate) fn let_go(self, end: EndState) {
        match self {
            Self::Ready(Err(failure)) => dispose::<M, T>(Err(failure), end, None),
            Self::Ready(ready) => drop_contained(ready),
            Self::Linked(link) => {
                let (result, made_at, listener) = link.core.with(|state| {
                    let result = state.take_settled(Slot::take::<T>).flatten();
                    state.end = end;
                    (result, state.made_at, state.rare.take_listener())
                });
                drop_contained(listener);
                if let Some(result) = result {
                    dispose::<M, T>(result, end, Some(made_at));
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

fn dispose<M: Mode, T>(result: Result<T>, end: EndState, made_at: Option<Place>) {
    match result {
        Err(failure) if end == EndState::Detached => {
            let is_moot = backlog::is_passing_by::<M>();
            Unhandled::new(failure, made_at, is_moot).report();
        }
        result => drop_contained(result),
    }
}
