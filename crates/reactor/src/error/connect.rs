//! Why a connection could not be made, or a name could not be resolved.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use deferred::Failure;

use super::ReactorGone;

/// Why a connection could not be made.
///
/// # Examples
///
/// ```
/// use reactor::{ConnectError, ConnectErrorKind, Reactor};
/// # use reactor::{Context, Protocol, Raw};
/// # struct Client;
/// # impl Protocol for Client {
/// #     type Framing = Raw;
/// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
/// # }
///
/// let reactor = Reactor::new().unwrap();
/// let handle = reactor.handle();
/// reactor
///     .connect_tcp("no port in this", Client)
///     .add_errback(move |failure| {
///         let error = failure.trap::<ConnectError>()?;
///         assert_eq!(error.kind(), ConnectErrorKind::BadAddress);
///         assert_eq!(error.target(), "no port in this");
///         handle.stop();
///         Err(failure)
///     })
///     .ignore();
/// reactor.run().unwrap();
/// ```
pub struct ConnectError {
    target: String,
    kind: ConnectErrorKind,
    attempts: Vec<(SocketAddr, io::Error)>,
    source: Option<Failure>,
}

/// Kind of a [`ConnectError`]. If several addresses were tried, it is that of the last one.
///
/// # Examples
///
/// Whether to try again:
///
/// ```
/// use reactor::ConnectErrorKind;
///
/// fn may_get_better(kind: ConnectErrorKind) -> bool {
///     !matches!(kind, ConnectErrorKind::BadAddress | ConnectErrorKind::ReactorGone)
/// }
///
/// assert!(may_get_better(ConnectErrorKind::Refused));
/// assert!(!may_get_better(ConnectErrorKind::BadAddress));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// The address cannot be parsed.
    BadAddress,
    /// The name has no address, or no name server could be asked.
    UnknownHost,
    /// No socket listens at the address.
    Refused,
    /// There was no answer in time.
    TimedOut,
    /// There is no route to the address.
    NoRoute,
    /// There is no UNIX socket with this path.
    NotFound,
    /// The local address to connect from is not available; see
    /// [`TcpConnectOptions::bind_address`](crate::TcpConnectOptions::bind_address).
    CannotBind,
    /// The reactor was dropped before the call, or while a name was looked up.
    ReactorGone,
    /// The reactor was stopped or dropped during the attempt.
    ReactorStopped,
    /// Another error: see the source.
    Other,
}

impl ConnectError {
    pub(crate) fn new(target: &str, kind: ConnectErrorKind) -> Self {
        Self {
            target: target.to_owned(),
            kind,
            attempts: Vec::new(),
            source: None,
        }
    }

    /// The look-up of the name in `target` has failed.
    pub(crate) fn unknown_host(target: &str, failure: Failure) -> Self {
        Self {
            source: Some(failure),
            ..Self::new(target, ConnectErrorKind::UnknownHost)
        }
    }

    /// An error with the source `error`, which decides the kind.
    pub(crate) fn because(target: &str, error: io::Error) -> Self {
        let kind = ConnectErrorKind::of(&error);
        Self {
            source: Some(error.into()),
            ..Self::new(target, kind)
        }
    }

    /// All addresses of `target` were tried. The error of the last one decides the kind.
    pub(crate) fn after(target: &str, attempts: Vec<(SocketAddr, io::Error)>) -> Self {
        let kind = attempts
            .last()
            .map_or(ConnectErrorKind::UnknownHost, |(_, error)| {
                ConnectErrorKind::of(error)
            });
        Self {
            target: target.to_owned(),
            kind,
            attempts,
            source: None,
        }
    }

    /// The kind of the error.
    pub fn kind(&self) -> ConnectErrorKind {
        self.kind
    }

    /// The target of the connection, as it was given.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The addresses that were tried, in order, each with its error.
    pub fn attempts(&self) -> impl Iterator<Item = (SocketAddr, &io::Error)> {
        self.attempts
            .iter()
            .map(|(address, error)| (*address, error))
    }
}

impl ConnectErrorKind {
    pub(crate) fn of(error: &io::Error) -> Self {
        if error
            .get_ref()
            .is_some_and(|inner| inner.is::<ReactorGone>())
        {
            return Self::ReactorGone;
        }
        if error
            .get_ref()
            .is_some_and(|inner| inner.is::<ReactorStopped>())
        {
            return Self::ReactorStopped;
        }
        if error
            .get_ref()
            .is_some_and(|inner| inner.is::<CannotBind>())
        {
            return Self::CannotBind;
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::NoRoute,
            // Refused by this crate, before a system call.
            io::ErrorKind::InvalidInput if error.raw_os_error().is_none() => Self::BadAddress,
            _ => Self::Other,
        }
    }
}

/// The reactor was stopped or dropped during an attempt.
#[derive(Debug)]
pub(crate) struct ReactorStopped;

impl fmt::Display for ReactorStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reactor was stopped")
    }
}

impl Error for ReactorStopped {}

/// A socket could not be bound to the address that it was to connect from.
#[derive(Debug)]
pub(crate) struct CannotBind {
    pub(crate) host: SocketAddr,
    pub(crate) source: io::Error,
}

impl fmt::Display for CannotBind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect from {}: {}", self.host, self.source)
    }
}

impl Error for CannotBind {}

/// Same as `Display`, because a `main` that returns the error prints its `Debug`.
impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {:?}: ", self.target)?;
        match (self.kind, &self.source) {
            (ConnectErrorKind::BadAddress, None) => f.write_str(
                "expected an address and a port, such as 127.0.0.1:80 or example.org:80",
            ),
            (ConnectErrorKind::UnknownHost, _) => f.write_str("the name has no address"),
            (ConnectErrorKind::ReactorGone, _) => f.write_str("the reactor is gone"),
            (_, Some(source)) => write!(f, "{source}"),
            (_, None) => {
                // If the target is the one address that was tried, the text must not name it twice.
                if let [(address, error)] = &self.attempts[..]
                    && address.to_string() == self.target
                {
                    return write!(f, "{error}");
                }
                for (index, (address, error)) in self.attempts.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "; " };
                    write!(f, "{separator}{address}: {error}")?;
                }
                Ok(())
            }
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(failure) => Some(failure.as_error()),
            None => self.attempts.last().map(|(_, error)| error as _),
        }
    }
}

/// Why a name could not be resolved to addresses.
///
/// # Examples
///
/// ```
/// use reactor::{Reactor, ResolveError};
///
/// let reactor = Reactor::new().unwrap();
/// let handle = reactor.handle();
/// reactor
///     .resolve("no name", 80)
///     .add_errback(move |failure| {
///         assert_eq!(failure.trap::<ResolveError>()?.host(), "no name");
///         handle.stop();
///         Err(failure)
///     })
///     .ignore();
/// reactor.run().unwrap();
/// ```
#[derive(Debug)]
pub struct ResolveError {
    host: String,
    source: Option<io::Error>,
}

impl ResolveError {
    /// Makes the error of a `host` whose look-up has failed with `source`; `None` if the name
    /// exists, but has no address. For [resolvers](crate::Resolver) of your own.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{fail, succeed};
    /// use reactor::{Reactor, ReactorHandle, ResolveError};
    /// use std::io;
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.set_resolver(|_: &ReactorHandle, host: &str, port: u16| match host {
    ///     "here" => succeed(vec![([127, 0, 0, 1], port).into()]),
    ///     _ => fail(ResolveError::new(host, Some(io::ErrorKind::NotFound.into()))),
    /// });
    /// let failure = reactor.resolve("there", 80).into_result().unwrap().unwrap_err();
    /// assert_eq!(failure.check::<ResolveError>().unwrap().host(), "there");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(host: impl Into<String>, source: Option<io::Error>) -> Self {
        Self {
            host: host.into(),
            source,
        }
    }

    /// The name.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot find the address of {:?}: ", self.host)?;
        match &self.source {
            Some(error) => error.fmt(f),
            None => f.write_str("it has none"),
        }
    }
}

impl Error for ResolveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
