//! Phases: what a chain is doing, and every way from one phase to another.
//!
//! ```text
//!  Unfired ── Fire ────────▶ Running   fired, cancelled, abandoned
//!  Unfired ── FireIdle ────▶ Settled   fired, and nothing is to be done with the result
//!  Settled ── AddStage ────▶ Running   a stage was added
//!  Running ── Wait ────────▶ Waiting   a stage returned a pending Deferred
//!  Waiting ── Resume ──────▶ Running   its result came
//!  Running ── Rest ────────▶ Settled   no stage is left
//!  Running ── PauseRun ────▶ Paused    paused between two stages, or after the last
//!  Settled ── PauseResult ─▶ Paused    paused while the result rests
//!  Paused  ── Unpause ─────▶ Running   the last pause ended
//!  Running ── PassOn ──────▶ Taken     the waiter gets the result, or nothing holds the end
//!  Settled ── Take ────────▶ Taken     the receiver took the result
//! ```
//!
//! The thread that moves a core to `Running` holds the run guard and runs the stages; no
//! other thread or call does until the core has left that phase. So runs of one chain never
//! nest, while runs of different chains do.
//!
//! Nothing but [`PhaseOf::go`] changes a phase, and it takes a [`Transition`]: so this file
//! has all of them. Debug builds check that the chain is where the transition begins.

use std::cell::Cell;

/// What a chain is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// No result yet. Each chain begins here. The slot is empty; stages, a canceller and a
    /// listener may be added.
    Unfired,
    /// A thread holds the run guard: it runs the stages, or is about to. It alone reaches
    /// the slot and the stages, without the lock.
    Running,
    /// A stage returned a Deferred without a result: the chain of that Deferred has this chain as
    /// its waiter, and resumes it. The slot is empty. A link that was handed down stays here
    /// until it is dropped (see [`Cancelling::HandedDown`]).
    Waiting,
    /// The result rests in the slot, all stages have run, and there is no pause. The
    /// receiver is held: once that was let go, the result is taken out when all stages have run.
    Settled,
    /// The result rests in the slot, before the stages that wait, because there is a pause.
    Paused,
    /// The result was taken out, handed to the waiter, or discarded. The last phase: the
    /// slot is empty, or soon will be, and no stage is added any more.
    Taken,
}

/// One arrow of the diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    /// The chain was fired, or failed by a cancel or an abandonment; or was made in order to wait.
    Fire,
    /// Fired while there is nothing to run and no listener: the result just rests.
    FireIdle,
    /// A stage was added to a result that rests.
    AddStage,
    /// A stage returned a Deferred without a result.
    Wait,
    /// The result of the Deferred that the chain waits for has come.
    Resume,
    /// No stage is left, and the receiver is held.
    Rest,
    /// A pause was found between two stages, or after the last.
    PauseRun,
    /// A pause came while the result rested.
    PauseResult,
    /// The last pause ended.
    Unpause,
    /// No stage is left, and the result goes to the waiter, or the receiver was let go.
    PassOn,
    /// The receiver took the result.
    Take,
}

impl Transition {
    const fn ends(self) -> (Phase, Phase) {
        match self {
            Self::Fire => (Phase::Unfired, Phase::Running),
            Self::FireIdle => (Phase::Unfired, Phase::Settled),
            Self::AddStage => (Phase::Settled, Phase::Running),
            Self::Wait => (Phase::Running, Phase::Waiting),
            Self::Resume => (Phase::Waiting, Phase::Running),
            Self::Rest => (Phase::Running, Phase::Settled),
            Self::PauseRun => (Phase::Running, Phase::Paused),
            Self::PauseResult => (Phase::Settled, Phase::Paused),
            Self::Unpause => (Phase::Paused, Phase::Running),
            Self::PassOn => (Phase::Running, Phase::Taken),
            Self::Take => (Phase::Settled, Phase::Taken),
        }
    }

    /// The phase it begins in.
    #[inline(always)]
    pub(crate) const fn from(self) -> Phase {
        self.ends().0
    }

    /// The phase it leads to.
    #[inline(always)]
    pub(crate) const fn to(self) -> Phase {
        self.ends().1
    }
}

/// Memory of a phase. A thread that reads it sees what was done before it was set.
pub(crate) trait PhaseCell {
    fn new(phase: Phase) -> Self;
    fn get(&self) -> Phase;
    fn set(&self, phase: Phase);
}

impl PhaseCell for Cell<Phase> {
    #[inline(always)]
    fn new(phase: Phase) -> Self {
        Self::new(phase)
    }

    #[inline(always)]
    fn get(&self) -> Phase {
        self.get()
    }

    #[inline(always)]
    fn set(&self, phase: Phase) {
        self.set(phase);
    }
}

/// The phase of one chain, which changes by transitions only.
pub(crate) struct PhaseOf<C>(C);

impl<C: PhaseCell> PhaseOf<C> {
    /// The phase of a new chain.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self(C::new(Phase::Unfired))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> Phase {
        self.0.get()
    }

    #[inline(always)]
    pub(crate) fn go(&self, transition: Transition) {
        // In release builds it is not checked: each caller has the lock or the run guard, and has
        // looked.
        debug_assert_eq!(self.get(), transition.from(), "{transition:?}");
        self.0.set(transition.to());
    }
}

/// What a cancel of the chain has begun, or why a cancel does not reach the chain.
///
/// The variants exclude one another. A fire that succeeds does not change the variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancelling {
    /// The state of a new chain. Set again when the canceller has returned, when the late fire has
    /// been swallowed, and when a hand-down is undone.
    No,
    /// Set while the canceller runs, or the parts of the chain are being cancelled. The
    /// canceller may fire the chain; another cancel does nothing, and the drop of the last
    /// trigger does not abandon the chain, which this cancel will end.
    CancellerRuns,
    /// Set by a cancel without a canceller, which fails the chain: the next fire is taken
    /// for one that was on its way, and is swallowed instead of refused. That fire clears it.
    SwallowOne,
    /// Set for a chain that ends by what its parts do, and not by being cancelled: each
    /// cancel asks the parts again, and once it was fired a cancel does nothing. Never
    /// cleared. See [`delegate`](super::cancel::delegate).
    Delegated,
    /// Set when the chain is taken out from between its waiter and the chain that it waits
    /// for: only references on other threads' stacks keep it. Cleared if the result turns
    /// out to be on its way already. See [`hand_down`](super::wait::hand_down).
    HandedDown,
}

/// Whether the typed receiver of the chain is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiverState {
    /// The state of a new chain. Left once, when the Deferred is dropped or detached, or its
    /// attempt to wait for itself is refused.
    Held,
    /// Let go: a failure at the end of the chain is reported as unhandled.
    Detached,
    /// Let go, and a failure at the end of the chain is dropped.
    Ignored,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 6] = [
        Phase::Unfired,
        Phase::Running,
        Phase::Waiting,
        Phase::Settled,
        Phase::Paused,
        Phase::Taken,
    ];

    const TRANSITIONS: [Transition; 11] = [
        Transition::Fire,
        Transition::FireIdle,
        Transition::AddStage,
        Transition::Wait,
        Transition::Resume,
        Transition::Rest,
        Transition::PauseRun,
        Transition::PauseResult,
        Transition::Unpause,
        Transition::PassOn,
        Transition::Take,
    ];

    #[test]
    fn no_two_transitions_join_the_same_phases() {
        for (index, one) in TRANSITIONS.iter().enumerate() {
            for other in &TRANSITIONS[index + 1..] {
                assert_ne!(one.ends(), other.ends(), "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn every_phase_can_be_reached_and_all_but_the_last_can_be_left() {
        for phase in PHASES {
            let is_reached = TRANSITIONS.iter().any(|arrow| arrow.to() == phase);
            assert_eq!(is_reached, phase != Phase::Unfired, "{phase:?}");
            let is_left = TRANSITIONS.iter().any(|arrow| arrow.from() == phase);
            assert_eq!(is_left, phase != Phase::Taken, "{phase:?}");
        }
    }

    #[test]
    fn a_chain_goes_where_the_transition_leads() {
        let phase = PhaseOf::<Cell<Phase>>::new();
        for arrow in [
            Transition::Fire,
            Transition::Wait,
            Transition::Resume,
            Transition::Rest,
            Transition::AddStage,
            Transition::PauseRun,
            Transition::Unpause,
            Transition::Rest,
            Transition::PauseResult,
            Transition::Unpause,
            Transition::PassOn,
        ] {
            assert_eq!(phase.get(), arrow.from());
            phase.go(arrow);
            assert_eq!(phase.get(), arrow.to());
        }
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "Take")]
    fn a_transition_from_another_phase_is_caught() {
        PhaseOf::<Cell<Phase>>::new().go(Transition::Take);
    }

    /// The page shows the same arrows.
    #[test]
    fn the_documentation_names_every_transition() {
        let text = include_str!("phase.rs");
        let diagram = text.split("//! ```").nth(1).expect("a diagram");
        for arrow in TRANSITIONS {
            assert!(diagram.contains(&format!("{arrow:?}")), "{arrow:?}");
        }
    }
}
