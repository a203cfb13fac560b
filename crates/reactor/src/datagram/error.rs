//! `DatagramError`, the error of one datagram, and `DatagramPortClosed`, the reason why a port was
//! closed.

use std::error::Error;
use std::fmt;
use std::io;

use rustix::io::Errno;

/// Error of one datagram. The port stays open.
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
/// use reactor::DatagramError;
///
/// # let reactor = Reactor::new()?;
/// let port = reactor.listen_udp("127.0.0.1:0", Quiet)?;
/// let here = port.address();
/// let sent = port.send_to(vec![0; 100_000], here);
/// assert!(matches!(sent, Err(DatagramError::TooLong { length: 100_000 })));
/// let sent = port.send("without an address");
/// assert!(matches!(sent, Err(DatagramError::NotConnected)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum DatagramError {
    /// The datagram is dropped, because it is longer than the network allows, or, if it was
    /// received, longer than the port's [`max_packet_size`](crate::UdpOptions::max_packet_size).
    TooLong {
        /// Its length in bytes; a lower bound if the system does not report the length.
        length: usize,
    },
    /// The send queue is full. The datagram is dropped, and counted by
    /// [`DatagramPort::dropped`](crate::DatagramPort::dropped).
    QueueFull,
    /// No program listens at the address.
    Refused,
    /// The address is not of the port's family (IPv4 or IPv6).
    WrongFamily,
    /// The port is not connected, so each datagram needs an address.
    NotConnected,
    /// The port is connected already; a port can be connected only once.
    AlreadyConnected,
    /// The port is closed.
    PortClosed,
    /// Another error of the system.
    Io(io::Error),
}

impl DatagramError {
    /// Converts the system's error of sending a datagram of `length` bytes.
    pub(super) fn of(error: Errno, length: usize) -> Self {
        match error {
            Errno::MSGSIZE => Self::TooLong { length },
            Errno::CONNREFUSED => Self::Refused,
            Errno::DESTADDRREQ | Errno::NOTCONN => Self::NotConnected,
            Errno::AFNOSUPPORT => Self::WrongFamily,
            error => Self::Io(error.into()),
        }
    }
}

impl fmt::Display for DatagramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => write!(f, "a datagram of {length} bytes is too long"),
            Self::QueueFull => {
                f.write_str("the send queue of the port is full; see `UdpOptions::max_queued`")
            }
            Self::Refused => f.write_str("no program listens at the address of the datagram"),
            Self::WrongFamily => {
                f.write_str("the address is not of the port's family (IPv4 or IPv6)")
            }
            Self::NotConnected => {
                f.write_str("the port is not connected: use `send_to`, or connect it")
            }
            Self::AlreadyConnected => f.write_str("the port is connected already"),
            Self::PortClosed => f.write_str("the port is closed"),
            Self::Io(error) => write!(f, "a datagram failed: {error}"),
        }
    }
}

impl Error for DatagramError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a port for datagrams was closed: argument of `DatagramProtocol::stop_protocol`.
///
/// # Examples
///
/// A protocol that logs the loss of its port:
///
/// ```
/// # use reactor::{DatagramContext, DatagramProtocol, DatagramPortClosed, Reactor};
/// # use std::net::SocketAddr;
/// # struct Server;
/// # impl DatagramProtocol for Server {
/// #     type Address = SocketAddr;
/// fn stop_protocol(&mut self, _: &mut DatagramContext<'_, Self>, reason: DatagramPortClosed) {
///     if let DatagramPortClosed::Lost(error) = reason {
///         eprintln!("the port is lost: {error}");
///     }
/// }
/// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: SocketAddr) -> deferred::Result<()> { Ok(()) }
/// # }
/// # let reactor = Reactor::new()?;
/// # let port = reactor.listen_udp("127.0.0.1:0", Server)?;
/// # reactor.block_on(port.stop_listening())?;
/// # assert_eq!(DatagramPortClosed::Stopped.to_string(), "the port was closed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum DatagramPortClosed {
    /// The program called `stop_listening`.
    Stopped,
    /// The socket has failed: 16 wake-ups in a row gave only errors.
    Lost(io::Error),
    /// The reactor was stopped or dropped.
    ReactorStopped,
}

impl fmt::Display for DatagramPortClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the port was closed"),
            Self::Lost(error) => write!(f, "the port was lost: {error}"),
            Self::ReactorStopped => f.write_str("the reactor was stopped"),
        }
    }
}

impl Error for DatagramPortClosed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Lost(error) => Some(error),
            Self::Stopped | Self::ReactorStopped => None,
        }
    }
}
