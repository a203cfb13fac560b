//! Handles on a Deferred that has moved on, for any thread.

use std::fmt;
use std::panic::Location;

use crate::chain::{Control, PauseToken, Shared};
use crate::state::State;

/// A handle on a Deferred that has moved, to another thread perhaps; see
/// [`crate::DeferredHandle`].
///
/// # Examples
///
/// ```
/// use deferred::Cancelled;
/// use deferred::sync::Deferred;
/// use std::thread;
///
/// let (_trigger, mut download) = Deferred::<Vec<u8>>::pair();
/// let handle = download.handle();
/// thread::spawn(move || handle.cancel()).join().unwrap();
/// assert!(download.into_result().unwrap().unwrap_err().is::<Cancelled>());
/// ```
#[derive(Clone)]
pub struct DeferredHandle {
    control: Control<Shared>,
}

impl DeferredHandle {
    pub(super) fn new(control: Control<Shared>) -> Self {
        Self { control }
    }

    /// Cancels the Deferred, as [`Deferred::cancel`](super::Deferred::cancel) does;
    /// if it is gone, nothing happens.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::Deferred;
    /// use std::thread;
    ///
    /// let (trigger, mut download) = Deferred::pair();
    /// let stop_button = download.handle();
    /// let page = download.add_errback(|_stopped| Ok("half a page"));
    /// thread::spawn(move || stop_button.cancel()).join().unwrap();
    /// assert!(trigger.is_fired(), "whoever downloads can see it");
    /// assert_eq!(page.into_result().unwrap().unwrap(), "half a page");
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        self.control.cancel(Location::caller());
    }

    /// Holds the Deferred up, as [`Deferred::pause`](super::Deferred::pause) does;
    /// `None` if it is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{State, sync::Deferred};
    /// use std::thread;
    ///
    /// let (trigger, mut line) = Deferred::pair();
    /// let handle = line.handle();
    /// let length = line.add_callback(|line: &str| Ok(line.len()));
    /// let pause = thread::spawn(move || handle.pause()).join().unwrap();
    /// trigger.callback("held up").unwrap();
    /// assert_eq!(length.state(), State::Paused);
    /// drop(pause);
    /// assert_eq!(length.into_result().unwrap().unwrap(), 7);
    /// ```
    pub fn pause(&self) -> Option<Pause> {
        self.control.pause().map(Pause::new)
    }

    /// What the Deferred was doing a moment ago; `None` if it is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{State, sync::Deferred};
    /// use std::thread;
    ///
    /// let (trigger, mut answer) = Deferred::pair();
    /// let handle = answer.handle();
    /// let watcher = handle.clone();
    /// let seen = thread::spawn(move || watcher.state()).join().unwrap();
    /// assert_eq!(seen, Some(State::Unfired));
    /// trigger.callback(42).unwrap();
    /// drop((trigger, answer));
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

/// Holds a Deferred up until it is dropped; see [`crate::Pause`].
///
/// # Examples
///
/// ```
/// use deferred::{State, sync::Deferred};
/// use std::thread;
///
/// let (trigger, mut job) = Deferred::pair();
/// let no_paper = job.pause();
/// trigger.callback("print").unwrap();
/// assert_eq!(job.state(), State::Paused);
/// thread::spawn(move || drop(no_paper)).join().unwrap();
/// assert_eq!(job.into_result().unwrap().unwrap(), "print");
/// ```
#[must_use = "the pause ends as soon as this is dropped"]
pub struct Pause {
    paused: PauseToken<Shared>,
}

impl Pause {
    pub(super) fn new(paused: PauseToken<Shared>) -> Self {
        Self { paused }
    }

    /// Ends the pause: if it was the last one and the Deferred has its result, the
    /// callbacks run on this thread before this returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sync::succeed;
    /// use std::thread;
    ///
    /// let mut job = succeed("print");
    /// let pause = job.pause();
    /// let printed_by = job.add_callback(|_job| Ok(thread::current().id()));
    /// let printer = thread::spawn(move || pause.unpause());
    /// let printer_id = printer.thread().id();
    /// printer.join().unwrap();
    /// assert_eq!(printed_by.into_result().unwrap().unwrap(), printer_id);
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
