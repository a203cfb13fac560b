//! `DatagramContext`: the argument of each handler of a datagram port's protocol.

use std::fmt;

use deferred::Result;

use super::error::DatagramError;
use super::port::DatagramPort;
use super::protocol::DatagramProtocol;
use super::source::DatagramSource;
use crate::mailbox::context_methods;

/// Argument of each handler of a [`DatagramProtocol`]: acts on its port, and on the reactor.
///
/// Rarely used methods (broadcast, multicast, counters) are on the handle:
/// `cx.port().set_broadcast(true)?`.
///
/// # Examples
///
/// ```
/// use reactor::{DatagramContext, DatagramProtocol, Reactor};
/// use std::net::SocketAddr;
/// # use std::net::UdpSocket;
///
/// /// Answers once.
/// struct Once;
///
/// impl DatagramProtocol for Once {
///     type Address = SocketAddr;
///
///     fn datagram_received(
///         &mut self,
///         cx: &mut DatagramContext<'_, Self>,
///         data: &[u8],
///         from: SocketAddr,
///     ) -> deferred::Result<()> {
///         cx.send_to([b"not again: ", data].concat(), from)?;
///         cx.stop_listening();
///         cx.reactor().stop();
///         Ok(())
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// let port = reactor.listen_udp("127.0.0.1:0", Once)?;
/// # let client = UdpSocket::bind("127.0.0.1:0")?;
/// # client.send_to(b"hello", port.address())?;
/// reactor.run()?;
/// # let mut answer = [0; 100];
/// # let length = client.recv(&mut answer)?;
/// # assert_eq!(&answer[..length], b"not again: hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DatagramContext<'a, P: DatagramProtocol> {
    source: &'a DatagramSource<P>,
}

impl<P: DatagramProtocol> DatagramContext<'_, P> {
    pub(super) fn new(source: &DatagramSource<P>) -> DatagramContext<'_, P> {
        DatagramContext { source }
    }

    /// Sends a datagram to an address, at once. If the system has no room for it, it is queued
    /// until there is; the queue holds at most
    /// [`UdpOptions::max_queued`](crate::UdpOptions::max_queued) datagrams.
    ///
    /// `Ok` does not mean that the datagram arrives.
    ///
    /// # Errors
    ///
    /// If the datagram is too long, the address is of another family than the port's, the queue is
    /// full, or the system refuses the datagram. Then it is dropped.
    #[doc(alias = "transport.write")]
    pub fn send_to(
        &mut self,
        bytes: impl AsRef<[u8]>,
        to: P::Address,
    ) -> Result<(), DatagramError> {
        self.source.send(bytes.as_ref(), Some(to))
    }

    /// Sends a datagram to the address that the port is connected to: see
    /// [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to), and if the port is not connected.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), DatagramError> {
        self.source.send(bytes.as_ref(), None)
    }

    /// Connects the port: from now on it receives from `peer` only, [`send`](Self::send) sends to
    /// `peer`, and [`connection_refused`](DatagramProtocol::connection_refused) is called if `peer`
    /// refuses a datagram. The call itself sends nothing.
    ///
    /// # Errors
    ///
    /// If the port is connected already, or the system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol};
    /// # use std::net::SocketAddr;
    /// struct Client {
    ///     server: SocketAddr,
    /// }
    ///
    /// impl DatagramProtocol for Client {
    ///     type Address = SocketAddr;
    ///
    ///     fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
    ///         cx.connect(self.server)?;
    ///         Ok(cx.send("hello")?)
    ///     }
    /// #     fn datagram_received(
    /// #         &mut self,
    /// #         _: &mut DatagramContext<'_, Self>,
    /// #         _: &[u8],
    /// #         _: SocketAddr,
    /// #     ) -> deferred::Result<()> { Ok(()) }
    /// }
    /// ```
    pub fn connect(&mut self, peer: P::Address) -> Result<(), DatagramError> {
        self.source.connect(peer)
    }

    /// Closes the port when the handler returns.
    #[doc(alias = "stopListening")]
    #[doc(alias = "loseConnection")]
    pub fn stop_listening(&mut self) {
        // The Deferred is not waited for, because the port closes after this handler.
        self.port().stop_listening().ignore();
    }

    /// A handle on the port, which can be kept after the handler has returned.
    #[doc(alias = "transport")]
    pub fn port(&self) -> DatagramPort<P> {
        DatagramPort::new(self.source)
    }

    /// The address that the port listens on.
    #[doc(alias = "getHost")]
    #[doc(alias = "local_addr")]
    pub fn address(&self) -> P::Address {
        self.source.address()
    }
}

context_methods! {
    DatagramContext, DatagramProtocol, "port", "closed";
    when;
    call_every;
}

impl<P: DatagramProtocol> fmt::Debug for DatagramContext<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramContext")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}
