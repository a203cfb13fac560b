//! Membership in IPv4 groups, whose interface each system selects in its own way.

use std::io;
use std::net::Ipv4Addr;

use socket2::SockRef;

/// Selects an interface.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Selector {
    /// By its address. With the unspecified address, the system chooses an interface.
    Address(Ipv4Addr),
    /// By its index.
    Index(u32),
}

/// Makes `socket` join `group`.
pub(crate) fn join_v4(socket: &SockRef<'_>, group: Ipv4Addr, by: Selector) -> io::Result<()> {
    by_system::join(socket, group, by)
}

/// Makes `socket` leave `group`.
pub(crate) fn leave_v4(socket: &SockRef<'_>, group: Ipv4Addr, by: Selector) -> io::Result<()> {
    by_system::leave(socket, group, by)
}

/// For systems whose `IP_ADD_MEMBERSHIP` takes an address or an interface index.
#[cfg(not(any(
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "illumos",
    target_os = "solaris"
)))]
mod by_system {
    use socket2::InterfaceIndexOrAddress;

    use super::{Ipv4Addr, Selector, SockRef, io};

    pub(super) fn join(socket: &SockRef<'_>, group: Ipv4Addr, by: Selector) -> io::Result<()> {
        socket.join_multicast_v4_n(&group, &selector(by))
    }

    pub(super) fn leave(socket: &SockRef<'_>, group: Ipv4Addr, by: Selector) -> io::Result<()> {
        socket.leave_multicast_v4_n(&group, &selector(by))
    }

    fn selector(by: Selector) -> InterfaceIndexOrAddress {
        match by {
            Selector::Address(address) => InterfaceIndexOrAddress::Address(address),
            Selector::Index(index) => InterfaceIndexOrAddress::Index(index),
        }
    }
}

/// For systems whose `IP_ADD_MEMBERSHIP` takes only an address.
#[cfg(any(
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "illumos",
    target_os = "solaris"
))]
mod by_system {
    use super::{Ipv4Addr, Selector, SockRef, io};

    pub(super) fn join(socket: &SockRef<'_>, group: Ipv4Addr, by: Selector) -> io::Result<()> {
        socket.join_multicast_v4(&group, &address(by)?)
    }

    pub(super) fn leave(socket: &SockRef<'_>, group: Ipv4Addr, by: Selector) -> io::Result<()> {
        socket.leave_multicast_v4(&group, &address(by)?)
    }

    fn address(by: Selector) -> io::Result<Ipv4Addr> {
        match by {
            Selector::Address(address) => Ok(address),
            Selector::Index(index) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "this system selects the interface of an IPv4 group by its address, \
                     not by its index ({index}): use MulticastInterface::Address"
                ),
            )),
        }
    }
}
