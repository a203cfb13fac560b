//! `listen_unix_datagram`: UNIX datagram ports and their options.

use std::any::Any;
use std::io;

use socket2::{Domain, Socket, Type};

use super::limits::{Limits, limit_methods};
use super::port::DatagramPort;
use super::protocol::DatagramProtocol;
use super::source::DatagramSource;
use crate::address::UnixAddress;
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::sys::SocketFile;

/// Address and options of a port, for
/// [`listen_unix_datagram`](ReactorHandle::listen_unix_datagram). A value that converts into a
/// [`UnixAddress`] also converts into this, with the default options.
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
    limits: Limits,
}

limit_methods!(UnixDatagramOptions);

impl UnixDatagramOptions {
    /// Listens on `address`, with the default options.
    pub fn new(address: impl Into<UnixAddress>) -> Self {
        Self {
            address: address.into(),
            peer: None,
            mode: None,
            locks: false,
            limits: Limits::default(),
        }
    }

    /// Connects the port before the protocol starts: see
    /// [`DatagramContext::connect`](crate::DatagramContext::connect).
    pub fn connect(mut self, peer: impl Into<UnixAddress>) -> Self {
        self.peer = Some(peer.into());
        self
    }

    /// Sets the permissions of the file: a process with write permission may send. The default is
    /// `0o777` without the bits of the process's umask.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Locks the name: see [`UnixListenOptions::lock`](crate::UnixListenOptions::lock).
    pub fn lock(mut self, lock: bool) -> Self {
        self.locks = lock;
        self
    }
}

impl<A: Into<UnixAddress>> From<A> for UnixDatagramOptions {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

impl ReactorHandle {
    /// Listens on a UNIX socket, and gives received datagrams to `protocol`.
    ///
    /// The file of the socket is removed when the port is closed. An abstract name, such as
    /// `"@log"`, has no file. A sender can be answered only if it has a name, so it has to listen,
    /// too.
    ///
    /// If the buffer of a receiver is full, all later datagrams of this port wait, even those for
    /// other receivers, so that the order is kept.
    ///
    /// # Errors
    ///
    /// If the address is in use, or a file with this path was left by a process that has ended (see
    /// [`UnixDatagramOptions::lock`]); if the directory does not exist or is not writable; if the
    /// path is empty or contains a zero byte (`InvalidInput`); or the failure of `start_protocol`.
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
    /// If no process listens on `peer`; or the failure of `start_protocol`.
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
        core.require_system("a test reactor has no UNIX datagram ports")?;
        // An address that cannot be listened on is refused before a file is made.
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
        // If this fails, the drop of `file` removes the file of the socket.
        if let Some(peer) = &options.peer {
            socket.connect(&peer.to_system()?)?;
        }
        let limits = options.limits;
        let cleanup = file.map(|file| Box::new(file) as Box<dyn Any>);
        let source = DatagramSource::start(&core, socket.into(), &limits, cleanup, protocol)?;
        Ok(DatagramPort::new(&source))
    }
}
