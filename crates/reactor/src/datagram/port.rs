//! `DatagramPort`: handle on a port, for all code of its thread except the handlers of its
//! protocol, which use a `DatagramContext`.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use deferred::{Deferred, Result, succeed};

use super::context::DatagramContext;
use super::error::DatagramError;
use super::protocol::DatagramProtocol;
use super::source::DatagramSource;
use crate::mailbox::{MailboxOwner, OwnerRef, handle_methods};

/// Handle on a datagram port, for other protocols, callbacks and timers, and with methods that a
/// [`DatagramContext`] does not have. Returned by `listen_udp` and similar methods, and by
/// [`DatagramContext::port`].
///
/// Cheap to clone, and weak: dropping it does not close the port;
/// [`stop_listening`](Self::stop_listening) does, and so does stopping or dropping the reactor.
/// Once the port is closed or closing, methods fail with [`DatagramError::PortClosed`].
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
#[doc(alias = "UdpSocket")]
#[doc(alias = "IUDPTransport")]
pub struct DatagramPort<P: DatagramProtocol> {
    source: OwnerRef<DatagramSource<P>>,
    address: P::Address,
}

// `is_gone`, `post`, `call`, and equality by identity.
handle_methods! {
    DatagramPort, DatagramContext, DatagramProtocol, "port", DatagramError,
    "[`DatagramError::PortClosed`]"
}

impl<P: DatagramProtocol> DatagramPort<P> {
    pub(super) fn new(source: &DatagramSource<P>) -> Self {
        Self {
            source: OwnerRef::new(source.mailbox().weak()),
            address: source.address(),
        }
    }

    fn source(&self) -> Result<Rc<DatagramSource<P>>, DatagramError> {
        self.source.get()
    }

    /// Calls `f` with the socket.
    pub(super) fn with_socket<R>(
        &self,
        f: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        let source = self.source().map_err(io::Error::other)?;
        let closed = || Err(io::Error::other(DatagramError::PortClosed));
        source
            .with_socket(|socket| f(socket.as_system()?))
            .unwrap_or_else(closed)
    }

    /// The address on which the port listens, with the port number that the system has chosen. It
    /// is still known when the port is closed.
    #[doc(alias = "getHost")]
    #[doc(alias = "local_addr")]
    pub fn address(&self) -> P::Address {
        match self.source() {
            Ok(source) => source.address(),
            // A closed port has no socket, so this is the address that the handle has stored when
            // it was made.
            Err(_closed) => self.address.clone(),
        }
    }

    /// Sends a datagram to an address: see [`DatagramContext::send_to`].
    ///
    /// # Errors
    ///
    /// As for that method, and if the port is closed.
    pub fn send_to(&self, bytes: impl AsRef<[u8]>, to: P::Address) -> Result<(), DatagramError> {
        self.source()?.send(bytes.as_ref(), Some(to))
    }

    /// Sends a datagram to the address that the port is connected to.
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to), and if the port is not connected.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Result<(), DatagramError> {
        self.source()?.send(bytes.as_ref(), None)
    }

    /// Connects the port: see [`DatagramContext::connect`].
    ///
    /// # Errors
    ///
    /// As for that method, and if the port is closed.
    pub fn connect(&self, peer: P::Address) -> Result<(), DatagramError> {
        self.source()?.connect(peer)
    }

    /// Closes the port. Queued datagrams are dropped, and counted.
    ///
    /// The loop fires the Deferred after `stop_protocol`; then the address is free again. If the
    /// port is closed already, the Deferred has fired.
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
    #[doc(alias = "stopListening")]
    #[doc(alias = "close")]
    pub fn stop_listening(&self) -> Deferred<()> {
        match self.source.upgrade() {
            Some(source) => source.stop(),
            None => succeed(()),
        }
    }

    /// The number of datagrams in the send queue; 0 if the port is closed.
    pub fn queued(&self) -> usize {
        self.source.upgrade().map_or(0, |source| source.queued())
    }

    /// The number of datagrams dropped so far, because the send queue was full, or because sending
    /// a queued one failed; 0 if the port is closed.
    ///
    /// # Examples
    ///
    /// A receiver that does not read: 128 datagrams are queued, the others are dropped:
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
    ///     // `QueueFull`, at some point.
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
            source: self.source.clone(),
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
