//! TLS endpoints: `TlsServer::endpoint`, `TlsClient::endpoint`, and the prefixes `tls:` and `ssl:`.

use reactor::endpoint::{
    Arguments, ClientEndpoint, EndpointError, EndpointParser, ServerEndpoint, WithFilter,
};

use crate::client::TlsClient;
use crate::error::TlsConfigError;
use crate::identity::{Identity, Roots};
use crate::server::TlsServer;

type Result<T> = std::result::Result<T, EndpointError>;
type Client = Box<dyn ClientEndpoint>;
type Server = Box<dyn ServerEndpoint>;

impl TlsServer {
    /// Puts TLS over a server endpoint.
    ///
    /// # Examples
    ///
    /// On all addresses of this computer, IPv4 and IPv6:
    ///
    /// ```no_run
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Echo; impl Protocol for Echo { type Framing = Raw; }
    /// use reactor::endpoint::Listen;
    /// use reactor_tls::{Identity, TlsServer};
    ///
    /// let identity = Identity::from_pem_files("fullchain.pem", "privkey.pem")?;
    /// let tls = TlsServer::builder().identity(identity).build()?;
    /// let reactor = Reactor::new()?;
    /// tls.endpoint("tcp:8443").listen(&reactor, || Echo).detach();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn endpoint<E: ServerEndpoint>(&self, endpoint: E) -> WithFilter<E> {
        let server = self.clone();
        WithFilter::new(endpoint, move |_peer| server.filter())
    }
}

impl TlsClient {
    /// Puts TLS over a client endpoint. The server must have a certificate for `name`, a host name
    /// or an IP address.
    ///
    /// # Errors
    ///
    /// `name` is neither.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "platform-verifier")]
    /// # {
    /// # use reactor::{Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::endpoint::Connect;
    /// use reactor_tls::TlsClient;
    ///
    /// let tls = TlsClient::builder().build()?;
    /// let reactor = TestReactor::new();
    /// let endpoint = tls.endpoint("example.org", ("192.0.2.1".parse::<std::net::IpAddr>()?, 443))?;
    /// let connecting = endpoint.connect(&reactor, Quiet);
    /// reactor.settle();
    /// assert!(connecting.into_result().unwrap().is_err(), "nothing listens there");
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "wrapClientTLS")]
    pub fn endpoint<E: ClientEndpoint>(
        &self,
        name: &str,
        endpoint: E,
    ) -> std::result::Result<WithFilter<E>, TlsConfigError> {
        let filters = self.filters(name)?;
        Ok(WithFilter::new(endpoint, move |_peer| filters()))
    }
}

/// Adds the prefixes `tls:` and `ssl:`, which mean the same, to an [`EndpointParser`].
///
/// | server | |
/// |---|---|
/// | `tls:PORT:key=FILE[:cert=FILE]` | the private key, and the certificate chain; without `cert`, the file of the key has both |
/// | `…[:clients=FILE]` | clients must have a certificate issued by one of these roots |
/// | `…[:alpn=NAME,…]` | application protocols |
/// | `…[:interface=HOST][:backlog=N]` | as for `tcp:` |
/// | `tls:endpoint=ENDPOINT:key=…` | over another server endpoint, with its colons escaped (`\:`) |
///
/// | client | |
/// |---|---|
/// | `tls:HOST:PORT` | verifies the host by the roots of the platform |
/// | `…[:roots=FILE]` | by these roots, and no others |
/// | `…[:key=FILE[:cert=FILE]]` | shows a certificate to a server that asks for one |
/// | `…[:alpn=NAME,…]` | application protocols |
/// | `…[:timeout=30][:bindAddress=IP]` | as for `tcp:` |
/// | `tls:HOST:endpoint=ENDPOINT` | over another client endpoint; `HOST` is verified |
///
/// All files are PEM, and are read when the description is parsed. Twisted's spelling
/// `privateKey`, `certKey` and `certificate` is understood, too.
///
/// # Examples
///
/// ```
/// use reactor::endpoint::EndpointParser;
/// use reactor_tls::WithTls;
///
/// let parser = EndpointParser::new().with_tls();
/// # #[cfg(feature = "platform-verifier")]
/// assert!(parser.client("tls:example.org:443").is_ok());
///
/// let error = parser.server("tls:8443:key=no/such.key:cert=no/such.pem").err().unwrap();
/// assert!(error.to_string().contains("no/such.pem"));
/// ```
pub trait WithTls {
    /// The parser with the prefixes `tls:` and `ssl:`.
    #[must_use = "the parser with the prefixes is what this gives"]
    fn with_tls(self) -> Self;
}

impl WithTls for EndpointParser {
    fn with_tls(self) -> Self {
        // `ssl` is Twisted's prefix, so that its descriptions can be used as they are.
        ["tls", "ssl"].into_iter().fold(self, |parser, prefix| {
            parser
                .with_client(prefix, client)
                .with_server(prefix, server)
        })
    }
}

fn server(arguments: &mut Arguments<'_>) -> Result<Server> {
    let Some(identity) = identity(arguments)? else {
        let why = "must be a PEM file with a private key";
        return Err(EndpointError::bad_value("key", "", why));
    };
    let mut builder = TlsServer::builder().identity(identity);
    if let Some(file) = arguments.keyword("clients") {
        builder = builder.require_client_certificates(roots("clients", &file)?);
    }
    if let Some(names) = alpn(arguments) {
        builder = builder.alpn(names);
    }
    let tls = builder
        .build()
        .map_err(|error| EndpointError::bad_value("key", "", cannot_be_used(&error)))?;
    let endpoint = match arguments.keyword("endpoint") {
        Some(endpoint) => arguments.parser().server(&endpoint)?,
        // Not by the parser that is running, whose `tcp` may be another one.
        None => EndpointParser::new().server_from("tcp", arguments)?,
    };
    Ok(Box::new(tls.endpoint(endpoint)))
}

fn client(arguments: &mut Arguments<'_>) -> Result<Client> {
    let mut builder = TlsClient::builder();
    if let Some(identity) = identity(arguments)? {
        builder = builder.identity(identity);
    }
    if let Some(file) = arguments.keyword("roots") {
        builder = builder.roots(roots("roots", &file)?);
    }
    if let Some(names) = alpn(arguments) {
        builder = builder.alpn(names);
    }
    let (host, endpoint) = match arguments.keyword("endpoint") {
        Some(endpoint) => {
            let host = arguments.require("host")?;
            (host, arguments.parser().client(&endpoint)?)
        }
        None => {
            // `tcp` takes the host, or errs if there is none. Not by the parser that is running, whose
            // `tcp` may be another one.
            let host = arguments.look("host").unwrap_or_default().to_owned();
            (host, EndpointParser::new().client_from("tcp", arguments)?)
        }
    };
    // The host is the one argument of `build` and `endpoint` that was not checked yet.
    let bad_host = |error| EndpointError::bad_value("host", &host, error);
    let tls = builder.build().map_err(bad_host)?;
    Ok(Box::new(tls.endpoint(&host, endpoint).map_err(bad_host)?))
}

/// The private key and its certificates; `None` if neither is given.
fn identity(arguments: &mut Arguments<'_>) -> Result<Option<Identity>> {
    let mut either = |names: &[&str]| names.iter().find_map(|name| arguments.keyword(name));
    let key = either(&["key", "privateKey"]);
    let certificates = either(&["cert", "certKey", "certificate"]);
    let Some(key) = key else {
        return match certificates {
            Some(file) => Err(EndpointError::bad_value(
                "cert",
                &file,
                "needs key=, the file of its private key",
            )),
            None => Ok(None),
        };
    };
    // As in Twisted: one PEM file may hold both.
    let certificates = certificates.unwrap_or_else(|| key.clone());
    let identity = Identity::from_pem_files(&certificates, &key)
        .map_err(|error| EndpointError::bad_value("key", &key, cannot_be_used(&error)))?;
    Ok(Some(identity))
}

fn roots(name: &str, file: &str) -> Result<Roots> {
    Roots::from_pem_file(file)
        .map_err(|error| EndpointError::bad_value(name, file, cannot_be_used(&error)))
}

fn cannot_be_used(error: &TlsConfigError) -> String {
    format!("cannot be used: {error}")
}

fn alpn(arguments: &mut Arguments<'_>) -> Option<Vec<String>> {
    let names = arguments.keyword("alpn")?;
    Some(names.split(',').map(str::to_owned).collect())
}
