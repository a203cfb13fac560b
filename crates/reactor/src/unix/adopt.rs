//! Adopted listening UNIX sockets.

use std::io;
use std::os::fd::OwnedFd;

use crate::address::{Address, UnixAddress};
use crate::connection::Factory;
use crate::error::AdoptError;
use crate::handle::ReactorHandle;
use crate::listening::{self, Acceptor, ListeningPort, Serve};

impl ReactorHandle {
    /// Accepts from a UNIX socket that listens already, as [`adopt_listener`](Self::adopt_listener)
    /// does from a TCP socket. The file of the socket belongs to the process that has made it, and
    /// is not removed when the port is closed.
    ///
    /// # Errors
    ///
    /// If the socket is not a listening UNIX socket, or the reactor is gone.
    #[doc(alias = "adoptStreamPort")]
    pub fn adopt_unix_listener<F: Factory>(
        &self,
        listener: impl Into<OwnedFd>,
        factory: F,
    ) -> Result<ListeningPort<UnixAddress>, AdoptError> {
        // Checked first, so that the error is `ReactorGone` and not an I/O error.
        self.core()?;
        Ok(self.adopt_unix_listener_with(listener.into(), factory)?)
    }

    pub(crate) fn adopt_unix_listener_with<S: Serve>(
        &self,
        listener: OwnedFd,
        serve: S,
    ) -> io::Result<ListeningPort<UnixAddress>> {
        let core = self.core().map_err(io::Error::other)?;
        let read = |address: &_| match Address::from_system(address) {
            Address::Unix(address) => Some(address),
            _ => None,
        };
        listening::adopt(&core, listener, serve, read, Acceptor::Unix)
    }
}
