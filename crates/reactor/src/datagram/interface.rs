//! Multicast interfaces, and how each system selects one for an IPv4 group.

use std::io;
use std::net::Ipv4Addr;

use socket2::SockRef;

/// An interface of this host, through which a group is joined or sent to.
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
/// use std::net::Ipv4Addr;
///
/// # let reactor = Reactor::new()?;
/// let port = reactor.listen_udp("0.0.0.0:0", Quiet)?;
/// // In version 4, an interface goes by its address; this one is for tests.
/// let loopback = MulticastInterface::Address(Ipv4Addr::LOCALHOST);
/// port.set_multicast_interface(loopback)?;
/// assert!(port.set_multicast_interface(MulticastInterface::Index(1)).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MulticastInterface {
    /// The one that the system chooses.
    #[default]
    Any,
    /// The one that has this address. Only for version 4.
    Address(Ipv4Addr),
    /// The one that has this number.
    Index(u32),
}

/// The interface index of an IPv6 option: 0 leaves the choice to the system.
pub(super) fn index_v6(interface: MulticastInterface) -> io::Result<u32> {
    match interface {
        MulticastInterface::Any => Ok(0),
        MulticastInterface::Index(index) => Ok(index),
        MulticastInterface::Address(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "an interface has a number in version 6",
        )),
    }
}

pub(super) use by_system::{join_v4, leave_v4};

/// Systems whose `IP_ADD_MEMBERSHIP` takes an interface index as well as an address.
#[cfg(not(any(
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "illumos",
    target_os = "solaris"
)))]
mod by_system {
    use socket2::InterfaceIndexOrAddress;

    use super::{Ipv4Addr, MulticastInterface, SockRef, io};

    pub(in crate::datagram) fn join_v4(
        socket: &SockRef<'_>,
        group: Ipv4Addr,
        interface: MulticastInterface,
    ) -> io::Result<()> {
        socket.join_multicast_v4_n(&group, &selector(interface))
    }

    pub(in crate::datagram) fn leave_v4(
        socket: &SockRef<'_>,
        group: Ipv4Addr,
        interface: MulticastInterface,
    ) -> io::Result<()> {
        socket.leave_multicast_v4_n(&group, &selector(interface))
    }

    fn selector(interface: MulticastInterface) -> InterfaceIndexOrAddress {
        match interface {
            MulticastInterface::Any => InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED),
            MulticastInterface::Address(address) => InterfaceIndexOrAddress::Address(address),
            MulticastInterface::Index(index) => InterfaceIndexOrAddress::Index(index),
        }
    }
}

/// Systems whose `IP_ADD_MEMBERSHIP` takes an address only.
#[cfg(any(
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "illumos",
    target_os = "solaris"
))]
mod by_system {
    use super::{Ipv4Addr, MulticastInterface, SockRef, io};

    pub(in crate::datagram) fn join_v4(
        socket: &SockRef<'_>,
        group: Ipv4Addr,
        interface: MulticastInterface,
    ) -> io::Result<()> {
        socket.join_multicast_v4(&group, &address(interface)?)
    }

    pub(in crate::datagram) fn leave_v4(
        socket: &SockRef<'_>,
        group: Ipv4Addr,
        interface: MulticastInterface,
    ) -> io::Result<()> {
        socket.leave_multicast_v4(&group, &address(interface)?)
    }

    fn address(interface: MulticastInterface) -> io::Result<Ipv4Addr> {
        match interface {
            MulticastInterface::Any => Ok(Ipv4Addr::UNSPECIFIED),
            MulticastInterface::Address(address) => Ok(address),
            MulticastInterface::Index(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this system selects the interface of an IPv4 group by its address, \
                 not by its index: use MulticastInterface::Address",
            )),
        }
    }
}
