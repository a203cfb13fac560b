//! `State`: what a Deferred is doing.

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
