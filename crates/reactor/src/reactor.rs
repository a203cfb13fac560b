//! `Reactor`: the owner of a loop.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Clock, DelayedCall, ToClock};

use crate::core::Core;
use crate::error::RunError;
use crate::handle::ReactorHandle;
use crate::poll::PollerKind;

/// An event loop: waits for sockets and timers and runs the callbacks that are due.
///
/// A reactor is a value, not a global: a program may have any number of them, and a thread several.
/// A `Reactor` owns its loop. Callbacks use a [`ReactorHandle`], to which a `Reactor` derefs, and
/// other threads use a [`Remote`](crate::Remote).
///
/// The drop ends the loop: connections end with
/// [`ConnectionClosed::ReactorStopped`](crate::ConnectionClosed::ReactorStopped), ports are closed,
/// and delayed calls are dropped.
///
/// # After `fork`
///
/// A reactor belongs to the process that has made it. After a `fork`, the child shares with its
/// parent the sockets, and the set of descriptors that the system watches: if the child
/// unregistered a descriptor, the parent would get no more events of it. So in the child:
///
/// - dropping the reactor, or closing a port, only closes the child's copies of the descriptors:
///   nothing is unregistered, sent or shut down, no socket file is removed, and no handler is
///   called (the few descriptors with which the reactor waits stay open until the child ends or
///   runs a program);
/// - [`run`](Self::run) and [`turn`](Self::turn) fail with [`RunError::OtherProcess`], as does
///   the loop at the end of the turn in which a handler has called `fork`;
/// - nothing can be registered, so listening and connecting fail;
/// - the child can make a reactor of its own. It must not use anything else of the parent's
///   reactor.
///
/// As always, the child of a process with several threads may only run another program or call
/// `_exit`, because locks of other threads stay locked for ever.
/// [`spawn_process`](ReactorHandle::spawn_process) observes these rules.
///
/// # Examples
///
/// ```
/// use reactor::Reactor;
/// use std::time::Duration;
///
/// let reactor = Reactor::new()?;
/// let handle = reactor.handle();
/// reactor.call_later(Duration::from_millis(10), move || {
///     println!("hello");
///     handle.stop();
/// });
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Runtime")]
#[doc(alias = "EventLoop")]
pub struct Reactor {
    core: Rc<Core>,
    handle: ReactorHandle,
}

/// Result of one [`turn`](Reactor::turn) of the loop.
///
/// # Examples
///
/// ```
/// use reactor::{Reactor, Turn};
/// use std::time::Duration;
///
/// let reactor = Reactor::new()?;
/// let handle = reactor.handle();
/// reactor.call_when_running(move || handle.stop());
/// let mut turns = 0;
/// while reactor.turn(Some(Duration::ZERO))? == Turn::Done {
///     turns += 1;
/// }
/// println!("stopped after {turns} more turns");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The reactor still runs.
    Done,
    /// The reactor does not run any more: [`stop`](ReactorHandle::stop) was called, and the
    /// shutdown is over, or [`crash`](ReactorHandle::crash) was called. A further turn starts the
    /// reactor again.
    Stopped,
}

impl Reactor {
    /// Makes a reactor.
    ///
    /// # Errors
    ///
    /// If the system refuses a descriptor that the loop needs to wait, for instance because the
    /// process has too many open descriptors.
    pub fn new() -> io::Result<Self> {
        Self::with_poller(PollerKind::Native)
    }

    /// As [`new`](Self::new), with a choice of the poller.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    #[doc(hidden)]
    pub fn with_poller(kind: PollerKind) -> io::Result<Self> {
        Ok(Self::from_core(Core::new(kind)?))
    }

    pub(crate) fn from_core(core: Rc<Core>) -> Self {
        let handle = ReactorHandle::new(&core);
        Self { core, handle }
    }

    pub(crate) fn owned_core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Runs until [`stop`](ReactorHandle::stop) is called and the shutdown is over, or until
    /// [`crash`](ReactorHandle::crash) is called. The reactor may be run again after that.
    ///
    /// This installs no signal handlers; [`run_until_signal`](Self::run_until_signal) does.
    ///
    /// # Errors
    ///
    /// If the loop is in a turn already (this was called from a callback), this process was forked
    /// from that of the reactor, or the system refuses to wait for events.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// for round in 1..=2 {
    ///     let handle = reactor.handle();
    ///     reactor.call_later(Duration::ZERO, move || {
    ///         println!("round {round}");
    ///         handle.stop();
    ///     });
    ///     reactor.run()?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "run_forever")]
    pub fn run(&self) -> Result<(), RunError> {
        self.core.run()
    }

    /// Runs the loop for one turn, which waits at most `timeout` for an event; with `None`, without
    /// a limit. For running the reactor inside of another loop. The first turn starts the reactor,
    /// which then counts as running between turns, too.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Reactor, Turn};
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// for _frame in 0..3 {
    ///     // … draw …
    ///     assert_eq!(reactor.turn(Some(Duration::ZERO))?, Turn::Done);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "iterate")]
    #[doc(alias = "doIteration")]
    pub fn turn(&self, timeout: Option<Duration>) -> Result<Turn, RunError> {
        Ok(if self.core.run_once(timeout)? {
            Turn::Stopped
        } else {
            Turn::Done
        })
    }
}

impl Deref for Reactor {
    type Target = ReactorHandle;

    fn deref(&self) -> &ReactorHandle {
        &self.handle
    }
}

impl Clock for Reactor {
    fn now(&self) -> Duration {
        self.handle.now()
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        self.handle.call_later(delay, call)
    }
}

/// The clock is a handle on the reactor.
impl ToClock for Reactor {
    fn to_clock(&self) -> Rc<dyn Clock> {
        Rc::new(self.handle())
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.core.end();
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("is_running", &self.is_running())
            .finish_non_exhaustive()
    }
}
