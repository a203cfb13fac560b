//! The state of one chain and the phases it goes through.
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
//! Whoever moves a core to `Running` runs it; nobody else does until it has left
//! that phase. So runs of one chain never nest, while runs of different chains do.

use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::task::Waker;

use super::mode::Mode;
use super::raw::{Slot, Stages};
use super::run::Flow;
use crate::contain::drop_contained;

/// What the handles of one chain share.
pub(crate) struct Core<M: Mode> {
    pub(super) state: M::Cell,
}

/// Its head can be reached as if the fields were its own.
///
/// The rooms of the two containers are at the two ends, so that what a new core
/// has to be filled with is in one piece: otherwise the compiler fills the rooms
/// between, too.
#[repr(C)]
pub(crate) struct State<M: Mode> {
    pub(super) stages: Stages<M::Ref, Flow<M>>,
    pub(super) head: Head<M>,
    /// INVARIANT: holds a result in `Running` (between two stages) and `Settled`,
    /// and is empty in the other phases.
    pub(super) slot: Slot,
}

/// All of the state but the two containers.
pub(crate) struct Head<M: Mode> {
    pub(super) phase: Phase,
    pub(super) cancelling: Cancelling,
    pub(super) end: EndState,
    /// Explicit pauses; waiting is a phase of its own and not counted here.
    pub(super) pauses: u32,
    pub(super) triggers: u32,
    /// Who gets the result when the chain is at its end.
    pub(super) waiter: Option<M::Ref>,
    /// Whose `waiter` this is, in `Waiting`.
    pub(super) waiting_on: Option<M::Weak>,
    pub(super) canceller: Option<M::Canceller>,
    pub(super) waker: Option<Waker>,
    pub(super) made_at: &'static Location<'static>,
}

impl<M: Mode> Deref for State<M> {
    type Target = Head<M>;

    #[inline]
    fn deref(&self) -> &Head<M> {
        &self.head
    }
}

impl<M: Mode> DerefMut for State<M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Head<M> {
        &mut self.head
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No result yet.
    Unfired,
    /// Somebody is running the stages, or has taken it upon himself to.
    Running,
    /// For the result of another chain, which has this one as its `waiter`.
    Waiting,
    /// The result rests in the slot, at the end of the stages or where a pause
    /// stopped it.
    Settled,
    /// The result was taken out or handed over.
    Spent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancelling {
    No,
    /// The canceller runs. It may fire the chain; another cancel does nothing.
    CancellerRuns,
    /// Cancelled without a canceller: the one fire still to come is swallowed.
    SwallowOne,
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

impl<M: Mode> Core<M> {
    /// A core with an empty slot.
    #[inline(always)]
    pub(super) fn share(
        phase: Phase,
        triggers: u32,
        made_at: &'static Location<'static>,
    ) -> M::Ref {
        M::share(|| Head {
            phase,
            cancelling: Cancelling::No,
            end: EndState::Held,
            pauses: 0,
            triggers,
            waiter: None,
            waiting_on: None,
            canceller: None,
            waker: None,
            made_at,
        })
    }

    /// Reaches the state. `f` runs nothing of a user's, see [`Mode::with`].
    #[inline(always)]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut State<M>) -> R) -> R {
        M::with(&self.state, f)
    }
}

impl<M: Mode> State<M> {
    /// Takes it upon the caller to run the stages, if there is a result to run
    /// them with and nothing in the way.
    pub(super) fn claim(&mut self) -> bool {
        let free = self.phase == Phase::Settled && self.pauses == 0;
        if free {
            self.phase = Phase::Running;
        }
        free
    }

    /// Whether it holds nothing that would have to be dropped.
    #[inline(always)]
    pub(super) fn is_bare(&self) -> bool {
        let Head {
            waiter,
            waiting_on,
            canceller,
            waker,
            ..
        } = &self.head;
        let holds_others = waiter.is_some() | waiting_on.is_some() | canceller.is_some();
        let is_empty = self.slot.is_empty() & self.stages.is_bare();
        is_empty & !holds_others & waker.is_none()
    }

    /// Whether the result may be taken: all stages have run.
    pub(super) fn is_at_end(&self) -> bool {
        self.phase == Phase::Settled && self.pauses == 0 && self.stages.is_empty()
    }
}

impl<M: Mode> Drop for Core<M> {
    /// What a dying chain holds may hold further chains, a million deep: it goes
    /// to the backlog, which drops one after the other.
    #[cold]
    fn drop(&mut self) {
        let (waker, remains) = self.with(|state| {
            let empty = state.stages.is_empty() && state.waiter.is_none();
            let remains = (!empty || state.canceller.is_some()).then(|| {
                let stages = state.stages.take_all();
                let slot = state.slot.take_all();
                (slot, stages, state.waiter.take(), state.canceller.take())
            });
            (state.waker.take(), remains)
        });
        drop_contained(waker);
        if let Some(remains) = remains {
            super::backlog::discard::<M>(remains);
        }
    }
}
