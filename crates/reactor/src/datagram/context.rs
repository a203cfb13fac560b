//! `DatagramContext`: what a handler can do.

use std::fmt;
use std::time::Duration;

use deferred::{Deferred, DelayedCall, Result};

use super::error::DatagramError;
use super::port::DatagramPort;
use super::protocol::DatagramProtocol;
use super::source::DatagramSource;
use crate::connection::Handled;
use crate::handle::ReactorHandle;
use crate::mailbox::MailboxOwner;

/// What a handler of a [`DatagramProtocol`] is given: its port, and the reactor.
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
///         Ok(cx.reactor().stop()?)
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

impl<'a, P: DatagramProtocol> DatagramContext<'a, P> {
    pub(super) fn new(source: &'a DatagramSource<P>) -> Self {
        Self { source }
    }

    /// Sends a datagram to an address, at once. If the system has no room for it, it
    /// waits, and is sent as soon as there is; so many may wait as
    /// [`UdpOptions::max_queued`](crate::UdpOptions::max_queued) says.
    ///
    /// That it was sent does not mean that it arrives.
    ///
    /// # Errors
    ///
    /// The datagram is dropped: it is too long, or not for this family of addresses;
    /// too many wait already; or what the system says.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramError, DatagramProtocol};
    /// # use std::net::SocketAddr;
    /// # struct Server { late: u64 }
    /// # impl DatagramProtocol for Server {
    /// #     type Address = SocketAddr;
    /// fn datagram_received(
    ///     &mut self,
    ///     cx: &mut DatagramContext<'_, Self>,
    ///     data: &[u8],
    ///     from: SocketAddr,
    /// ) -> deferred::Result<()> {
    ///     match cx.send_to(data, from) {
    ///         Err(DatagramError::QueueFull) => self.late += 1,
    ///         sent => sent?,
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// ```
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
    /// As there; or the port is not connected.
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
    ///     Ok(cx.send("hello")?)
    /// }
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: SocketAddr) -> deferred::Result<()> { Ok(()) }
    /// # }
    ///
    /// # let reactor = Reactor::new()?;
    /// # let server = UdpSocket::bind("127.0.0.1:0")?;
    /// reactor.connect_udp(server.local_addr()?, Client)?;
    /// # let mut greeting = [0; 5];
    /// # server.recv(&mut greeting)?;
    /// # assert_eq!(&greeting, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), DatagramError> {
        self.source.send(bytes.as_ref(), None)
    }

    /// Connects the port: from now on it only hears from `peer`, sends to it without an
    /// address, and hears of it if nobody receives that
    /// ([`connection_refused`](DatagramProtocol::connection_refused)). Nothing is sent
    /// for that.
    ///
    /// # Errors
    ///
    /// The port is connected already, or the system refuses.
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

    /// Closes the port, when the handler returns.
    ///
    /// # Examples
    ///
    /// Closes the port when somebody says so:
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol, DatagramPortClosed, Reactor};
    /// # use std::net::{SocketAddr, UdpSocket};
    /// # struct Server;
    /// # impl DatagramProtocol for Server {
    /// #     type Address = SocketAddr;
    /// fn datagram_received(
    ///     &mut self,
    ///     cx: &mut DatagramContext<'_, Self>,
    ///     data: &[u8],
    ///     _: SocketAddr,
    /// ) -> deferred::Result<()> {
    ///     if data == b"quit" {
    ///         cx.stop_listening();
    ///     }
    ///     Ok(())
    /// }
    /// #     fn stop_protocol(&mut self, cx: &mut DatagramContext<'_, Self>, reason: DatagramPortClosed) {
    /// #         assert!(matches!(reason, DatagramPortClosed::Stopped));
    /// #         cx.reactor().stop().unwrap();
    /// #     }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// # let port = reactor.listen_udp("127.0.0.1:0", Server)?;
    /// # UdpSocket::bind("127.0.0.1:0")?.send_to(b"quit", port.address())?;
    /// # reactor.run()?;
    /// # assert!(port.is_gone());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop_listening(&mut self) {
        self.port().stop_listening().ignore();
    }

    /// A handle on the port, to be kept elsewhere. It also has what is seldom asked
    /// for: broadcast, multicast, the counts.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor};
    /// # use std::net::SocketAddr;
    /// # struct Beacon;
    /// # impl DatagramProtocol for Beacon {
    /// #     type Address = SocketAddr;
    /// fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
    ///     cx.port().set_broadcast(true)?;
    ///     Ok(())
    /// }
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: SocketAddr) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// # assert!(reactor.listen_udp("127.0.0.1:0", Beacon)?.broadcast()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn port(&self) -> DatagramPort<P> {
        DatagramPort::new(self.source)
    }

    /// The address that the port listens on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor};
    /// # use std::net::SocketAddr;
    /// # struct Server;
    /// # impl DatagramProtocol for Server {
    /// #     type Address = SocketAddr;
    /// fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
    ///     println!("listening on {}", cx.address());
    ///     assert_ne!(cx.address().port(), 0);
    ///     Ok(())
    /// }
    /// #     fn datagram_received(&mut self, _: &mut DatagramContext<'_, Self>, _: &[u8], _: SocketAddr) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// # reactor.listen_udp("127.0.0.1:0", Server)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn address(&self) -> P::Address {
        self.source.address()
    }

    /// The reactor.
    ///
    /// # Examples
    ///
    /// Ends the program when it hears from anybody:
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor};
    /// # use std::net::{SocketAddr, UdpSocket};
    /// # struct Waiting;
    /// # impl DatagramProtocol for Waiting {
    /// #     type Address = SocketAddr;
    /// fn datagram_received(
    ///     &mut self,
    ///     cx: &mut DatagramContext<'_, Self>,
    ///     _: &[u8],
    ///     _: SocketAddr,
    /// ) -> deferred::Result<()> {
    ///     Ok(cx.reactor().stop()?)
    /// }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// # let port = reactor.listen_udp("127.0.0.1:0", Waiting)?;
    /// # UdpSocket::bind("127.0.0.1:0")?.send_to(b"", port.address())?;
    /// # reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reactor(&self) -> &'a ReactorHandle {
        self.source.reactor()
    }

    /// Calls `f` with the protocol when `deferred` has its result.
    ///
    /// It is called from the loop, after the handler that is running then. If the port
    /// is closed before that, it is not called, `deferred` is left alone, and a failure
    /// is reported as unhandled.
    ///
    /// # Examples
    ///
    /// ```
    /// # use deferred::Deferred;
    /// # use reactor::{DatagramContext, DatagramProtocol};
    /// # use std::net::SocketAddr;
    /// # fn look_up(_name: String) -> Deferred<String> { deferred::succeed(String::new()) }
    /// # struct Names;
    /// # impl DatagramProtocol for Names {
    /// #     type Address = SocketAddr;
    /// fn datagram_received(
    ///     &mut self,
    ///     cx: &mut DatagramContext<'_, Self>,
    ///     name: &[u8],
    ///     from: SocketAddr,
    /// ) -> deferred::Result<()> {
    ///     let name = String::from_utf8(name.to_vec())?;
    ///     cx.when(look_up(name), move |_this, cx, found| {
    ///         cx.send_to(found?, from)?;
    ///         Ok(())
    ///     });
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn when<T, F, H>(&mut self, deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut P, &mut DatagramContext<'_, P>, Result<T>) -> H + 'static,
        H: Handled,
    {
        self.source.when(deferred, f);
    }

    /// As [`when`](Self::when), and cancels `deferred` if the port is closed first.
    ///
    /// # Examples
    ///
    /// A name is no longer looked up when the port is closed:
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol, Reactor};
    /// # use std::net::{SocketAddr, UdpSocket};
    /// # struct Names;
    /// # impl DatagramProtocol for Names {
    /// #     type Address = SocketAddr;
    /// fn datagram_received(
    ///     &mut self,
    ///     cx: &mut DatagramContext<'_, Self>,
    ///     name: &[u8],
    ///     from: SocketAddr,
    /// ) -> deferred::Result<()> {
    ///     let looking = cx.reactor().resolve(std::str::from_utf8(name)?, 0);
    ///     cx.when_or_cancel(looking, move |_this, cx, found| {
    ///         cx.send_to(found?[0].ip().to_string(), from)
    ///             .map_err(deferred::Failure::from)
    ///     });
    /// #   cx.call_later(std::time::Duration::ZERO, |_, cx| cx.reactor().stop().unwrap());
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// # let port = reactor.listen_udp("127.0.0.1:0", Names)?;
    /// # let client = UdpSocket::bind("127.0.0.1:0")?;
    /// # client.send_to(b"192.0.2.1", port.address())?;
    /// # reactor.run()?;
    /// # let mut answer = [0; 100];
    /// # let length = client.recv(&mut answer)?;
    /// # assert_eq!(&answer[..length], b"192.0.2.1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn when_or_cancel<T, F, H>(&mut self, deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut P, &mut DatagramContext<'_, P>, Result<T>) -> H + 'static,
        H: Handled,
    {
        self.source.when_or_cancel(deferred, f);
    }

    /// Calls `f` with the protocol, `delay` from now. It is cancelled if the port is
    /// closed first.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{DatagramContext, DatagramProtocol};
    /// # use std::net::SocketAddr;
    /// # use std::time::Duration;
    /// struct Beacon {
    ///     to: SocketAddr,
    /// }
    ///
    /// fn shine(this: &mut Beacon, cx: &mut DatagramContext<'_, Beacon>) -> deferred::Result<()> {
    ///     cx.call_later(Duration::from_secs(1), shine);
    ///     Ok(cx.send_to("here I am", this.to)?)
    /// }
    ///
    /// impl DatagramProtocol for Beacon {
    ///     type Address = SocketAddr;
    ///
    ///     fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
    ///         shine(self, cx)
    ///     }
    /// #     fn datagram_received(
    /// #         &mut self,
    /// #         _: &mut DatagramContext<'_, Self>,
    /// #         _: &[u8],
    /// #         _: SocketAddr,
    /// #     ) -> deferred::Result<()> { Ok(()) }
    /// }
    /// ```
    pub fn call_later<F, H>(&mut self, delay: Duration, f: F) -> DelayedCall
    where
        F: FnOnce(&mut P, &mut DatagramContext<'_, P>) -> H + 'static,
        H: Handled,
    {
        self.source.call_later(delay, f)
    }
}

impl<P: DatagramProtocol> fmt::Debug for DatagramContext<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramContext")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}
