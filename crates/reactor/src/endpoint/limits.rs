//! `ConnectionLimits`: the maximum number of connections of a server, in all and per address.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::Deferred;

use super::any_port::AnyPort;
use super::server::{Accept, Begin, ServerEndpoint};
use crate::address::Address;
use crate::handle::ReactorHandle;
use crate::panics::contain;

/// The maximum number of open connections, in all and from one IP address. Clones share their
/// counts, so that several servers can have one limit. (Twisted: `LimitTotalConnectionsFactory`,
/// `LimitConnectionsByPeer`.)
///
/// Behind a load balancer, all connections come from its address, because the limits are checked
/// when a connection is accepted, before its PROXY header is read. So set only a total here, and
/// limit each client in the load balancer.
///
/// A connection above a limit is closed as soon as it is accepted, without a protocol. It is
/// [counted](Self::refused), and [`on_refused`](Self::on_refused) can report it.
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::endpoint::{ConnectionLimits, Listen};
///
/// let reactor = TestReactor::new();
/// let limits = ConnectionLimits::new().total(1000).per_address(2);
/// limits.over("127.0.0.1:80").listen(&reactor, || Quiet).detach();
/// # for _ in 0..3 { reactor.connect_tcp("127.0.0.1:80", Quiet).detach(); }
/// # reactor.settle();
/// // After three clients have come from one address:
/// assert_eq!((limits.open(), limits.refused()), (2, 1));
/// ```
#[derive(Clone, Default)]
pub struct ConnectionLimits {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// `None` means no limit, as in `per_address`.
    total: Cell<Option<usize>>,
    per_address: Cell<Option<usize>>,
    open: Cell<usize>,
    by_address: RefCell<HashMap<IpAddr, usize>>,
    refused: Cell<u64>,
    on_refused: RefCell<Option<Box<dyn FnMut(&TooManyConnections)>>>,
}

/// Why a connection was refused by [`ConnectionLimits`].
///
/// # Examples
///
/// ```
/// use reactor::endpoint::TooManyConnections;
///
/// let refused = TooManyConnections::Total { limit: 1000 };
/// assert_eq!(refused.to_string(), "the limit of 1000 connections is reached");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TooManyConnections {
    /// The limit of all connections is reached.
    Total {
        /// The limit.
        limit: usize,
    },
    /// The limit of connections from one address is reached.
    PerAddress {
        /// The address.
        address: IpAddr,
        /// The limit.
        limit: usize,
    },
}

impl ConnectionLimits {
    /// No limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows at most `limit` connections in all.
    #[must_use = "the limits are what this gives"]
    pub fn total(self, limit: usize) -> Self {
        self.shared.total.set(Some(limit));
        self
    }

    /// Allows at most `limit` connections from one IP address. A peer on a UNIX socket has no IP
    /// address, so its connections count only towards the total.
    #[must_use = "the limits are what this gives"]
    pub fn per_address(self, limit: usize) -> Self {
        self.shared.per_address.set(Some(limit));
        self
    }

    /// Calls `f` with the reason for each connection that is refused.
    #[must_use = "the limits are what this gives"]
    pub fn on_refused(self, f: impl FnMut(&TooManyConnections) + 'static) -> Self {
        self.shared.on_refused.replace(Some(Box::new(f)));
        self
    }

    /// Applies these limits to the connections of `endpoint`.
    pub fn over<E: ServerEndpoint>(&self, endpoint: E) -> Limited<E> {
        Limited {
            endpoint,
            limits: self.clone(),
        }
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        self.shared.open.get()
    }

    /// The number of refused connections.
    pub fn refused(&self) -> u64 {
        self.shared.refused.get()
    }

    /// Counts a connection from `peer`, until the returned place is dropped.
    fn take(&self, peer: &Address) -> Result<Place, TooManyConnections> {
        let shared = &self.shared;
        if let Some(limit) = shared.total.get()
            && shared.open.get() >= limit
        {
            return Err(TooManyConnections::Total { limit });
        }
        // A UNIX peer has no IP address, so only the total limits it.
        let address = peer.ip();
        if let Some(address) = address {
            let mut by_address = shared.by_address.borrow_mut();
            let open = by_address.get(&address).copied().unwrap_or(0);
            if let Some(limit) = shared.per_address.get()
                && open >= limit
            {
                return Err(TooManyConnections::PerAddress { address, limit });
            }
            by_address.insert(address, open + 1);
        }
        // Counted here, after the last check that can refuse the connection.
        shared.open.set(shared.open.get() + 1);
        Ok(Place {
            limits: self.clone(),
            address,
        })
    }

    #[cold]
    fn refuse(&self, refused: &TooManyConnections) {
        self.shared.refused.set(self.shared.refused.get() + 1);
        tracing::debug!(target: "reactor", %refused, "a connection is refused");
        // Taken out while it runs, because it may drop these limits, or call their methods.
        let hook = self.shared.on_refused.take();
        if let Some(mut hook) = hook {
            contain("a hook for refused connections", || hook(refused));
            let mut place = self.shared.on_refused.borrow_mut();
            // If the hook has set another hook, the old one is dropped, after the borrow, because
            // its drop may run user code.
            let replaced = if place.is_none() {
                place.replace(hook)
            } else {
                Some(hook)
            };
            drop(place);
            drop(replaced);
        }
    }
}

impl fmt::Debug for ConnectionLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionLimits")
            .field("total", &self.shared.total.get())
            .field("per_address", &self.shared.per_address.get())
            .field("open", &self.open())
            .field("refused", &self.refused())
            .finish()
    }
}

/// Guard of one counted connection. Its drop, when the connection has closed, lowers the counts.
struct Place {
    limits: ConnectionLimits,
    address: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let shared = &self.limits.shared;
        shared.open.set(shared.open.get().saturating_sub(1));
        if let Some(address) = self.address {
            let mut by_address = shared.by_address.borrow_mut();
            match by_address.get_mut(&address) {
                Some(open) if *open > 1 => *open -= 1,
                // Removed, so that the map holds only addresses with an open connection.
                _ => drop(by_address.remove(&address)),
            }
        }
    }
}

/// A server endpoint with limits: see [`ConnectionLimits::over`].
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::endpoint::{ConnectionLimits, Limited, Listen};
///
/// let limited: Limited<&str> = ConnectionLimits::new().total(1000).over("127.0.0.1:80");
/// # let reactor = TestReactor::new();
/// limited.listen(&reactor, || Quiet).detach();
/// ```
#[derive(Clone, Debug)]
pub struct Limited<E> {
    endpoint: E,
    limits: ConnectionLimits,
}

impl<E: ServerEndpoint> ServerEndpoint for Limited<E> {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        let limits = self.limits.clone();
        let accept = LimitedAccept { accept, limits };
        self.endpoint.listen_with(reactor, Box::new(accept))
    }
}

struct LimitedAccept {
    accept: Box<dyn Accept>,
    limits: ConnectionLimits,
}

impl Accept for LimitedAccept {
    fn accept(&mut self, peer: &Address) -> Option<Begin> {
        let place = match self.limits.take(peer) {
            Ok(place) => place,
            Err(refused) => {
                self.limits.refuse(&refused);
                return None;
            }
        };
        // If the inner `accept` refuses, the drop of `place` lowers the counts.
        let begin = self.accept.accept(peer)?;
        Some(Box::new(move |mut connection| {
            // Kept until the connection has closed, or is dropped before it opens.
            connection.keep(place);
            begin(connection)
        }))
    }

    fn started(&mut self) {
        self.accept.started();
    }

    fn stopped(&mut self) {
        self.accept.stopped();
    }

    fn accept_failed(&mut self, error: &io::Error, pause: Duration) {
        self.accept.accept_failed(error, pause);
    }
}

impl fmt::Display for TooManyConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total { limit } => write!(f, "the limit of {limit} connections is reached"),
            Self::PerAddress { address, limit } => {
                write!(
                    f,
                    "the limit of {limit} connections from {address} is reached"
                )
            }
        }
    }
}

impl Error for TooManyConnections {}
