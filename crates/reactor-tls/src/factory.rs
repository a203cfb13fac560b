//! `TlsFactory`: a factory whose connections begin with TLS.

use std::fmt;
use std::io;
use std::time::Duration;

use reactor::filter::{Filter, Pair};
use reactor::{Address, Factory};

use crate::server::TlsServer;

/// Factory whose connections begin with TLS: see [`TlsServer::factory`].
///
/// # Examples
///
/// ```no_run
/// # use reactor::{Protocol, Raw, Reactor};
/// # struct Echo; impl Protocol for Echo { type Framing = Raw; }
/// use reactor_tls::{Identity, TlsServer};
///
/// let identity = Identity::from_pem_files("fullchain.pem", "privkey.pem")?;
/// let tls = TlsServer::builder().identity(identity).build()?;
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:8443", tls.factory(|| Echo))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TlsFactory<F> {
    server: TlsServer,
    factory: F,
}

impl TlsServer {
    /// Puts TLS over the connections of `factory`, on top of the filters that it has.
    /// `connection_made` is called after the handshake.
    pub fn factory<F: Factory>(&self, factory: F) -> TlsFactory<F> {
        TlsFactory {
            server: self.clone(),
            factory,
        }
    }
}

impl<F: Factory> Factory for TlsFactory<F> {
    type Protocol = F::Protocol;

    fn build_protocol(&mut self, peer: &Address) -> Option<F::Protocol> {
        self.factory.build_protocol(peer)
    }

    fn filter(&mut self, peer: &Address) -> Option<Box<dyn Filter>> {
        let tls = self.server.filter();
        Some(match self.factory.filter(peer) {
            // The factory's own filter is next to the socket: a PROXY header comes in clear, before
            // TLS.
            Some(lower) => Box::new(Pair::new(lower, tls)),
            None => Box::new(tls),
        })
    }

    fn start_factory(&mut self) {
        self.factory.start_factory();
    }

    fn stop_factory(&mut self) {
        self.factory.stop_factory();
    }

    fn accept_failed(&mut self, error: &io::Error, pause: Duration) {
        self.factory.accept_failed(error, pause);
    }
}

impl<F> fmt::Debug for TlsFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFactory")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
