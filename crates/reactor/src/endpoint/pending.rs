//! `PendingConnection`: a connection that has no protocol yet.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use deferred::{Deferred, fail};

use crate::address::Address;
use crate::connecting::Connected;
use crate::connection::{Connection, OnClose, Protocol};
use crate::filter::{Filter, Pair};
use crate::handle::ReactorHandle;
use crate::listening::Accepted;

/// A connection that has no protocol yet: the result of
/// [`ClientEndpoint::dial`](super::ClientEndpoint::dial), and the argument of an
/// [`Accept`](super::Accept). It is not read before it [starts](Self::start); if it is dropped
/// before that, it is closed.
///
/// # Examples
///
/// An endpoint that counts its open connections:
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use deferred::Deferred;
/// use reactor::ReactorHandle;
/// use reactor::endpoint::{ClientEndpoint, Connect, PendingConnection};
/// use std::{cell::Cell, rc::Rc};
///
/// struct Counted<E> {
///     endpoint: E,
///     open: Rc<Cell<usize>>,
/// }
///
/// struct Seat(Rc<Cell<usize>>);
///
/// impl Drop for Seat {
///     fn drop(&mut self) {
///         self.0.set(self.0.get() - 1);
///     }
/// }
///
/// impl<E: ClientEndpoint> ClientEndpoint for Counted<E> {
///     fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
///         let open = Rc::clone(&self.open);
///         self.endpoint.dial(reactor).add_callback(move |mut connection| {
///             open.set(open.get() + 1);
///             connection.keep(Seat(open));
///             Ok(connection)
///         })
///     }
/// }
///
/// # let reactor = TestReactor::new();
/// # reactor.listen_tcp("192.0.2.1:80", || Quiet)?;
/// let endpoint = Counted { endpoint: "192.0.2.1:80", open: Rc::default() };
/// let connecting = endpoint.connect(&reactor, Quiet);
/// reactor.settle();
/// assert_eq!(endpoint.open.get(), 1);
/// connecting.into_result().unwrap()?.abort();
/// reactor.settle();
/// assert_eq!(endpoint.open.get(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it is closed when dropped"]
pub struct PendingConnection {
    reactor: ReactorHandle,
    peer: Address,
    socket: Socket,
    filter: Option<Box<dyn Filter>>,
    // Set by `behind`, never cleared. Shared with the function that starts accepted connections, if
    // it has asked: it logs a failure as an error of the peer if there is a filter.
    has_filter: Option<Rc<Cell<bool>>>,
    /// Values of `keep`; dropped when the connection has closed.
    kept: Vec<Box<dyn Any>>,
}

/// The transport of the connection.
enum Socket {
    Dialled(Connected),
    Accepted(Accepted),
    /// A socket that this crate has not made.
    Adopted(OwnedFd),
    /// Two descriptors, for input and output.
    Pipes(OwnedFd, OwnedFd),
}

impl PendingConnection {
    fn new(reactor: &ReactorHandle, peer: Address, socket: Socket) -> Self {
        Self {
            reactor: reactor.clone(),
            peer,
            socket,
            filter: None,
            has_filter: None,
            kept: Vec::new(),
        }
    }

    pub(super) fn dialled(reactor: &ReactorHandle, connected: Connected) -> Self {
        let peer = connected.peer().clone();
        Self::new(reactor, peer, Socket::Dialled(connected))
    }

    pub(super) fn accepted(reactor: &ReactorHandle, accepted: Accepted, peer: Address) -> Self {
        Self::new(reactor, peer, Socket::Accepted(accepted))
    }

    pub(super) fn adopted(reactor: &ReactorHandle, socket: OwnedFd, peer: Address) -> Self {
        Self::new(reactor, peer, Socket::Adopted(socket))
    }

    pub(super) fn pipes(reactor: &ReactorHandle, input: OwnedFd, output: OwnedFd) -> Self {
        Self::new(reactor, Address::Unknown, Socket::Pipes(input, output))
    }

    /// The address of the other side.
    #[doc(alias = "peer_addr", alias = "getPeer")]
    pub fn peer(&self) -> &Address {
        &self.peer
    }

    /// Keeps `value` until the connection has closed, then drops it. For guards, such as a lock or
    /// a place in a limit.
    pub fn keep(&mut self, value: impl Any) {
        self.kept.push(Box::new(value));
    }

    /// Puts `filter` on top of the filters that the connection has.
    pub fn behind(mut self, filter: impl Filter) -> Self {
        if let Some(has_filter) = &self.has_filter {
            has_filter.set(true);
        }
        let filter: Box<dyn Filter> = Box::new(filter);
        self.filter = Some(match self.filter.take() {
            // The filter that was added first is next to the socket.
            Some(lower) => Box::new(Pair::new(lower, filter)),
            None => filter,
        });
        self
    }

    /// A shared flag: whether the connection has a filter. Later calls of [`behind`](Self::behind)
    /// set it, too.
    pub(super) fn has_filter(&mut self) -> Rc<Cell<bool>> {
        let has_filter = Cell::new(self.filter.is_some());
        Rc::clone(self.has_filter.get_or_insert_with(|| Rc::new(has_filter)))
    }

    /// Starts the connection with `protocol`. The Deferred fires after `connection_made`, which is
    /// called before this returns, or when the filters are open. Cancelling it aborts the
    /// connection.
    ///
    /// # Errors
    ///
    /// The failure of `connection_made` or of a filter; or an error if the poller refuses the
    /// descriptor, or the reactor is gone.
    pub fn start<P: Protocol>(self, protocol: P) -> Deferred<Connection<P>> {
        // If the connection does not open, the drop of the closure drops `kept`.
        let on_close = (!self.kept.is_empty()).then(|| -> OnClose {
            let kept = self.kept;
            Box::new(move |_reason| drop(kept))
        });
        let (reactor, filter) = (&self.reactor, self.filter);
        match self.socket {
            Socket::Dialled(connected) => connected.open(protocol, on_close, filter),
            Socket::Accepted(accepted) => match reactor.core() {
                Ok(core) => accepted.open(&core, self.peer, protocol, on_close, filter),
                Err(gone) => fail(gone),
            },
            Socket::Adopted(socket) => reactor.open_adopted(socket, protocol, on_close, filter),
            Socket::Pipes(input, output) => {
                reactor.open_pipes(input, output, protocol, on_close, filter)
            }
        }
    }
}

impl fmt::Debug for PendingConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingConnection")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
