// Generated from ../local/handle.rs by tests/flavours: change that file, not this one.

//! Handles on a Deferred that has moved: `DeferredHandle` and `Pause`.

use std::fmt;
use std::panic::Location;

use crate::chain::Shared;
use crate::chain::{Control, PauseToken};
use crate::state::State;

/// Cancels, pauses or looks at a Deferred that has moved elsewhere: into a callback, into
/// another Deferred, to a caller.
///
/// It is cheap to clone, has no type parameter, and does not keep the Deferred alive. It
/// comes from [`Deferred::handle`](super::Deferred::handle).
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
#[doc(alias = "AbortHandle")]
#[doc(alias = "AbortController")]
#[derive(Clone)]
pub struct DeferredHandle {
    control: Control<Shared>,
}

impl DeferredHandle {
    pub(crate) fn new(control: Control<Shared>) -> Self {
        Self { control }
    }

    /// Cancels the Deferred, as [`Deferred::cancel`](super::Deferred::cancel) does. Nothing
    /// happens if the Deferred no longer exists.
    #[track_caller]
    #[doc(alias = "abort")]
    pub fn cancel(&self) {
        self.control.cancel(Location::caller());
    }

    /// Holds back the callbacks, as [`Deferred::pause`](super::Deferred::pause) does; `None`
    /// if the Deferred no longer exists.
    pub fn pause(&self) -> Option<Pause> {
        self.control.pause().map(Pause::new)
    }

    /// The phase that the Deferred is in; `None` if it no longer exists.
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

/// Holds back the callbacks of a Deferred until it is dropped, or
/// [`unpause`](Self::unpause) is called. The Deferred may be fired before that.
///
/// A Deferred goes on when its last `Pause` ends; each ends only itself.
///
/// # Threads
///
/// A pause from another thread takes effect when the callback that is running has returned; one
/// more callback may begin before the running thread sees it.
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
    pub(crate) fn new(paused: PauseToken<Shared>) -> Self {
        Self { paused }
    }

    /// Ends the pause. If it was the last one and the Deferred has its result, the callbacks
    /// run before this returns.
    pub fn unpause(self) {
        drop(self.paused);
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pause").finish_non_exhaustive()
    }
}
