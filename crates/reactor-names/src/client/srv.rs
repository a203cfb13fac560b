//! `SrvEndpoint`: a service by its name, whose servers are in SRV records.

use std::rc::Rc;

use deferred::{Cancelled, Deferred, Failure, inline_callbacks};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::SRV;
use reactor::ReactorHandle;
use reactor::endpoint::{ClientEndpoint, EndpointError, EndpointParser, PendingConnection};

use super::dns::Dns;
use crate::error::{LookupError, LookupErrorKind};

/// A service (`_imap._tcp.example.org`), which is connected to at one of the servers that its `SRV`
/// records name. (Twisted: `SRVConnector`.)
///
/// The servers are tried in the order of [`Dns::lookup_srv`] until one can be connected to. Their
/// names are resolved by the resolver of the reactor.
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::endpoint::Connect;
/// use reactor_names::{Dns, DnsConfig, Hosts, SrvEndpoint};
///
/// # let reactor = TestReactor::new();
/// let dns = Dns::new(DnsConfig::new(["192.0.2.53:53".parse()?]), Hosts::default());
/// let connecting = SrvEndpoint::new(&dns, "_imap._tcp.example.org").connect(&reactor, Quiet);
/// # connecting.ignore();
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[doc(alias = "SRVConnector")]
#[derive(Clone, Debug)]
pub struct SrvEndpoint {
    dns: Dns,
    name: Rc<str>,
}

impl SrvEndpoint {
    /// The service of this name, in full: `_service._tcp.example.org`.
    pub fn new(dns: &Dns, name: &str) -> Self {
        Self {
            dns: dns.clone(),
            name: name.into(),
        }
    }
}

impl ClientEndpoint for SrvEndpoint {
    /// Fails with a [`LookupError`] if there is no such service, or with the failure of the last
    /// server if none can be connected to.
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
        let Self { dns, name } = self.clone();
        let reactor = reactor.clone();
        inline_callbacks(async move {
            let servers = dns.lookup_srv(&reactor, &name).await?;
            // The only record may say that the service is not available.
            let none = LookupError::new(LookupErrorKind::NoRecords, &*name, RecordType::SRV);
            let mut last = Failure::new(none);
            for server in servers {
                // One after the other, by the order of RFC 2782. The happy eyeballs are for the
                // addresses of one server, inside of its `dial`.
                match (&*host(&server), server.port).dial(&reactor).await {
                    Err(failure) if !failure.is::<Cancelled>() => last = failure,
                    result => return result,
                }
            }
            Err(last)
        })
    }
}

/// Names of hosts are written without the dot at their end.
fn host(server: &SRV) -> String {
    let mut target = server.target.clone();
    // The name goes on to the hosts file and to TLS, whose certificates have no dot at the end.
    target.set_fqdn(false);
    target.to_ascii()
}

/// Adds the prefix `srv:` to an [`EndpointParser`].
///
/// | client | |
/// |---|---|
/// | `srv:_SERVICE._tcp.DOMAIN` | one of the servers of this service: see [`SrvEndpoint`] |
///
/// # Examples
///
/// ```
/// use reactor::endpoint::EndpointParser;
/// use reactor_names::{Dns, DnsConfig, Hosts, WithSrv};
///
/// let dns = Dns::new(DnsConfig::new(["192.0.2.53:53".parse()?]), Hosts::default());
/// let parser = EndpointParser::new().with_srv(&dns);
/// assert!(parser.client("srv:_imap._tcp.example.org").is_ok());
/// assert!(parser.client("srv:example.org").is_err());
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub trait WithSrv {
    /// The parser with the prefix `srv:`, whose records `dns` looks up.
    #[must_use = "the parser with the prefix is what this gives"]
    fn with_srv(self, dns: &Dns) -> Self;
}

impl WithSrv for EndpointParser {
    fn with_srv(self, dns: &Dns) -> Self {
        let dns = dns.clone();
        self.with_client("srv", move |arguments| {
            let name = arguments.require("name")?;
            if !name.starts_with('_') {
                let why = "must begin with the name of a service, such as _imap._tcp";
                return Err(EndpointError::bad_value("name", &name, why));
            }
            Ok(Box::new(SrvEndpoint::new(&dns, &name)))
        })
    }
}
