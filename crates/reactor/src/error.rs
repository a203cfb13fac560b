//! What can go wrong, and how it is told.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use deferred::Failure;

/// Why a connection ended; [`Protocol::connection_lost`] gets it.
///
/// It is an [`Error`], so it becomes a [`Failure`] with `?` or `into()`.
///
/// [`Protocol::connection_lost`]: crate::Protocol::connection_lost
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectionClosed {
    /// Orderly: the peer finished sending, or this side asked for it with
    /// `lose_connection`.
    Done,
    /// This side asked for it with `abort`: what was not sent is discarded.
    Aborted,
    /// The network or the peer broke it.
    Lost(io::Error),
    /// The peer reads too slowly, or not at all: more waited to be sent than the
    /// hard limit allows.
    Overflow {
        /// How many bytes would have waited.
        buffered: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A handler of the protocol or its framing failed or panicked.
    Failed(Failure),
    /// The reactor was stopped, or dropped.
    ReactorStopped,
}

impl ConnectionClosed {
    /// Whether nothing went wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::ConnectionClosed;
    ///
    /// assert!(ConnectionClosed::Done.is_clean());
    /// assert!(!ConnectionClosed::Aborted.is_clean());
    /// ```
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// The same for somebody else who is told.
    pub(crate) fn duplicate(&self) -> Self {
        match self {
            Self::Done => Self::Done,
            Self::Aborted => Self::Aborted,
            Self::Lost(error) => Self::Lost(match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            }),
            Self::Overflow { buffered, limit } => Self::Overflow {
                buffered: *buffered,
                limit: *limit,
            },
            Self::Failed(failure) => Self::Failed(failure.clone()),
            Self::ReactorStopped => Self::ReactorStopped,
        }
    }
}

impl fmt::Display for ConnectionClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("the connection was closed cleanly"),
            Self::Aborted => f.write_str("the connection was aborted"),
            Self::Lost(error) => write!(f, "the connection was lost: {error}"),
            Self::Overflow { buffered, limit } => write!(
                f,
                "the connection was aborted: {buffered} bytes waited to be sent, \
                 {limit} are allowed"
            ),
            Self::Failed(failure) => write!(f, "the protocol failed: {failure}"),
            Self::ReactorStopped => f.write_str("the reactor was stopped"),
        }
    }
}

impl Error for ConnectionClosed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Lost(error) => Some(error),
            Self::Failed(failure) => Some(failure.as_error()),
            _ => None,
        }
    }
}

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
///         handle.stop()?;
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

/// The kinds of [`ConnectError`]; that of the last address tried, if there were
/// several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// The address cannot be understood.
    BadAddress,
    /// The name has no address, or nobody could be asked.
    UnknownHost,
    /// Nobody listens there.
    Refused,
    /// There was no answer in time.
    TimedOut,
    /// There is no way to the address.
    NoRoute,
    /// There is no UNIX socket of that name.
    NotFound,
    /// The reactor was dropped.
    ReactorGone,
    /// Something else: see the source.
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

    /// The name of `target` was looked up, in vain.
    pub(crate) fn unknown_host(target: &str, failure: Failure) -> Self {
        Self {
            source: Some(failure),
            ..Self::new(target, ConnectErrorKind::UnknownHost)
        }
    }

    /// Because of `error`, which decides the kind.
    pub(crate) fn because(target: &str, error: io::Error) -> Self {
        let kind = ConnectErrorKind::of(&error);
        Self {
            source: Some(error.into()),
            ..Self::new(target, kind)
        }
    }

    /// All addresses of `target` were tried; the last one decides the kind.
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

    /// What kind of error it is.
    pub fn kind(&self) -> ConnectErrorKind {
        self.kind
    }

    /// What was to be connected to, as it was given.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The addresses that were tried, in order, and what each came to.
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
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::NoRoute,
            _ => Self::Other,
        }
    }
}

/// The same as `Display`, as it is what a `main` that returns the error prints.
impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {:?}: ", self.target)?;
        match (self.kind, &self.source) {
            (ConnectErrorKind::BadAddress, _) => f.write_str(
                "expected an address and a port, such as 127.0.0.1:80 or example.org:80",
            ),
            (ConnectErrorKind::UnknownHost, _) => f.write_str("the name has no address"),
            (ConnectErrorKind::ReactorGone, _) => f.write_str("the reactor is gone"),
            (_, Some(source)) => write!(f, "{source}"),
            (_, None) => {
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

/// Why the addresses of a name could not be found.
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
///         handle.stop()?;
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
    /// Without a `source`, the name is known and has no address.
    pub(crate) fn new(host: &str, source: Option<io::Error>) -> Self {
        Self {
            host: host.to_owned(),
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

/// Why a port cannot be listened on.
pub struct ListenError {
    address: String,
    source: io::Error,
}

impl ListenError {
    pub(crate) fn new(address: impl fmt::Display, source: io::Error) -> Self {
        Self {
            address: address.to_string(),
            source,
        }
    }

    /// The address, as it was given.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What kind of error the system gave: `AddrInUse`, `PermissionDenied`, …;
    /// `InvalidInput` for an address that cannot be understood.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// The same as `Display`, as it is what a `main` that returns the error prints.
impl fmt::Debug for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {:?}: {}", self.address, self.source)
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Why the reactor does not run.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// It does already: a loop cannot run inside itself.
    AlreadyRunning,
    /// It was stopped before what was waited for had come.
    Stopped,
    /// The system would not let it wait for events, or for signals.
    Io(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRunning => f.write_str("the reactor is running already"),
            Self::Stopped => f.write_str("the reactor was stopped before there was a result"),
            Self::Io(error) => write!(f, "the reactor cannot wait for events: {error}"),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::AlreadyRunning | Self::Stopped => None,
            Self::Io(error) => Some(error),
        }
    }
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why a descriptor cannot be sent; it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DescriptorError {
    /// Only a UNIX socket can send one.
    NotUnix,
    /// It has to go with at least one byte.
    NoBytes,
    /// The connection is over, or on its way out.
    Gone,
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUnix => "only a UNIX socket can send a descriptor",
            Self::NoBytes => "a descriptor has to be sent with at least one byte",
            Self::Gone => "the connection is gone",
        })
    }
}

impl Error for DescriptorError {}

/// Why [`Remote::blocking_call_from_thread`] has no value to give.
///
/// [`Remote::blocking_call_from_thread`]: crate::Remote::blocking_call_from_thread
#[derive(Debug)]
#[non_exhaustive]
pub enum BlockingCallError {
    /// The call was made, and failed or panicked.
    Failed(Failure),
    /// The reactor was stopped before there was a result, and does not run.
    Stopped,
    /// The reactor was dropped before there was a result.
    ReactorGone,
    /// It was called from the reactor's own thread, which would wait for itself.
    LoopThread,
}

impl fmt::Display for BlockingCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => write!(f, "the call failed: {failure}"),
            Self::Stopped => f.write_str("the reactor was stopped"),
            Self::ReactorGone => f.write_str("the reactor is gone"),
            Self::LoopThread => f.write_str("the reactor's own thread cannot wait for it"),
        }
    }
}

impl Error for BlockingCallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(failure) => Some(failure.as_error()),
            _ => None,
        }
    }
}

macro_rules! plain_error {
    ($(#[$doc:meta])* $name:ident, $message:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name;

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($message)
            }
        }

        impl Error for $name {}
    };
}

plain_error! {
    /// A reactor that does not run cannot be stopped.
    NotRunning, "the reactor is not running"
}

plain_error! {
    /// The reactor was dropped; its handles have nothing to act on.
    ReactorGone, "the reactor is gone"
}

plain_error! {
    /// The connection has ended; its handles have nothing to act on.
    Gone, "the connection is gone"
}
