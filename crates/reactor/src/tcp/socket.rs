//! Sockets as this module wants them: never blocking, never inherited.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};

use crate::address::Address;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

fn stream(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A socket that listens on `address`.
pub(super) fn listening(address: SocketAddr) -> io::Result<Socket> {
    let socket = stream(address)?;
    // Or a port could not be used again for minutes after it was closed.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // What it means by default differs from system to system.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// A socket that is connecting to `address`, or connected.
pub(super) fn connecting(address: SocketAddr) -> io::Result<Socket> {
    let socket = stream(address)?;
    match socket.connect(&address.into()) {
        Ok(()) => Ok(socket),
        Err(error) if is_in_progress(&error) => Ok(socket),
        Err(error) => Err(error),
    }
}

fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
        || error.kind() == io::ErrorKind::WouldBlock
}

/// The next connection that waits; `None` if there is none.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn accept(listener: impl AsFd) -> io::Result<Option<(OwnedFd, Address)>> {
    use rustix::net::SocketFlags;

    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    match rustix::net::acceptfrom_with(listener, flags) {
        Ok((socket, peer)) => {
            let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
            Ok(Some((socket, peer.map_or(Address::Unknown, Address::Inet))))
        }
        Err(error) => nothing_or_error(error.into()),
    }
}

/// The next connection that waits; `None` if there is none.
#[cfg(target_vendor = "apple")]
pub(super) fn accept(listener: impl AsFd) -> io::Result<Option<(OwnedFd, Address)>> {
    match socket2::SockRef::from(&listener).accept() {
        Ok((socket, peer)) => {
            socket.set_nonblocking(true)?;
            let peer = peer.as_socket().map_or(Address::Unknown, Address::Inet);
            Ok(Some((socket.into(), peer)))
        }
        Err(error) => nothing_or_error(error),
    }
}

fn nothing_or_error<T>(error: io::Error) -> io::Result<Option<T>> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(None),
        _ => Err(error),
    }
}
