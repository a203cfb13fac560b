//! Async bodies: resumes those of `deferred::inline_callbacks` that were woken, in the loop
//! of their thread.
//!
//! A thread has one list of woken bodies, and one hook that is called when the list gets its
//! first one. The hook wakes the *active reactor* of the thread: the loop that turns there,
//! and between turns the one that turned last. A loop that turns inside of a turn of another
//! becomes the active one; when its turns end, the outer one finds itself marked as woken, and
//! becomes the active one again.

use std::cell::Cell;

use deferred::driver::{reset_wake_hook, run_woken, set_wake_hook};

use crate::poll::{Waker, is_any_turning, mark_woken};

/// Number of times that a turn looks for bodies which other bodies have woken: enough for
/// a request that goes from a body to the body of its connection, and its answer back.
/// A body that always wakes itself gets no more than that before timers, other threads
/// and descriptors have theirs.
const ROUNDS: usize = 4;

thread_local! {
    /// The reactor that the hook wakes; 0 if there is none.
    static ACTIVE_REACTOR: Cell<usize> = const { Cell::new(0) };
}

/// Resumes the bodies that were woken, and those that they wake, up to [`ROUNDS`];
/// `take_woken` takes the mark that a further wake sets. Says whether there were any.
#[inline(always)]
pub(crate) fn run(take_woken: impl Fn() -> bool) -> bool {
    let has_called = run_woken() > 0;
    if has_called {
        run_further(take_woken);
    }
    has_called
}

#[cold]
fn run_further(take_woken: impl Fn() -> bool) {
    for _ in 1..ROUNDS {
        if !take_woken() || run_woken() == 0 {
            return;
        }
    }
}

/// Makes the loop with this `waker` the active one of this thread.
#[inline]
pub(crate) fn activate(reactor: usize, waker: impl FnOnce() -> Waker) {
    if ACTIVE_REACTOR.get() != reactor {
        replace_active(reactor, waker());
    }
}

#[cold]
fn replace_active(reactor: usize, waker: Waker) {
    ACTIVE_REACTOR.set(reactor);
    set_wake_hook(move || waker.wake());
}

/// The same, unless a loop has a turn on this thread: that one resumes the bodies.
pub(crate) fn activate_between_turns(reactor: usize, waker: impl FnOnce() -> Waker) {
    if !is_any_turning() {
        activate(reactor, waker);
    }
}

/// Removes the hook of a reactor that is dropped.
pub(crate) fn deactivate(reactor: usize) {
    // At the end of the thread, the hook is dropped with it.
    if ACTIVE_REACTOR.try_with(Cell::get) == Ok(reactor) {
        let _ = ACTIVE_REACTOR.try_with(|active| active.set(0));
        reset_wake_hook();
        if is_any_turning() {
            mark_woken();
        }
    }
}
