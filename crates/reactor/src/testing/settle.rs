//! Turns a reactor until it is at rest.

use std::time::Duration;

use crate::error::RunError;
use crate::reactor::Reactor;

/// Most turns of one `settle`. If the loop still has work after so many turns, its callbacks cause
/// one another without end.
pub(super) const MOST_TURNS: usize = 1_000_000;

/// Number of turns in a row that make delayed calls without a change of the time. After that, calls
/// that are due again are left for later, because a call without a delay schedules itself again
/// each time.
const MOST_TIMER_TURNS: usize = 1000;

/// Why [`settle`] returned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// No work is left at this time.
    Quiet,
    /// The reactor was stopped.
    Stopped,
    /// Calls without a delay schedule themselves again in each turn.
    Rearming,
}

pub(super) const NEVER_AT_REST: &str = "the reactor never comes to rest";

/// Turns `reactor` until no work is left at this time, or only calls without a delay that schedule
/// themselves again.
#[track_caller]
pub(super) fn settle(reactor: &Reactor) -> Rest {
    match try_settle(reactor) {
        Ok(rest) => rest,
        Err(message) => panic!("{message}"),
    }
}

/// As [`settle`], but returns an error instead of panicking. For closures, in which
/// `#[track_caller]` has no effect.
pub(super) fn try_settle(reactor: &Reactor) -> Result<Rest, String> {
    let core = reactor.owned_core();
    let mut timer_turns = 0;
    for _ in 0..MOST_TURNS {
        // Only turns that make delayed calls count here; sockets with much data come to rest at
        // some time.
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
