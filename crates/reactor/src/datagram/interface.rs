//! Multicast interfaces: by address or by index.

use std::io;
use std::net::Ipv4Addr;

use crate::sys::multicast::Selector;

/// A network interface of this host, through which a multicast group is joined, or datagrams are
/// sent to it.
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
/// // With IPv4, an interface is given by its address; this one reaches only this host.
/// let loopback = MulticastInterface::Address(Ipv4Addr::LOCALHOST);
/// port.set_multicast_interface(loopback)?;
/// assert!(port.set_multicast_interface(MulticastInterface::Index(1)).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MulticastInterface {
    /// The interface that the system chooses.
    #[default]
    Any,
    /// The interface that has this address. Only for IPv4.
    Address(Ipv4Addr),
    /// The interface that has this index.
    Index(u32),
}

/// The interface index for an IPv6 socket option.
pub(super) fn index_v6(interface: MulticastInterface) -> io::Result<u32> {
    match interface {
        // 0 has the system choose, by its routes (RFC 3493, section 5.2).
        MulticastInterface::Any => Ok(0),
        MulticastInterface::Index(index) => Ok(index),
        MulticastInterface::Address(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "an interface has a number in version 6",
        )),
    }
}

/// How the system selects the interface of an IPv4 group.
pub(super) fn selector_v4(interface: MulticastInterface) -> Selector {
    match interface {
        MulticastInterface::Any => Selector::Address(Ipv4Addr::UNSPECIFIED),
        MulticastInterface::Address(address) => Selector::Address(address),
        MulticastInterface::Index(index) => Selector::Index(index),
    }
}
