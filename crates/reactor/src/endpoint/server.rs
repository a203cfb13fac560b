//! `ServerEndpoint`, `Listen` and `Accept`: addresses to listen on.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, succeed};

use super::any_port::AnyPort;
use super::pending::PendingConnection;
use crate::address::Address;
use crate::connecting::from_the_loop;
use crate::connection::Factory;
use crate::core::Core;
use crate::handle::ReactorHandle;
use crate::listening::{Accepted, Serve};
use crate::panics::contain;
use crate::report::{Of, report};

/// An address to listen on: an address, a name, a path, a description, or a type of your own that
/// wraps another endpoint. (Twisted: `IStreamServerEndpoint`.)
///
/// [`Listen::listen`], which every endpoint has, listens with a factory.
///
/// | type | listens on |
/// |---|---|
/// | [`TcpListenOptions`](crate::TcpListenOptions), [`SocketAddr`](std::net::SocketAddr), `(host, port)` | TCP: an address, all addresses of a name, or, with the host `*`, all addresses of this host, IPv4 and IPv6, with one port number |
/// | [`UnixListenOptions`](crate::UnixListenOptions), [`UnixAddress`](crate::UnixAddress), [`Path`](std::path::Path) | a UNIX socket |
/// | `str`, `String` | the description of an endpoint (`tcp:8080`, see [`EndpointParser`](super::EndpointParser)), or else a host and a port |
/// | [`Stdio`](super::Stdio), [`InheritedFd`](super::InheritedFd), [`SystemdSocket`](super::SystemdSocket) | an inherited socket |
///
/// # Examples
///
/// An endpoint that wraps another one, and refuses every second connection:
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use deferred::Deferred;
/// use reactor::endpoint::{Accept, AnyPort, Begin, Listen, ServerEndpoint};
/// use reactor::{Address, ReactorHandle};
///
/// struct EverySecond<E>(E);
///
/// struct Refusing {
///     accept: Box<dyn Accept>,
///     seen: usize,
/// }
///
/// impl Accept for Refusing {
///     fn accept(&mut self, peer: &Address) -> Option<Begin> {
///         self.seen += 1;
///         if self.seen % 2 == 0 { None } else { self.accept.accept(peer) }
///     }
/// }
///
/// impl<E: ServerEndpoint> ServerEndpoint for EverySecond<E> {
///     fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
///         self.0.listen_with(reactor, Box::new(Refusing { accept, seen: 0 }))
///     }
/// }
///
/// let reactor = TestReactor::new();
/// EverySecond("127.0.0.1:80").listen(&reactor, || Quiet).detach();
/// # for _ in 0..4 { reactor.connect_tcp("127.0.0.1:80", Quiet).detach(); }
/// # reactor.settle();
/// # assert_eq!(reactor.counters().connections, 4, "two of four, and both ends of them");
/// ```
#[doc(alias = "IStreamServerEndpoint")]
pub trait ServerEndpoint {
    /// Listens, and passes each connection to `accept`.
    ///
    /// # Errors
    ///
    /// All errors come through the Deferred.
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<E: ServerEndpoint + ?Sized> ServerEndpoint for $pointer {
            fn listen_with(
                &self,
                reactor: &ReactorHandle,
                accept: Box<dyn Accept>,
            ) -> Deferred<AnyPort> {
                (**self).listen_with(reactor, accept)
            }
        }
    )*};
}

forward!(&E, Box<E>, Rc<E>);

/// Starts one accepted connection: the result of [`Accept::accept`]. Its failure is logged.
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::endpoint::{Begin, PendingConnection};
///
/// let begin: Begin = Box::new(|connection: PendingConnection| {
///     connection.start(Quiet).add_callback(|_connection| ())
/// });
/// # drop(begin);
/// ```
pub type Begin = Box<dyn FnOnce(PendingConnection) -> Deferred<()>>;

/// Gets the accepted connections: a [`Factory`] without a protocol type, so that an endpoint can
/// pass it on to the endpoint that it wraps.
///
/// # Examples
///
/// An `Accept` for one protocol. [`ServerEndpoint`] has an example of an `Accept` that wraps
/// another.
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::Address;
/// use reactor::endpoint::{Accept, Begin, ServerEndpoint};
///
/// struct Local;
///
/// impl Accept for Local {
///     fn accept(&mut self, peer: &Address) -> Option<Begin> {
///         let is_local = peer.ip().is_some_and(|ip| ip.is_loopback());
///         is_local.then(|| -> Begin {
///             Box::new(|connection| connection.start(Quiet).add_callback(drop))
///         })
///     }
/// }
///
/// let reactor = TestReactor::new();
/// "127.0.0.1:80".listen_with(&reactor, Box::new(Local)).detach();
/// ```
pub trait Accept: 'static {
    /// Called when `peer` has connected. Returns the closure that starts the connection, which is
    /// called at once, or `None` to close the connection.
    fn accept(&mut self, peer: &Address) -> Option<Begin>;

    /// Called when the port is open: see [`Factory::start_factory`].
    fn started(&mut self) {}

    /// Called when the port is closed: see [`Factory::stop_factory`].
    fn stopped(&mut self) {}

    /// Called when accepting has failed, and pauses: see [`Factory::accept_failed`].
    fn accept_failed(&mut self, error: &io::Error, pause: Duration) {
        let _ = (error, pause);
    }
}

/// Listening with a factory: the typed half of [`ServerEndpoint`], implemented for each endpoint.
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::endpoint::Listen;
///
/// let reactor = TestReactor::new();
/// // All addresses of this computer, IPv4 and IPv6, under one port number.
/// let port = "tcp:0".listen(&reactor, || Quiet).into_result().unwrap()?;
/// let addresses = port.addresses();
/// assert_eq!(addresses.len(), 2);
/// assert_eq!(addresses[0].as_inet().unwrap().port(), addresses[1].as_inet().unwrap().port());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Listen: ServerEndpoint {
    /// Listens. Each accepted connection gets a protocol of `factory`. The Deferred fires when the
    /// port is open.
    ///
    /// # Errors
    ///
    /// A [`ListenError`](crate::ListenError), or the error of an endpoint of your own. The Deferred
    /// fails from the loop, never before this method returns (unless the reactor is gone).
    fn listen<F: Factory>(&self, reactor: &ReactorHandle, factory: F) -> Deferred<AnyPort>;
}

impl<E: ServerEndpoint + ?Sized> Listen for E {
    #[track_caller]
    fn listen<F: Factory>(&self, reactor: &ReactorHandle, factory: F) -> Deferred<AnyPort> {
        from_the_loop(reactor, || {
            self.listen_with(reactor, Box::new(OfFactory(factory)))
        })
    }
}

/// `Accept` of a factory.
struct OfFactory<F>(F);

impl<F: Factory> Accept for OfFactory<F> {
    fn accept(&mut self, peer: &Address) -> Option<Begin> {
        let filter = self.0.filter(peer);
        let protocol = self.0.build_protocol(peer)?;
        Some(Box::new(move |mut connection| {
            if let Some(filter) = filter {
                connection = connection.behind(filter);
            }
            connection.start(protocol).add_callback(drop)
        }))
    }

    fn started(&mut self) {
        self.0.start_factory();
    }

    fn stopped(&mut self) {
        self.0.stop_factory();
    }

    fn accept_failed(&mut self, error: &io::Error, pause: Duration) {
        self.0.accept_failed(error, pause);
    }
}

/// One `Accept`, shared by the ports of an endpoint with several sockets. `started` is called when
/// all are open, and again when the first of them reopens; `stopped` when the last is closed.
#[derive(Clone)]
pub(super) struct SharedAccept {
    shared: Rc<Shared>,
}

struct Shared {
    reactor: ReactorHandle,
    /// Borrowed while a method of it runs.
    accept: RefCell<Box<dyn Accept>>,
    /// Number of open sockets.
    open: Cell<usize>,
    /// Set by `announce`, when all sockets are open; never cleared. Until then, opening and closing
    /// of sockets is not passed on, because another port number may have to be tried.
    is_announced: Cell<bool>,
    /// Set if `stopped` is due while `accept` is borrowed: `Accept::accept` has closed the last
    /// port. Cleared in `prepare`, which then calls `stopped`.
    owes_stop: Cell<bool>,
}

impl SharedAccept {
    pub(super) fn new(reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Self {
        Self {
            shared: Rc::new(Shared {
                reactor: reactor.clone(),
                accept: RefCell::new(accept),
                open: Cell::new(0),
                is_announced: Cell::new(false),
                owes_stop: Cell::new(false),
            }),
        }
    }

    /// Called when all sockets are open.
    pub(super) fn announce(&self) {
        self.shared.is_announced.set(true);
        self.shared.started();
    }
}

impl Shared {
    fn started(&self) {
        // Borrowed if `accept` itself has opened a port again; then it is not called.
        if let Ok(mut accept) = self.accept.try_borrow_mut() {
            contain("a factory", || accept.started());
        }
    }

    fn stopped(&self) {
        match self.accept.try_borrow_mut() {
            Ok(mut accept) => accept.stopped(),
            Err(_) => self.owes_stop.set(true),
        }
    }
}

impl Serve for SharedAccept {
    type Ready = (Begin, ReactorHandle);

    fn started(&mut self) {
        let before = self.shared.open.get();
        self.shared.open.set(before + 1);
        if before == 0 && self.shared.is_announced.get() {
            self.shared.started();
        }
    }

    fn stopped(&mut self) {
        let left = self.shared.open.get().saturating_sub(1);
        self.shared.open.set(left);
        if left == 0 && self.shared.is_announced.get() {
            self.shared.stopped();
        }
    }

    fn prepare(&mut self, peer: &Address) -> Option<Self::Ready> {
        let begin = self.shared.accept.try_borrow_mut().ok()?.accept(peer);
        // `accept` has closed the last port, and `stopped` could not be called while it ran.
        if self.shared.owes_stop.take() {
            self.shared.stopped();
        }
        Some((begin?, self.shared.reactor.clone()))
    }

    fn begin(ready: Self::Ready, _core: &Rc<Core>, accepted: Accepted, peer: Address) {
        let (begin, reactor) = ready;
        let connection = PendingConnection::accepted(&reactor, accepted, peer);
        start(begin, connection);
    }

    fn accept_failed(&mut self, error: &io::Error, pause: Duration) {
        if let Ok(mut accept) = self.shared.accept.try_borrow_mut() {
            accept.accept_failed(error, pause);
        }
    }
}

/// Starts an accepted connection; its failure is logged.
fn start(begin: Begin, mut connection: PendingConnection) {
    let (peer, has_filter) = (connection.peer().clone(), connection.has_filter());
    contain("the start of a connection", || {
        begin(connection)
            .add_errback(move |failure| {
                if has_filter.get() {
                    // Logged as a warning: if a peer does not speak the protocol of the filter,
                    // that is not an error of this program.
                    tracing::warn!(target: "reactor", %peer, %failure, "a connection was not started");
                } else {
                    report(&Of::Connection(&peer), None, failure);
                }
            })
            .detach();
    });
}

/// Serves one connection that exists already; `stopped` is called when it has closed.
pub(super) fn accept_one(
    accept: Box<dyn Accept>,
    mut connection: PendingConnection,
) -> Deferred<AnyPort> {
    struct StopWhenDropped(Box<dyn Accept>);

    impl Drop for StopWhenDropped {
        fn drop(&mut self) {
            contain("a factory", || self.0.stopped());
        }
    }

    // The drop calls `stopped`: when the connection has closed, or at the end of this function if
    // `accept` refuses it.
    let mut accept = StopWhenDropped(accept);
    contain("a factory", || accept.0.started());
    let mut begin = None;
    contain("a factory", || begin = accept.0.accept(connection.peer()));
    if let Some(begin) = begin {
        connection.keep(accept);
        start(begin, connection);
    }
    succeed(AnyPort::none())
}
