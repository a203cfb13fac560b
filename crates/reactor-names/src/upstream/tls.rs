//! A server over TLS, with the name that its certificate must have.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::rc::Rc;

use deferred::Deferred;
use reactor::endpoint::{Connect, WithFilter};
use reactor::{Connection, Protocol, ReactorHandle};
use reactor_tls::{TlsClient, TlsConfigError};

/// A server with the name that its certificate must have.
#[derive(Clone)]
pub(crate) struct TlsServerName(Rc<Parts>);

struct Parts {
    address: SocketAddr,
    name: String,
    endpoint: WithFilter<SocketAddr>,
}

impl TlsServerName {
    pub(crate) fn new(
        tls: &TlsClient,
        address: SocketAddr,
        name: &str,
    ) -> Result<Self, TlsConfigError> {
        Ok(Self(Rc::new(Parts {
            address,
            name: name.to_owned(),
            // Made here, so that a bad name is an error of the configuration and not of each
            // question.
            endpoint: tls.endpoint(name, address)?,
        })))
    }

    pub(crate) fn connect<P: Protocol>(
        &self,
        reactor: &ReactorHandle,
        protocol: P,
    ) -> Deferred<Connection<P>> {
        self.0.endpoint.connect(reactor, protocol)
    }
}

/// A value equals only its own clones, not another value with an equal name: a `TlsClient` cannot
/// be compared.
impl PartialEq for TlsServerName {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TlsServerName {}

impl Hash for TlsServerName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Display for TlsServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.0.address, self.0.name)
    }
}

impl fmt::Debug for TlsServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
