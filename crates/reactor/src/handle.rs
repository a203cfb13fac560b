//! `ReactorHandle`: what callbacks hold.

use std::fmt;
use std::rc::{Rc, Weak};
use std::time::{Duration, SystemTime};

use deferred::{Clock, DelayedCall, Outcome, WaitingCall};

use crate::core::{Core, Counters, Shared};
use crate::error::ReactorGone;
use crate::panics::{drop_contained, log_failure};

/// A handle on a [`Reactor`](crate::Reactor), for callbacks and protocols.
///
/// Cheap to clone, and weak: it does not keep the reactor alive. Once the reactor
/// is dropped, what it does fails with [`ReactorGone`], and a delayed call is
/// inactive from the start.
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
    // Weak, so that handles in protocols and timers, which the core owns, do not keep it.
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

    /// The core, and `value`, which is a user's: if the core is gone, that is dropped, and a
    /// panic of its drop contained.
    pub(crate) fn core_for<X>(&self, value: X) -> Result<(Rc<Core>, X), ReactorGone> {
        match self.core() {
            Ok(core) => Ok((core, value)),
            Err(gone) => Err(too_late(value, gone)),
        }
    }

    /// Stops the reactor: at the end of the current turn, it begins to shut down.
    ///
    /// That is the event [`SystemEvent::Shutdown`](crate::SystemEvent::Shutdown).
    /// Its triggers of the first phase are called, and the loop goes on until
    /// their Deferreds have fired. Then ports are closed, and connections end with
    /// [`ConnectionClosed::ReactorStopped`](crate::ConnectionClosed::ReactorStopped), the other
    /// triggers are called, and [`run`](crate::Reactor::run) returns. Delayed calls stay, and
    /// the reactor may be run again.
    ///
    /// What was written to a connection, or to the standard input of a child, is sent before that
    /// ends: the shutdown waits for it for up to 10 seconds altogether, unless
    /// [`set_shutdown_timeout`](Self::set_shutdown_timeout) says otherwise.
    ///
    /// Several may ask for it: a reactor that is stopping already goes on with that. One that does
    /// not run has nothing to stop, which the log says as a warning: a stop before
    /// [`run`](crate::Reactor::run) does not end that. (Twisted: `ReactorNotRunning`.) A program
    /// that may be done before its loop runs stops it by
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

    /// How long a [`stop`](Self::stop) waits for connections and children to take what was written
    /// before: 10 seconds, unless this is called. What is left then is dropped. With no time at
    /// all, only what the system takes at once is sent.
    ///
    /// The time is that of all of them together; what the triggers of the shutdown wait for
    /// comes on top.
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

    /// Leaves the loop at the end of the current turn, without a shutdown: no trigger
    /// of the shutdown is called, connections and ports stay as they are, and go
    /// on when the reactor is run again.
    ///
    /// It does nothing if the reactor does not run.
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

    /// Whether the reactor runs: from the beginning of its startup to the end of
    /// its shutdown. One that is [turned](crate::Reactor::turn) by hand runs
    /// between its turns, too.
    pub fn is_running(&self) -> bool {
        self.core().is_ok_and(|core| core.is_running())
    }

    /// What the reactor has done so far. Of one that is gone, nothing is known.
    pub fn counters(&self) -> Counters {
        let Ok(core) = self.core() else {
            return Counters::default();
        };
        Counters {
            waiting_calls: core.timers.len(),
            ..core.counters.get()
        }
    }

    /// From now on, logs a warning when a callback takes longer than `threshold`:
    /// while it runs, nothing else does. `None` stops that.
    ///
    /// It costs two readings of the clock for each callback, so it is off until
    /// you ask for it.
    pub fn warn_of_slow_callbacks(&self, threshold: Option<Duration>) {
        if let Ok(core) = self.core() {
            core.slow_callback.set(threshold);
        }
    }

    /// When the delayed calls that wait are due, the next one first.
    /// (Twisted: `getDelayedCalls`.)
    #[doc(alias = "getDelayedCalls")]
    pub fn delayed_calls(&self) -> Vec<Duration> {
        self.core()
            .map_or_else(|_| Vec::new(), |core| core.timers.due_times())
    }

    /// The delayed calls that wait, the next one first, with the functions that have made them:
    /// those of the reactor, too.
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

    /// Calls `f` as soon as the reactor runs: at once if it does, else when it has
    /// started, in the order in which this was called.
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

    /// Calls `f` once, `delay` from now: never early, and never from inside this
    /// method. Calls that are due at the same time are made in the order in which
    /// they were scheduled. (Twisted: `callLater`.)
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

    /// The time since the reactor was made: what delayed calls go by.
    #[doc(alias = "seconds")]
    pub fn now(&self) -> Duration {
        self.shared.time.now()
    }

    /// The time of the calendar, for what people or other programs read: the date of a log, the
    /// end of a session. It is the system's, which may be set back; delayed calls go by
    /// [`now`](Self::now). In a [`TestReactor`](crate::testing::TestReactor), it is 1970-01-01
    /// when the reactor is made, and moves with the test's clock.
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
        // A handle keeps the allocation of its reactor, so the address is not used again.
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

/// Drops `value`, which is a user's and came after the end of the core; a panic of its drop is
/// contained.
pub(crate) fn too_late<X>(value: X, gone: ReactorGone) -> ReactorGone {
    drop_contained("the drop of what came too late", value);
    gone
}
