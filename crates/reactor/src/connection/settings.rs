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
        self.stream.transport().set_limits(limits);
    }

    /// After [`lose_connection`](Self::lose_connection), lets what is left to be sent
    /// take so long at the most; then the connection is aborted. `None`, which is
    /// how it begins, lets it take as long as it does.
    pub fn set_close_timeout(&mut self, timeout: impl Into<Option<Duration>>) {
        self.stream.set_close_timeout(timeout.into());
    }

    /// Whether small writes are sent at once, rather than held back by the system
    /// until earlier ones are acknowledged (`TCP_NODELAY`).
    pub fn nodelay(&self) -> bool {
        let socket = |socket: SockRef<'_>| socket.tcp_nodelay();
        self.stream.transport().with_socket(socket).unwrap_or(false)
    }

    /// Sets what [`nodelay`](Self::nodelay) tells.
    ///
    /// # Errors
    ///
    /// The system refuses, or the connection is over.
    pub fn set_nodelay(&mut self, nodelay: bool) -> io::Result<()> {
        let set = |socket: SockRef<'_>| socket.set_tcp_nodelay(nodelay);
        self.stream.transport().with_socket(set)
    }

    /// Whether the system asks, on a connection on which nothing happens, if the peer is
    /// still there.
    pub fn keepalive(&self) -> bool {
        let socket = |socket: SockRef<'_>| socket.keepalive();
        self.stream.transport().with_socket(socket).unwrap_or(false)
    }

    /// Has the system ask, on a connection on which nothing happens, whether the
    /// peer is still there; `None` stops that.
    ///
    /// # Errors
    ///
    /// The system refuses, or the connection is over.
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
        self.stream
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
    pub fn set_write_limits(&self, limits: WriteLimits) -> Result<(), Gone> {
        self.act(|stream| stream.transport().set_limits(limits))
    }

    /// Bounds how long the end may take: see [`Context::set_close_timeout`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn set_close_timeout(&self, timeout: impl Into<Option<Duration>>) -> Result<(), Gone> {
        self.act(|stream| stream.set_close_timeout(timeout.into()))
    }

    /// Whether small writes are sent at once: see [`Context::nodelay`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn nodelay(&self) -> Result<bool, Gone> {
        let stream = self.stream()?;
        let nodelay = stream
            .transport()
            .with_socket(|socket| socket.tcp_nodelay());
        Ok(nodelay.unwrap_or(false))
    }

    /// Sets what [`nodelay`](Self::nodelay) tells.
    ///
    /// # Errors
    ///
    /// The connection is over, or the system refuses.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        let stream = self.stream().map_err(io::Error::other)?;
        stream
            .transport()
            .with_socket(|socket| socket.set_tcp_nodelay(nodelay))
    }

    /// Whether the system asks if the peer is still there: see [`Context::keepalive`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn keepalive(&self) -> Result<bool, Gone> {
        let stream = self.stream()?;
        let keepalive = stream.transport().with_socket(|socket| socket.keepalive());
        Ok(keepalive.unwrap_or(false))
    }

    /// Has the system ask whether the peer is still there: see
    /// [`Context::set_keepalive`].
    ///
    /// # Errors
    ///
    /// The connection is over, or the system refuses.
    pub fn set_keepalive(&self, keepalive: impl Into<Option<KeepAlive>>) -> io::Result<()> {
        let stream = self.stream().map_err(io::Error::other)?;
        let keepalive = keepalive.into();
        stream.transport().with_socket(|socket| match keepalive {
            Some(keepalive) => keepalive.set(&socket),
            None => socket.set_keepalive(false),
        })
    }
}
