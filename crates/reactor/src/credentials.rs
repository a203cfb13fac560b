//! Peer credentials: the user, group and process at the other end of a UNIX socket.

use std::io;
use std::os::fd::BorrowedFd;

#[cfg(target_os = "linux")]
use crate::sys::peer_credentials;

/// The process at the other end of a UNIX socket, as the system has recorded it when that process
/// connected, listened, or made the socket pair.
///
/// # Examples
///
/// A server that serves only the user as which it runs:
///
/// ```
/// # use reactor::{Context, Lines, Protocol};
/// # use deferred::Failure;
/// struct Admin {
///     own_uid: u32,
/// }
///
/// impl Protocol for Admin {
///     type Framing = Lines;
///
///     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
///         let peer = cx.connection().peer_credentials()?;
///         if peer.uid() != self.own_uid {
///             return Err(Failure::msg(format!("user {} may not come in", peer.uid())));
///         }
///         Ok(())
///     }
/// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "UCred")]
#[doc(alias = "SO_PEERCRED")]
pub struct PeerCredentials {
    pid: Option<u32>,
    uid: u32,
    gid: u32,
}

impl PeerCredentials {
    /// The credentials of this process, which is its own peer in the simulated network of a test.
    pub(crate) fn own() -> Self {
        Self {
            pid: Some(std::process::id()),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        }
    }

    /// The process ID; `None` if the process is in another PID namespace. The process may have
    /// ended, and its ID may belong to another process now.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The effective user ID.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The effective group ID.
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// The credentials of the peer of `socket`.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let found = peer_credentials::of(socket)?;
        Ok(Self {
            // The system gives 0 for a process of another namespace.
            pid: u32::try_from(found.pid).ok().filter(|pid| *pid != 0),
            uid: found.uid,
            gid: found.gid,
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(_socket: BorrowedFd<'_>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
