//! `Upstream`: a DNS server to ask, and whether its connections are encrypted.

use std::fmt;
use std::net::SocketAddr;

use deferred::Deferred;
use reactor::{Connection, Protocol, ReactorHandle};

#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "tls")]
pub(crate) use self::tls::TlsServerName;

/// A server, as it is configured. Equal values share their connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Upstream {
    /// Over UDP, and over TCP if the answer over UDP cannot be used.
    Clear(SocketAddr),
    /// Over TLS only: a question that fails is never sent in clear.
    #[cfg(feature = "tls")]
    Tls(TlsServerName),
}

impl Upstream {
    /// The address for questions over UDP; `None` if they must be encrypted.
    pub(crate) fn udp(&self) -> Option<SocketAddr> {
        match self {
            Self::Clear(address) => Some(*address),
            #[cfg(feature = "tls")]
            Self::Tls(_) => None,
        }
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.udp().is_none()
    }

    /// A connection for questions: the Deferred fires after the handshake, if there is one.
    pub(crate) fn connect<P: Protocol>(
        &self,
        reactor: &ReactorHandle,
        protocol: P,
    ) -> Deferred<Connection<P>> {
        match self {
            Self::Clear(address) => reactor.connect_tcp(*address, protocol),
            #[cfg(feature = "tls")]
            Self::Tls(server) => server.connect(reactor, protocol),
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear(address) => address.fmt(f),
            #[cfg(feature = "tls")]
            Self::Tls(server) => server.fmt(f),
        }
    }
}
