//! `WithFilter`: an endpoint whose connections begin with a filter.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use deferred::Deferred;

use super::any_port::AnyPort;
use super::client::ClientEndpoint;
use super::pending::PendingConnection;
use super::server::{Accept, Begin, ServerEndpoint};
use crate::address::Address;
use crate::filter::Filter;
use crate::filter::proxy_protocol::ProxyProtocol;
use crate::handle::ReactorHandle;

type MakeFilter = Rc<dyn Fn(&Address) -> Box<dyn Filter>>;

/// An endpoint that wraps another one, and whose connections begin with a filter. On both sides,
/// `connection_made` is called when the filter is open.
///
/// [`ProxyProtocol::endpoint`] makes one for servers behind a load balancer, the crate
/// `reactor-tls` makes them for TLS.
///
/// # Examples
///
/// Both sides limit their rate:
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::endpoint::{Connect, Listen, WithFilter};
/// use reactor::filter::throttle::Throttle;
///
/// let throttle = Throttle::new().bytes_per_second(10_000);
/// let slow = WithFilter::new("192.0.2.1:80", move |_peer| throttle.filter());
///
/// let reactor = TestReactor::new();
/// let port = slow.listen(&reactor, || Quiet);
/// let connecting = slow.connect(&reactor, Quiet);
/// reactor.settle();
/// assert!(port.into_result().unwrap()?.is_listening());
/// assert!(connecting.into_result().unwrap().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct WithFilter<E> {
    endpoint: E,
    make: MakeFilter,
}

impl<E> WithFilter<E> {
    /// `make` makes the filter of each connection from the address of its peer.
    pub fn new<F: Filter>(endpoint: E, make: impl Fn(&Address) -> F + 'static) -> Self {
        Self {
            endpoint,
            make: Rc::new(move |peer| Box::new(make(peer))),
        }
    }
}

impl<E: ClientEndpoint> ClientEndpoint for WithFilter<E> {
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
        let make = Rc::clone(&self.make);
        self.endpoint.dial(reactor).add_callback(move |connection| {
            let filter = make(connection.peer());
            Ok(connection.behind(filter))
        })
    }
}

impl<E: ServerEndpoint> ServerEndpoint for WithFilter<E> {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        let make = Rc::clone(&self.make);
        self.endpoint
            .listen_with(reactor, Box::new(AcceptWithFilter { accept, make }))
    }
}

impl<E: fmt::Debug> fmt::Debug for WithFilter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithFilter")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The server side: the filter is next to the socket, below the filters that the inner `accept`
/// adds.
struct AcceptWithFilter {
    accept: Box<dyn Accept>,
    make: MakeFilter,
}

impl Accept for AcceptWithFilter {
    fn accept(&mut self, peer: &Address) -> Option<Begin> {
        let begin = self.accept.accept(peer)?;
        // After `accept`, so that a refused connection costs no filter.
        let filter = (self.make)(peer);
        Some(Box::new(move |connection| begin(connection.behind(filter))))
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

impl ProxyProtocol {
    /// A server endpoint whose connections begin with a PROXY header, as from HAProxy. (Twisted:
    /// `HAProxyServerEndpoint`; as a string, `haproxy:from=ADDRESSES:ENDPOINT`.)
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::endpoint::Listen;
    /// use reactor::filter::proxy_protocol::ProxyProtocol;
    ///
    /// let reactor = TestReactor::new();
    /// let proxy = ProxyProtocol::from_addresses([[192, 0, 2, 7].into()]);
    /// proxy.endpoint("tcp:8080").listen(&reactor, || Quiet).detach();
    /// ```
    #[doc(alias = "proxyEndpoint", alias = "HAProxyServerEndpoint")]
    pub fn endpoint<E: ServerEndpoint>(&self, endpoint: E) -> WithFilter<E> {
        let proxy = self.clone();
        WithFilter::new(endpoint, move |_peer| proxy.filter())
    }
}
