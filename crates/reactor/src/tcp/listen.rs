//! `listen_tcp`: a port, and the connections that come in through it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{Deferred, succeed};
use rustix::io::Errno;

use super::host_port::HostPort;
use super::socket;
use crate::address::Address;
use crate::connection::{Factory, Stream};
use crate::core::{Core, call};
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::poll::{Interest, Key, Ready, Registration};
use crate::registry::Source;

/// How many connections are accepted before others have their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// How long to accept nothing when the system has no descriptors left: first, and
/// at the most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl ReactorHandle {
    /// Listens on `address`, and makes a connection with a protocol of `factory`
    /// for everybody who comes. Port 0 lets the system choose one.
    ///
    /// A name is looked up on the spot, which may take a while; its first
    /// address is used. An address of version 6 does not take connections of
    /// version 4.
    ///
    /// # Errors
    ///
    /// The address cannot be understood or used, or is in use.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    /// # use reactor::{Context, Protocol, Raw};
    /// # struct Echo;
    /// # impl Protocol for Echo {
    /// #     type Framing = Raw;
    /// #     fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
    /// #         cx.write(data);
    /// #         Ok(())
    /// #     }
    /// # }
    ///
    /// let reactor = Reactor::new()?;
    /// let port = reactor.listen_tcp("127.0.0.1:0", || Echo)?;
    /// assert_ne!(port.address().port(), 0);
    ///
    /// let error = reactor.listen_tcp(port.address(), || Echo).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listen_tcp<F: Factory>(
        &self,
        address: impl Into<HostPort>,
        factory: F,
    ) -> Result<ListeningPort, ListenError> {
        let given = address.into();
        self.listen(&given, factory)
            .map_err(|error| ListenError::new(given, error))
    }

    fn listen<F: Factory>(&self, given: &HostPort, mut factory: F) -> io::Result<ListeningPort> {
        let core = self.core().map_err(io::Error::other)?;
        let socket = socket::listening(given.address()?)?;
        let address = socket.local_addr()?;
        let address = address.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        // Before anything is registered: it may listen or connect itself.
        call("a factory", || factory.start_factory());
        let registration = core.register(socket.into(), Interest::READABLE)?;
        let port = Rc::new(Port {
            core: Rc::clone(&core),
            key: registration.key(),
            registration: RefCell::new(Some(registration)),
            factory: RefCell::new(factory),
            pause: Cell::new(FIRST_PAUSE),
        });
        let stops: Weak<dyn Stop> = {
            let weak: Weak<Port<F>> = Rc::downgrade(&port);
            weak
        };
        core.insert(port);
        Ok(ListeningPort {
            address,
            port: stops,
        })
    }
}

/// A port that is listened on.
///
/// Dropping this does not close it; [`stop_listening`](Self::stop_listening)
/// does, and dropping the reactor.
pub struct ListeningPort {
    address: SocketAddr,
    port: Weak<dyn Stop>,
}

impl ListeningPort {
    /// The address that is listened on, with the port the system chose if it was
    /// asked to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port; the connections that came through it stay. The Deferred
    /// fires when it is closed, so that its callback may use the address again.
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
    /// let (handle, address) = (reactor.handle(), port.address());
    /// port.stop_listening()
    ///     .add_callback(move |()| Ok(handle.listen_tcp(address, || Echo)?))
    ///     .into_result()
    ///     .unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop_listening(&self) -> Deferred<()> {
        if let Some(port) = self.port.upgrade() {
            port.stop();
        }
        succeed(())
    }
}

impl fmt::Debug for ListeningPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListeningPort")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// A port whose factory is forgotten.
trait Stop {
    fn stop(&self);
}

struct Port<F: Factory> {
    core: Rc<Core>,
    key: Key,
    /// `None` once it is closed.
    registration: RefCell<Option<Registration>>,
    factory: RefCell<F>,
    /// How long the next pause is.
    pause: Cell<Duration>,
}

impl<F: Factory> Port<F> {
    fn accept(&self) -> io::Result<Option<(OwnedFd, Address)>> {
        match &*self.registration.borrow() {
            Some(registration) => socket::accept(registration),
            None => Ok(None),
        }
    }

    fn connected(&self, socket: OwnedFd, peer: Address) {
        let mut protocol = None;
        call("a factory", || {
            protocol = self.factory.borrow_mut().build_protocol(&peer);
        });
        if self.registration.borrow().is_none() {
            // The factory closed its own port.
            self.stop_factory();
        }
        let Some(protocol) = protocol else {
            return;
        };
        match self.core.register(socket, Interest::READABLE) {
            Ok(registration) => {
                let core = &self.core;
                let add = |source| core.insert(source);
                drop(Stream::start(core, registration, peer, protocol, add));
            }
            Err(error) => {
                tracing::warn!(target: "reactor", %peer, %error, "a connection cannot be watched");
            }
        }
    }

    /// Tells the factory, unless it is building a protocol at this moment: then
    /// it is told after that.
    fn stop_factory(&self) {
        if let Ok(mut factory) = self.factory.try_borrow_mut() {
            call("a factory", || factory.stop_factory());
        }
    }

    /// Accepts nothing for a while: mostly there is no descriptor for it, and the
    /// system would say again and again that somebody waits.
    fn pause(self: &Rc<Self>, error: &io::Error) {
        let pause = self.pause.get();
        self.pause.set((pause * 2).min(LONGEST_PAUSE));
        tracing::warn!(target: "reactor", %error, ?pause, "accepting pauses");
        self.set_interest(Interest::NONE);
        let port = Rc::downgrade(self);
        self.core.timers.call_later(pause, move || {
            if let Some(port) = port.upgrade() {
                port.set_interest(Interest::READABLE);
            }
        });
    }

    fn set_interest(&self, interest: Interest) {
        if let Some(registration) = &*self.registration.borrow()
            && let Err(error) = registration.set_interest(interest)
        {
            tracing::error!(target: "reactor", %error, "a port cannot be watched");
        }
    }
}

/// Whether an error of accepting concerns one connection only. Any other means that
/// nobody can be accepted now: mostly that no descriptor is left.
fn is_about_one(error: &io::Error) -> bool {
    let errors = [Errno::CONNABORTED, Errno::PERM, Errno::PROTO, Errno::INTR];
    error
        .raw_os_error()
        .is_some_and(|code| errors.iter().any(|errno| errno.raw_os_error() == code))
}

impl<F: Factory> Source for Port<F> {
    fn ready(self: Rc<Self>, _ready: Ready) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.accept() {
                Ok(None) => return,
                Ok(Some((socket, peer))) => {
                    self.pause.set(FIRST_PAUSE);
                    self.connected(socket, peer);
                }
                // The one that waited has gone again: there may be others.
                Err(error) if is_about_one(&error) => {
                    tracing::debug!(target: "reactor", %error, "a connection was not accepted");
                }
                Err(error) => return self.pause(&error),
            }
        }
    }

    fn shut_down(self: Rc<Self>) {
        self.stop();
    }
}

impl<F: Factory> Stop for Port<F> {
    fn stop(&self) {
        let Some(registration) = self.registration.take() else {
            return;
        };
        drop(self.core.registry.remove(self.key));
        drop(registration);
        self.stop_factory();
    }
}
