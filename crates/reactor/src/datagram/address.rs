//! Address families of datagram sockets: the differences between UDP and UNIX sockets.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, SocketAddrUnix};
use socket2::{SockAddr, SockRef};

use crate::address::{Address, UnixAddress};
use crate::sys::socket::unix_from_rustix;

/// Address of the sender or receiver of a datagram: [`SocketAddr`] for UDP, [`UnixAddress`] for
/// UNIX sockets.
///
/// The trait is sealed.
///
/// # Examples
///
/// A protocol for either kind of address:
///
/// ```
/// use reactor::{DatagramAddress, DatagramContext, DatagramProtocol, Reactor};
/// use std::marker::PhantomData;
/// # use std::net::SocketAddr;
///
/// struct Echo<A>(PhantomData<A>);
///
/// impl<A: DatagramAddress> DatagramProtocol for Echo<A> {
///     type Address = A;
///
///     fn datagram_received(
///         &mut self,
///         cx: &mut DatagramContext<'_, Self>,
///         data: &[u8],
///         from: A,
///     ) -> deferred::Result<()> {
///         println!("{from} has said something");
///         Ok(cx.send_to(data, from)?)
///     }
/// }
/// # let reactor = Reactor::new()?;
/// # reactor.listen_udp("127.0.0.1:0", Echo::<SocketAddr>(PhantomData))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait DatagramAddress: Clone + fmt::Debug + fmt::Display + sealed::Family {}

impl DatagramAddress for SocketAddr {}
impl DatagramAddress for UnixAddress {}

pub(crate) mod sealed {
    use super::{BorrowedFd, Errno, RecvFlags, SockAddr, SocketAddr, SocketAddrAny, io};

    #[expect(unnameable_types, reason = "it seals the trait")]
    pub trait Family: Sized + 'static {
        /// Whether an error "connection refused" may be about an earlier datagram: over a network,
        /// the report that no program receives arrives some time after the send.
        const IS_REFUSED_LATE: bool;

        #[doc(hidden)]
        fn from_system(address: Option<SocketAddrAny>) -> Option<Self>;

        #[doc(hidden)]
        fn to_system(&self) -> io::Result<SockAddr>;

        /// The address in the simulated network of a test, which has UDP only.
        #[doc(hidden)]
        fn as_inet(&self) -> Option<SocketAddr>;

        #[doc(hidden)]
        fn from_inet(address: SocketAddr) -> Option<Self>;

        #[doc(hidden)]
        fn send(&self, socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno>;

        /// Address that the socket is bound to.
        #[doc(hidden)]
        fn of(socket: BorrowedFd<'_>) -> io::Result<Self>;

        /// Address of the peer that the socket is connected to.
        #[doc(hidden)]
        fn peer_of(socket: BorrowedFd<'_>) -> Option<Self>;

        /// Whether a socket that is bound to this can send to `other`.
        #[doc(hidden)]
        fn can_reach(&self, other: &Self) -> bool;

        /// Whether a datagram from `other` is from the peer with this address, as the system
        /// gives it (`peer_of`).
        #[doc(hidden)]
        fn is_peer(&self, other: &Self) -> bool;

        #[doc(hidden)]
        fn receive(
            socket: BorrowedFd<'_>,
            buffer: &mut [u8],
        ) -> Result<(usize, Option<Self>), Errno> {
            let (_, length, from) = rustix::net::recvfrom(socket, buffer, RECEIVE_FLAGS)?;
            Ok((length, Self::from_system(from)))
        }
    }

    /// On Linux, `TRUNC` makes the system return the full length of a datagram that did not fit.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const RECEIVE_FLAGS: RecvFlags = RecvFlags::TRUNC.union(RecvFlags::DONTWAIT);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const RECEIVE_FLAGS: RecvFlags = RecvFlags::DONTWAIT;
}

// `DONTWAIT` in each call, because an adopted socket may be in blocking mode.
#[cfg(not(target_vendor = "apple"))]
pub(super) const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);
#[cfg(target_vendor = "apple")]
pub(super) const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT;

impl sealed::Family for SocketAddr {
    const IS_REFUSED_LATE: bool = true;

    fn from_system(address: Option<SocketAddrAny>) -> Option<Self> {
        Self::try_from(address?).ok()
    }

    fn to_system(&self) -> io::Result<SockAddr> {
        Ok((*self).into())
    }

    fn as_inet(&self) -> Option<SocketAddr> {
        Some(*self)
    }

    fn from_inet(address: SocketAddr) -> Option<Self> {
        Some(address)
    }

    fn send(&self, socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::net::sendto(socket, bytes, SEND_FLAGS, self)
    }

    fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let address = SockRef::from(&socket).local_addr()?;
        address
            .as_socket()
            .ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    fn peer_of(socket: BorrowedFd<'_>) -> Option<Self> {
        SockRef::from(&socket).peer_addr().ok()?.as_socket()
    }

    fn can_reach(&self, other: &Self) -> bool {
        self.is_ipv4() == other.is_ipv4()
    }

    fn is_peer(&self, other: &Self) -> bool {
        // Compares only address and port, because the system may fill in the other fields of an
        // IPv6 address.
        (self.ip(), self.port()) == (other.ip(), other.port())
    }
}

impl sealed::Family for UnixAddress {
    const IS_REFUSED_LATE: bool = false;

    fn from_system(address: Option<SocketAddrAny>) -> Option<Self> {
        let named = address.and_then(|address| SocketAddrUnix::try_from(address).ok());
        Some(named.map_or(Self::Unnamed, |address| unix_from_rustix(&address)))
    }

    fn to_system(&self) -> io::Result<SockAddr> {
        Self::to_system(self)
    }

    fn as_inet(&self) -> Option<SocketAddr> {
        None
    }

    fn from_inet(_: SocketAddr) -> Option<Self> {
        None
    }

    fn send(&self, socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
        let address = to_rustix(self)?;
        rustix::net::sendto(socket, bytes, SEND_FLAGS, &address)
    }

    fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        match Address::from_system(&SockRef::from(&socket).local_addr()?) {
            Address::Unix(address) => Ok(address),
            Address::Inet(_) | Address::Unknown => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn peer_of(socket: BorrowedFd<'_>) -> Option<Self> {
        let address = SockRef::from(&socket).peer_addr().ok()?;
        Address::from_system(&address).as_unix().cloned()
    }

    fn can_reach(&self, _other: &Self) -> bool {
        true
    }

    fn is_peer(&self, other: &Self) -> bool {
        // A peer without a name is one end of a socket pair. It may get a name later, and no
        // other socket knew where to send to before.
        *self == Self::Unnamed || self == other
    }
}

fn to_rustix(address: &UnixAddress) -> Result<SocketAddrUnix, Errno> {
    match address {
        // `SocketAddrUnix::new` refuses a path with a zero byte. An empty path is refused here,
        // because it would mean the unnamed address, or have Linux choose a name.
        UnixAddress::Path(path) if path.as_os_str().is_empty() => Err(Errno::INVAL),
        UnixAddress::Path(path) => SocketAddrUnix::new(path.as_os_str()),
        #[cfg(any(target_os = "linux", target_os = "android"))]
        UnixAddress::Abstract(name) => SocketAddrUnix::new_abstract_name(name),
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        UnixAddress::Abstract(_) => Err(Errno::AFNOSUPPORT),
        UnixAddress::Unnamed => Err(Errno::DESTADDRREQ),
    }
}
