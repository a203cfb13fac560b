//! `listen_udp`: UDP ports and their options.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::limits::{Limits, limit_methods};
use super::port::DatagramPort;
use super::protocol::DatagramProtocol;
use super::socket::RawDatagrams;
use super::source::DatagramSource;
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::memory::{self, Network};
use crate::poll::Key;
use crate::sys::socket;
use crate::tcp::HostPort;

/// Address and options of a port, for [`listen_udp`](ReactorHandle::listen_udp). A value that
/// converts into a [`HostPort`] also converts into this, with the default options.
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
    /// Listens on `address`, with the default options. With port 0, the system chooses a port.
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

    /// Allows datagrams to a broadcast address, that is, to all hosts of a network.
    pub fn broadcast(mut self, broadcast: bool) -> Self {
        self.broadcast = broadcast;
        self
    }

    /// Lets other sockets listen on the same address, if they have this option, too. Each of
    /// them receives every multicast datagram. (Twisted: `listenMultiple`.)
    pub fn listen_multiple(mut self, listen_multiple: bool) -> Self {
        self.listen_multiple = listen_multiple;
        self
    }

    fn open(&self) -> io::Result<OwnedFd> {
        let address = self.address.address(BY_NAME)?;
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            // By default, it depends on the system whether an IPv6 socket takes IPv4, too.
            socket.set_only_v6(true)?;
        }
        if self.broadcast {
            socket.set_broadcast(true)?;
        }
        // Before `bind`, where both take effect. `socket2` has no `SO_REUSEPORT` on Solaris and
        // illumos.
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

    /// As `open`, in the memory network of a test reactor.
    fn open_in(&self, network: &Network, key: Key) -> io::Result<memory::DatagramSocket> {
        let address = self.address.address(BY_NAME)?;
        let socket = network
            .datagrams()
            .open(address, Some(key), self.listen_multiple)
            .map_err(|_| io::ErrorKind::AddrInUse)?;
        if let Some(peer) = self.peer {
            socket.connect(peer);
        }
        Ok(socket)
    }
}

/// The error text for a name that would have to be looked up.
const BY_NAME: &str = "a name has to be looked up: `reactor.resolve(name, port)` gives addresses";

impl<A: Into<HostPort>> From<A> for UdpOptions {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

impl ReactorHandle {
    /// Listens on `address`, and gives received datagrams to `protocol`. With port 0, the system
    /// chooses a port.
    ///
    /// The only name that this takes is `localhost`, which is `127.0.0.1`. For another name, call
    /// [`resolve`](Self::resolve), which does not block the loop, and listen on an address from its
    /// result. A port with an IPv6 address receives no IPv4 datagrams.
    ///
    /// # Errors
    ///
    /// If the address is malformed, unavailable or in use, or is a name other than `localhost`; or
    /// the failure of `start_protocol`.
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
    ///         cx.reactor().stop();
    ///         Ok(())
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
        let source = match core.network() {
            None => DatagramSource::start(&core, options.open()?, &limits, None, protocol)?,
            Some(network) => {
                // `start_on` inserts the source before anything else is inserted, so it gets this
                // key.
                let key = core.next_key();
                let socket = options.open_in(network, key)?;
                let socket = RawDatagrams::Memory(socket, key);
                DatagramSource::start_on(&core, socket, &limits, None, protocol)?
            }
        };
        Ok(DatagramPort::new(&source))
    }

    /// Opens a port that receives from `peer` only, and sends to it without an address: see
    /// [`DatagramContext::connect`](crate::DatagramContext::connect).
    ///
    /// # Errors
    ///
    /// If there is no route to the address; or the failure of `start_protocol`.
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

    /// Takes over a datagram socket that a parent process has made, or that you have made with
    /// socket options that this crate does not have. The socket is closed with the port.
    ///
    /// # Errors
    ///
    /// If the descriptor is not a datagram socket, or its address family is not that of the
    /// protocol; or the failure of `start_protocol`.
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
