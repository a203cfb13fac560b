//! `ListeningPort`: the handle on a listening port.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use deferred::{Deferred, succeed};

use crate::core::Core;
use crate::error::{ListenError, ReactorGone};

/// Handle on a listening port, with an address of type `A`.
///
/// Cheap to clone. Dropping the handle does not close the port;
/// [`stop_listening`](Self::stop_listening) does, and so does stopping or dropping the reactor.
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, Reactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// let reactor = Reactor::new()?;
/// let port = reactor.listen_tcp("127.0.0.1:0", || Quiet)?;
/// // The system has chosen a number.
/// assert_ne!(port.address().port(), 0);
/// assert!(port.is_listening());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ListeningPort<A = SocketAddr> {
    shared: Rc<Shared<A>>,
}

/// State that the clones of a handle share.
struct Shared<A> {
    core: Weak<Core>,
    address: RefCell<A>,
    port: Weak<dyn Control<A>>,
    /// The port while it is closed, kept for `start_listening`. An open port is owned by the
    /// registry.
    stopped: RefCell<Option<Rc<dyn Control<A>>>>,
}

impl<A> ListeningPort<A> {
    pub(super) fn new(core: &Rc<Core>, address: A, port: Weak<dyn Control<A>>) -> Self {
        Self {
            shared: Rc::new(Shared {
                core: Rc::downgrade(core),
                address: RefCell::new(address),
                port,
                stopped: RefCell::default(),
            }),
        }
    }
}

impl<A: Clone> ListeningPort<A> {
    /// The address on which the port listens, with the port number that the system has chosen if
    /// that was 0.
    pub fn address(&self) -> A {
        self.shared.address.borrow().clone()
    }

    fn port(&self) -> Option<Rc<dyn Control<A>>> {
        self.shared.port.upgrade()
    }

    /// Closes the port. Connections that were accepted stay open. The Deferred fires when the port
    /// is closed, so a callback may use the address again. It fails if `stop_factory` panics; the
    /// port is closed in this case, too.
    pub fn stop_listening(&self) -> Deferred<()> {
        let Some(port) = self.port() else {
            return succeed(());
        };
        let stopped = port.stop();
        // The handle keeps the closed port, which is no longer in the registry, for
        // `start_listening`.
        self.shared.stopped.replace(Some(port));
        Deferred::from(stopped)
    }

    /// Listens again, at the same address and with the same factory, after
    /// [`stop_listening`](Self::stop_listening). Does nothing if the port listens already. A port
    /// that was [paused](Self::pause_accepting) is still paused.
    ///
    /// # Errors
    ///
    /// If the address is in use by now (this may be called again later), if `start_factory` or a stop
    /// of the reactor has closed the port, or if the reactor is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    /// # use reactor::{Context, Protocol, Raw};
    /// # struct Echo;
    /// # impl Protocol for Echo {
    /// #     type Framing = Raw;
    /// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
    /// # }
    ///
    /// let reactor = Reactor::new()?;
    /// let port = reactor.listen_tcp("127.0.0.1:0", || Echo)?;
    /// let address = port.address();
    /// port.stop_listening().ignore();
    /// port.start_listening()?;
    /// assert_eq!(port.address(), address);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_listening(&self) -> Result<(), ListenError>
    where
        A: fmt::Display,
    {
        if self.is_listening() {
            return Ok(());
        }
        let start = || match self.port() {
            Some(port) => port.start(),
            None => Err(self.why_closed()),
        };
        match start() {
            Ok(address) => {
                // From now on, the registry of the loop owns the port.
                self.shared.stopped.take();
                self.shared.address.replace(address);
                Ok(())
            }
            Err(error) => Err(ListenError::new(self.address(), error)),
        }
    }

    /// The error of a port that cannot be opened again.
    fn why_closed(&self) -> io::Error {
        match self.shared.core.upgrade() {
            Some(core) if !core.is_gone() => {
                io::Error::other("the port was closed when the reactor was stopped")
            }
            _ => io::Error::other(ReactorGone),
        }
    }

    /// Closes the port in the phase [`Before`](crate::Phase::Before) of the shutdown, as a
    /// [trigger](crate::ReactorHandle::add_system_event_trigger) that is added now, instead of after
    /// that phase. So a server that finishes its work in that phase gets no further connections; if
    /// another process has a copy of the listening socket, as a successor may, that process gets
    /// them.
    ///
    /// Holds for as long as the port exists: a port that is closed has no trigger, and gets one
    /// again if it is opened again. Further calls do nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::{Phase, SystemEvent};
    ///
    /// let reactor = TestReactor::new();
    /// let port = reactor.listen_tcp("127.0.0.1:80", || Quiet)?;
    /// port.stop_before_shutdown();
    /// let closed = port.clone();
    /// reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
    ///     assert!(!closed.is_listening());
    /// });
    /// reactor.shut_down();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop_before_shutdown(&self) {
        if let Some(port) = self.port() {
            port.stop_early();
        }
    }

    /// Whether the port listens.
    pub fn is_listening(&self) -> bool {
        self.port().is_some_and(|port| port.is_open())
    }

    /// Stops accepting connections until [`resume_accepting`](Self::resume_accepting). Peers that
    /// connect wait, as many as the backlog allows. A port that is closed and opened again
    /// in between is still paused.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # let reactor = TestReactor::new();
    /// let port = reactor.listen_tcp("127.0.0.1:80", || Quiet)?;
    /// port.pause_accepting();
    /// let client = reactor.connect_tcp("127.0.0.1:80", Quiet);
    /// reactor.settle();
    /// assert_eq!(reactor.counters().connections, 1, "the client's only: it has to wait");
    /// # client.ignore();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pause_accepting(&self) {
        if let Some(port) = self.port() {
            port.set_paused(true);
        }
    }

    /// Undoes [`pause_accepting`](Self::pause_accepting), and ends a pause because of a lack of
    /// descriptors.
    pub fn resume_accepting(&self) {
        if let Some(port) = self.port() {
            port.set_paused(false);
        }
    }
}

impl<A: Clone> ListeningPort<A> {
    /// A second descriptor of the listening socket, to be
    /// [adopted](crate::ReactorHandle::adopt_listener) by another reactor, thread or process.
    ///
    /// Both ports accept from the same queue, so no client is refused during the handover: the new
    /// process adopts the socket, then the old one calls [`stop_listening`](Self::stop_listening),
    /// and its connections stay open. The file of a UNIX socket is left to the new port: this port
    /// no longer removes it.
    ///
    /// # Errors
    ///
    /// If the port is closed, or belongs to a [test reactor](crate::testing), which has no sockets,
    /// or the process has no descriptor left.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::Reactor;
    ///
    /// let (old, new) = (Reactor::new()?, Reactor::new()?);
    /// let port = old.listen_tcp("127.0.0.1:0", || Quiet)?;
    /// let successor = new.adopt_listener(port.try_clone_socket()?, || Quiet)?;
    /// assert_eq!(successor.address(), port.address());
    /// port.stop_listening().ignore();
    /// assert!(successor.is_listening());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "try_clone")]
    #[doc(alias = "into_std")]
    #[doc(alias = "fileno")]
    pub fn try_clone_socket(&self) -> io::Result<OwnedFd> {
        match self.port() {
            Some(port) => port.clone_socket(),
            None => Err(closed()),
        }
    }
}

/// The error of a port that is closed.
pub(super) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the port is closed")
}

impl<A> Clone for ListeningPort<A> {
    fn clone(&self) -> Self {
        Self {
            shared: Rc::clone(&self.shared),
        }
    }
}

impl<A: fmt::Debug> fmt::Debug for ListeningPort<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListeningPort")
            .field("address", &self.shared.address.borrow())
            .field(
                "is_listening",
                &self
                    .shared
                    .port
                    .upgrade()
                    .is_some_and(|port| port.is_open()),
            )
            .finish_non_exhaustive()
    }
}

/// The methods of a port that its handles call.
pub(super) trait Control<A> {
    fn stop(&self) -> deferred::Result<()>;
    fn start(self: Rc<Self>) -> io::Result<A>;
    fn is_open(&self) -> bool;
    fn set_paused(&self, is_paused: bool);
    fn stop_early(self: Rc<Self>);
    fn clone_socket(&self) -> io::Result<OwnedFd>;
}
