//! `ClientEndpoint` and `Connect`: destinations of connections.

use std::rc::Rc;

use deferred::Deferred;

use super::pending::PendingConnection;
use crate::connecting::from_the_loop;
use crate::connection::{Connection, Protocol};
use crate::handle::ReactorHandle;
use crate::tcp::TcpConnectOptions;

/// A destination of connections: an address, a name, a path, a description, or a type of your
/// own. (Twisted: `IStreamClientEndpoint`.)
///
/// [`Connect::connect`], which every endpoint has, connects with a protocol.
///
/// | type | connects to |
/// |---|---|
/// | [`TcpConnectOptions`](crate::TcpConnectOptions), [`SocketAddr`](std::net::SocketAddr), `(host, port)` | TCP |
/// | [`UnixAddress`](crate::UnixAddress), [`Path`](std::path::Path) | UNIX sockets |
/// | `str`, `String` | the description of an endpoint (`tcp:example.org:80`, see [`EndpointParser`](super::EndpointParser)), or else a host and a port |
/// | [`Stdio`](super::Stdio), [`InheritedFd`](super::InheritedFd) | an inherited descriptor |
///
/// # Examples
///
/// An endpoint of your own, for servers that all listen on the same port number:
///
/// ```
/// # use reactor::testing::TestReactor;
/// use deferred::Deferred;
/// use reactor::endpoint::{ClientEndpoint, Connect, PendingConnection};
/// use reactor::{Protocol, Raw, ReactorHandle};
///
/// struct Database {
///     host: &'static str,
/// }
///
/// impl ClientEndpoint for Database {
///     fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
///         (self.host, 5432).dial(reactor)
///     }
/// }
///
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// # let reactor = TestReactor::new();
/// # reactor.listen_tcp("192.0.2.1:5432", || Quiet)?;
/// let connecting = Database { host: "192.0.2.1" }.connect(&reactor, Quiet);
/// reactor.settle();
/// assert!(connecting.into_result().unwrap().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IStreamClientEndpoint")]
pub trait ClientEndpoint {
    /// Connects. The Deferred fires with the connection, which has no protocol yet; cancelling it
    /// stops the attempt.
    ///
    /// # Errors
    ///
    /// All errors come through the Deferred.
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection>;

    /// The options of a destination that is TCP and nothing else: [`Connect::connect`] then gives
    /// the connection to its protocol without a [`PendingConnection`] in between, which costs
    /// less. `None` by default.
    fn as_tcp(&self) -> Option<TcpConnectOptions> {
        None
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<E: ClientEndpoint + ?Sized> ClientEndpoint for $pointer {
            fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
                (**self).dial(reactor)
            }

            fn as_tcp(&self) -> Option<TcpConnectOptions> {
                (**self).as_tcp()
            }
        }
    )*};
}

forward!(&E, Box<E>, Rc<E>);

/// Connecting with a protocol: the typed half of [`ClientEndpoint`], implemented for each endpoint.
///
/// # Examples
///
/// A function that works with any endpoint:
///
/// ```
/// # use reactor::testing::TestReactor;
/// use reactor::endpoint::{ClientEndpoint, Connect};
/// # use reactor::{Protocol, Raw, ReactorHandle, UnixAddress};
///
/// # struct Greeter; impl Protocol for Greeter { type Framing = Raw; }
/// fn greet(reactor: &ReactorHandle, server: impl ClientEndpoint) {
///     server
///         .connect(reactor, Greeter)
///         .add_callback(|connection| Ok(connection.write("hello")?))
///         .detach();
/// }
///
/// # let reactor = TestReactor::new();
/// # reactor.listen_tcp("127.0.0.1:80", || Greeter)?;
/// # reactor.listen_unix("/run/greeter", || Greeter)?;
/// greet(&reactor, "tcp:127.0.0.1:80");
/// greet(&reactor, UnixAddress::from("/run/greeter"));
/// # reactor.settle();
/// # assert_eq!(reactor.counters().connections, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "connectProtocol")]
pub trait Connect: ClientEndpoint {
    /// Connects with `protocol`. The Deferred fires after `connection_made`; cancelling it stops
    /// the attempt.
    ///
    /// # Errors
    ///
    /// The error of the connection attempt, or of `connection_made`. The Deferred fails from the
    /// loop, never before this method returns (unless the reactor is gone), so that a callback can
    /// stop the loop.
    fn connect<P: Protocol>(&self, reactor: &ReactorHandle, protocol: P)
    -> Deferred<Connection<P>>;
}

impl<E: ClientEndpoint + ?Sized> Connect for E {
    #[track_caller]
    fn connect<P: Protocol>(
        &self,
        reactor: &ReactorHandle,
        protocol: P,
    ) -> Deferred<Connection<P>> {
        if let Some(options) = self.as_tcp() {
            return reactor.connect_tcp(options, protocol);
        }
        from_the_loop(reactor, || {
            self.dial(reactor)
                .add_callback(move |connection| connection.start(protocol))
        })
    }
}
