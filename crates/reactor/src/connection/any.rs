//! `AnyConnection`: a handle on a connection, whatever its protocol is.

use std::fmt;
use std::rc::{Rc, Weak};

use super::protocol::Protocol;
use super::source::ConnectionSource;
use crate::address::Address;
use crate::error::{ConnectionClosed, Gone};
use crate::handle::ReactorHandle;
use crate::registry::ListedConnection;

/// A handle on a connection of any protocol, from [`ReactorHandle::connections`].
///
/// For tools that inspect a running program, such as a console or a page of statistics.
///
/// # Examples
///
/// ```
/// use reactor::{Lines, Protocol, testing};
///
/// struct Guest;
///
/// impl Protocol for Guest {
///     type Framing = Lines;
/// }
///
/// testing::run(|reactor| {
///     let (_connection, peer) = reactor.connect_to_peer(Guest);
///     let connections = reactor.connections();
///     assert!(connections[0].protocol().ends_with("Guest"));
///     connections[0].abort();
///     reactor.settle();
///     assert!(peer.was_reset());
///     assert!(reactor.connections().is_empty());
/// });
/// ```
#[derive(Clone)]
pub struct AnyConnection {
    source: Weak<dyn ListedConnection>,
    protocol: &'static str,
}

impl AnyConnection {
    fn new(source: &Rc<dyn ListedConnection>) -> Self {
        Self {
            source: Rc::downgrade(source),
            protocol: source.protocol(),
        }
    }

    fn source(&self) -> Result<Rc<dyn ListedConnection>, Gone> {
        self.source.upgrade().ok_or(Gone)
    }

    /// The name of the protocol's type, as [`std::any::type_name`] gives it.
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn peer(&self) -> Result<Address, Gone> {
        Ok(self.source()?.peer())
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn host(&self) -> Result<Address, Gone> {
        Ok(self.source()?.host())
    }

    /// Number of bytes that wait to be sent.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn buffered(&self) -> Result<usize, Gone> {
        Ok(self.source()?.buffered())
    }

    /// Same as [`Connection::lose_connection`](crate::Connection::lose_connection).
    pub fn lose_connection(&self) {
        if let Ok(source) = self.source() {
            source.lose();
        }
    }

    /// Same as [`Connection::abort`](crate::Connection::abort).
    pub fn abort(&self) {
        if let Ok(source) = self.source() {
            source.abort();
        }
    }
}

/// Two are equal if they are handles on the same connection.
impl PartialEq for AnyConnection {
    fn eq(&self, other: &Self) -> bool {
        self.source.ptr_eq(&other.source)
    }
}

impl Eq for AnyConnection {}

impl fmt::Debug for AnyConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyConnection")
            .field("protocol", &self.protocol)
            .field("peer", &self.peer())
            .finish_non_exhaustive()
    }
}

impl<P: Protocol> ListedConnection for ConnectionSource<P> {
    fn protocol(&self) -> &'static str {
        std::any::type_name::<P>()
    }

    fn peer(&self) -> Address {
        self.transport().peer().clone()
    }

    fn host(&self) -> Address {
        self.transport().host()
    }

    fn buffered(&self) -> usize {
        self.transport().waiting()
    }

    fn lose(&self) {
        self.transport().lose();
        self.any().touch();
    }

    fn abort(&self) {
        self.transport().abort(ConnectionClosed::Aborted);
        self.any().touch();
    }
}

impl ReactorHandle {
    /// The connections that are open now, in no particular order. If the reactor is gone, there are
    /// none.
    ///
    /// A connection that is still being made, such as an attempt to connect, is not included.
    #[doc(alias = "getReaders")]
    pub fn connections(&self) -> Vec<AnyConnection> {
        let Ok(core) = self.core() else {
            return Vec::new();
        };
        let sources = core.registry.all().into_iter();
        sources
            .filter_map(|source| source.as_connection())
            .map(|source| AnyConnection::new(&source))
            .collect()
    }
}
