//! `listen_udp`: UDP ports and their options.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::limits::{Limits, limit_methods};
use super::port::DatagramPort;
use super::protocol::DatagramProtocol;
use super::source::DatagramSource;
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::sys::socket;
use crate::tcp::HostPort;

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
    limits: Limits,
    broadcast: bool,
    listen_multiple: bool,
}

limit_methods!(UdpOptions);

impl UdpOptions {
    /// Listens on `address` as usual. Port 0 lets the system choose one.
    pub fn new(address: impl Into<HostPort>) -> Self {
        Self {
            address: address.into(),
            peer: None,
            limits: Limits::default(),
            broadcast: false,
            listen_multiple: false,
        }
    }

    /// Connects the port before the protocol starts: see
    /// [`DatagramContext::connect`](crate::DatagramContext::connect).
    pub fn connect(mut self, peer: SocketAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Lets datagrams be sent to all hosts of a network.
    pub fn broadcast(mut self, broadcast: bool) -> Self {
        self.broadcast = broadcast;
        self
    }

    /// Lets others listen on the same address, if they ask for it, too: with multicast,
    /// all of them hear everything. (Twisted: `listenMultiple`.)
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
        let limits = options.limits;
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
    ///         println!("unknown");
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
