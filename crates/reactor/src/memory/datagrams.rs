//! Simulated UDP: ports by address, datagrams in transit, and the delivery that a test chooses for
//! them.
//!
//! ```text
//!  send ──▶ unsent ──▶ Delivery of the test ──▶ on its way until due ──▶ queue of a port ──▶ receive
//!              next turn        │                        │
//!                               └ lost, twice, refused   └ no such port: the sender is refused,
//!                                                          if it is connected
//! ```
//!
//! The closure of the test runs when the loop waits, so no handler is running and nothing is
//! borrowed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::delivery::{Delivery, SentDatagram};
use crate::readiness::{Key, Ready};

/// The first ephemeral port.
const FIRST_FREE_PORT: u16 = 49152;

/// Number of unread bytes that a port holds. Datagrams that arrive when there is no room for them
/// are lost.
const CAPACITY: usize = 256 * 1024;

/// The longest datagram of IPv4, without headers.
const LARGEST_V4: usize = 65_507;
/// The longest datagram of IPv6, without headers.
const LARGEST_V6: usize = 65_527;

type Decide = Box<dyn FnMut(&SentDatagram<'_>) -> Delivery>;

/// The part of the simulated network that carries datagrams.
#[derive(Default)]
pub(crate) struct Datagrams {
    /// The open ports, in the order in which they were opened.
    ports: RefCell<Vec<Weak<Port>>>,
    /// Datagrams for which the closure of the test was not called yet.
    unsent: RefCell<VecDeque<OnItsWay>>,
    /// Datagrams in transit, by the time at which they arrive, and then by the number of the copy.
    on_their_way: RefCell<BTreeMap<(Duration, u64), OnItsWay>>,
    now: Cell<Duration>,
    /// Number of datagrams for which the closure of the test was called.
    sent: Cell<usize>,
    /// Number of copies that were put in transit, for the keys of `on_their_way`.
    copies: Cell<u64>,
    /// Offset of the next ephemeral port from the first.
    opened: Cell<u16>,
    /// The length of the longest datagram, if a test has limited it.
    largest: Cell<Option<usize>>,
    /// Addresses that do not answer, not even to refuse.
    silent: RefCell<Vec<SocketAddr>>,
    /// The closure of the test; taken out while it runs.
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
    /// `None` for a port of the test, which belongs to no source of the loop.
    key: Option<Key>,
    is_shared: bool,
    local: Cell<SocketAddr>,
    peer: Cell<Option<SocketAddr>>,
    received: RefCell<VecDeque<(Vec<u8>, SocketAddr)>>,
    unread: Cell<usize>,
    /// Set when no port has taken a datagram that was sent to the peer; cleared by a receive.
    is_refused: Cell<bool>,
}

/// Result of a receive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// A datagram of this length; the buffer has as much of it as fits.
    Datagram(usize, SocketAddr),
    /// No port has taken an earlier datagram of this sender.
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
        // The old closure is user code, and is dropped while nothing is borrowed.
        drop(before);
    }

    /// The time at which the next datagram arrives.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let on_their_way = self.on_their_way.borrow();
        on_their_way.first_key_value().map(|((due, _), _)| *due)
    }

    /// Delivers all datagrams that are due at `now`.
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

    /// Opens a port at `address`, for the source with `key`. Several ports can have the same
    /// address if all of them are opened with `is_shared`.
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

    /// `ip` with the next free port number.
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
        // As with `bind`, an address collides with "all addresses" on the same port number, unless
        // both ports are shared (`SO_REUSEADDR`).
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

    /// Calls the closure of the test for the datagrams that were sent. Then adds the ports that are
    /// readable to `ready`, in the order in which they were opened.
    pub(crate) fn collect_ready(&self, ready: &mut Vec<(Key, Ready)>) {
        self.dispatch();
        let first = ready.len();
        for port in self.open_ports() {
            let Some(key) = port.key.filter(|_| port.is_readable()) else {
                continue;
            };
            ready.push((key, Ready::new(true, false, false)));
        }
        // `open_ports` begins with the port that was opened last; events are to come in the order
        // of opening, so that each run of a test has the same order.
        ready[first..].reverse();
    }

    fn send(&self, sender: &Rc<Port>, bytes: &[u8], to: SocketAddr) -> Result<(), TooLong> {
        let to = reached(to);
        let of_the_family = if to.is_ipv4() { LARGEST_V4 } else { LARGEST_V6 };
        if bytes.len() > self.largest.get().unwrap_or(usize::MAX).min(of_the_family) {
            return Err(TooLong);
        }
        self.unsent.borrow_mut().push_back(OnItsWay {
            bytes: bytes.to_vec(),
            // Stored now, because the sender may be closed or connected when the datagram arrives.
            from: seen_by(sender.local.get(), to),
            to,
            sender: Rc::downgrade(sender),
        });
        Ok(())
    }

    fn dispatch(&self) {
        // Datagrams that the closure sends itself wait for the next turn.
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

    /// Asks the closure of the test what becomes of a datagram.
    fn decide(&self, datagram: &OnItsWay) -> Delivery {
        let number = self.sent.get();
        self.sent.set(number + 1);
        // Taken out while it runs, because the closure is code of the test, which may send, or set
        // another closure.
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
        // Declared after `decide`, so this borrow ends before `decide` is dropped, if another
        // closure was set.
        let mut place = self.decide.borrow_mut();
        // Not put back if the closure has set another one.
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
        // A port on the address itself takes precedence over a port on all addresses.
        match at(to).or_else(|| at(SocketAddr::new(any, to.port()))) {
            Some(port) => port.push(datagram.bytes, from),
            None => datagram.refuse(),
        }
    }
}

impl OnItsWay {
    /// Reports the refusal to the sender, if that is connected to the destination, as the system
    /// does.
    fn refuse(&self) {
        let Some(sender) = self.sender.upgrade() else {
            return;
        };
        if sender.peer.get().is_some_and(|peer| is_same(peer, self.to)) {
            sender.is_refused.set(true);
        }
    }
}

/// The address of a port as a peer at `to` sees it. A port that is open on all addresses appears
/// with the address to which it sends, like a connection in memory.
fn seen_by(local: SocketAddr, to: SocketAddr) -> SocketAddr {
    if !local.ip().is_unspecified() {
        return local;
    }
    SocketAddr::new(reached(to).ip(), local.port())
}

/// Where a datagram to `to` goes: the unspecified address leads to this computer.
fn reached(to: SocketAddr) -> SocketAddr {
    let ip = match to.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, to.port())
}

/// Compares IP and port only, without the flow label and scope of IPv6 addresses.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    (one.ip(), one.port()) == (other.ip(), other.port())
}

impl Port {
    fn is_readable(&self) -> bool {
        self.is_refused.get() || !self.received.borrow().is_empty()
    }

    fn push(&self, bytes: Vec<u8>, from: SocketAddr) {
        let unread = self.unread.get() + bytes.len();
        // Above the capacity, the datagram is lost silently, as when the buffer of a socket is
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
        self.port.peer.set(Some(reached(peer)));
    }

    pub(crate) fn send(&self, bytes: &[u8], to: SocketAddr) -> Result<(), TooLong> {
        self.network.send(&self.port, bytes, to)
    }

    /// Receives a datagram into `buffer`; `None` if there is none now.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Option<Received> {
        // The refusal comes before datagrams, as a socket reports its error (`SO_ERROR`) before its
        // data.
        if self.port.is_refused.take() {
            return Some(Received::Refused);
        }
        let (bytes, from) = self.take()?;
        let fits = bytes.len().min(buffer.len());
        buffer[..fits].copy_from_slice(&bytes[..fits]);
        Some(Received::Datagram(bytes.len(), from))
    }

    /// Takes the next datagram out of the queue.
    pub(crate) fn take(&self) -> Option<(Vec<u8>, SocketAddr)> {
        let first = self.port.received.borrow_mut().pop_front()?;
        self.port.unread.set(self.port.unread.get() - first.0.len());
        Some(first)
    }
}
