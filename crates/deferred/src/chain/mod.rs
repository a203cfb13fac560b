//! The chain under every Deferred: typed at its two ends, erased between them.
//!
//! ```text
//!   Sender<T> ──fire──▶ Core: slot ◀──▶ stages ──▶ Receiver<U>
//!                         ▲    │ waiter
//!             Control ────┘    ▼
//!                             the Core of a chain that waits for this one
//! ```
//!
//! Read in this order: `core` (the phases), `run` (the loop), `wait` and
//! `cancel` (how chains act on one another), `receiver`, `sender` and `control` (what
//! the public types are made of). `raw` is how a stage or a value is kept
//! without its type, `trampoline` what has to wait for its turn, `flavour` what would
//! be different in a chain shared between threads.

mod cancel;
mod control;
mod core;
mod debug;
mod flavour;
mod poller;
mod raw;
mod receiver;
mod run;
mod sender;
mod task;
mod trampoline;
mod variance;
mod wait;
mod wait_graph;

use crate::stage_trace::CallSite;

pub(crate) use self::cancel::{delegate, keep_from_waited};
pub(crate) use self::control::{Control, PauseToken, cancel_core, fail_core};
pub(crate) use self::core::{Canceller, Group, ReceiverState};
pub(crate) use self::flavour::{Fits, Flavour};
pub(crate) use self::poller::Poller;
#[cfg(feature = "sync")]
pub(crate) use self::raw::Shared;
pub(crate) use self::raw::{CoreRef, CoreWeak, Local, LocalCell, OwnedRunGuard, Pinned, Slot};
pub(crate) use self::receiver::Receiver;
pub(crate) use self::run::{Skips, Stage, Step};
pub(crate) use self::sender::Sender;
pub(crate) use self::task::{Awaited, Awaits, SharedTask, Task, WeakTask, address, count_pollers};
pub(crate) use self::trampoline::hand_over;
pub(crate) use self::variance::Invariant;
pub(crate) use self::wait_graph::{closes_a_cycle, set_poller, task_sleeps, task_waits};

/// Where a chain was made.
pub(crate) fn made_at<M: Flavour>(core: &CoreRef<M>) -> CallSite {
    core.with(|state| state.made_at)
}

/// Runs what drops inside the task on the stack have put into this thread's queues,
/// whichever the flavour, before somebody looks at a chain; says how many tasks there were.
#[inline]
pub(crate) fn run_pending() -> usize {
    let local = trampoline::run_pending::<Local>();
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
        let shared = trampoline::run_pending::<Shared>();
        if shared == 0 {
            return count;
        }
        count += shared + trampoline::run_pending::<Local>();
    }
}

/// Runs what this thread's queues hold, whichever the flavour, for a loop of its own; says
/// how many tasks there were.
#[inline]
pub(crate) fn run_all_pending() -> usize {
    if trampoline::is_any_on_stack() {
        run_all_of_both()
    } else {
        0
    }
}

#[cold]
fn run_all_of_both() -> usize {
    let count = trampoline::run_pending_in_loop::<Local>();
    #[cfg(feature = "sync")]
    let count = count + trampoline::run_pending_in_loop::<Shared>();
    count
}

/// Runs a chain that somebody has claimed.
pub(crate) fn run_chain(guard: OwnedRunGuard<Local>) {
    run::run_owned(guard);
}
