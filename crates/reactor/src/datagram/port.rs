//! `DatagramPort`: a port from anywhere in its thread.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::{Rc, Weak};

use deferred::{Deferred, Result, succeed};

use super::context::DatagramContext;
use super::error::DatagramError;
use super::protocol::DatagramProtocol;
use super::source::DatagramSource;
use crate::connection::Handled;
use crate::error::Gone;
use crate::mailbox::MailboxOwner;

/// A port for datagrams, for whoever is not its protocol.
///
/// Cheap to clone, and weak: dropping this does not close the port;
/// [`stop_listening`](Self::stop_listening) does, and stopping or dropping the reactor.
/// From listening, or from [`DatagramContext::port`].
///
/// # Examples
///
/// ```
/// use reactor::{DatagramContext, DatagramProtocol, Reactor};
/// use std::net::SocketAddr;
///
/// #[derive(Default)]
/// struct Count(u32);
///
/// impl DatagramProtocol for Count {
///     type Address = SocketAddr;
///
///     fn datagram_received(
///         &mut self,
///         _: &mut DatagramContext<'_, Self>,
///         _: &[u8],
///         _: SocketAddr,
///     ) -> deferred::Result<()> {
///         self.0 += 1;
///         Ok(())
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// let port = reactor.listen_udp("127.0.0.1:0", Count::default())?;
/// let counting = port.clone();
/// reactor.call_later(std::time::Duration::from_millis(5), move || {
///     counting.post(|this, _cx| println!("{} came", this.0)).unwrap();
/// });
/// # drop(port);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DatagramPort<P: DatagramProtocol> {
    source: Weak<DatagramSource<P>>,
    address: P::Address,
}

impl<P: DatagramProtocol> DatagramPort<P> {
    pub(super) fn new(source: &DatagramSource<P>) -> Self {
        Self {
            source: source.mailbox().weak(),
            address: source.address(),
        }
    }

    fn source(&self) -> Result<Rc<DatagramSource<P>>, Gone> {
        self.source
            .upgrade()
            .filter(|source| source.is_open())
            .ok_or(Gone)
    }

    /// Calls `f` with the socket.
    pub(super) fn with_socket<R>(
        &self,
        f: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        let closed = || io::Error::other(DatagramError::PortClosed);
        let source = self.source().map_err(|Gone| closed())?;
        source.with_socket(f).unwrap_or_else(|| Err(closed()))
    }

    /// Whether the port is closed, or on its way there.
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
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_udp("127.0.0.1:0", Quiet)?;
    /// assert!(!port.is_gone());
    /// port.stop_listening().ignore();
    /// assert!(port.is_gone());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_gone(&self) -> bool {
        self.source().is_err()
    }

    /// The address that the port listens on, with what the system has chosen.
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
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_udp("127.0.0.1:0", Quiet)?;
    /// println!("listening on {}", port.address());
    /// assert_ne!(port.address().port(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn address(&self) -> P::Address {
        match self.source() {
            Ok(source) => source.address(),
            Err(Gone) => self.address.clone(),
        }
    }

    /// Sends a datagram to an address: see [`DatagramContext::send_to`].
    ///
    /// # Errors
    ///
    /// As there; or the port is closed.
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
    /// use std::net::UdpSocket;
    ///
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_udp("127.0.0.1:0", Quiet)?;
    /// let other = UdpSocket::bind("127.0.0.1:0")?;
    /// port.send_to("hello", other.local_addr()?)?;
    /// let mut text = [0; 5];
    /// assert_eq!(other.recv_from(&mut text)?, (5, port.address()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_to(&self, bytes: impl AsRef<[u8]>, to: P::Address) -> Result<(), DatagramError> {
        self.send_datagram(bytes.as_ref(), Some(to))
    }

    /// Sends a datagram to the address that the port is connected to.
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to); or the port is not connected.
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
    /// use std::net::UdpSocket;
    ///
    /// # let reactor = Reactor::new()?;
    /// let other = UdpSocket::bind("127.0.0.1:0")?;
    /// let port = reactor.connect_udp(other.local_addr()?, Quiet)?;
    /// port.send("hello")?;
    /// let mut text = [0; 5];
    /// assert_eq!(other.recv(&mut text)?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Result<(), DatagramError> {
        self.send_datagram(bytes.as_ref(), None)
    }

    fn send_datagram(&self, bytes: &[u8], to: Option<P::Address>) -> Result<(), DatagramError> {
        match self.source() {
            Ok(source) => source.send(bytes, to),
            Err(Gone) => Err(DatagramError::PortClosed),
        }
    }

    /// Connects the port: see [`DatagramContext::connect`].
    ///
    /// # Errors
    ///
    /// As there; or the port is closed.
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
    /// use std::net::UdpSocket;
    ///
    /// # let reactor = Reactor::new()?;
    /// let other = UdpSocket::bind("127.0.0.1:0")?;
    /// let port = reactor.listen_udp("127.0.0.1:0", Quiet)?;
    /// port.connect(other.local_addr()?)?;
    /// port.send("hello")?;
    /// let again = port.connect(other.local_addr()?);
    /// assert!(matches!(again, Err(DatagramError::AlreadyConnected)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(&self, peer: P::Address) -> Result<(), DatagramError> {
        match self.source() {
            Ok(source) => source.connect(peer),
            Err(Gone) => Err(DatagramError::PortClosed),
        }
    }

    /// Calls `f` with the protocol, from the loop, in this turn: after the handler that
    /// is running, if there is one.
    ///
    /// # Errors
    ///
    /// [`DatagramError::PortClosed`] if the port is closed; `f` is dropped. If it is closed
    /// before `f` was called, `f` is still called, before `stop_protocol`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor};
    /// # use std::net::SocketAddr;
    /// struct Count(u64);
    /// # impl DatagramProtocol for Count {
    /// #     type Address = SocketAddr;
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: SocketAddr) -> deferred::Result<()> { Ok(()) }
    /// # }
    ///
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_udp("127.0.0.1:0", Count(41))?;
    /// port.post(|this, cx| {
    ///     this.0 += 1;
    ///     println!("{} counted", this.0);
    ///     cx.reactor().stop().unwrap();
    /// })?;
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn post<F, H>(&self, f: F) -> Result<(), DatagramError>
    where
        F: FnOnce(&mut P, &mut DatagramContext<'_, P>) -> H + 'static,
        H: Handled,
    {
        let source = self.source().map_err(|Gone| DatagramError::PortClosed)?;
        source
            .post(Box::new(move |protocol, cx| f(protocol, cx).into_result()))
            .map_err(|_job| DatagramError::PortClosed)
    }

    /// Closes the port. Datagrams that wait to be sent are dropped, and counted.
    ///
    /// The Deferred fires from the loop, after `stop_protocol`: its callback may use the
    /// address again. If the port is closed already, it has fired.
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
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_udp("127.0.0.1:0", Quiet)?;
    /// let address = port.address();
    /// reactor.block_on(port.stop_listening())?;
    /// // The address is free again.
    /// reactor.listen_udp(address, Quiet)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop_listening(&self) -> Deferred<()> {
        match self.source.upgrade() {
            Some(source) => source.stop(),
            None => succeed(()),
        }
    }

    /// How many datagrams wait to be sent; none if the port is closed.
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
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_udp("127.0.0.1:0", Quiet)?;
    /// port.send_to("hello", port.address())?;
    /// assert_eq!(port.queued(), 0, "the system has taken it");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queued(&self) -> usize {
        self.source.upgrade().map_or(0, |source| source.queued())
    }

    /// How many datagrams were dropped, so far, since too many waited, or since they
    /// could not be sent after they had waited; none if the port is gone.
    ///
    /// # Examples
    ///
    /// A receiver that does not read: some datagrams wait for it, the others are dropped:
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor, UnixAddress};
    /// # use std::os::unix::net::UnixDatagram;
    /// # use std::os::linux::net::SocketAddrExt;
    /// # use std::os::unix::net::SocketAddr;
    /// # struct Quiet; impl DatagramProtocol for Quiet {
    /// #     type Address = UnixAddress;
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: UnixAddress) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// # let name = format!("dropped-{}", std::process::id());
    /// # let receiver = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    /// let port = reactor.connect_unix_datagram(format!("@{name}"), Quiet)?;
    /// for _ in 0..2000 {
    ///     let _ = port.send("news");
    /// }
    /// assert_eq!(port.queued(), 128);
    /// assert!(port.dropped() > 0);
    /// # drop(receiver);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dropped(&self) -> u64 {
        self.source.upgrade().map_or(0, |source| source.dropped())
    }
}

impl<P: DatagramProtocol> Clone for DatagramPort<P> {
    fn clone(&self) -> Self {
        Self {
            source: Weak::clone(&self.source),
            address: self.address.clone(),
        }
    }
}

impl<P: DatagramProtocol> fmt::Debug for DatagramPort<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramPort")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}
