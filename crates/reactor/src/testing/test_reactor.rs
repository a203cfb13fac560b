//! `TestReactor`: a reactor with a simulated network and a virtual clock, for tests.

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Clock, Deferred, DelayedCall, Failure, Result, ToClock};

use super::datagram_peer::DatagramPeer;
use super::peer::Peer;
use super::settle::{MOST_TURNS, NEVER_AT_REST, Rest, called_by_the_loop, settle};
use crate::connection::{Connection, ConnectionSource, NewConnection, Protocol};
use crate::core::Core;
use crate::error::RunError;
use crate::filter::Filter;
use crate::handle::ReactorHandle;
use crate::io::RawStream;
use crate::memory::{Delivery, Network, SentDatagram, Socket};
use crate::poll::Interest;
use crate::reactor::{Reactor, Turn};
use crate::tcp::{HostPort, Parsed};

/// A reactor with a simulated network and a clock that the test advances: see the [module](super).
///
/// It derefs to a [`ReactorHandle`], and so has all its methods, but refuses operations that need
/// the system. Each test reactor has its own addresses: `127.0.0.1:80` is free in all of them.
///
/// The following fail with an error that says why, before they have any effect: programs
/// ([`spawn_process`](ReactorHandle::spawn_process)), watched descriptors, UNIX datagram ports,
/// multicast, and names of a [`SystemResolver`](crate::SystemResolver). For names, use
/// [`set_resolver`](ReactorHandle::set_resolver). Jobs for threads
/// ([`defer_to_thread`](ReactorHandle::defer_to_thread)) run in the loop itself, one after the
/// other in its next turn, so that their results come in the same order each time.
///
/// The loop runs only when the test calls a method for that. [`settle`](Self::settle) does all work
/// that is due now; [`advance`](Self::advance) also advances the clock; the operations of a
/// [`Peer`] settle by themselves.
///
/// # Examples
///
/// ```
/// use reactor::testing::TestReactor;
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// let reactor = TestReactor::new();
/// let rings = Rc::new(Cell::new(0));
/// let count = Rc::clone(&rings);
/// reactor.call_later(Duration::from_secs(3600), move || count.set(count.get() + 1));
/// reactor.advance(Duration::from_secs(3599));
/// assert_eq!(rings.get(), 0);
/// reactor.advance(Duration::from_secs(1));
/// assert_eq!(rings.get(), 1);
/// ```
#[doc(alias = "MemoryReactorClock")]
pub struct TestReactor {
    reactor: Rc<Reactor>,
    network: Rc<Network>,
}

/// Connections, ports and delayed calls that a test has left, from [`TestReactor::leftovers`].
///
/// # Examples
///
/// ```
/// use reactor::testing::{Leftovers, TestReactor};
/// use std::time::Duration;
///
/// let reactor = TestReactor::new();
/// assert_eq!(reactor.leftovers(), Leftovers::default());
/// reactor.call_later(Duration::from_secs(10), || ());
/// let leftovers = reactor.leftovers();
/// assert_eq!(leftovers.delayed_calls, [Duration::from_secs(10)]);
/// assert_eq!(leftovers.to_string(), "0 connections and ports, 1 delayed calls, due at [10s]");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftovers {
    /// Number of open connections and ports.
    pub sources: usize,
    /// The times at which the scheduled delayed calls are due.
    pub delayed_calls: Vec<Duration>,
}

impl Leftovers {
    /// Whether the test has left nothing.
    pub fn is_empty(&self) -> bool {
        self.sources == 0 && self.delayed_calls.is_empty()
    }
}

impl fmt::Display for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} connections and ports, {} delayed calls, due at {:?}",
            self.sources,
            self.delayed_calls.len(),
            self.delayed_calls
        )
    }
}

impl TestReactor {
    /// Makes a test reactor. Its time is 0.
    pub fn new() -> Self {
        let network = Network::new();
        let core = Core::in_memory(Rc::clone(&network));
        Self {
            reactor: Rc::new(Reactor::from_core(core)),
            network,
        }
    }

    pub(super) fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    fn core(&self) -> &Rc<Core> {
        self.reactor.owned_core()
    }

    /// Runs the loop until no work is left that is due at this time, including work that the first
    /// work causes.
    ///
    /// A delayed call without a delay that schedules itself again is called a thousand times, and
    /// then left for the next `settle`.
    ///
    /// # Panics
    ///
    /// If the loop still has other work after a million turns, or if this is called from inside of
    /// the loop.
    #[doc(alias = "pump")]
    #[track_caller]
    pub fn settle(&self) {
        settle(&self.reactor);
    }

    /// Runs one turn of the loop at this time, even if there is no work.
    ///
    /// For tests of the order of turns; other tests call [`settle`](Self::settle).
    ///
    /// # Panics
    ///
    /// If this is called from inside of the loop.
    #[doc(alias = "iterate")]
    #[track_caller]
    pub fn turn(&self) -> Turn {
        match self.reactor.turn(Some(Duration::ZERO)) {
            Ok(turn) => turn,
            Err(error) => panic!("{}", called_by_the_loop(&error)),
        }
    }

    /// [Settles](Self::settle), and returns the result of `deferred`.
    ///
    /// # Errors
    ///
    /// The failure of `deferred`.
    ///
    /// # Panics
    ///
    /// If `deferred` has no result then, and as for [`settle`](Self::settle).
    #[doc(alias = "successResultOf")]
    #[doc(alias = "failureResultOf")]
    #[track_caller]
    pub fn result_of<T: 'static>(&self, deferred: Deferred<T>) -> Result<T> {
        self.settle();
        match deferred.into_result() {
            Ok(result) => result,
            Err(pending) => panic!("there is no result at {:?}: {pending:?}", self.now()),
        }
    }

    /// Runs the loop until `deferred` has its result, and advances the clock from one delayed call
    /// to the next.
    ///
    /// # Errors
    ///
    /// The failure of `deferred`, or [`RunError::Stopped`](crate::RunError::Stopped) if the reactor
    /// was stopped before.
    ///
    /// # Panics
    ///
    /// If no delayed call or datagram is left and there is no result, and as for
    /// [`settle`](Self::settle).
    ///
    /// # Examples
    ///
    /// An hour of virtual time takes none:
    ///
    /// ```
    /// use deferred::sleep;
    /// use reactor::testing::TestReactor;
    /// use std::time::Duration;
    ///
    /// let reactor = TestReactor::new();
    /// reactor.block_on(sleep(&reactor, Duration::from_secs(3600)))?;
    /// assert_eq!(reactor.now(), Duration::from_secs(3600));
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    #[track_caller]
    pub fn block_on<T: 'static>(&self, deferred: Deferred<T>) -> Result<T> {
        let result = Rc::new(Cell::new(None));
        let slot = Rc::clone(&result);
        deferred
            .add_both(move |outcome| slot.set(Some(outcome)))
            .ignore();
        let mut turns = 0;
        loop {
            // Tested before each turn, so that a Deferred which has its result takes no turn, and
            // after each turn, so that no time passes once it has a result.
            if let Some(result) = result.take() {
                return result;
            }
            if self.turn() == Turn::Stopped {
                return result
                    .take()
                    .unwrap_or_else(|| Err(Failure::new(RunError::Stopped)));
            }
            if let Some(result) = result.take() {
                return result;
            }
            // The clock advances only when no other work is left, as in `advance`.
            if self.core().is_at_rest() {
                match self.next_event() {
                    Some(due) => self.move_to(due.max(self.now())),
                    None => panic!("nothing is left to happen, and there is no result"),
                }
            }
            turns += 1;
            assert!(turns < MOST_TURNS, "{NEVER_AT_REST}");
        }
    }

    /// Advances the clock by `by`, from one delayed call to the next. So each call sees the time at
    /// which it was due, and calls that it schedules are made, too, if they are due before the end.
    ///
    /// # Panics
    ///
    /// As for [`settle`](Self::settle).
    ///
    /// # Examples
    ///
    /// A call that schedules itself again is made each time:
    ///
    /// ```
    /// use reactor::{ReactorHandle, testing::TestReactor};
    /// use std::{cell::Cell, rc::Rc, time::Duration};
    ///
    /// fn tick(reactor: ReactorHandle, ticks: Rc<Cell<u32>>) {
    ///     ticks.set(ticks.get() + 1);
    ///     let again = reactor.clone();
    ///     reactor.call_later(Duration::from_secs(1), move || tick(again, ticks));
    /// }
    ///
    /// let reactor = TestReactor::new();
    /// let ticks = Rc::new(Cell::new(0));
    /// tick(reactor.handle(), Rc::clone(&ticks));
    /// reactor.advance(Duration::from_secs(60));
    /// assert_eq!(ticks.get(), 61);
    /// ```
    #[track_caller]
    pub fn advance(&self, by: Duration) {
        let end = self.now().saturating_add(by);
        // In steps from one event to the next, so that a call sees the time at which it was due,
        // and calls that it schedules within the span are made in their order.
        let mut rest = settle(&self.reactor);
        while let Some(due) = self.next_due(rest).filter(|due| *due <= end) {
            self.move_to(due.max(self.now()));
            rest = settle(&self.reactor);
        }
        self.move_to(end);
    }

    /// Sets the time, and delivers the datagrams that are due by then.
    fn move_to(&self, time: Duration) {
        self.core().shared.time.move_to(time);
        self.network.datagrams().move_to(time);
    }

    /// The time at which the next delayed call is due or the next datagram arrives.
    fn next_event(&self) -> Option<Duration> {
        let call = self.core().timers.next_due();
        [call, self.network.datagrams().next_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// As [`next_event`](Self::next_event), but without the delayed calls that schedule themselves
    /// again now.
    fn next_due(&self, rest: Rest) -> Option<Duration> {
        match rest {
            Rest::Quiet | Rest::Stopped => self.next_event(),
            // A call without a delay that schedules itself again would stop the clock for ever. It
            // was made a thousand times, so the clock advances to the next later event.
            Rest::Rearming => {
                let now = self.now();
                let due_times = self.core().timers.due_times();
                let call = due_times.into_iter().find(|due| *due > now);
                [call, self.network.datagrams().next_due()]
                    .into_iter()
                    .flatten()
                    .min()
            }
        }
    }

    /// Limits each read to `bytes` bytes from now on. With 1, a test shows whether a protocol
    /// depends on how its input is split.
    ///
    /// # Examples
    ///
    /// A protocol that assumes wrongly that bytes which are sent together arrive together:
    ///
    /// ```
    /// # use reactor::{Context, Protocol, Raw, testing};
    /// # struct Naive;
    /// # impl Protocol for Naive {
    /// #     type Framing = Raw;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
    ///     cx.write(if data == b"ping" { "pong" } else { "?" });
    ///     Ok(())
    /// }
    /// # }
    ///
    /// testing::run(|reactor| {
    ///     let (_naive, peer) = reactor.connect_to_peer(Naive);
    ///     peer.send("ping");
    ///     assert_eq!(peer.received(), b"pong");
    ///     reactor.set_largest_read(1);
    ///     peer.send("ping");
    ///     assert_eq!(peer.received(), b"????");
    /// });
    /// ```
    pub fn set_largest_read(&self, bytes: usize) {
        self.network.set_largest_read(bytes);
    }

    /// Makes `address` not answer, not even with a refusal: connecting to it times out, and
    /// datagrams to it are lost.
    pub fn do_not_answer(&self, address: SocketAddr) {
        self.network.set_silent(address);
    }

    /// Sets a function that decides what becomes of each datagram that is sent from now on: it may
    /// be lost, delayed, duplicated or refused. By default, each datagram arrives at once.
    ///
    /// Delays are in the time of [`advance`](Self::advance). A datagram that is in transit when the
    /// test ends does not count as a [leftover](Self::leftovers).
    ///
    /// # Examples
    ///
    /// A client that asks again every second, and whose first two questions are lost:
    ///
    /// ```
    /// use reactor::testing::{self, Delivery};
    /// use reactor::{DatagramContext, DatagramProtocol};
    /// use std::{net::SocketAddr, time::Duration};
    ///
    /// struct Client;
    ///
    /// impl Client {
    ///     fn ask(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
    ///         cx.send("what time is it?")?;
    ///         cx.call_later(Duration::from_secs(1), Self::ask); // until the port is closed
    ///         Ok(())
    ///     }
    /// }
    ///
    /// impl DatagramProtocol for Client {
    ///     type Address = SocketAddr;
    ///
    ///     fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
    ///         self.ask(cx)
    ///     }
    ///     fn datagram_received(
    ///         &mut self,
    ///         cx: &mut DatagramContext<'_, Self>,
    ///         _time: &[u8],
    ///         _from: SocketAddr,
    ///     ) -> deferred::Result<()> {
    ///         cx.stop_listening();
    ///         Ok(())
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let server = reactor.datagram_peer("192.0.2.1:13");
    ///     reactor.set_datagram_delivery(|datagram| match datagram.number {
    ///         0 | 1 => Delivery::lost(),
    ///         _ => Delivery::after(Duration::from_millis(30)),
    ///     });
    ///     reactor.connect_udp(server.address(), Client).unwrap();
    ///     reactor.advance(Duration::from_millis(2029));
    ///     assert_eq!(server.received(), []);
    ///     reactor.advance(Duration::from_millis(1));
    ///     let (question, client) = server.received().pop().unwrap();
    ///     assert_eq!(question, b"what time is it?");
    ///     server.send_to("noon", client);
    ///     reactor.advance(Duration::from_secs(60)); // the port is closed: no timer is left
    /// });
    /// ```
    pub fn set_datagram_delivery(
        &self,
        deliver: impl FnMut(&SentDatagram<'_>) -> Delivery + 'static,
    ) {
        self.network.datagrams().set_delivery(Box::new(deliver));
    }

    /// Limits the length of datagrams to `bytes` bytes from now on: sending a longer one fails with
    /// [`DatagramError::TooLong`](crate::DatagramError::TooLong), as on a path with a small MTU and
    /// without fragmentation. By default, the limit is that of UDP.
    #[doc(alias = "MTU")]
    pub fn set_largest_datagram(&self, bytes: usize) {
        self.network.datagrams().set_largest(bytes);
    }

    /// Opens a port at `address` by which the test itself sends and receives datagrams.
    ///
    /// # Panics
    ///
    /// If `address` is not an IP address with a port, or another port is open at it.
    #[track_caller]
    pub fn datagram_peer(&self, address: impl Into<HostPort>) -> DatagramPeer {
        let address = address.into();
        let Parsed::Address(at) = address.parsed() else {
            panic!("expected an IP address and a port: {address}");
        };
        // Without a key, because the test reads this port, and not the loop.
        match self.network.datagrams().open(*at, None, false) {
            Ok(socket) => DatagramPeer::new(Rc::clone(&self.reactor), socket),
            Err(_) => panic!("another port is open at {at}"),
        }
    }

    /// Makes a connection between `protocol` and the test itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol, testing};
    /// struct Greeter;
    ///
    /// impl Protocol for Greeter {
    ///     type Framing = Lines;
    ///
    ///     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///         cx.send_line("welcome");
    ///         Ok(())
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (_greeter, peer) = reactor.connect_to_peer(Greeter);
    ///     assert_eq!(peer.received(), b"welcome\r\n");
    /// });
    /// ```
    #[track_caller]
    #[doc(alias = "StringTransport")]
    #[doc(alias = "duplex")]
    pub fn connect_to_peer<P: Protocol>(&self, protocol: P) -> (Connection<P>, Peer) {
        let (near, far) = self.network.pair();
        let connection = self.begin(near, protocol);
        let peer = Peer::new(Rc::clone(&self.reactor), far);
        self.settle();
        (connection, peer)
    }

    /// Makes a connection between two protocols.
    #[track_caller]
    pub fn connect_pair<A: Protocol, B: Protocol>(
        &self,
        one: A,
        other: B,
    ) -> (Connection<A>, Connection<B>) {
        let (near, far) = self.network.pair();
        let pair = (self.begin(near, one), self.begin(far, other));
        self.settle();
        pair
    }

    /// As [`connect_to_peer`](Self::connect_to_peer), through `filter`. When the filter is open,
    /// `connection_made` is called, and the Deferred fires. The peer is on the network side of the
    /// filter.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::filter::proxy_protocol::ProxyProtocol;
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    ///
    /// testing::run(|reactor| {
    ///     let header = ProxyProtocol::from_any().filter();
    ///     let (connecting, peer) = reactor.connect_to_peer_through(header, Quiet);
    ///     peer.send("PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\r\n");
    ///     let connection = connecting.into_result().unwrap().unwrap();
    ///     assert_eq!(connection.peer().unwrap().to_string(), "203.0.113.9:50000");
    /// });
    /// ```
    pub fn connect_to_peer_through<P: Protocol>(
        &self,
        filter: impl Filter,
        protocol: P,
    ) -> (Deferred<Connection<P>>, Peer) {
        let (near, far) = self.network.pair();
        let key = self.core().next_key();
        near.set_key(key);
        near.set_interest(Interest::READABLE);
        let peer = near.peer().clone();
        let connection = NewConnection {
            filter: Some(Box::new(filter)),
            ..NewConnection::new(RawStream::Memory(near), key, peer)
        };
        let connecting = ConnectionSource::open(self.core(), connection, protocol);
        self.settle();
        (connecting, Peer::new(Rc::clone(&self.reactor), far))
    }

    fn begin<P: Protocol>(&self, socket: Socket, protocol: P) -> Connection<P> {
        let key = self.core().next_key();
        socket.set_key(key);
        socket.set_interest(Interest::READABLE);
        let peer = socket.peer().clone();
        let connection = NewConnection::new(RawStream::Memory(socket), key, peer);
        let (source, begun) = ConnectionSource::start(self.core(), connection, protocol);
        if let Err(failure) = begun {
            source.any().report(failure);
        }
        Connection::new(Rc::downgrade(&source))
    }

    /// The connections, ports and delayed calls of this reactor, which a test should not leave.
    pub fn leftovers(&self) -> Leftovers {
        Leftovers {
            sources: self.core().registry.len(),
            delayed_calls: self.delayed_calls(),
        }
    }

    /// Asserts that there are no [`leftovers`](Self::leftovers).
    ///
    /// # Panics
    ///
    /// If there are leftovers.
    #[track_caller]
    pub fn assert_clean(&self) {
        let leftovers = self.leftovers();
        assert!(
            leftovers.is_empty(),
            "the test has left behind: {leftovers}"
        );
    }

    /// Stops the reactor, and settles until it has shut down.
    ///
    /// # Panics
    ///
    /// As for [`settle`](Self::settle).
    #[track_caller]
    pub fn shut_down(&self) {
        self.settle();
        self.stop();
        self.settle();
    }
}

impl Default for TestReactor {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for TestReactor {
    type Target = ReactorHandle;

    fn deref(&self) -> &ReactorHandle {
        &self.reactor
    }
}

impl Clock for TestReactor {
    fn now(&self) -> Duration {
        self.reactor.now()
    }

    fn schedule(&self, delay: Duration, call: Box<dyn FnOnce()>) -> DelayedCall {
        self.reactor.call_later(delay, call)
    }
}

/// The clock is a handle on the reactor.
impl ToClock for TestReactor {
    fn to_clock(&self) -> Rc<dyn Clock> {
        Rc::new(self.handle())
    }
}

impl fmt::Debug for TestReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestReactor")
            .field("now", &self.now())
            .field("leftovers", &self.leftovers())
            .finish_non_exhaustive()
    }
}
