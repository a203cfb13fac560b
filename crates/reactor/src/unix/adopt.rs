//! Adopted UNIX listeners.

use std::os::fd::OwnedFd;

use crate::address::{Address, UnixAddress};
use crate::connection::Factory;
use crate::error::AdoptError;
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
    ) -> Result<ListeningPort<UnixAddress>, AdoptError> {
        let read = |address: &_| match Address::from_system(address) {
            Address::Unix(address) => Some(address),
            _ => None,
        };
        let core = self.core()?;
        Ok(listening::adopt(
            &core,
            listener.into(),
            factory,
            read,
            Acceptor::Unix,
        )?)
    }
}
