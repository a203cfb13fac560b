//! Check of debug builds: no failure is made while this thread holds the lock of a chain.
//!
//! Making a failure may capture a backtrace, which takes ten thousand instructions, and threads
//! that wait for the lock would spin for that long. The check is off under `loom`, which runs
//! all its threads on one thread of the system, so that they would share the counter.

#[cfg(all(debug_assertions, not(deferred_loom)))]
use std::cell::Cell;

#[cfg(all(debug_assertions, not(deferred_loom)))]
thread_local! {
    /// Number of locks of chains that this thread holds.
    static HELD: Cell<u32> = const { Cell::new(0) };
}

/// Guard that counts one lock of a chain as held by this thread, until it is dropped.
pub(crate) struct LockHeld(());

impl LockHeld {
    #[inline(always)]
    #[cfg_attr(not(feature = "sync"), expect(dead_code, reason = "there is no lock"))]
    pub(crate) fn new() -> Self {
        #[cfg(all(debug_assertions, not(deferred_loom)))]
        HELD.set(HELD.get() + 1);
        Self(())
    }
}

impl Drop for LockHeld {
    #[inline(always)]
    fn drop(&mut self) {
        #[cfg(all(debug_assertions, not(deferred_loom)))]
        HELD.set(HELD.get() - 1);
    }
}

/// Panics in a debug build if this thread holds the lock of a chain.
#[inline(always)]
pub(super) fn assert_none() {
    #[cfg(all(debug_assertions, not(deferred_loom)))]
    assert_eq!(HELD.get(), 0, "a failure is made under the lock of a chain");
}

#[cfg(all(test, debug_assertions, not(deferred_loom), feature = "sync"))]
mod tests {
    use super::LockHeld;
    use crate::failure::Failure;

    #[test]
    #[should_panic = "a failure is made under the lock of a chain"]
    fn a_failure_under_the_lock_is_refused() {
        let _held = LockHeld::new();
        drop(Failure::msg("made too early"));
    }
}
