//! `State`: the phases of a Deferred, as users see them.

/// The phase that a Deferred is in.
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
    /// It was not fired.
    Unfired,
    /// Its callbacks are running.
    Running,
    /// A callback has returned another Deferred, and it waits for that one's result.
    Waiting,
    /// It has a result, but a [`Pause`](crate::Pause) holds back its callbacks.
    Paused,
    /// It has its result, and every callback has run.
    Done,
}
