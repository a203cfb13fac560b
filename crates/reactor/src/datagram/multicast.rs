//! Broadcast and multicast, on UDP ports.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::SockRef;

use super::interface::{self, MulticastInterface};
use super::port::DatagramPort;
use super::protocol::DatagramProtocol;
use crate::sys::multicast;

/// The largest TTL, which is one byte of a packet.
const MOST_HOPS: u32 = 255;

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Broadcast and multicast, which only UDP ports have.
///
/// # Examples
///
/// All members of a group receive the datagrams that are sent to it:
///
/// ```
/// use reactor::{DatagramContext, DatagramProtocol, MulticastInterface, Reactor, UdpOptions};
/// use std::net::{Ipv4Addr, SocketAddr};
///
/// const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 42, 98);
///
/// struct Member;
///
/// impl DatagramProtocol for Member {
///     type Address = SocketAddr;
///
///     fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
///         let loopback = MulticastInterface::Address(Ipv4Addr::LOCALHOST);
///         cx.port().join_group(GROUP.into(), loopback)?;
///         cx.port().set_multicast_interface(loopback)?;
///         let port = cx.address().port();
///         Ok(cx.send_to("hello, all", (GROUP, port).into())?)
///     }
///     fn datagram_received(
///         &mut self,
///         _: &mut DatagramContext<'_, Self>,
///         data: &[u8],
///         from: SocketAddr,
///     ) -> deferred::Result<()> {
///         println!("{from} says: {}", String::from_utf8_lossy(data));
///         Ok(())
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// let port = reactor.listen_udp(UdpOptions::new("0.0.0.0:0").listen_multiple(true), Member)?;
/// # drop(port);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<P: DatagramProtocol<Address = SocketAddr>> DatagramPort<P> {
    /// Joins `group` on `interface`: the port receives the datagrams that are sent to the group. A
    /// group can be joined once on each interface.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `group` is not a multicast address, or is not of the port's family.
    /// Another error if the system refuses, because the group is joined already, or there is no
    /// such interface.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor};
    /// # use std::net::SocketAddr;
    /// # struct Quiet; impl DatagramProtocol for Quiet {
    /// #     type Address = SocketAddr;
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: SocketAddr) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// use reactor::MulticastInterface;
    /// use std::net::{IpAddr, Ipv4Addr};
    ///
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_udp("0.0.0.0:0", Quiet)?;
    /// let group = IpAddr::from([239, 255, 42, 98]);
    /// port.join_group(group, MulticastInterface::Address(Ipv4Addr::LOCALHOST))?;
    /// // This is an address of one host.
    /// assert!(port.join_group([192, 0, 2, 1].into(), MulticastInterface::Any).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_group(&self, group: IpAddr, interface: MulticastInterface) -> io::Result<()> {
        self.with_group(group, |socket, group| match group {
            IpAddr::V4(group) => {
                multicast::join_v4(socket, group, interface::selector_v4(interface))
            }
            IpAddr::V6(group) => socket.join_multicast_v6(&group, interface::index_v6(interface)?),
        })
    }

    /// Undoes [`join_group`](Self::join_group).
    ///
    /// # Errors
    ///
    /// As for [`join_group`](Self::join_group), and if the group was not joined.
    pub fn leave_group(&self, group: IpAddr, interface: MulticastInterface) -> io::Result<()> {
        self.with_group(group, |socket, group| match group {
            IpAddr::V4(group) => {
                multicast::leave_v4(socket, group, interface::selector_v4(interface))
            }
            IpAddr::V6(group) => socket.leave_multicast_v6(&group, interface::index_v6(interface)?),
        })
    }

    fn with_group(
        &self,
        group: IpAddr,
        f: impl FnOnce(&SockRef<'_>, IpAddr) -> io::Result<()>,
    ) -> io::Result<()> {
        if !group.is_multicast() {
            return Err(invalid("it is no address of a group"));
        }
        if group.is_ipv4() != self.address().is_ipv4() {
            return Err(invalid("the group is of another version than the port"));
        }
        self.with_option(|socket, _is_v4| f(socket, group))
    }

    /// Calls `f` with the socket, and with `true` for IPv4.
    fn with_option<R>(&self, f: impl FnOnce(&SockRef<'_>, bool) -> io::Result<R>) -> io::Result<R> {
        let is_v4 = self.address().is_ipv4();
        self.with_socket(|socket| f(&SockRef::from(&socket), is_v4))
    }

    /// Sets the interface through which datagrams to groups are sent.
    ///
    /// # Errors
    ///
    /// If there is no such interface, an IPv4 port gets an index or an IPv6 port an address, or the
    /// port is closed.
    pub fn set_multicast_interface(&self, interface: MulticastInterface) -> io::Result<()> {
        self.with_option(|socket, is_v4| {
            if !is_v4 {
                return socket.set_multicast_if_v6(interface::index_v6(interface)?);
            }
            match interface {
                MulticastInterface::Any => socket.set_multicast_if_v4(&Ipv4Addr::UNSPECIFIED),
                MulticastInterface::Address(address) => socket.set_multicast_if_v4(&address),
                MulticastInterface::Index(_) => {
                    Err(invalid("an interface has an address in version 4"))
                }
            }
        })
    }

    /// Whether members of a group on this host receive the datagrams that this port sends to the
    /// group: `true` by default.
    ///
    /// # Errors
    ///
    /// If the port is closed.
    pub fn multicast_loopback(&self) -> io::Result<bool> {
        self.with_option(|socket, is_v4| {
            if is_v4 {
                socket.multicast_loop_v4()
            } else {
                socket.multicast_loop_v6()
            }
        })
    }

    /// Sets [`multicast_loopback`](Self::multicast_loopback).
    ///
    /// # Errors
    ///
    /// If the port is closed.
    pub fn set_multicast_loopback(&self, loopback: bool) -> io::Result<()> {
        self.with_option(|socket, is_v4| {
            if is_v4 {
                socket.set_multicast_loop_v4(loopback)
            } else {
                socket.set_multicast_loop_v6(loopback)
            }
        })
    }

    /// The TTL of multicast datagrams: one more than the number of routers that may forward them.
    /// The default of 1 keeps them in the local network.
    ///
    /// # Errors
    ///
    /// If the port is closed.
    pub fn multicast_ttl(&self) -> io::Result<u32> {
        self.with_option(|socket, is_v4| {
            if is_v4 {
                socket.multicast_ttl_v4()
            } else {
                socket.multicast_hops_v6()
            }
        })
    }

    /// Sets [`multicast_ttl`](Self::multicast_ttl), to at most 255.
    ///
    /// # Errors
    ///
    /// If `ttl` is too large, or the port is closed.
    pub fn set_multicast_ttl(&self, ttl: u32) -> io::Result<()> {
        if ttl > MOST_HOPS {
            // The system would take the largest `u32`, which is -1 as an `int`, for its default.
            let message = format!("a multicast TTL is 0 to {MOST_HOPS}, not {ttl}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.with_option(|socket, is_v4| {
            if is_v4 {
                socket.set_multicast_ttl_v4(ttl)
            } else {
                socket.set_multicast_hops_v6(ttl)
            }
        })
    }

    /// Whether the port may send to a broadcast address, that is, to all hosts of a network.
    ///
    /// # Errors
    ///
    /// If the port is closed.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.with_option(|socket, _is_v4| socket.broadcast())
    }

    /// Sets [`broadcast`](Self::broadcast).
    ///
    /// # Errors
    ///
    /// If the port is closed.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.with_option(|socket, _is_v4| socket.set_broadcast(broadcast))
    }
}
