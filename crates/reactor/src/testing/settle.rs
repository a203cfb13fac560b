//! Turning a reactor until it is at rest.

use std::time::Duration;

use crate::error::RunError;
use crate::reactor::Reactor;

/// A test in which the loop goes on for longer than this is one whose callbacks
/// keep one another busy for ever.
pub(super) const MOST_TURNS: usize = 1_000_000;

/// Number of turns in a row that make a delayed call at the same time, after which the calls
/// that are due again are left for later: a call of no delay re-arms itself.
const MOST_TIMER_TURNS: usize = 1000;

/// Why [`settle`] returned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing is left to do at this time.
    Quiet,
    /// The reactor was stopped.
    Stopped,
    /// Calls of no delay re-arm themselves, turn after turn.
    Rearming,
}

pub(super) const NEVER_AT_REST: &str = "the reactor never comes to rest";

/// Turns `reactor` until nothing is left to do at this time, or only calls of no delay that
/// re-arm themselves.
#[track_caller]
pub(super) fn settle(reactor: &Reactor) -> Rest {
    match try_settle(reactor) {
        Ok(rest) => rest,
        Err(message) => panic!("{message}"),
    }
}

/// The same, without a panic: for closures, which cannot name their caller's caller.
pub(super) fn try_settle(reactor: &Reactor) -> Result<Rest, String> {
    let core = reactor.owned_core();
    let mut timer_turns = 0;
    for _ in 0..MOST_TURNS {
        // Only turns that make delayed calls count as those of a timer: sockets that have much to
        // say are at rest some time.
        let calls_before = core.counters.get().delayed_calls;
        match core.run_once(Some(Duration::ZERO)) {
            Ok(false) => {}
            Ok(true) => return Ok(Rest::Stopped),
            Err(error) => return Err(called_by_the_loop(&error)),
        }
        if core.is_at_rest() {
            return Ok(Rest::Quiet);
        }
        if core.counters.get().delayed_calls == calls_before {
            timer_turns = 0;
        } else {
            timer_turns += 1;
        }
        let is_due_again = || core.timers.next_due().is_some_and(|due| due <= core.now());
        if timer_turns >= MOST_TIMER_TURNS && is_due_again() {
            return Ok(Rest::Rearming);
        }
    }
    Err(NEVER_AT_REST.to_owned())
}

pub(super) fn called_by_the_loop(error: &RunError) -> String {
    format!("the test was called by what it tests: {error}")
}
