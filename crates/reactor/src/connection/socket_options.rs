//! What a connection can be set to: limits, and options of its socket.

use std::io;
use std::time::Duration;

use socket2::SockRef;

use super::context::Context;
use super::handle::Connection;
use super::keepalive::KeepAlive;
use super::limits::WriteLimits;
use super::protocol::Protocol;
use crate::error::Gone;

impl<P: Protocol> Context<'_, P> {
    /// Sets how much may wait to be sent.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol, WriteLimits};
    /// # struct Server;
    /// # impl Protocol for Server {
    /// #     type Framing = Lines;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     cx.set_write_limits(WriteLimits {
    ///         max_buffered: 1024 * 1024,
    ///         ..WriteLimits::default()
    ///     });
    ///     Ok(())
    /// }
    /// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// ```
    pub fn set_write_limits(&mut self, limits: WriteLimits) {
        self.source.transport().set_limits(limits);
    }

    /// After [`lose_connection`](Self::lose_connection), aborts the connection if the peer
    /// takes nothing of what is left to be sent for so long: 30 seconds unless this is
    /// called. A peer that takes something now and then may take as long as it does, and
    /// so may a producer that has nothing to write at the moment. `None` waits for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Protocol, Raw, testing};
    /// # use std::time::Duration;
    /// # struct Server;
    /// # impl Protocol for Server {
    /// #     type Framing = Raw;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     cx.set_close_timeout(Duration::from_secs(10));
    ///     cx.write(vec![0; 1_000_000]);
    ///     cx.lose_connection();
    ///     Ok(())
    /// }
    /// # }
    /// # testing::run(|reactor| {
    /// #     let (near, far) = reactor.connect_pair(Sleeper, Server);
    /// #     reactor.settle();
    /// #     assert!(!far.is_gone());
    /// #     reactor.advance(Duration::from_secs(10));
    /// #     assert!(far.is_gone() && near.is_gone());
    /// # });
    /// # struct Sleeper;
    /// # impl Protocol for Sleeper {
    /// #     type Framing = Raw;
    /// #     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    /// #         cx.pause_reading();
    /// #         Ok(())
    /// #     }
    /// # }
    /// ```
    pub fn set_close_timeout(&mut self, timeout: impl Into<Option<Duration>>) {
        self.source.set_close_timeout(timeout.into());
    }

    /// Whether small writes are sent at once, rather than held back by the system
    /// until earlier ones are acknowledged (`TCP_NODELAY`).
    ///
    /// They are, on TCP connections that were accepted or that this side has made: what a
    /// handler writes goes out in one piece anyway, and holding it back costs time. An
    /// [adopted](crate::ReactorHandle::adopt_stream) socket stays as it came.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Protocol, Raw, Reactor};
    /// # struct Server;
    /// # impl Protocol for Server {
    /// #     type Framing = Raw;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     assert!(cx.nodelay());
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_tcp("127.0.0.1:0", || Server)?;
    /// let client = reactor.block_on(reactor.connect_tcp(port.address(), Server))?;
    /// assert!(client.nodelay()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nodelay(&self) -> bool {
        let socket = |socket: SockRef<'_>| socket.tcp_nodelay();
        self.source.transport().with_socket(socket).unwrap_or(false)
    }

    /// Sets what [`nodelay`](Self::nodelay) tells.
    ///
    /// # Errors
    ///
    /// The system refuses, or the connection is over.
    ///
    /// # Examples
    ///
    /// One that writes a little in each of many turns, and would rather have fewer packets:
    ///
    /// ```
    /// # use reactor::{Context, Protocol, Raw, Reactor};
    /// # struct Feed;
    /// # impl Protocol for Feed {
    /// #     type Framing = Raw;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     cx.set_nodelay(false)?;
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_tcp("127.0.0.1:0", || Feed)?;
    /// let client = reactor.block_on(reactor.connect_tcp(port.address(), Feed))?;
    /// assert!(!client.nodelay()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_nodelay(&mut self, nodelay: bool) -> io::Result<()> {
        let set = |socket: SockRef<'_>| socket.set_tcp_nodelay(nodelay);
        self.source.transport().with_socket(set)
    }

    /// Whether the system asks, on a connection on which nothing happens, if the peer is
    /// still there.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Protocol, Raw, Reactor};
    /// # struct Server;
    /// # impl Protocol for Server {
    /// #     type Framing = Raw;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     assert!(!cx.keepalive(), "unless somebody asks for it");
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # reactor.adopt_stream(stream, Server)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keepalive(&self) -> bool {
        let socket = |socket: SockRef<'_>| socket.keepalive();
        self.source.transport().with_socket(socket).unwrap_or(false)
    }

    /// Has the system ask, on a connection on which nothing happens, whether the
    /// peer is still there; `None` stops that.
    ///
    /// # Errors
    ///
    /// A value is out of the range that systems allow (the message names it), the socket is
    /// not one of TCP, or the connection is over. Nothing is changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, KeepAlive, Lines, Protocol};
    /// # use std::time::Duration;
    /// # struct Server;
    /// # impl Protocol for Server {
    /// #     type Framing = Lines;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     cx.set_keepalive(KeepAlive::after(Duration::from_secs(60)))?;
    ///     Ok(())
    /// }
    /// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// ```
    pub fn set_keepalive(&mut self, keepalive: impl Into<Option<KeepAlive>>) -> io::Result<()> {
        let keepalive = keepalive.into();
        self.source
            .transport()
            .with_socket(|socket| match keepalive {
                Some(keepalive) => keepalive.set(&socket),
                None => socket.set_keepalive(false),
            })
    }
}

impl<P: Protocol> Connection<P> {
    /// How much may wait to be sent.
    ///
    /// # Errors
    ///
    /// [`Gone`] if it is over.
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
    ///     let limits = WriteLimits { max_buffered: 1000, ..WriteLimits::default() };
    ///     connection.set_write_limits(limits).unwrap();
    ///     peer.set_reading(false);
    ///     connection.write(vec![0; 1_000_000]).unwrap();
    ///     reactor.advance(limits.stall_timeout);
    ///     assert!(connection.is_gone(), "it has taken nothing for so long");
    /// });
    /// ```
    pub fn set_write_limits(&self, limits: WriteLimits) -> Result<(), Gone> {
        self.act(|source| source.transport().set_limits(limits))
    }

    /// Bounds how long the end may take: see [`Context::set_close_timeout`].
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
    ///     connection.lose_connection().unwrap();
    ///     reactor.advance(Duration::from_secs(10));
    ///     assert!(connection.is_gone(), "although not all could be sent");
    /// });
    /// ```
    pub fn set_close_timeout(&self, timeout: impl Into<Option<Duration>>) -> Result<(), Gone> {
        self.act(|source| source.set_close_timeout(timeout.into()))
    }

    /// Whether small writes are sent at once: see [`Context::nodelay`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # let reactor = Reactor::new()?;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_nodelay(true)?;
    /// let connection = reactor.adopt_stream(stream, Quiet)?;
    /// assert!(connection.nodelay()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nodelay(&self) -> Result<bool, Gone> {
        let source = self.source()?;
        let nodelay = source
            .transport()
            .with_socket(|socket| socket.tcp_nodelay());
        Ok(nodelay.unwrap_or(false))
    }

    /// Sets what [`nodelay`](Self::nodelay) tells.
    ///
    /// # Errors
    ///
    /// The connection is over, or the system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # let reactor = Reactor::new()?;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let connection = reactor.adopt_stream(stream, Quiet)?;
    /// connection.set_nodelay(true)?;
    /// assert!(connection.nodelay()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        let source = self.source().map_err(io::Error::other)?;
        source
            .transport()
            .with_socket(|socket| socket.set_tcp_nodelay(nodelay))
    }

    /// Whether the system asks if the peer is still there: see [`Context::keepalive`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # let reactor = Reactor::new()?;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let connection = reactor.adopt_stream(stream, Quiet)?;
    /// assert!(!connection.keepalive()?, "unless somebody asks for it");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keepalive(&self) -> Result<bool, Gone> {
        let source = self.source()?;
        let keepalive = source.transport().with_socket(|socket| socket.keepalive());
        Ok(keepalive.unwrap_or(false))
    }

    /// Has the system ask whether the peer is still there: see
    /// [`Context::set_keepalive`].
    ///
    /// # Errors
    ///
    /// The connection is over, a value is out of range, or the system refuses. Nothing is
    /// changed then.
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
    pub fn set_keepalive(&self, keepalive: impl Into<Option<KeepAlive>>) -> io::Result<()> {
        let source = self.source().map_err(io::Error::other)?;
        let keepalive = keepalive.into();
        source.transport().with_socket(|socket| match keepalive {
            Some(keepalive) => keepalive.set(&socket),
            None => socket.set_keepalive(false),
        })
    }
}
