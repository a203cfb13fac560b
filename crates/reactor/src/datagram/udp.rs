//! `listen_udp`: a port for datagrams of the internet.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::port::DatagramPort;
use super::protocol::DatagramProtocol;
use super::source::{DatagramSource, Limits};
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::sys::socket;
use crate::tcp::HostPort;

/// A datagram may be so long at the most: a read of the loop's buffer must tell a longer
/// one from one that fits.
pub(super) const MAX_PACKET_SIZE: usize = 65_535;

/// Where and how to listen, for [`listen_udp`](ReactorHandle::listen_udp). Whatever can
/// be a [`HostPort`] is one.
///
/// # Examples
///
/// ```
/// use reactor::UdpOptions;
///
/// let options = UdpOptions::new("0.0.0.0:68").broadcast(true).max_packet_size(1500);
/// # drop(options);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it listens nowhere by itself"]
pub struct UdpOptions {
    address: HostPort,
    peer: Option<SocketAddr>,
    max_packet_size: usize,
    max_queued: usize,
    broadcast: bool,
    listen_multiple: bool,
}

impl UdpOptions {
    /// Listens on `address` as usual. Port 0 lets the system choose one.
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
    /// use reactor::UdpOptions;
    ///
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_udp(UdpOptions::new("127.0.0.1:0"), Quiet)?;
    /// // A mere address means the same.
    /// let other = reactor.listen_udp("127.0.0.1:0", Quiet)?;
    /// assert_ne!(port.address(), other.address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(address: impl Into<HostPort>) -> Self {
        let limits = Limits::default();
        Self {
            address: address.into(),
            peer: None,
            max_packet_size: limits.max_packet_size,
            max_queued: limits.max_queued,
            broadcast: false,
            listen_multiple: false,
        }
    }

    /// Connects the port before the protocol starts: see
    /// [`DatagramContext::connect`](crate::DatagramContext::connect).
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
    /// use reactor::UdpOptions;
    /// use std::net::UdpSocket;
    ///
    /// # let reactor = Reactor::new()?;
    /// let server = UdpSocket::bind("127.0.0.1:0")?;
    /// let options = UdpOptions::new("127.0.0.1:0").connect(server.local_addr()?);
    /// let port = reactor.listen_udp(options, Quiet)?;
    /// port.send("no address is needed")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(mut self, peer: SocketAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// How long a datagram may be that comes in, in bytes: 8192 unless said otherwise,
    /// 65,535 at the most. A longer one is dropped, and the protocol told
    /// ([`DatagramError::TooLong`](crate::DatagramError::TooLong)).
    ///
    /// # Examples
    ///
    /// A name server that takes 512 bytes at the most:
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramError, DatagramProtocol, Reactor, UdpOptions};
    /// # use std::net::{SocketAddr, UdpSocket};
    /// # struct Names;
    /// # impl DatagramProtocol for Names {
    /// #     type Address = SocketAddr;
    /// #     fn datagram_received(&mut self, cx: &mut DatagramContext<'_, Self>, data: &[u8], _: SocketAddr) -> deferred::Result<()> {
    /// #         assert_eq!(data.len(), 512);
    /// #         Ok(cx.reactor().stop()?)
    /// #     }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// let options = UdpOptions::new("127.0.0.1:0").max_packet_size(512);
    /// let port = reactor.listen_udp(options, Names)?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.send_to(&[0; 513], port.address())?;
    /// # client.send_to(&[0; 512], port.address())?;
    /// # reactor.run()?;
    /// # assert!(matches!(port.send("x"), Err(DatagramError::PortClosed)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_packet_size(mut self, bytes: usize) -> Self {
        self.max_packet_size = bytes.min(MAX_PACKET_SIZE);
        self
    }

    /// How many datagrams may wait to be sent when the system has no room: 128 unless
    /// said otherwise. What is too much is refused
    /// ([`DatagramError::QueueFull`](crate::DatagramError::QueueFull)); with 0, nothing
    /// waits.
    ///
    /// # Examples
    ///
    /// News that is better dropped than late:
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor};
    /// # use std::net::SocketAddr;
    /// # struct Quiet; impl DatagramProtocol for Quiet {
    /// #     type Address = SocketAddr;
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: SocketAddr) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// use reactor::UdpOptions;
    ///
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_udp(UdpOptions::new("127.0.0.1:0").max_queued(0), Quiet)?;
    /// let _ = port.send_to("news", port.address());
    /// assert_eq!(port.queued(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_queued(mut self, datagrams: usize) -> Self {
        self.max_queued = datagrams;
        self
    }

    /// Lets datagrams be sent to all hosts of a network.
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
    /// use reactor::UdpOptions;
    ///
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_udp(UdpOptions::new("127.0.0.1:0").broadcast(true), Quiet)?;
    /// assert!(port.broadcast()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn broadcast(mut self, broadcast: bool) -> Self {
        self.broadcast = broadcast;
        self
    }

    /// Lets others listen on the same address, if they ask for it, too: with multicast,
    /// all of them hear everything. (Twisted: `listenMultiple`.)
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
    /// use reactor::UdpOptions;
    ///
    /// # let reactor = Reactor::new()?;
    /// let shared = |port| UdpOptions::new(("0.0.0.0", port)).listen_multiple(true);
    /// let one = reactor.listen_udp(shared(0), Quiet)?;
    /// let other = reactor.listen_udp(shared(one.address().port()), Quiet)?;
    /// assert_eq!(one.address(), other.address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listen_multiple(mut self, listen_multiple: bool) -> Self {
        self.listen_multiple = listen_multiple;
        self
    }

    fn open(&self) -> io::Result<OwnedFd> {
        let address = self.address.address()?;
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            // What it means by default differs from system to system.
            socket.set_only_v6(true)?;
        }
        if self.broadcast {
            socket.set_broadcast(true)?;
        }
        if self.listen_multiple {
            socket.set_reuse_address(true)?;
            #[cfg(not(any(target_os = "solaris", target_os = "illumos")))]
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address.into())?;
        if let Some(peer) = self.peer {
            socket.connect(&peer.into())?;
        }
        Ok(socket.into())
    }
}

impl<A: Into<HostPort>> From<A> for UdpOptions {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

impl ReactorHandle {
    /// Listens on `address`, and gives `protocol` the datagrams that come in. Port 0 lets
    /// the system choose one.
    ///
    /// A name is looked up on the spot, which may take a while and holds up a loop that runs
    /// (give it an address that [`resolve`](Self::resolve) has found); its first address is
    /// used. An address of version 6 takes no datagrams of version 4.
    ///
    /// # Errors
    ///
    /// The address cannot be understood or used, or is in use; or what `start_protocol`
    /// fails with.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor};
    /// # use std::net::{SocketAddr, UdpSocket};
    /// struct Printer;
    ///
    /// impl DatagramProtocol for Printer {
    ///     type Address = SocketAddr;
    ///
    ///     fn datagram_received(
    ///         &mut self,
    ///         cx: &mut DatagramContext<'_, Self>,
    ///         data: &[u8],
    ///         from: SocketAddr,
    ///     ) -> deferred::Result<()> {
    ///         println!("{from}: {}", String::from_utf8_lossy(data));
    ///         Ok(cx.reactor().stop()?)
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// let port = reactor.listen_udp("127.0.0.1:0", Printer)?;
    /// # UdpSocket::bind("127.0.0.1:0")?.send_to(b"hello", port.address())?;
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listen_udp<P>(
        &self,
        address: impl Into<UdpOptions>,
        protocol: P,
    ) -> Result<DatagramPort<P>, ListenError>
    where
        P: DatagramProtocol<Address = SocketAddr>,
    {
        let options = address.into();
        self.open_udp(&options, protocol)
            .map_err(|error| ListenError::new(options.address, error))
    }

    fn open_udp<P>(&self, options: &UdpOptions, protocol: P) -> io::Result<DatagramPort<P>>
    where
        P: DatagramProtocol<Address = SocketAddr>,
    {
        let limits = Limits {
            max_packet_size: options.max_packet_size,
            max_queued: options.max_queued,
        };
        let core = self.core().map_err(io::Error::other)?;
        core.require_system("a test reactor has no datagram ports")?;
        let source = DatagramSource::start(&core, options.open()?, &limits, None, protocol)?;
        Ok(DatagramPort::new(&source))
    }

    /// Opens a port that only hears from `peer`, and sends to it without an address: see
    /// [`DatagramContext::connect`](crate::DatagramContext::connect).
    ///
    /// # Errors
    ///
    /// There is no way to the address; or what `start_protocol` fails with.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{DatagramContext, DatagramProtocol, Reactor};
    /// use std::net::SocketAddr;
    ///
    /// struct Client;
    ///
    /// impl DatagramProtocol for Client {
    ///     type Address = SocketAddr;
    ///
    ///     fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
    ///         Ok(cx.send("what time is it?")?)
    ///     }
    ///     fn datagram_received(
    ///         &mut self,
    ///         cx: &mut DatagramContext<'_, Self>,
    ///         data: &[u8],
    ///         _: SocketAddr,
    ///     ) -> deferred::Result<()> {
    ///         println!("{}", String::from_utf8_lossy(data));
    ///         cx.stop_listening();
    ///         Ok(())
    ///     }
    ///     fn connection_refused(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
    ///         println!("nobody knows");
    ///         cx.stop_listening();
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// # let free = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    /// reactor.connect_udp(free, Client)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_udp<P>(
        &self,
        peer: SocketAddr,
        protocol: P,
    ) -> Result<DatagramPort<P>, ListenError>
    where
        P: DatagramProtocol<Address = SocketAddr>,
    {
        let from = match peer {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        self.open_udp(&UdpOptions::new(from).connect(peer), protocol)
            .map_err(|error| ListenError::connecting(peer, error))
    }

    /// Goes on with a socket for datagrams that was made elsewhere: by a parent process,
    /// or by a program with options of its own. It is closed with the port.
    ///
    /// # Errors
    ///
    /// It is no socket, or its addresses are of another kind than the protocol's; or what
    /// `start_protocol` fails with.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol};
    /// # use std::net::SocketAddr;
    /// # struct Echo;
    /// # impl DatagramProtocol for Echo {
    /// #     type Address = SocketAddr;
    /// #     fn datagram_received(
    /// #         &mut self,
    /// #         _: &mut DatagramContext<'_, Self>,
    /// #         _: &[u8],
    /// #         _: SocketAddr,
    /// #     ) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// use reactor::Reactor;
    /// use std::net::UdpSocket;
    ///
    /// let reactor = Reactor::new()?;
    /// let port = reactor.adopt_datagram_port(UdpSocket::bind("127.0.0.1:0")?, Echo)?;
    /// println!("listening on {}", port.address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn adopt_datagram_port<P: DatagramProtocol>(
        &self,
        socket: impl Into<OwnedFd>,
        protocol: P,
    ) -> io::Result<DatagramPort<P>> {
        let core = self.core().map_err(io::Error::other)?;
        let socket = socket::adopted(socket.into(), Type::DGRAM)?;
        let limits = Limits::default();
        let source = DatagramSource::start(&core, socket.into(), &limits, None, protocol)?;
        Ok(DatagramPort::new(&source))
    }
}
