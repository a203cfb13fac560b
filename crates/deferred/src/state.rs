//! `State`: what a Deferred is doing.

use crate::chain::Seen;

/// What a Deferred is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It has not been fired.
    Unfired,
    /// Its callbacks are being called.
    Running,
    /// A callback returned another Deferred, which it waits for.
    Waiting,
    /// It has its result, but a [`Pause`](crate::Pause) holds it up.
    Paused,
    /// It has its result, and every callback was called.
    Done,
}

impl State {
    pub(crate) fn of(seen: Seen) -> Self {
        if seen.is_unfired() {
            Self::Unfired
        } else if seen.is_running() {
            Self::Running
        } else if seen.is_waiting() {
            Self::Waiting
        } else if seen.is_paused() {
            Self::Paused
        } else {
            Self::Done
        }
    }
}
