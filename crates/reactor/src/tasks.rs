//! Run queue of async bodies: the loop resumes the bodies of `deferred::inline_callbacks` that
//! were woken in its thread.
//!
//! `deferred` has one list of woken bodies for each thread, and calls one hook of the thread
//! when a body enters the empty list. The hook wakes the *active reactor* of the thread: the
//! reactor whose loop is in a turn, or between turns the reactor whose loop turned last.
//!
//! If a callback of one reactor runs the loop of a second one, the second one becomes active.
//! When the turns of the second one end, or it is dropped, the outer loop is marked as woken. It
//! then becomes active again, and resumes the bodies that were woken in between.

use std::cell::Cell;

use deferred::driver::{reset_wake_hook, run_woken, set_wake_hook};

use crate::poll::{Waker, is_any_turning, mark_woken};

/// Number of times that one turn looks for woken bodies. More than one, because a body that is
/// resumed can wake another: for example, a request goes from one body to the body of a connection,
/// and the answer comes back, in one turn. Limited, so that a body that always wakes itself does
/// not keep the loop from its timers, calls from other threads, and descriptors.
const ROUNDS: usize = 4;

thread_local! {
    /// The reactor that the hook wakes; 0 if there is none.
    static ACTIVE_REACTOR: Cell<usize> = const { Cell::new(0) };
}

/// Resumes the bodies that were woken, then the bodies that those have woken, at most
/// [`ROUNDS`] times. Returns whether it has resumed any body. `take_woken` clears the mark
/// "a body was woken" and returns whether it was set.
#[inline(always)]
pub(crate) fn run(take_woken: impl Fn() -> bool) -> bool {
    let has_resumed = run_woken() > 0;
    if has_resumed {
        run_further(take_woken);
    }
    has_resumed
}

#[cold]
fn run_further(take_woken: impl Fn() -> bool) {
    for _ in 1..ROUNDS {
        if !take_woken() || run_woken() == 0 {
            return;
        }
    }
}

/// Makes `reactor`, which `waker` wakes, the active reactor of this thread.
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

/// Like [`activate`], but does nothing if a loop of this thread is in a turn, because that
/// loop resumes the bodies.
pub(crate) fn activate_between_turns(reactor: usize, waker: impl FnOnce() -> Waker) {
    if !is_any_turning() {
        activate(reactor, waker);
    }
}

/// Removes the hook if it wakes `reactor`, which is being dropped.
pub(crate) fn deactivate(reactor: usize) {
    // `try_with` errs only while the thread ends. Then the hook is dropped with the thread, and
    // there is nothing to remove.
    if ACTIVE_REACTOR.try_with(Cell::get) == Ok(reactor) {
        let _ = ACTIVE_REACTOR.try_with(|active| active.set(0));
        reset_wake_hook();
        if is_any_turning() {
            // The outer loop looks for woken bodies in its next step.
            mark_woken();
        }
    }
}
