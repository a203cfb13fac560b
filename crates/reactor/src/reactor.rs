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
/// It is a value, not a global: make as many as you like, one or more a thread.
/// This is its owner. Callbacks hold a [`ReactorHandle`], which a `Reactor`
/// derefs to, other threads a [`Remote`](crate::Remote).
///
/// Dropping it ends everything in it: connections are lost with
/// [`ConnectionClosed::ReactorStopped`](crate::ConnectionClosed::ReactorStopped), ports
/// closed, delayed calls dropped.
///
/// # After `fork`
///
/// A reactor belongs to the process that made it. A child of `fork` shares its sockets with the
/// parent, and the set of descriptors that the system watches: to deregister one there would
/// make the parent deaf. So in the child
///
/// - dropping the reactor, or closing a port, closes the child's copies of the descriptors, and
///   that is all: nothing is deregistered, sent or shut down, no socket file is removed, and no
///   handler is called (the few descriptors that the reactor waits with stay open until the
///   child ends or runs a program);
/// - [`run`](Self::run) and [`turn`](Self::turn) fail with [`RunError::OtherProcess`], as does
///   the loop at the end of the turn in which a handler has called `fork`;
/// - nothing can be registered: to listen or connect fails;
/// - a reactor of its own is made as ever. Nothing else of the parent's reactor is to be used.
///
/// As everywhere, the child of a process with several threads may only run another program or
/// `_exit`, since locks may be held for ever. [`spawn_process`](ReactorHandle::spawn_process)
/// does all that is needed.
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

/// What one [`turn`](Reactor::turn) of the loop came to.
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
    /// There may be more turns.
    Done,
    /// [`stop`](ReactorHandle::stop) was called, and the shutdown is over; or
    /// [`crash`](ReactorHandle::crash). A further turn starts the reactor anew.
    Stopped,
}

impl Reactor {
    /// A loop with nothing in it.
    ///
    /// # Errors
    ///
    /// The system refuses a descriptor that the loop needs to wait, for instance because
    /// the process has too many open.
    pub fn new() -> io::Result<Self> {
        Self::with_poller(PollerKind::Native)
    }

    /// The same, with a choice of how it waits.
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

    /// Runs until [`stop`](ReactorHandle::stop) is called and the shutdown is
    /// over, or [`crash`](ReactorHandle::crash). It may be run again after that.
    ///
    /// It installs no signal handlers; [`run_until_signal`](Self::run_until_signal)
    /// does.
    ///
    /// # Errors
    ///
    /// The reactor is running already (this was called from inside it), or the
    /// system would not let it wait for events.
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

    /// Runs the loop for one turn, waiting for an event for at most `timeout`
    /// (`None`: as long as it takes). Use it to run the reactor inside another
    /// loop. The first turn starts the reactor, and it runs from then on.
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

/// Its handle.
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
