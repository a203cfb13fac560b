//! Simulated network in memory, which a test reactor has instead of sockets.
//!
//! It behaves like the sockets of the system, as far as a connection can notice: bytes arrive in
//! order, in pieces of any size; the number of unread bytes is limited; each direction has an end;
//! there are resets. So connections of a test run the same code as real ones, except for the system
//! calls themselves.

mod datagrams;
mod delivery;
mod listener;
mod members;
mod pipe;
mod socket;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::{Rc, Weak};

pub(crate) use self::datagrams::{DatagramSocket, Datagrams, Received};
pub use self::delivery::{Delivery, SentDatagram};
pub(crate) use self::listener::Listener;
use self::listener::Queue;
use self::members::Members;
pub(crate) use self::socket::Socket;
use crate::address::Address;
use crate::readiness::{Key, Ready};

/// The first ephemeral port.
const FIRST_FREE_PORT: u16 = 49152;

pub(crate) struct Network {
    members: Rc<Members>,
    listeners: RefCell<HashMap<Address, Weak<Queue>>>,
    /// Addresses that do not answer, not even to refuse.
    silent: RefCell<Vec<SocketAddr>>,
    next_port: Cell<u16>,
    datagrams: Rc<Datagrams>,
}

impl Network {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            members: Rc::default(),
            listeners: RefCell::default(),
            silent: RefCell::default(),
            next_port: Cell::new(FIRST_FREE_PORT),
            datagrams: Rc::default(),
        })
    }

    pub(crate) fn set_largest_read(&self, bytes: usize) {
        self.members.set_largest_read(bytes);
    }

    pub(crate) fn set_silent(&self, address: SocketAddr) {
        self.silent.borrow_mut().push(address);
        self.datagrams.set_silent(address);
    }

    /// The part of the network for UDP.
    pub(crate) fn datagrams(&self) -> &Rc<Datagrams> {
        &self.datagrams
    }

    /// Adds the events of all members to `ready`, in the order in which the members have joined.
    pub(crate) fn collect_ready(&self, ready: &mut Vec<(Key, Ready)>) {
        self.members.collect_ready(ready);
        self.datagrams.collect_ready(ready);
    }

    /// A port number without a listener on any address. If all are taken, one of them.
    fn free_port(&self) -> u16 {
        let listeners = self.listeners.borrow();
        let mut port = self.next_port.get();
        for _ in FIRST_FREE_PORT..=u16::MAX {
            self.next_port
                .set(port.checked_add(1).unwrap_or(FIRST_FREE_PORT));
            let is_taken = listeners.iter().any(|(address, queue)| {
                let at = address.as_inet().map(|inet| inet.port());
                at == Some(port) && queue.strong_count() > 0
            });
            if !is_taken {
                break;
            }
            port = self.next_port.get();
        }
        port
    }

    /// Listens on `address`.
    pub(crate) fn listen(self: &Rc<Self>, address: &Address, key: Key) -> io::Result<Listener> {
        let address = match address {
            Address::Inet(inet) if inet.port() == 0 => {
                Address::Inet(SocketAddr::new(inet.ip(), self.free_port()))
            }
            other => other.clone(),
        };
        let mut listeners = self.listeners.borrow_mut();
        if listeners
            .get(&address)
            // The reference is weak, so an address is free as soon as its listener is dropped.
            .is_some_and(|queue| queue.strong_count() > 0)
        {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let listener = Listener::new(&self.members, address.clone(), key);
        listeners.insert(address, listener.queue());
        Ok(listener)
    }

    /// A socket that is connected to the listener on `address`. If there is none, the socket has an
    /// error.
    pub(crate) fn connect(self: &Rc<Self>, address: &Address, key: Key) -> Socket {
        let host = match address {
            Address::Inet(peer) => {
                let ip = match peer.ip() {
                    IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                    ip => ip,
                };
                let mut port = self.free_port();
                if port == peer.port() {
                    // With the same port number, the socket would seem to be connected to itself.
                    port = self.free_port();
                }
                Address::Inet(SocketAddr::new(ip, port))
            }
            _ => Address::unnamed(),
        };
        if let Address::Inet(inet) = address
            && self.silent.borrow().contains(inet)
        {
            return Socket::without_answer(&self.members, key, host, address.clone());
        }
        let queue = self.listener_at(address);
        // Made even if there is no listener: the loop finds the error in the socket, as after a
        // non-blocking `connect`.
        let (near, far) = Socket::pair(&self.members, host, address.clone());
        near.set_key(key);
        match queue {
            Some(queue) => queue.push(far),
            None => near.refuse(match address {
                // As in the system: `ENOENT` for a path without a socket.
                Address::Unix(_) => io::ErrorKind::NotFound,
                _ => io::ErrorKind::ConnectionRefused,
            }),
        }
        near
    }

    /// Two sockets that are connected to each other.
    pub(crate) fn pair(self: &Rc<Self>) -> (Socket, Socket) {
        let ends = [self.free_port(), self.free_port()]
            .map(|port| Address::Inet(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        let [host, peer] = ends;
        Socket::pair(&self.members, host, peer)
    }

    fn listener_at(&self, address: &Address) -> Option<Rc<Queue>> {
        let listeners = self.listeners.borrow();
        // A listener on the address itself takes precedence over one on all addresses, as in the
        // system.
        let exact = listeners.get(address).and_then(Weak::upgrade);
        exact.or_else(|| match address {
            Address::Inet(inet) => {
                let any: IpAddr = match inet.ip() {
                    IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                    IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
                };
                let any = Address::Inet(SocketAddr::new(any, inet.port()));
                listeners.get(&any).and_then(Weak::upgrade)
            }
            _ => None,
        })
    }
}
