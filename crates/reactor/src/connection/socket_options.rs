//! Methods for the socket options, write limits, timeouts and peer credentials of a connection.

use std::io;
use std::time::Duration;

use socket2::SockRef;

use super::context::Context;
use super::handle::Connection;
use super::keepalive::KeepAlive;
use super::limits::WriteLimits;
use super::protocol::Protocol;
use crate::credentials::PeerCredentials;
use crate::error::Gone;

impl<P: Protocol> Context<'_, P> {
    /// Closes the connection when nothing was received or sent on it for `timeout`; `None` turns
    /// the timeout off. See [`Connection::set_idle_timeout`].
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Context, Protocol, Raw, testing};
    /// use std::time::Duration;
    ///
    /// struct Server;
    ///
    /// impl Protocol for Server {
    ///     type Framing = Raw;
    ///
    ///     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///         cx.set_idle_timeout(Duration::from_secs(60));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (_connection, peer) = reactor.connect_to_peer(Server);
    ///     reactor.advance(Duration::from_secs(50));
    ///     peer.send("still here");
    ///     reactor.advance(Duration::from_secs(50));
    ///     assert!(!peer.is_closed());
    ///     reactor.advance(Duration::from_secs(10));
    ///     assert!(peer.is_closed());
    /// });
    /// ```
    #[doc(alias = "setTimeout")]
    #[doc(alias = "TimeoutMixin")]
    pub fn set_idle_timeout(&mut self, timeout: impl Into<Option<Duration>>) {
        self.source.any().set_idle_timeout(timeout.into());
    }
}

impl<P: Protocol> Connection<P> {
    /// Closes the connection when nothing was received or sent on it for `timeout`, by the
    /// reactor's clock; `None` turns the timeout off. The time begins with this call, even if a
    /// timeout was set before.
    ///
    /// Received bytes count, even if they are not a whole frame or not delivered yet, and so do
    /// bytes that the system takes to send. Written bytes that wait do not count, nor do jobs and
    /// timers: a peer that neither sends nor takes bytes is idle. While reading is paused, input is
    /// not noticed. With a [filter](crate::filter), the bytes that it delivers count, and its
    /// output for bytes of the protocol; the bytes of a handshake do not.
    ///
    /// The close is orderly, as by [`lose_connection`](Self::lose_connection), with
    /// [`ConnectionClosed::IdleTimeout`](crate::ConnectionClosed::IdleTimeout) as its reason.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    #[doc(alias = "setTimeout")]
    #[doc(alias = "TimeoutMixin")]
    pub fn set_idle_timeout(&self, timeout: impl Into<Option<Duration>>) -> Result<(), Gone> {
        self.act(|source| source.set_idle_timeout(timeout.into()))
    }

    /// Sets how much output may wait to be sent.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::WriteLimits;
    ///
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     let limits = WriteLimits::default().with_max_buffered(1000);
    ///     connection.set_write_limits(limits).unwrap();
    ///     peer.set_reading(false);
    ///     connection.write(vec![0; 1_000_000]).unwrap();
    ///     reactor.advance(limits.stall_timeout);
    ///     assert!(connection.is_gone(), "the peer has taken nothing for that long");
    /// });
    /// ```
    #[doc(alias = "bufferSize")]
    #[doc(alias = "write_buffer_limits")]
    pub fn set_write_limits(&self, limits: WriteLimits) -> Result<(), Gone> {
        self.act(|source| source.transport().set_limits(limits))
    }

    /// Sets the close timeout: after [`lose_connection`](Self::lose_connection), the connection is
    /// aborted if the peer takes none of the unsent output for `timeout`. The default is 30
    /// seconds; `None` waits for ever. The time begins again whenever the peer takes some output,
    /// and does not run while a producer has nothing to write.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use std::time::Duration;
    ///
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     connection.set_close_timeout(Duration::from_secs(10)).unwrap();
    ///     peer.set_reading(false);
    ///     connection.write(vec![0; 1_000_000]).unwrap();
    ///     connection.lose_connection();
    ///     reactor.advance(Duration::from_secs(10));
    ///     assert!(connection.is_gone(), "although not all could be sent");
    /// });
    /// ```
    #[doc(alias = "SO_LINGER")]
    pub fn set_close_timeout(&self, timeout: impl Into<Option<Duration>>) -> Result<(), Gone> {
        self.act(|source| source.set_close_timeout(timeout.into()))
    }

    /// Whether small writes are sent at once, instead of being held back by the system until
    /// earlier ones are acknowledged (`TCP_NODELAY`). `false` if the connection is not a TCP
    /// socket.
    ///
    /// This is on for TCP connections that this side has accepted or made: the loop sends the
    /// output of a handler in one piece, so a delay would save nothing. The option of an
    /// [adopted](crate::ReactorHandle::adopt_stream) socket is not changed.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    #[doc(alias = "getTcpNoDelay")]
    #[doc(alias = "TCP_NODELAY")]
    pub fn nodelay(&self) -> Result<bool, Gone> {
        self.option(|socket| socket.tcp_nodelay())
    }

    /// Sets [`nodelay`](Self::nodelay).
    ///
    /// # Errors
    ///
    /// If the connection is over, or the system refuses.
    #[doc(alias = "setTcpNoDelay")]
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.with_socket(|socket| socket.set_tcp_nodelay(nodelay))
    }

    /// Whether the system probes an idle peer (`SO_KEEPALIVE`).
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    #[doc(alias = "getTcpKeepAlive")]
    #[doc(alias = "SO_KEEPALIVE")]
    pub fn keepalive(&self) -> Result<bool, Gone> {
        self.option(|socket| socket.keepalive())
    }

    /// Makes the system probe an idle peer (`SO_KEEPALIVE`); `None` turns this off.
    ///
    /// # Errors
    ///
    /// If a value is out of the range that systems allow (the message names the value), the
    /// connection is not a TCP socket, or the connection is over. Then no option is changed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::KeepAlive;
    /// use std::time::Duration;
    ///
    /// # let reactor = Reactor::new()?;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let connection = reactor.adopt_stream(stream, Quiet)?;
    /// connection.set_keepalive(KeepAlive::after(Duration::from_secs(60)))?;
    /// assert!(connection.keepalive()?);
    /// connection.set_keepalive(None)?;
    /// assert!(!connection.keepalive()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "setTcpKeepAlive")]
    pub fn set_keepalive(&self, keepalive: impl Into<Option<KeepAlive>>) -> io::Result<()> {
        let keepalive = keepalive.into();
        self.with_socket(|socket| match keepalive {
            Some(keepalive) => keepalive.set(&socket),
            None => socket.set_keepalive(false),
        })
    }

    /// The user, group and process at the other end of a UNIX socket, as they were when it was
    /// connected.
    ///
    /// # Errors
    ///
    /// If the connection is not a UNIX socket, or is over, or the system does not support this.
    #[doc(alias = "SO_PEERCRED")]
    #[doc(alias = "peer_cred")]
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        let source = self.source().map_err(io::Error::other)?;
        source.transport().peer_credentials()
    }

    fn with_socket<R>(&self, f: impl FnOnce(SockRef<'_>) -> io::Result<R>) -> io::Result<R> {
        let source = self.source().map_err(io::Error::other)?;
        source.transport().with_socket(f)
    }

    /// The value of an option; `false` for a connection that has no such option.
    fn option(&self, get: impl FnOnce(SockRef<'_>) -> io::Result<bool>) -> Result<bool, Gone> {
        let source = self.source()?;
        Ok(source.transport().with_socket(get).unwrap_or(false))
    }
}
