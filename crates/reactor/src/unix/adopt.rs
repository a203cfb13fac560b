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
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use reactor::Reactor;
    /// use std::os::linux::net::SocketAddrExt;
    /// use std::os::unix::net::{SocketAddr, UnixListener};
    /// # use reactor::{Context, Protocol, Raw};
    /// # struct Echo;
    /// # impl Protocol for Echo {
    /// #     type Framing = Raw;
    /// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
    /// # }
    ///
    /// let name = format!("adopted-{}", std::process::id());
    /// let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    /// let reactor = Reactor::new()?;
    /// let port = reactor.adopt_unix_listener(listener, || Echo)?;
    /// assert_eq!(port.address().to_string(), format!("@{name}"));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
