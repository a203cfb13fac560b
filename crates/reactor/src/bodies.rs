//! The bodies of `deferred::inline_callbacks` that something has woken, in the loop of
//! their thread.
//!
//! A thread has one hook that is told of them. Of several reactors on it, the one that
//! has a turn is the one to be told.

use std::cell::Cell;

use deferred::{reset_wake_hook, run_woken, set_wake_hook};

use crate::poll::Waker;

thread_local! {
    /// Which reactor is told; none is 0.
    static TOLD: Cell<usize> = const { Cell::new(0) };
}

/// Goes on with those that were woken, and sees to it that the loop with this `waker` is
/// woken for the next ones; says whether there were any.
#[inline]
pub(crate) fn run(reactor: usize, waker: impl FnOnce() -> Waker) -> bool {
    listen(reactor, waker);
    run_woken() > 0
}

/// Sees to it that a loop is woken when a body is.
#[inline]
pub(crate) fn listen(reactor: usize, waker: impl FnOnce() -> Waker) {
    if TOLD.get() != reactor {
        TOLD.set(reactor);
        let waker = waker();
        set_wake_hook(move || waker.wake());
    }
}

/// The reactor is gone.
pub(crate) fn forget(reactor: usize) {
    // At the end of the thread, the hook goes with it.
    if TOLD.try_with(Cell::get) == Ok(reactor) {
        let _ = TOLD.try_with(|told| told.set(0));
        reset_wake_hook();
    }
}
