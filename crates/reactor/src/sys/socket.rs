//! Makes sockets that are non-blocking and not inherited.

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;
use rustix::net::SocketAddrUnix;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::address::{Address, UnixAddress};
use crate::error::CannotBind;

/// Options of a listening socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listening {
    /// Most connections that wait to be accepted.
    pub(crate) backlog: i32,
    pub(crate) reuses_port: bool,
    /// Whether a socket with an IPv6 address takes IPv4 connections, too.
    pub(crate) is_dual_stack: bool,
}

impl Default for Listening {
    fn default() -> Self {
        Self {
            backlog: 1024,
            reuses_port: false,
            is_dual_stack: false,
        }
    }
}

fn stream(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Whether an accepted socket inherits `TCP_NODELAY` from the listening one, so that it need not be
/// set on each.
pub(crate) const ACCEPTED_INHERIT_NODELAY: bool = cfg!(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "linux"
));

/// A socket that listens on `address`.
pub(crate) fn listening(address: SocketAddr, how: &Listening) -> io::Result<Socket> {
    let socket = stream(Domain::for_address(address))?;
    if ACCEPTED_INHERIT_NODELAY {
        socket.set_tcp_nodelay(true)?;
    }
    // Without this option, a port number could not be used again for minutes after its socket was
    // closed.
    socket.set_reuse_address(true)?;
    if how.reuses_port {
        set_reuse_port(&socket)?;
    }
    if address.is_ipv6() {
        // Set explicitly, because its default depends on the system.
        socket.set_only_v6(!how.is_dual_stack)?;
    }
    socket.bind(&address.into())?;
    socket.listen(how.backlog)?;
    Ok(socket)
}

#[cfg(not(any(target_os = "solaris", target_os = "illumos")))]
fn set_reuse_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(any(target_os = "solaris", target_os = "illumos"))]
fn set_reuse_port(_socket: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A UNIX socket that listens on `address`.
pub(crate) fn listening_unix(address: &UnixAddress, backlog: i32) -> io::Result<Socket> {
    let socket = stream(Domain::UNIX)?;
    socket.bind(&address.to_system()?)?;
    socket.listen(backlog)?;
    Ok(socket)
}

/// A socket that is connecting to `address`, or connected. If `host` is given, the socket is
/// bound to it first.
pub(crate) fn connecting(address: SocketAddr, host: Option<SocketAddr>) -> io::Result<Socket> {
    let socket = stream(Domain::for_address(address))?;
    // The loop combines small writes itself, so Nagle's algorithm would only delay the last one.
    socket.set_tcp_nodelay(true)?;
    if let Some(host) = host {
        // The port of `host` may be that of a connection which ended a short time ago
        // (`TIME_WAIT`).
        socket.set_reuse_address(true)?;
        socket
            .bind(&host.into())
            .map_err(|source| io::Error::new(source.kind(), CannotBind { host, source }))?;
    }
    connect(socket, &address.into())
}

/// As [`connecting`], for a UNIX socket. `WouldBlock` means that the listener's backlog is full.
pub(crate) fn connecting_unix(address: &UnixAddress) -> io::Result<Socket> {
    let socket = stream(Domain::UNIX)?;
    connect(socket, &address.to_system()?)
}

fn connect(socket: Socket, address: &SockAddr) -> io::Result<Socket> {
    match socket.connect(address) {
        Ok(()) => Ok(socket),
        // The attempt continues. The socket becomes writable when it has ended.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// Whether a socket that has connected to `port` is connected to itself. That happens if a program
/// connects again and again to a local port on which no socket listens, until the system chooses
/// that same port as the local port.
pub(crate) fn is_connected_to_itself(socket: SockRef<'_>, port: u16) -> io::Result<bool> {
    let host = socket.local_addr()?;
    let may_be = host.as_socket().is_some_and(|host| host.port() == port);
    Ok(may_be && host == socket.peer_addr()?)
}

/// Takes over a socket of another library or process, which must have the type `expected`.
///
/// The socket may be shared, so its blocking mode is not changed; each call has a flag that it must
/// not block.
pub(crate) fn adopted(descriptor: OwnedFd, expected: Type) -> io::Result<Socket> {
    let socket = Socket::from(descriptor);
    let found = socket.r#type()?;
    if found != expected {
        let kind = match expected {
            Type::DGRAM => "datagram",
            _ => "stream",
        };
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("expected a {kind} socket, got one of {found:?}"),
        ));
    }
    Ok(socket)
}

/// Takes over a listening stream socket of another library or process. It is made non-blocking, for
/// other processes that share it, too: otherwise, `accept` would block if another process has
/// accepted the connection first, and `accept` has no flag against that.
pub(crate) fn adopted_listener(descriptor: OwnedFd) -> io::Result<Socket> {
    let socket = adopted(descriptor, Type::STREAM)?;
    if !listens(&socket)? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "expected a socket that listens, got one that does not",
        ));
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(not(target_vendor = "apple"))]
fn listens(socket: &Socket) -> io::Result<bool> {
    Ok(rustix::net::sockopt::socket_acceptconn(socket)?)
}

/// macOS cannot tell whether a socket listens, so this only excludes connected ones.
#[cfg(target_vendor = "apple")]
fn listens(socket: &Socket) -> io::Result<bool> {
    Ok(socket.peer_addr().is_err())
}

/// Accepts the next waiting connection; `None` if there is none.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn accept(listener: impl AsFd) -> io::Result<Option<(OwnedFd, Address)>> {
    use rustix::net::SocketFlags;

    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    match rustix::net::acceptfrom_with(listener, flags) {
        Ok((socket, peer)) => {
            let peer = peer.map_or(Address::Unknown, |peer| from_rustix(&peer));
            Ok(Some((socket, peer)))
        }
        Err(error) => nothing_or_error(error.into()),
    }
}

#[cfg(not(target_vendor = "apple"))]
fn from_rustix(peer: &rustix::net::SocketAddrAny) -> Address {
    // Cloned, because the conversions take the address by value.
    if let Ok(inet) = SocketAddr::try_from(peer.clone()) {
        return Address::Inet(inet);
    }
    match SocketAddrUnix::try_from(peer.clone()) {
        Ok(unix) => Address::Unix(unix_from_rustix(&unix)),
        Err(_) => Address::Unknown,
    }
}

/// The address of a UNIX socket, as the system has given it.
pub(crate) fn unix_from_rustix(address: &SocketAddrUnix) -> UnixAddress {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = address.abstract_name()
        // A socket without a name is reported with an empty one.
        && !name.is_empty()
    {
        return UnixAddress::Abstract(name.to_vec());
    }
    match address.path_bytes() {
        // On some systems, the path includes the zero byte that ends it.
        Some(path) if !path.is_empty() => {
            UnixAddress::Path(OsStr::from_bytes(path.strip_suffix(b"\0").unwrap_or(path)).into())
        }
        _ => UnixAddress::Unnamed,
    }
}

/// Accepts the next waiting connection; `None` if there is none.
#[cfg(target_vendor = "apple")]
pub(crate) fn accept(listener: impl AsFd) -> io::Result<Option<(OwnedFd, Address)>> {
    match SockRef::from(&listener).accept() {
        Ok((socket, peer)) => {
            // macOS has no `accept4`, which would set this.
            socket.set_nonblocking(true)?;
            Ok(Some((socket.into(), Address::from_system(&peer))))
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

/// Whether an error of `accept` concerns only one connection. After any other error, no connection
/// can be accepted now, for instance because no descriptor is left.
pub(crate) fn is_about_one(error: &io::Error) -> bool {
    // See accept(2): `EPERM` is a refusal by a firewall rule, `EPROTO` a protocol error.
    let errors = [Errno::CONNABORTED, Errno::PERM, Errno::PROTO, Errno::INTR];
    Errno::from_io_error(error).is_some_and(|errno| errors.contains(&errno))
}

/// Whether no descriptor is left, in this process or in the system.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    let errors = [Errno::MFILE, Errno::NFILE];
    Errno::from_io_error(error).is_some_and(|errno| errors.contains(&errno))
}
