//! `ReactorHandle`: what callbacks hold.

use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{Clock, DelayedCall};

use crate::core::{Core, Known};
use crate::error::{NotRunning, ReactorGone};

/// A handle on a [`Reactor`](crate::Reactor), for callbacks and protocols.
///
/// Cheap to clone, and weak: it does not keep the reactor alive. Once the reactor
/// is dropped, what it does fails with [`ReactorGone`], and a delayed call is
/// inactive from the start.
#[derive(Clone)]
pub struct ReactorHandle {
    core: Weak<Core>,
    pub(crate) known: Rc<Known>,
}

impl ReactorHandle {
    pub(crate) fn new(core: &Rc<Core>) -> Self {
        Self {
            core: Rc::downgrade(core),
            known: Rc::clone(&core.known),
        }
    }

    pub(crate) fn core(&self) -> Result<Rc<Core>, ReactorGone> {
        self.core
            .upgrade()
            .filter(|core| !core.is_gone())
            .ok_or(ReactorGone)
    }

    /// Stops the reactor at the end of its current turn. Connections, ports and
    /// delayed calls stay as they are: it may be run again.
    ///
    /// # Errors
    ///
    /// The reactor does not run, is stopping already, or is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new().unwrap();
    /// assert!(reactor.stop().is_err());
    /// let handle = reactor.handle();
    /// reactor.call_when_running(move || handle.stop().unwrap());
    /// reactor.run().unwrap();
    /// ```
    pub fn stop(&self) -> Result<(), NotRunning> {
        self.core().map_err(|_| NotRunning)?.stop()
    }

    /// Whether the reactor runs.
    pub fn is_running(&self) -> bool {
        self.core().is_ok_and(|core| core.is_running())
    }

    /// Calls `f` as soon as the reactor runs: at once if it does, else at the
    /// beginning of its first turn, in the order in which this was called.
    ///
    /// A panic in `f` is contained. If the reactor is gone, `f` is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new().unwrap();
    /// let handle = reactor.handle();
    /// reactor.call_when_running(move || {
    ///     assert!(handle.is_running());
    ///     handle.stop().unwrap();
    /// });
    /// reactor.run().unwrap();
    /// ```
    pub fn call_when_running(&self, f: impl FnOnce() + 'static) {
        if let Ok(core) = self.core() {
            core.call_when_running(Box::new(f));
        }
    }

    /// Calls `f` once, `delay` from now: never early, and never from inside this
    /// method. Calls that are due at the same time are made in the order in which
    /// they were scheduled.
    ///
    /// A panic in `f` is contained.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new().unwrap();
    /// let handle = reactor.handle();
    /// let call = reactor.call_later(Duration::from_millis(5), move || {
    ///     handle.stop().unwrap();
    /// });
    /// assert!(call.is_active());
    /// reactor.run().unwrap();
    /// assert!(!call.is_active());
    /// ```
    pub fn call_later<F: FnOnce() + 'static>(&self, delay: Duration, f: F) -> DelayedCall {
        match self.core() {
            Ok(core) => core.timers.call_later(delay, f),
            Err(ReactorGone) => DelayedCall::inactive(),
        }
    }

    /// The time since the reactor was made: what delayed calls go by.
    pub fn now(&self) -> Duration {
        self.known.start.elapsed()
    }

    /// Another handle on the same reactor.
    pub fn handle(&self) -> Self {
        self.clone()
    }
}

impl Clock for ReactorHandle {
    fn now(&self) -> Duration {
        self.now()
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        self.call_later(delay, call)
    }
}

impl fmt::Debug for ReactorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReactorHandle")
            .field("is_running", &self.is_running())
            .finish_non_exhaustive()
    }
}
