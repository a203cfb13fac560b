//! `State`: what a Deferred is doing.

/// What a Deferred is doing.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, State};
///
/// let (ask, asked) = Deferred::pair();
/// let (answer, answered) = Deferred::<i32>::pair();
/// let mut asked = asked.add_callback(move |()| answered);
/// assert_eq!(asked.state(), State::Unfired);
/// ask.callback(()).unwrap();
/// assert_eq!(asked.state(), State::Waiting);
/// let pause = asked.pause();
/// answer.callback(42).unwrap();
/// assert_eq!(asked.state(), State::Paused);
/// drop(pause);
/// assert_eq!(asked.state(), State::Done);
/// # asked.ignore();
/// ```
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
