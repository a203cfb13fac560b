//! `Connect`: targets of a connection.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use deferred::Deferred;

use crate::address::UnixAddress;
use crate::connection::{Connection, Protocol};
use crate::handle::ReactorHandle;
use crate::tcp::{HostPort, TcpConnectOptions};
use crate::unix::UnixConnectOptions;

/// What a connection can be made to: whatever
/// [`connect_tcp`](ReactorHandle::connect_tcp) and
/// [`connect_unix`](ReactorHandle::connect_unix) take, or a destination of your own.
///
/// A string is a host and a port; a UNIX socket is a [`UnixAddress`] or a path.
///
/// # Examples
///
/// A kind of server whose port is always the same:
///
/// ```
/// # use reactor::testing::TestReactor;
/// use deferred::Deferred;
/// use reactor::{Connect, Connection, Protocol, Raw, ReactorHandle};
///
/// struct Database {
///     host: &'static str,
/// }
///
/// impl Connect for Database {
///     fn connect<P: Protocol>(self, reactor: &ReactorHandle, protocol: P) -> Deferred<Connection<P>> {
///         (self.host, 5432).connect(reactor, protocol)
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
pub trait Connect {
    /// Connects, and gives the connection to `protocol`. The Deferred fires after
    /// `connection_made`; cancelling it stops the attempt.
    fn connect<P: Protocol>(self, reactor: &ReactorHandle, protocol: P) -> Deferred<Connection<P>>;
}

/// Types by name, not all that can be converted, so that further kinds of destinations can
/// implement the trait.
macro_rules! connect_with {
    ($method:ident: $($destination:ty),*) => {$(
        impl Connect for $destination {
            #[track_caller]
            fn connect<P: Protocol>(
                self,
                reactor: &ReactorHandle,
                protocol: P,
            ) -> Deferred<Connection<P>> {
                reactor.$method(self, protocol)
            }
        }
    )*};
}

connect_with!(connect_tcp: TcpConnectOptions, HostPort, &str, String, &String, SocketAddr,
    (IpAddr, u16), (&str, u16));
connect_with!(connect_unix: UnixConnectOptions, UnixAddress, PathBuf, &PathBuf, &Path);
