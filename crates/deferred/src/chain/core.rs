//! What a chain knows of itself, and the phases it goes through.
//!
//! ```text
//!            fired or cancelled                no stage left, or paused
//!  Unfired ─────────────────────▶ Running ──────────────────────────────▶ Settled
//!                                 │  ▲  ▲                                  │  │
//!      a stage returned a pending │  │  └────── stage added, unpaused ─────┘  │
//!                        Deferred ▼  │ its result came                        │ result
//!                                Waiting                                      ▼ taken
//!                                                                           Spent
//! ```
//!
//! Whoever moves a core to `Running` holds the claim on it and runs it; nobody else
//! does until it has left that phase. So runs of one chain never nest, while runs of
//! different chains do.

use std::panic::Location;
use std::task::Waker;

use super::mode::Mode;
use super::raw::{Core, Guarded, Slot, Stages};
use crate::contain::drop_contained;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No result yet.
    Unfired,
    /// Somebody has the claim: is running the stages, or has taken it upon himself to.
    Running,
    /// For the result of another chain, which has this one as its listener.
    Waiting,
    /// The result rests in the slot, at the end of the stages or where a pause
    /// stopped it.
    Settled,
    /// The result was taken out or handed over.
    Spent,
}

/// What is known of a chain beside its phase, its stages and its result.
pub(crate) struct Head<M: Mode> {
    pub(super) cancelling: Cancelling,
    pub(super) end: EndState,
    pub(super) triggers: u32,
    /// Who is told when the chain is at its end.
    pub(super) listener: Option<Listener<M>>,
    /// Whose listener this is, in `Waiting`.
    pub(super) waiting_on: Option<M::Weak>,
    pub(super) canceller: Option<Canceller<M>>,
    pub(super) made_at: &'static Location<'static>,
}

/// Who is told when a chain is at its end.
pub(crate) enum Listener<M: Mode> {
    /// It gets the result.
    Chain(M::Ref),
    /// Somebody who holds the end; the result stays.
    Waker(Waker),
    /// The same, resumed from the run.
    Body(M::Body),
}

/// What a chain that is cancelled before it was fired turns to.
pub(crate) enum Canceller<M: Mode> {
    /// Is called, once.
    Call(M::Canceller),
    /// Fires the chain in the end, whatever it makes of being cancelled.
    Body(M::WeakBody),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancelling {
    No,
    /// The canceller runs. It may fire the chain; another cancel does nothing.
    CancellerRuns,
    /// Cancelled without a canceller: the one fire still to come is swallowed.
    SwallowOne,
    /// The canceller asks others, each time it is called: the chain ends by what
    /// they do, and not by being cancelled. See [`delegate`](super::cancel::delegate).
    Delegated,
}

/// Whether somebody holds the typed end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndState {
    Held,
    /// Let go: an unhandled failure is to be reported.
    Detached,
    /// Let go, and nobody wants to hear of failures.
    Ignored,
}

impl<M: Mode> Head<M> {
    pub(super) fn new(triggers: u32, made_at: &'static Location<'static>) -> Self {
        Self {
            cancelling: Cancelling::No,
            end: EndState::Held,
            triggers,
            listener: None,
            waiting_on: None,
            canceller: None,
            made_at,
        }
    }

    /// Takes the canceller. Mostly there is none, and to look is cheaper than to move
    /// what has just been written piece by piece.
    #[inline(always)]
    pub(super) fn take_canceller(&mut self) -> Option<Canceller<M>> {
        self.canceller.as_ref()?;
        self.canceller.take()
    }

    /// The same for the listener.
    #[inline(always)]
    pub(super) fn take_listener(&mut self) -> Option<Listener<M>> {
        self.listener.as_ref()?;
        self.listener.take()
    }

    /// Whether it holds nothing that would have to be dropped.
    #[inline(always)]
    pub(super) fn is_bare(&self) -> bool {
        self.listener.is_none() & self.waiting_on.is_none() & self.canceller.is_none()
    }
}

impl<M: Mode> Guarded<'_, M> {
    /// Whether the result may be taken: all stages have run.
    #[inline(always)]
    pub(super) fn is_at_end(&mut self) -> bool {
        self.phase() == Phase::Settled && !self.is_paused() && !self.has_stages()
    }
}

/// What a chain held when it went.
pub(super) struct Remains<M: Mode> {
    _slot: Slot<M>,
    _stages: Stages<M>,
    _listener: Option<Listener<M>>,
    _canceller: Option<Canceller<M>>,
}

impl<M: Mode> Drop for Core<M> {
    /// What a dying chain holds may hold further chains, a million deep: it goes
    /// to the backlog, which drops one after the other.
    #[cold]
    fn drop(&mut self) {
        let (slot, stages) = self.parts_mut();
        let is_empty = stages.is_empty();
        let (slot, stages) = (slot.take_all(), stages.take_all());
        let (listener, canceller) =
            self.with(|state| (state.listener.take(), state.canceller.take()));
        match listener {
            None | Some(Listener::Waker(_)) if is_empty && canceller.is_none() => {
                drop_contained(listener);
            }
            listener => super::backlog::discard::<M>(Remains {
                _slot: slot,
                _stages: stages,
                _listener: listener,
                _canceller: canceller,
            }),
        }
    }
}
