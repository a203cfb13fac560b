//! Handles on a Deferred that has moved on, for any thread.

use std::fmt;
use std::panic::Location;

use crate::chain::{Control, Paused, Shared};
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
    #[track_caller]
    pub fn cancel(&self) {
        self.control.cancel(Location::caller());
    }

    /// Holds the Deferred up, as [`Deferred::pause`](super::Deferred::pause) does;
    /// `None` if it is gone.
    pub fn pause(&self) -> Option<Pause> {
        self.control.pause().map(Pause::new)
    }

    /// What the Deferred was doing a moment ago; `None` if it is gone.
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
#[must_use = "the pause ends as soon as this is dropped"]
pub struct Pause {
    paused: Paused<Shared>,
}

impl Pause {
    pub(super) fn new(paused: Paused<Shared>) -> Self {
        Self { paused }
    }

    /// Ends the pause: if it was the last one and the Deferred has its result, the
    /// callbacks run on this thread before this returns.
    pub fn unpause(self) {
        drop(self.paused);
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pause").finish_non_exhaustive()
    }
}
