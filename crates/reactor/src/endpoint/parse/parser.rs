//! `EndpointParser`: the known prefixes, each with the function that makes its endpoint.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::arguments::Arguments;
use super::error::{EndpointError, EndpointErrorKind};
use super::tokens::tokenize;
use crate::endpoint::client::ClientEndpoint;
use crate::endpoint::server::ServerEndpoint;

type Result<T> = std::result::Result<T, EndpointError>;
type Make<E> = Rc<dyn Fn(&mut Arguments<'_>) -> Result<E>>;
type Client = Box<dyn ClientEndpoint>;
type Server = Box<dyn ServerEndpoint>;

/// Makes endpoints from descriptions, as in a configuration file or on a command line: `tcp:8080`,
/// `unix:/run/service.sock`. (Twisted: `clientFromString`, `serverFromString`.)
///
/// A description is a prefix and its arguments, separated by colons. An argument may have a keyword
/// (`timeout=5`); without one, its position tells which one it is. A backslash escapes the
/// character after it: see [`quote`](super::quote).
///
/// | server | listens on |
/// |---|---|
/// | `tcp:PORT[:interface=HOST][:backlog=N]` | a TCP port of one interface; by default, of all addresses of this host, IPv4 and IPv6, with one port number |
/// | `tcp4:…`, `tcp6:…` | as `tcp`, with one family only |
/// | `unix:PATH[:mode=660][:backlog=N][:lockfile=1]` | a UNIX socket, with a lock file unless `lockfile=0`; `@name` is an abstract name |
/// | `stdio:` | standard input and output, as one connection |
/// | `fd:NUMBER` | an inherited listening socket |
/// | `systemd:[domain=INET][:index=N]` or `:name=NAME` | a socket that systemd passes |
/// | `haproxy:from=IP[,IP…]:ENDPOINT` | another server endpoint, whose connections begin with a PROXY header, from these senders only; `from=any` for all |
///
/// | client | connects to |
/// |---|---|
/// | `tcp:HOST:PORT[:timeout=30][:bindAddress=IP[:…]]` | a TCP port; a name with several addresses as in RFC 8305 (happy eyeballs) |
/// | `tcp4:…`, `tcp6:…` | as `tcp`, with addresses of one family only |
/// | `unix:PATH[:timeout=30]` | a UNIX socket |
/// | `stdio:` | standard input and output, as one connection |
/// | `fd:NUMBER`, `fd:IN:OUT` | an inherited connection: one socket, or two pipes |
///
/// A parser is a value, to which other crates add their prefixes (`reactor-tls` adds `tls:`), and
/// you may add yours. There is no global list, so one part of a program cannot change the prefixes
/// of another.
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::endpoint::{Connect, EndpointParser, Listen};
///
/// let parser = EndpointParser::new();
/// let reactor = TestReactor::new();
/// let port = parser.server("tcp:8080:interface=127.0.0.1")?.listen(&reactor, || Quiet);
/// let connecting = parser.client("tcp:127.0.0.1:8080")?.connect(&reactor, Quiet);
/// reactor.settle();
/// assert!(port.into_result().unwrap()?.is_listening());
/// assert!(connecting.into_result().unwrap().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EndpointParser {
    clients: BTreeMap<String, Make<Client>>,
    servers: BTreeMap<String, Make<Server>>,
}

impl EndpointParser {
    /// A parser without prefixes, to which the program adds those that it allows.
    pub fn empty() -> Self {
        Self {
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
        }
    }

    /// Adds a prefix for clients, or replaces it. `make` takes the arguments of a description; if
    /// it leaves one, the description is an error.
    ///
    /// # Examples
    ///
    /// A prefix for services by name:
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::endpoint::{Connect, EndpointError, EndpointParser};
    ///
    /// let parser = EndpointParser::new().with_client("service", |arguments| {
    ///     let name = arguments.require("name")?;
    ///     match name.as_str() {
    ///         "cache" => arguments.parser().client("unix:/run/cache"),
    ///         "web" => arguments.parser().client("tcp:192.0.2.1:80"),
    ///         _ => Err(EndpointError::bad_value("name", &name, "is neither cache nor web")),
    ///     }
    /// });
    ///
    /// # let reactor = TestReactor::new();
    /// # reactor.listen_unix("/run/cache", || Quiet)?;
    /// let connecting = parser.client("service:cache")?.connect(&reactor, Quiet);
    /// # reactor.settle();
    /// # assert!(connecting.into_result().unwrap().is_ok());
    /// assert!(parser.client("service:mail").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the parser with the prefix is what this gives"]
    pub fn with_client(
        mut self,
        prefix: impl Into<String>,
        make: impl Fn(&mut Arguments<'_>) -> Result<Client> + 'static,
    ) -> Self {
        self.clients.insert(prefix.into(), Rc::new(make));
        self
    }

    /// Adds a prefix for servers, or replaces it: see [`with_client`](Self::with_client).
    #[must_use = "the parser with the prefix is what this gives"]
    pub fn with_server(
        mut self,
        prefix: impl Into<String>,
        make: impl Fn(&mut Arguments<'_>) -> Result<Server> + 'static,
    ) -> Self {
        self.servers.insert(prefix.into(), Rc::new(make));
        self
    }

    /// Makes the client endpoint of `description`.
    ///
    /// # Errors
    ///
    /// If the prefix is unknown, or an argument is missing, unknown or invalid.
    #[doc(alias = "clientFromString")]
    pub fn client(&self, description: &str) -> Result<Client> {
        self.make(&self.clients, "client", description)
    }

    /// Makes the server endpoint of `description`.
    ///
    /// # Errors
    ///
    /// If the prefix is unknown, or an argument is missing, unknown or invalid.
    #[doc(alias = "serverFromString")]
    pub fn server(&self, description: &str) -> Result<Server> {
        self.make(&self.servers, "server", description)
    }

    /// Makes the client endpoint of `prefix` from the arguments that are left. For an endpoint that
    /// has the arguments of another one, as `tls:` has those of `tcp:`.
    ///
    /// # Errors
    ///
    /// If the prefix is unknown, or an argument is missing or invalid. Arguments that are left are an
    /// error of the whole description, as always.
    ///
    /// # Examples
    ///
    /// A prefix for TCP with a name in front:
    ///
    /// ```
    /// use reactor::endpoint::EndpointParser;
    ///
    /// let parser = EndpointParser::new().with_client("named", |arguments| {
    ///     println!("connecting to {}", arguments.require("name")?);
    ///     EndpointParser::new().client_from("tcp", arguments)
    /// });
    /// assert!(parser.client("named:web:example.org:80:timeout=5").is_ok());
    ///
    /// let error = parser.client("named:web:example.org:eighty").err().unwrap();
    /// assert_eq!(error.text(), "named:web:example.org:eighty");
    /// ```
    pub fn client_from(&self, prefix: &str, arguments: &mut Arguments<'_>) -> Result<Client> {
        find(&self.clients, "client", prefix)?(arguments)
    }

    /// Makes the server endpoint of `prefix` from the arguments that are left: see
    /// [`client_from`](Self::client_from).
    ///
    /// # Errors
    ///
    /// As for [`client_from`](Self::client_from).
    pub fn server_from(&self, prefix: &str, arguments: &mut Arguments<'_>) -> Result<Server> {
        find(&self.servers, "server", prefix)?(arguments)
    }

    /// Whether `description` begins with a prefix that this parser knows, of a client or a
    /// server.
    pub fn knows(&self, description: &str) -> bool {
        description.split_once(':').is_some_and(|(prefix, _)| {
            self.clients.contains_key(prefix) || self.servers.contains_key(prefix)
        })
    }

    fn make<E>(&self, known: &BTreeMap<String, Make<E>>, side: &str, text: &str) -> Result<E> {
        let made = || {
            let (prefix, tokens) = tokenize(text).ok_or_else(|| {
                let message = "it ends with a backslash that escapes nothing; write `\\\\` for one"
                    .to_owned();
                EndpointError::new(EndpointErrorKind::BadEscape, message)
            })?;
            let make = find(known, side, &prefix)?;
            let mut arguments = Arguments::new(self, tokens);
            let endpoint = make(&mut arguments)?;
            // A misspelt argument must not be ignored: it may be one that restricts access.
            arguments.finish()?;
            Ok(endpoint)
        };
        made().map_err(|error: EndpointError| error.within(text))
    }
}

fn find<'a, E>(
    known: &'a BTreeMap<String, Make<E>>,
    side: &str,
    prefix: &str,
) -> Result<&'a Make<E>> {
    known.get(prefix).ok_or_else(|| {
        let names: Vec<_> = known.keys().map(String::as_str).collect();
        let names = names.join(", ");
        let message = format!("no {side} has the prefix {prefix:?}; known prefixes are: {names}");
        EndpointError::new(EndpointErrorKind::UnknownPrefix, message)
    })
}

impl fmt::Debug for EndpointParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointParser")
            .field("clients", &self.clients.keys())
            .field("servers", &self.servers.keys())
            .finish()
    }
}
