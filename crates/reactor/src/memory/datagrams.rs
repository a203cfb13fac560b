//! UDP in memory: ports by address, datagrams on their way, and what a test does with them.
//!
//! ```text
//!  send ──▶ unsent ──▶ Delivery of the test ──▶ on its way until due ──▶ queue of a port ──▶ receive
//!              next turn        │                        │
//!                               └ lost, twice, refused   └ no such port: the sender is refused,
//!                                                          if it is connected
//! ```
//!
//! The closure of the test runs when the loop waits, so that no handler is on the stack and
//! nothing is borrowed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::delivery::{Delivery, SentDatagram};
use crate::readiness::{Key, Ready};

/// The first ephemeral port.
const FIRST_FREE_PORT: u16 = 49152;

/// Number of unread bytes that a port holds; datagrams that come when there is no room for them
/// are lost.
const CAPACITY: usize = 256 * 1024;

/// The longest datagrams of IPv4 and IPv6, without headers.
const LARGEST_V4: usize = 65_507;
const LARGEST_V6: usize = 65_527;

type Decide = Box<dyn FnMut(&SentDatagram<'_>) -> Delivery>;

/// The part of a network in memory that carries datagrams.
#[derive(Default)]
pub(crate) struct Datagrams {
    /// In the order in which they were opened.
    ports: RefCell<Vec<Weak<Port>>>,
    /// The loop has not asked the test about them.
    unsent: RefCell<VecDeque<OnItsWay>>,
    /// By the time at which they arrive, and then by their number.
    on_their_way: RefCell<BTreeMap<(Duration, u64), OnItsWay>>,
    now: Cell<Duration>,
    /// Number of datagrams that the test was asked about.
    sent: Cell<usize>,
    /// Number of copies that were put on their way.
    copies: Cell<u64>,
    /// Distance of the next ephemeral port from the first.
    opened: Cell<u16>,
    /// The length of the longest datagram, if a test has limited it.
    largest: Cell<Option<usize>>,
    /// Addresses that do not answer, not even to refuse.
    silent: RefCell<Vec<SocketAddr>>,
    /// Taken while it runs.
    decide: RefCell<Option<Decide>>,
}

#[derive(Clone)]
struct OnItsWay {
    bytes: Vec<u8>,
    from: SocketAddr,
    to: SocketAddr,
    sender: Weak<Port>,
}

/// An open port. Dropping it closes the port.
pub(crate) struct DatagramSocket {
    network: Rc<Datagrams>,
    port: Rc<Port>,
}

struct Port {
    /// `None` for one that no source of the loop is registered for.
    key: Option<Key>,
    is_shared: bool,
    local: Cell<SocketAddr>,
    peer: Cell<Option<SocketAddr>>,
    received: RefCell<VecDeque<(Vec<u8>, SocketAddr)>>,
    unread: Cell<usize>,
    /// Set when no port has taken a datagram that was sent to the peer; cleared by a receive.
    is_refused: Cell<bool>,
}

/// What a port has received.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// A datagram of this length, of which the buffer has as much as fits.
    Datagram(usize, SocketAddr),
    /// No port has taken an earlier datagram of this one.
    Refused,
}

/// A datagram is longer than the network takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Another port is open at an address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InUse;

impl Datagrams {
    pub(crate) fn set_silent(&self, address: SocketAddr) {
        self.silent.borrow_mut().push(address);
    }

    pub(crate) fn set_largest(&self, bytes: usize) {
        self.largest.set(Some(bytes));
    }

    pub(crate) fn set_delivery(&self, decide: Decide) {
        let before = self.decide.replace(Some(decide));
        // User code, dropped while nothing is borrowed.
        drop(before);
    }

    /// When the next datagram arrives.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let on_their_way = self.on_their_way.borrow();
        on_their_way.first_key_value().map(|((due, _), _)| *due)
    }

    /// Has all datagrams arrive that are due at `now`.
    pub(crate) fn move_to(&self, now: Duration) {
        self.now.set(now);
        while self.next_due().is_some_and(|due| due <= now) {
            // The borrow ends before `arrive`.
            let first = self.on_their_way.borrow_mut().pop_first();
            if let Some((_, datagram)) = first {
                self.arrive(datagram);
            }
        }
    }

    /// Opens a port at `address`, for the source with `key`. Several share an address if all of
    /// them are `shared`.
    pub(crate) fn open(
        self: &Rc<Self>,
        address: SocketAddr,
        key: Option<Key>,
        is_shared: bool,
    ) -> Result<DatagramSocket, InUse> {
        let local = match address.port() {
            0 => self.free_address(address.ip()).ok_or(InUse)?,
            _ => address,
        };
        if self.is_taken(local, is_shared) {
            return Err(InUse);
        }
        let port = Rc::new(Port {
            key,
            is_shared,
            local: Cell::new(local),
            peer: Cell::new(None),
            received: RefCell::default(),
            unread: Cell::new(0),
            is_refused: Cell::new(false),
        });
        self.ports.borrow_mut().push(Rc::downgrade(&port));
        Ok(DatagramSocket {
            network: Rc::clone(self),
            port,
        })
    }

    /// `ip` with the next port number that is free.
    fn free_address(&self, ip: IpAddr) -> Option<SocketAddr> {
        (FIRST_FREE_PORT..=u16::MAX).find_map(|_| {
            let number = FIRST_FREE_PORT + self.opened.get();
            let is_last = number == u16::MAX;
            self.opened
                .set(if is_last { 0 } else { self.opened.get() + 1 });
            let address = SocketAddr::new(ip, number);
            (!self.is_taken(address, false)).then_some(address)
        })
    }

    fn is_taken(&self, address: SocketAddr, is_shared: bool) -> bool {
        // As with `bind`: an address collides with "all addresses" on the same port; `SO_REUSEADDR`
        // allows it if both sides set it.
        self.open_ports().any(|port| {
            let local = port.local.get();
            let overlaps = local.port() == address.port()
                && local.is_ipv4() == address.is_ipv4()
                && (local.ip() == address.ip()
                    || local.ip().is_unspecified()
                    || address.ip().is_unspecified());
            overlaps && !(is_shared && port.is_shared)
        })
    }

    /// The open ports, the one that was opened last first.
    fn open_ports(&self) -> impl Iterator<Item = Rc<Port>> + use<> {
        let mut ports = self.ports.borrow_mut();
        ports.retain(|port| port.strong_count() > 0);
        // Collected, so that `ports` is not borrowed while a port is looked at.
        let open: Vec<_> = ports.iter().rev().filter_map(Weak::upgrade).collect();
        open.into_iter()
    }

    /// Whether datagrams wait for the next turn of the loop.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.borrow().is_empty()
    }

    /// Puts what was sent on its way. Then adds the ports that have something to read, in the
    /// order in which they were opened.
    pub(crate) fn collect_ready(&self, ready: &mut Vec<(Key, Ready)>) {
        self.dispatch();
        let first = ready.len();
        for port in self.open_ports() {
            let Some(key) = port.key.filter(|_| port.is_readable()) else {
                continue;
            };
            ready.push((key, Ready::new(true, false, false)));
        }
        // `open_ports` gives the last one first; events come in the order of opening, so that each
        // run of a test has the same.
        ready[first..].reverse();
    }

    fn send(&self, sender: &Rc<Port>, bytes: &[u8], to: SocketAddr) -> Result<(), TooLong> {
        let of_the_family = if to.is_ipv4() { LARGEST_V4 } else { LARGEST_V6 };
        if bytes.len() > self.largest.get().unwrap_or(usize::MAX).min(of_the_family) {
            return Err(TooLong);
        }
        self.unsent.borrow_mut().push_back(OnItsWay {
            bytes: bytes.to_vec(),
            // Fixed when it is sent: the sender may be closed or connected when it arrives.
            from: seen_by(sender.local.get(), to),
            to,
            sender: Rc::downgrade(sender),
        });
        Ok(())
    }

    fn dispatch(&self) {
        // Those that the closure sends itself are for the next turn.
        let unsent = self.unsent.take();
        for datagram in unsent {
            let delivery = self.decide(&datagram);
            if delivery.is_refused() {
                datagram.refuse();
            }
            for delay in delivery.delays() {
                if delay.is_zero() {
                    self.arrive(datagram.clone());
                    continue;
                }
                let due = self.now.get().saturating_add(*delay);
                let copy = self.copies.get();
                self.copies.set(copy + 1);
                let mut on_their_way = self.on_their_way.borrow_mut();
                // The number makes the key unique, and keeps copies that are due at the same time
                // in their order.
                on_their_way.insert((due, copy), datagram.clone());
            }
        }
    }

    /// What the test says about a datagram.
    fn decide(&self, datagram: &OnItsWay) -> Delivery {
        let number = self.sent.get();
        self.sent.set(number + 1);
        // Out of its place while it runs: it is code of the test, and may send, or set another
        // closure.
        let decide = self.decide.take();
        let Some(mut decide) = decide else {
            return Delivery::at_once();
        };
        let delivery = decide(&SentDatagram {
            number,
            from: datagram.from,
            to: datagram.to,
            bytes: &datagram.bytes,
        });
        // Declared after `decide`, so it is released first: a closure that was replaced is dropped
        // while nothing is borrowed.
        let mut place = self.decide.borrow_mut();
        // The closure may have set another one.
        if place.is_none() {
            *place = Some(decide);
        }
        delivery
    }

    fn arrive(&self, datagram: OnItsWay) {
        let (from, to) = (datagram.from, datagram.to);
        if self.silent.borrow().contains(&to) {
            return;
        }
        // A connected port receives from its peer only, as in the system.
        let takes = |port: &Rc<Port>| port.peer.get().is_none_or(|peer| is_same(peer, from));
        let at = |address: SocketAddr| {
            self.open_ports()
                .find(|port| is_same(port.local.get(), address) && takes(port))
        };
        let any = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // A port on the address itself goes before one on all addresses.
        match at(to).or_else(|| at(SocketAddr::new(any, to.port()))) {
            Some(port) => port.push(datagram.bytes, from),
            None => datagram.refuse(),
        }
    }
}

impl OnItsWay {
    /// A port that is not connected to the destination hears of no refusal, as with the system.
    fn refuse(&self) {
        let Some(sender) = self.sender.upgrade() else {
            return;
        };
        if sender.peer.get().is_some_and(|peer| is_same(peer, self.to)) {
            sender.is_refused.set(true);
        }
    }
}

/// The address of a port as a peer at `to` sees it. One that is open on all addresses is seen on
/// the address that it talks to, as a connection in memory is.
fn seen_by(local: SocketAddr, to: SocketAddr) -> SocketAddr {
    if !local.ip().is_unspecified() {
        return local;
    }
    let ip = match to.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, local.port())
}

/// Without what an address of version 6 has beside its IP and port.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    (one.ip(), one.port()) == (other.ip(), other.port())
}

impl Port {
    fn is_readable(&self) -> bool {
        self.is_refused.get() || !self.received.borrow().is_empty()
    }

    fn push(&self, bytes: Vec<u8>, from: SocketAddr) {
        let unread = self.unread.get() + bytes.len();
        // Beyond the capacity, the datagram is lost without a word, as when a socket's buffer is
        // full.
        if unread <= CAPACITY {
            self.unread.set(unread);
            self.received.borrow_mut().push_back((bytes, from));
        }
    }
}

impl DatagramSocket {
    pub(crate) fn local(&self) -> SocketAddr {
        self.port.local.get()
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.port.peer.get()
    }

    pub(crate) fn connect(&self, peer: SocketAddr) {
        self.port.local.set(seen_by(self.local(), peer));
        self.port.peer.set(Some(peer));
    }

    pub(crate) fn send(&self, bytes: &[u8], to: SocketAddr) -> Result<(), TooLong> {
        self.network.send(&self.port, bytes, to)
    }

    /// `None` if there is nothing now.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Option<Received> {
        // Before the datagrams, as a socket reports its error (`SO_ERROR`) before its data.
        if self.port.is_refused.take() {
            return Some(Received::Refused);
        }
        let (bytes, from) = self.take()?;
        let fits = bytes.len().min(buffer.len());
        buffer[..fits].copy_from_slice(&bytes[..fits]);
        Some(Received::Datagram(bytes.len(), from))
    }

    /// The next datagram.
    pub(crate) fn take(&self) -> Option<(Vec<u8>, SocketAddr)> {
        let first = self.port.received.borrow_mut().pop_front()?;
        self.port.unread.set(self.port.unread.get() - first.0.len());
        Some(first)
    }
}
