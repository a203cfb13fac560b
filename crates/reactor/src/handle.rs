//! `ReactorHandle`: handle on a reactor, for callbacks and protocols.

use std::fmt;
use std::rc::{Rc, Weak};
use std::time::{Duration, SystemTime};

use deferred::{Clock, DelayedCall, Outcome, WaitingCall};

use crate::core::{Core, Counters, Shared};
use crate::error::ReactorGone;
use crate::panics::{drop_contained, log_failure};

/// A handle on a [`Reactor`](crate::Reactor), for callbacks and protocols.
///
/// Cheap to clone, and weak: it does not keep the reactor alive. When the reactor was dropped,
/// methods fail with [`ReactorGone`], and a delayed call is inactive from the start.
///
/// # Examples
///
/// ```
/// use reactor::{Reactor, ReactorHandle};
/// use std::time::Duration;
///
/// fn count_down(reactor: ReactorHandle, from: u32) {
///     println!("{from}");
///     let handle = reactor.clone();
///     reactor.call_later(Duration::from_millis(1), move || match from {
///         0 => handle.stop(),
///         _ => count_down(handle, from - 1),
///     });
/// }
///
/// let reactor = Reactor::new()?;
/// count_down(reactor.handle(), 3);
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ReactorHandle {
    // Weak, because the core owns protocols and timers, and their handles must not keep it alive.
    core: Weak<Core>,
    pub(crate) shared: Rc<Shared>,
}

impl ReactorHandle {
    pub(crate) fn new(core: &Rc<Core>) -> Self {
        Self {
            core: Rc::downgrade(core),
            shared: Rc::clone(&core.shared),
        }
    }

    pub(crate) fn core(&self) -> Result<Rc<Core>, ReactorGone> {
        self.core
            .upgrade()
            .filter(|core| !core.is_gone())
            .ok_or(ReactorGone)
    }

    /// Whether the reactor was stopped and has not shut down yet, or is gone.
    pub(crate) fn is_stopping(&self) -> bool {
        self.core().map_or(true, |core| core.is_stopping())
    }

    /// Returns the core and `value`. If the core is gone, drops `value`, which is a value of the
    /// user, and contains a panic of its drop.
    pub(crate) fn core_for<X>(&self, value: X) -> Result<(Rc<Core>, X), ReactorGone> {
        match self.core() {
            Ok(core) => Ok((core, value)),
            Err(gone) => Err(too_late(value, gone)),
        }
    }

    /// Stops the reactor: at the end of the current turn, the shutdown begins.
    ///
    /// The shutdown is the event [`SystemEvent::Shutdown`](crate::SystemEvent::Shutdown). First,
    /// its triggers of the phase `Before` are called, and the loop continues until their Deferreds
    /// have fired. Then ports are closed, and connections end with
    /// [`ConnectionClosed::ReactorStopped`](crate::ConnectionClosed::ReactorStopped). Finally, the
    /// other triggers are called, and [`run`](crate::Reactor::run) returns. Delayed calls stay
    /// scheduled, and the reactor may be run again.
    ///
    /// Output that was written to a connection, or to the standard input of a child, is sent before
    /// that ends: the shutdown waits for this up to 10 seconds in all, or as long as
    /// [`set_shutdown_timeout`](Self::set_shutdown_timeout) allows.
    ///
    /// If the reactor is stopping already, this has no effect. If the reactor does not run, this
    /// only logs a warning: a stop before [`run`](crate::Reactor::run) does not end that `run`.
    /// (Twisted: `ReactorNotRunning`.) A program that may finish before its loop runs calls this by
    /// [`call_when_running`](Self::call_when_running).
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new().unwrap();
    /// let handle = reactor.handle();
    /// reactor.call_when_running(move || handle.stop());
    /// reactor.run().unwrap();
    /// ```
    #[doc(alias = "shutdown")]
    pub fn stop(&self) {
        if let Ok(core) = self.core() {
            core.stop();
        }
    }

    /// Sets how long a [`stop`](Self::stop) waits until connections and children have taken the
    /// output that was written before: 10 seconds by default. The output that is left then is
    /// dropped. With zero, only the output that the system takes at once is sent.
    ///
    /// The time is for all of them together. The time in which the triggers of the shutdown are
    /// waited for does not count.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use std::time::Duration;
    ///
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     peer.set_reading(false);
    ///     connection.write(vec![0; 1_000_000]).unwrap();
    ///     reactor.set_shutdown_timeout(Duration::from_secs(3));
    ///     reactor.stop();
    ///     reactor.advance(Duration::from_secs(2));
    ///     assert!(reactor.is_running(), "it may still be taken");
    ///     reactor.advance(Duration::from_secs(1));
    ///     assert!(!reactor.is_running() && connection.is_gone());
    /// });
    /// ```
    pub fn set_shutdown_timeout(&self, timeout: Duration) {
        if let Ok(core) = self.core() {
            core.shutdown_timeout.set(timeout);
        }
    }

    /// Leaves the loop at the end of the current turn, without a shutdown: no trigger of the
    /// shutdown is called, and connections and ports stay open, and continue when the reactor is
    /// run again.
    ///
    /// Does nothing if the reactor does not run.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// reactor.call_later(Duration::ZERO, move || handle.crash());
    /// reactor.run()?;
    /// assert!(!reactor.is_running());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn crash(&self) {
        if let Ok(core) = self.core() {
            core.crash();
        }
    }

    /// Whether the reactor runs, from the beginning of its startup to the end of its shutdown. This
    /// includes the time between two calls of [`turn`](crate::Reactor::turn).
    pub fn is_running(&self) -> bool {
        self.core().is_ok_and(|core| core.is_running())
    }

    /// Statistics of the reactor; all zero if the reactor is gone.
    pub fn counters(&self) -> Counters {
        let Ok(core) = self.core() else {
            return Counters::default();
        };
        Counters {
            waiting_calls: core.timers.len(),
            system_event_triggers: core.system_events.len(),
            ..core.counters.get()
        }
    }

    /// Logs a warning when a callback takes longer than `threshold`, because the whole loop waits
    /// for it. `None` turns this off.
    ///
    /// Off by default, because it reads the clock twice for each callback.
    pub fn warn_of_slow_callbacks(&self, threshold: Option<Duration>) {
        if let Ok(core) = self.core() {
            core.slow_callback.set(threshold);
        }
    }

    /// The times at which the scheduled delayed calls are due, the next one first. (Twisted:
    /// `getDelayedCalls`.)
    #[doc(alias = "getDelayedCalls")]
    pub fn delayed_calls(&self) -> Vec<Duration> {
        self.core()
            .map_or_else(|_| Vec::new(), |core| core.timers.due_times())
    }

    /// The scheduled delayed calls, the next one first, each with the function that has scheduled
    /// it. Those of the reactor itself are included.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::ReactorHandle;
    /// use reactor::testing::TestReactor;
    /// use std::time::Duration;
    ///
    /// fn remind(reactor: &ReactorHandle) {
    ///     reactor.call_later(Duration::from_secs(60), || println!("tea is ready"));
    /// }
    ///
    /// let reactor = TestReactor::new();
    /// remind(&reactor);
    /// assert!(reactor.waiting_calls()[0].function.ends_with("::remind"));
    /// ```
    #[doc(alias = "getDelayedCalls")]
    pub fn waiting_calls(&self) -> Vec<WaitingCall> {
        self.core()
            .map_or_else(|_| Vec::new(), |core| core.timers.waiting())
    }

    /// Calls `f` when the reactor runs: at once if it runs already, otherwise when it has started.
    /// Several functions are called in the order in which they were passed.
    ///
    /// `f` returns what a callback returns: nothing, a `Result`, or a Deferred. Its failure is
    /// logged, as is a panic. If the reactor was dropped, so is `f`. (Twisted:
    /// `callWhenRunning`.)
    #[doc(alias = "callWhenRunning")]
    pub fn call_when_running<F, O>(&self, f: F)
    where
        F: FnOnce() -> O + 'static,
        O: Outcome<Value = ()>,
    {
        if let Ok((core, f)) = self.core_for(f) {
            core.call_when_running(f);
        }
    }

    /// Calls `f` once, after `delay`: never early, and never inside of this method. Calls that are
    /// due at the same time are made in the order in which they were scheduled. (Twisted:
    /// `callLater`.)
    ///
    /// `f` returns what a callback returns: nothing, a `Result`, or a Deferred. Its failure is
    /// logged, as is a panic. Nothing waits for the Deferred.
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
    ///     handle.stop();
    ///     Ok(())
    /// });
    /// assert!(call.is_active());
    /// reactor.run().unwrap();
    /// assert!(!call.is_active());
    /// ```
    #[doc(alias = "callLater")]
    #[doc(alias = "setTimeout")]
    pub fn call_later<F, O>(&self, delay: Duration, f: F) -> DelayedCall
    where
        F: FnOnce() -> O + 'static,
        O: Outcome<Value = ()>,
    {
        match self.core_for(f) {
            Ok((core, f)) => core.timers.call_later(delay, || log_failure(f())),
            Err(ReactorGone) => DelayedCall::inactive(),
        }
    }

    /// The time since the reactor was made. Delayed calls use this clock.
    #[doc(alias = "seconds")]
    pub fn now(&self) -> Duration {
        self.shared.time.now()
    }

    /// The calendar time, for times that people or other programs read, such as the date of a log
    /// line or the end of a session. This is the clock of the system, which may be set back;
    /// delayed calls use [`now`](Self::now). In a [`TestReactor`](crate::testing::TestReactor), the
    /// calendar time is 1970-01-01 when the reactor is made, and advances with the clock of the
    /// test.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::testing::TestReactor;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let reactor = TestReactor::new();
    /// reactor.advance(Duration::from_secs(60));
    /// assert_eq!(reactor.wall_time(), SystemTime::UNIX_EPOCH + Duration::from_secs(60));
    /// ```
    #[doc(alias = "SystemTime")]
    pub fn wall_time(&self) -> SystemTime {
        self.shared.time.wall()
    }

    /// Another handle on the same reactor.
    pub fn handle(&self) -> Self {
        self.clone()
    }
}

/// Handles are equal if they are on the same reactor.
///
/// # Examples
///
/// ```
/// use reactor::testing::TestReactor;
///
/// let (one, other) = (TestReactor::new(), TestReactor::new());
/// assert!(one.handle() == one.handle() && one.handle() != other.handle());
/// ```
impl PartialEq for ReactorHandle {
    fn eq(&self, other: &Self) -> bool {
        // A weak reference keeps the allocation of its reactor, so the address is not used again.
        Weak::ptr_eq(&self.core, &other.core)
    }
}

impl Eq for ReactorHandle {}

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

/// Drops `value`, a value of the user that arrived after the end of the core, and contains a panic
/// of its drop.
pub(crate) fn too_late<X>(value: X, gone: ReactorGone) -> ReactorGone {
    drop_contained("the drop of what came too late", value);
    gone
}
