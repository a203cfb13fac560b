//! The bodies of `deferred::inline_callbacks` that something has woken, in the loop of
//! their thread.
//!
//! A thread has one inbox of woken bodies, and one hook that is told when that is no
//! longer empty. Of several reactors on a thread, the one that had the last turn is told;
//! a turn begins with looking into the inbox.

use std::cell::Cell;

use deferred::{reset_wake_hook, run_woken, set_wake_hook};

use crate::poll::{Waker, is_any_turning};

/// Number of times that a turn looks for bodies which other bodies have woken: enough for
/// a request that goes from a body to the body of its connection, and its answer back.
/// A body that always wakes itself gets no more than that before timers, other threads
/// and descriptors have theirs.
const ROUNDS: usize = 4;

thread_local! {
    /// Which reactor is told; none is 0.
    static ACTIVE_REACTOR: Cell<usize> = const { Cell::new(0) };
}

/// Goes on with the bodies that were woken, and with those that they wake meanwhile, up to
/// a limit; `is_woken` takes the mark that is set for these. Says whether there were any.
#[inline(always)]
pub(crate) fn run(is_woken: impl Fn() -> bool) -> bool {
    let has_called = run_woken() > 0;
    if has_called {
        run_further(is_woken);
    }
    has_called
}

#[cold]
fn run_further(is_woken: impl Fn() -> bool) {
    for _ in 1..ROUNDS {
        if !is_woken() || run_woken() == 0 {
            return;
        }
    }
}

/// Has the loop with this `waker` woken when a body is, in the place of other loops of
/// this thread.
#[inline(always)]
pub(crate) fn listen(reactor: usize, waker: impl FnOnce() -> Waker) {
    if ACTIVE_REACTOR.get() != reactor {
        listen_anew(reactor, waker());
    }
}

#[cold]
fn listen_anew(reactor: usize, waker: Waker) {
    ACTIVE_REACTOR.set(reactor);
    set_wake_hook(move || waker.wake());
}

/// The same, unless a loop has a turn on this thread: that one goes on with the bodies.
pub(crate) fn listen_between_turns(reactor: usize, waker: impl FnOnce() -> Waker) {
    if !is_any_turning() {
        listen(reactor, waker);
    }
}

/// The reactor is gone.
pub(crate) fn forget(reactor: usize) {
    // At the end of the thread, the hook goes with it.
    if ACTIVE_REACTOR.try_with(Cell::get) == Ok(reactor) {
        let _ = ACTIVE_REACTOR.try_with(|active| active.set(0));
        reset_wake_hook();
    }
}
