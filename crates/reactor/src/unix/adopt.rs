//! Adopted UNIX listeners.

use std::io;
use std::os::fd::OwnedFd;

use crate::address::{Address, UnixAddress};
use crate::connection::Factory;
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::listening::{self, Acceptor, ListeningPort};

impl ReactorHandle {
    /// Accepts from a UNIX socket that listens already; else as
    /// [`adopt_listener`](Self::adopt_listener). Its file belongs to its maker, and stays
    /// when the port is closed.
    ///
    /// # Errors
    ///
    /// It is no UNIX socket that listens, or the reactor is gone.
    #[doc(alias = "adoptStreamPort")]
    pub fn adopt_unix_listener<F: Factory>(
        &self,
        listener: impl Into<OwnedFd>,
        factory: F,
    ) -> Result<ListeningPort<UnixAddress>, ListenError> {
        let read = |address: &_| match Address::from_system(address) {
            Address::Unix(address) => Some(address),
            _ => None,
        };
        let adopt = || {
            let core = self.core().map_err(io::Error::other)?;
            listening::adopt(&core, listener.into(), factory, read, Acceptor::Unix)
        };
        adopt().map_err(|error| ListenError::new("an adopted socket", error))
    }
}
