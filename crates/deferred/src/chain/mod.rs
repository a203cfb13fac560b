//! The chain under every Deferred: typed at its two ends, erased between them.
//!
//! ```text
//!   Source<T> ──fire──▶ Core: slot ◀──▶ stages ──▶ End<U>
//!                         ▲    │ waiter
//!             Control ────┘    ▼
//!                             the Core of a chain that waits for this one
//! ```
//!
//! Read in this order: `core` (the phases), `run` (the loop), `wait` and
//! `cancel` (how chains act on one another), `end`, `source` and `control` (what
//! the public types are made of). `raw` is how a stage or a value is kept
//! without its type, `backlog` what has to wait for its turn, `mode` what would
//! be different in a chain shared between threads.

mod backlog;
mod body;
mod cancel;
mod control;
mod core;
mod end;
mod mode;
mod picture;
mod poller;
mod raw;
mod run;
mod source;
mod variance;
mod wait;
mod wait_graph;

use crate::trail::Place;

pub(crate) use self::backlog::hand_over;
pub(crate) use self::body::{Awaited, Awaits, Body, SharedBody, WeakBody, address, count_pollers};
pub(crate) use self::cancel::{delegate, keep_from_waited};
pub(crate) use self::control::{Control, Paused, cancel_core, fail_core};
pub(crate) use self::core::{Canceller, EndState, Group};
pub(crate) use self::end::End;
pub(crate) use self::mode::{Fits, Mode};
pub(crate) use self::poller::Poller;
#[cfg(feature = "sync")]
pub(crate) use self::raw::Shared;
pub(crate) use self::raw::{CoreRef, CoreWeak, Local, LocalCell, OwnedClaim, Pinned, Slot};
pub(crate) use self::run::{Skips, Stage, Step};
pub(crate) use self::source::Source;
pub(crate) use self::variance::Invariant;
pub(crate) use self::wait_graph::{body_sleeps, body_waits, closes_a_cycle, set_poller};

/// Where a chain was made.
pub(crate) fn made_at<M: Mode>(core: &CoreRef<M>) -> Place {
    core.with(|state| state.made_at)
}

/// Runs what drops inside the task on the stack have put into this thread's queues,
/// whichever the flavour, before somebody looks at a chain; says how many tasks there were.
#[inline]
pub(crate) fn run_pending() -> usize {
    let local = backlog::run_pending::<Local>();
    #[cfg(feature = "sync")]
    let local = run_pending_of_both(local);
    local
}

/// Tasks of one flavour may add some of the other.
#[cfg(feature = "sync")]
#[inline]
fn run_pending_of_both(local: usize) -> usize {
    let mut count = local;
    loop {
        let shared = backlog::run_pending::<Shared>();
        if shared == 0 {
            return count;
        }
        count += shared + backlog::run_pending::<Local>();
    }
}

/// Runs what this thread's queues hold, whichever the flavour, for a loop of its own; says
/// how many tasks there were.
#[inline]
pub(crate) fn run_all_pending() -> usize {
    if backlog::is_any_on_stack() {
        run_all_of_both()
    } else {
        0
    }
}

#[cold]
fn run_all_of_both() -> usize {
    let count = backlog::run_pending_in_loop::<Local>();
    #[cfg(feature = "sync")]
    let count = count + backlog::run_pending_in_loop::<Shared>();
    count
}

/// Runs a chain that somebody has claimed.
pub(crate) fn run_claim(claim: OwnedClaim<Local>) {
    run::run_owned(claim);
}
