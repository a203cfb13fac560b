//! `listen_unix_datagram`: a port for datagrams that has a name instead of a number.

use std::any::Any;
use std::io;

use socket2::{Domain, Socket, Type};

use super::port::DatagramPort;
use super::protocol::DatagramProtocol;
use super::source::{DatagramSource, Limits};
use super::udp::MAX_PACKET_SIZE;
use crate::address::UnixAddress;
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::sys::SocketFile;

/// Where and how to listen, for
/// [`listen_unix_datagram`](ReactorHandle::listen_unix_datagram). Whatever can be a
/// [`UnixAddress`] is one.
///
/// # Examples
///
/// ```
/// use reactor::UnixDatagramOptions;
///
/// let options = UnixDatagramOptions::new("/run/log").mode(0o620).max_packet_size(2048);
/// # drop(options);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it listens nowhere by itself"]
pub struct UnixDatagramOptions {
    address: UnixAddress,
    peer: Option<UnixAddress>,
    mode: Option<u32>,
    locks: bool,
    max_packet_size: usize,
    max_queued: usize,
}

impl UnixDatagramOptions {
    /// Listens on `address` as usual.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor, UnixAddress};
    /// # struct Quiet; impl DatagramProtocol for Quiet {
    /// #     type Address = UnixAddress;
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: UnixAddress) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// use reactor::UnixDatagramOptions;
    ///
    /// # let reactor = Reactor::new()?;
    /// # let name = format!("@unix-datagram-new-{}", std::process::id());
    /// let port = reactor.listen_unix_datagram(UnixDatagramOptions::new(name.as_str()), Quiet)?;
    /// assert_eq!(port.address(), UnixAddress::from(name.as_str()));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(address: impl Into<UnixAddress>) -> Self {
        let limits = Limits::default();
        Self {
            address: address.into(),
            peer: None,
            mode: None,
            locks: false,
            max_packet_size: limits.max_packet_size,
            max_queued: limits.max_queued,
        }
    }

    /// Connects the port before the protocol starts: see
    /// [`DatagramContext::connect`](crate::DatagramContext::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor, UnixAddress};
    /// # struct Quiet; impl DatagramProtocol for Quiet {
    /// #     type Address = UnixAddress;
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: UnixAddress) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// use reactor::UnixDatagramOptions;
    ///
    /// # let reactor = Reactor::new()?;
    /// # let server = format!("@unix-datagram-server-{}", std::process::id());
    /// # let client = format!("@unix-datagram-client-{}", std::process::id());
    /// # let there = reactor.listen_unix_datagram(server.as_str(), Quiet)?;
    /// // With a name of its own, it can be answered.
    /// let options = UnixDatagramOptions::new(client).connect(server);
    /// let port = reactor.listen_unix_datagram(options, Quiet)?;
    /// port.send("hello")?;
    /// # drop(there);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(mut self, peer: impl Into<UnixAddress>) -> Self {
        self.peer = Some(peer.into());
        self
    }

    /// The permissions of the file: who may write to it may send. Unless this is said, it
    /// is what the process's umask leaves of all of them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor, UnixAddress};
    /// # struct Quiet; impl DatagramProtocol for Quiet {
    /// #     type Address = UnixAddress;
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: UnixAddress) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// use reactor::UnixDatagramOptions;
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// # let reactor = Reactor::new()?;
    /// # let path = std::env::temp_dir().join(format!("unix-datagram-mode-{}", std::process::id()));
    /// let port = reactor.listen_unix_datagram(UnixDatagramOptions::new(&path).mode(0o600), Quiet)?;
    /// assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    /// # drop((reactor, port));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Locks the name: see [`UnixListenOptions::lock`](crate::UnixListenOptions::lock).
    ///
    /// # Examples
    ///
    /// The file that a killed process has left behind is replaced:
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor, UnixAddress};
    /// # struct Quiet; impl DatagramProtocol for Quiet {
    /// #     type Address = UnixAddress;
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: UnixAddress) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// use reactor::UnixDatagramOptions;
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// # let reactor = Reactor::new()?;
    /// # let path = std::env::temp_dir().join(format!("unix-datagram-lock-{}", std::process::id()));
    /// drop(UnixDatagram::bind(&path)?);
    /// let port = reactor.listen_unix_datagram(UnixDatagramOptions::new(&path).lock(true), Quiet)?;
    /// assert!(!port.is_gone());
    /// # drop((reactor, port));
    /// # let _ = std::fs::remove_file(format!("{}.lock", path.display()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(mut self, lock: bool) -> Self {
        self.locks = lock;
        self
    }

    /// How long a datagram may be that comes in: see
    /// [`UdpOptions::max_packet_size`](crate::UdpOptions::max_packet_size).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// # use reactor::{DatagramContext, DatagramError, DatagramProtocol, Reactor, UnixAddress, UnixDatagramOptions};
    /// # struct Server;
    /// # impl DatagramProtocol for Server {
    /// #     type Address = UnixAddress;
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: UnixAddress) -> deferred::Result<()> { Ok(()) }
    /// fn datagram_failed(
    ///     &mut self,
    ///     cx: &mut DatagramContext<'_, Self>,
    ///     error: DatagramError,
    /// ) -> deferred::Result<()> {
    ///     println!("{error}");
    ///     Ok(cx.reactor().stop()?)
    /// }
    /// # }
    ///
    /// # let reactor = Reactor::new()?;
    /// # let name = format!("@unix-datagram-size-{}", std::process::id());
    /// let short = UnixDatagramOptions::new(name).max_packet_size(4);
    /// let port = reactor.listen_unix_datagram(short, Server)?;
    /// port.send_to("hello", port.address())?;
    /// reactor.run()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_packet_size(mut self, bytes: usize) -> Self {
        self.max_packet_size = bytes.min(MAX_PACKET_SIZE);
        self
    }

    /// How many datagrams may wait to be sent while a receiver is full: see
    /// [`UdpOptions::max_queued`](crate::UdpOptions::max_queued).
    ///
    /// # Examples
    ///
    /// A log that would rather lose lines than let them wait:
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor, UnixAddress};
    /// # struct Quiet; impl DatagramProtocol for Quiet {
    /// #     type Address = UnixAddress;
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: UnixAddress) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// use reactor::UnixDatagramOptions;
    ///
    /// # let reactor = Reactor::new()?;
    /// # let name = format!("@unix-datagram-queued-{}", std::process::id());
    /// let port = reactor.listen_unix_datagram(UnixDatagramOptions::new(name).max_queued(0), Quiet)?;
    /// // Nobody reads while this goes on.
    /// while port.send_to("a line", port.address()).is_ok() {}
    /// assert_eq!((port.queued(), port.dropped()), (0, 1));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_queued(mut self, datagrams: usize) -> Self {
        self.max_queued = datagrams;
        self
    }
}

impl<A: Into<UnixAddress>> From<A> for UnixDatagramOptions {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

impl ReactorHandle {
    /// Listens on a UNIX socket, and gives `protocol` the datagrams that come in.
    ///
    /// Its file is removed when the port is closed. An abstract name, such as `"@log"`,
    /// has none. Who is to answer needs a name of the sender, which has to listen, too.
    ///
    /// If a receiver is full, datagrams wait for it in the order in which they were sent,
    /// also those for others.
    ///
    /// # Errors
    ///
    /// The name is in use, or there is a file of that name that nobody listens on any
    /// more (see [`UnixDatagramOptions::lock`]); the directory is not there, or not to be
    /// written to; the path is empty or contains a zero byte (`InvalidInput`); or what
    /// `start_protocol` fails with.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use reactor::{DatagramContext, DatagramProtocol, Reactor, UnixAddress};
    ///
    /// struct Log;
    ///
    /// impl DatagramProtocol for Log {
    ///     type Address = UnixAddress;
    ///
    ///     fn datagram_received(
    ///         &mut self,
    ///         _: &mut DatagramContext<'_, Self>,
    ///         data: &[u8],
    ///         from: UnixAddress,
    ///     ) -> deferred::Result<()> {
    ///         println!("{from}: {}", String::from_utf8_lossy(data));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// # let name = format!("@listen-unix-datagram-{}", std::process::id());
    /// let port = reactor.listen_unix_datagram(name, Log)?;
    /// # drop(port);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listen_unix_datagram<P>(
        &self,
        address: impl Into<UnixDatagramOptions>,
        protocol: P,
    ) -> Result<DatagramPort<P>, ListenError>
    where
        P: DatagramProtocol<Address = UnixAddress>,
    {
        let options = address.into();
        self.open_unix_datagram(&options, protocol)
            .map_err(|error| ListenError::new(options.address, error))
    }

    /// Opens a port without a name that sends to `peer`: see
    /// [`DatagramContext::connect`](crate::DatagramContext::connect).
    ///
    /// # Errors
    ///
    /// Nobody listens there; or what `start_protocol` fails with.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor, UnixAddress};
    /// # struct Quiet; impl DatagramProtocol for Quiet {
    /// #     type Address = UnixAddress;
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: UnixAddress) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// # let log = format!("@unix-datagram-connect-{}", std::process::id());
    /// # let there = reactor.listen_unix_datagram(log.as_str(), Quiet)?;
    /// let port = reactor.connect_unix_datagram(log, Quiet)?;
    /// port.send("the program has started")?;
    /// assert!(reactor.connect_unix_datagram("/nowhere/to/be/found", Quiet).is_err());
    /// # drop(there);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_unix_datagram<P>(
        &self,
        peer: impl Into<UnixAddress>,
        protocol: P,
    ) -> Result<DatagramPort<P>, ListenError>
    where
        P: DatagramProtocol<Address = UnixAddress>,
    {
        let peer = peer.into();
        let options = UnixDatagramOptions::new(UnixAddress::Unnamed).connect(peer.clone());
        self.open_unix_datagram(&options, protocol)
            .map_err(|error| ListenError::connecting(peer, error))
    }

    fn open_unix_datagram<P>(
        &self,
        options: &UnixDatagramOptions,
        protocol: P,
    ) -> io::Result<DatagramPort<P>>
    where
        P: DatagramProtocol<Address = UnixAddress>,
    {
        let core = self.core().map_err(io::Error::other)?;
        core.require_system("a test reactor has no datagram ports")?;
        // What cannot be listened on is refused before a file is made.
        let address = match &options.address {
            UnixAddress::Unnamed => None,
            named => Some(named.to_system()?),
        };
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
        socket.set_nonblocking(true)?;
        let bind = || match &address {
            Some(address) => socket.bind(address),
            None => Ok(()),
        };
        let file = match options.address.as_path() {
            Some(path) => Some(SocketFile::bind(path, options.locks, options.mode, bind)?.1),
            None => {
                bind()?;
                None
            }
        };
        if let Some(peer) = &options.peer {
            socket.connect(&peer.to_system()?)?;
        }
        let limits = Limits {
            max_packet_size: options.max_packet_size,
            max_queued: options.max_queued,
        };
        let cleanup = file.map(|file| Box::new(file) as Box<dyn Any>);
        let source = DatagramSource::start(&core, socket.into(), &limits, cleanup, protocol)?;
        Ok(DatagramPort::new(&source))
    }
}
