//! Handles on a Deferred that has moved on: `DeferredHandle` and `Pause`.

use std::fmt;
use std::panic::Location;

use crate::chain::{Control, Local, PauseToken};
use crate::state::State;

/// A handle on a Deferred that can be kept when the Deferred itself has moved:
/// into a callback, into another Deferred, to whoever adds callbacks to it.
///
/// It is cheap to clone, knows nothing of the Deferred's type and does not keep
/// it alive. From [`Deferred::handle`](crate::Deferred::handle).
///
/// # Examples
///
/// ```
/// use deferred::{Cancelled, Deferred, succeed};
///
/// let (_trigger, mut slow) = Deferred::<i32>::pair();
/// let handle = slow.handle();
/// let outer = succeed(()).add_callback(move |()| slow);
/// handle.cancel();
/// let failure = outer.into_result().unwrap().unwrap_err();
/// assert!(failure.is::<Cancelled>());
/// ```
#[derive(Clone)]
pub struct DeferredHandle {
    control: Control<Local>,
}

impl DeferredHandle {
    pub(crate) fn new(control: Control<Local>) -> Self {
        Self { control }
    }

    /// Cancels the Deferred, as [`Deferred::cancel`](crate::Deferred::cancel)
    /// does; if it is gone, nothing happens.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Cancelled, Deferred};
    ///
    /// let (trigger, mut search) = Deferred::pair();
    /// let stop_button = search.handle();
    /// let found = search.add_errback(|failure| {
    ///     failure.trap::<Cancelled>()?;
    ///     Ok("nothing yet")
    /// });
    /// stop_button.cancel();
    /// assert!(trigger.is_fired(), "whoever searches can see it");
    /// assert_eq!(found.into_result().unwrap().unwrap(), "nothing yet");
    /// stop_button.cancel(); // it is over: nothing happens
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        self.control.cancel(Location::caller());
    }

    /// Holds the Deferred up, as [`Deferred::pause`](crate::Deferred::pause)
    /// does; `None` if it is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Deferred;
    ///
    /// let (trigger, mut lines) = Deferred::pair();
    /// let handle = lines.handle();
    /// let shown = lines.add_callback(|line: &str| Ok(line.len()));
    /// let pause = handle.pause().expect("it is still there");
    /// trigger.callback("held up").unwrap();
    /// let shown = shown.into_result().expect_err("not before the pause ends");
    /// drop(pause);
    /// assert_eq!(shown.into_result().unwrap().unwrap(), 7);
    /// ```
    pub fn pause(&self) -> Option<Pause> {
        self.control.pause().map(Pause::new)
    }

    /// What the Deferred is doing; `None` if it is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, State};
    ///
    /// let (trigger, mut page) = Deferred::pair();
    /// let handle = page.handle();
    /// let length = page.add_callback(|text: &str| Ok(text.len()));
    /// trigger.callback("a page").unwrap();
    /// assert_eq!(handle.state(), Some(State::Done));
    /// drop((trigger, length));
    /// assert_eq!(handle.state(), None);
    /// ```
    pub fn state(&self) -> Option<State> {
        self.control.look()
    }
}

impl fmt::Debug for DeferredHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredHandle")
            .field("state", &self.state())
            .finish()
    }
}

/// Holds a Deferred up: while there is one, none of its callbacks is called,
/// though it may be fired. Dropping it (or [`Pause::unpause`]) lets it go on.
///
/// Each pause stands for itself, so nobody can release another's.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, State};
///
/// let (trigger, mut printed) = Deferred::pair();
/// let (no_paper, no_ink) = (printed.pause(), printed.pause());
/// trigger.callback("a page").unwrap();
/// drop(no_paper);
/// assert_eq!(printed.state(), State::Paused, "the other one holds it up");
/// drop(no_ink);
/// assert_eq!(printed.into_result().unwrap().unwrap(), "a page");
/// ```
#[must_use = "the pause ends as soon as this is dropped"]
pub struct Pause {
    paused: PauseToken<Local>,
}

impl Pause {
    pub(crate) fn new(paused: PauseToken<Local>) -> Self {
        Self { paused }
    }

    /// Ends the pause: if it was the last one and the Deferred has its result,
    /// the callbacks run before this returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{State, succeed};
    ///
    /// let mut line = succeed("held up");
    /// let pause = line.pause();
    /// let length = line.add_callback(|line| Ok(line.len()));
    /// assert_eq!(length.state(), State::Paused);
    /// pause.unpause(); // calls the callback
    /// assert_eq!(length.into_result().unwrap().unwrap(), 7);
    /// ```
    pub fn unpause(self) {
        drop(self.paused);
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pause").finish_non_exhaustive()
    }
}
