//! `DatagramProtocol`: the handlers of a datagram port, which a user writes.

use deferred::Result;

use super::address::DatagramAddress;
use super::context::DatagramContext;
use super::error::{DatagramError, DatagramPortClosed};

/// Handlers of a datagram port.
///
/// The reactor owns the protocol and calls its handlers, one at a time, with a
/// [`DatagramContext`], which sends, waits and schedules. No handler is ever
/// called while another one of the same protocol runs.
///
/// If a handler returns an `Err` or panics, the failure is logged. The port stays open, so that a
/// bad datagram of one sender does not cut off the others.
///
/// # Examples
///
/// ```
/// use reactor::{DatagramContext, DatagramProtocol, Reactor};
/// use std::net::SocketAddr;
///
/// struct Echo;
///
/// impl DatagramProtocol for Echo {
///     type Address = SocketAddr;
///
///     fn datagram_received(
///         &mut self,
///         cx: &mut DatagramContext<'_, Self>,
///         data: &[u8],
///         from: SocketAddr,
///     ) -> deferred::Result<()> {
///         Ok(cx.send_to(data, from)?)
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// let port = reactor.listen_udp("127.0.0.1:0", Echo)?;
/// println!("listening on {}", port.address());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait DatagramProtocol: Sized + 'static {
    /// Type of the addresses: [`SocketAddr`](std::net::SocketAddr) for UDP,
    /// [`UnixAddress`](crate::UnixAddress) for UNIX sockets.
    type Address: DatagramAddress;

    /// Called when the port is open: once, as the first handler, before `listen_udp` returns.
    ///
    /// # Errors
    ///
    /// Any failure closes the port, and is the error of the listening call.
    fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// Called when a datagram has arrived, which may be empty.
    ///
    /// # Errors
    ///
    /// Any failure is logged.
    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        from: Self::Address,
    ) -> Result<()>;

    /// Called when the connected peer has refused a datagram: no program listens at its address
    /// (for UDP, the peer's host has sent an ICMP error).
    ///
    /// Called for connected ports only: the system does not report the refusals of others.
    ///
    /// # Errors
    ///
    /// Any failure is logged.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor};
    /// # use std::net::{SocketAddr, UdpSocket};
    /// # struct Client;
    /// # impl DatagramProtocol for Client {
    /// #     type Address = SocketAddr;
    /// fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
    ///     Ok(cx.send("is anybody there?")?)
    /// }
    /// fn connection_refused(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
    ///     println!("no server");
    ///     cx.reactor().stop();
    ///     Ok(())
    /// }
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: SocketAddr) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// # let free = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    /// reactor.connect_udp(free, Client)?;
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn connection_refused(&mut self, cx: &mut DatagramContext<'_, Self>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// Called when a datagram has failed outside of a call that could return the error: a received
    /// datagram is too long, or a queued one could not be sent. By default, the error is logged.
    ///
    /// # Errors
    ///
    /// Any failure is logged.
    ///
    /// # Examples
    ///
    /// Reports datagrams that are too long for the port:
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramError, DatagramProtocol, Reactor, UdpOptions};
    /// # use std::net::{SocketAddr, UdpSocket};
    /// # struct Server;
    /// # impl DatagramProtocol for Server {
    /// #     type Address = SocketAddr;
    /// fn datagram_failed(
    ///     &mut self,
    ///     cx: &mut DatagramContext<'_, Self>,
    ///     error: DatagramError,
    /// ) -> deferred::Result<()> {
    ///     if let DatagramError::TooLong { length } = error {
    ///         println!("a datagram of {length} bytes");
    ///     }
    ///     cx.reactor().stop();
    ///     Ok(())
    /// }
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: SocketAddr) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_udp(UdpOptions::new("127.0.0.1:0").max_packet_size(4), Server)?;
    /// UdpSocket::bind("127.0.0.1:0")?.send_to(b"hello", port.address())?;
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn datagram_failed(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        error: DatagramError,
    ) -> Result<()> {
        tracing::debug!(target: "reactor", port = %cx.address(), %error, "a datagram is lost");
        Ok(())
    }

    /// Called when the port is closed: once, as the last handler, from the loop, if
    /// `start_protocol` has succeeded. The port can no longer send.
    fn stop_protocol(&mut self, cx: &mut DatagramContext<'_, Self>, reason: DatagramPortClosed) {
        let _ = (cx, reason);
    }
}
