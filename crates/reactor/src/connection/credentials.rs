//! Asking a connection for the credentials of its peer.

use std::io;

use super::context::Context;
use super::handle::Connection;
use super::protocol::Protocol;
use crate::credentials::PeerCredentials;

impl<P: Protocol> Context<'_, P> {
    /// The user, group and process at the other end of a UNIX socket.
    ///
    /// # Errors
    ///
    /// It is no UNIX socket, the connection is over, or the system does not tell: only Linux
    /// does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol};
    /// # struct Admin;
    /// # impl Protocol for Admin {
    /// #     type Framing = Lines;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     if cx.peer_credentials()?.uid() != 0 {
    ///         cx.send_line("only for root");
    ///         cx.lose_connection();
    ///     }
    ///     Ok(())
    /// }
    /// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// ```
    #[doc(alias = "SO_PEERCRED")]
    #[doc(alias = "peer_cred")]
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        self.source.transport().peer_credentials()
    }
}

impl<P: Protocol> Connection<P> {
    /// The user, group and process at the other end of a UNIX socket.
    ///
    /// # Errors
    ///
    /// It is no UNIX socket, the connection is over, or the system does not tell: only Linux
    /// does.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (near, _far) = UnixStream::pair()?;
    /// let reactor = Reactor::new()?;
    /// let connection = reactor.adopt_stream(near, Quiet)?;
    /// assert_eq!(connection.peer_credentials()?.pid(), Some(std::process::id()));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "SO_PEERCRED")]
    #[doc(alias = "peer_cred")]
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        let source = self.source().map_err(io::Error::other)?;
        source.transport().peer_credentials()
    }
}
