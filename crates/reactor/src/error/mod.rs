//! Error types of the crate's operations.

mod adopt;
mod closed;
mod connect;
mod listen;

use std::error::Error;
use std::fmt;
use std::io;

use deferred::Failure;

pub use self::adopt::AdoptError;
pub use self::closed::{ConnectionClosed, ConnectionClosedKind};
pub(crate) use self::connect::{CannotBind, ReactorStopped};
pub use self::connect::{ConnectError, ConnectErrorKind, ResolveError};
pub use self::listen::ListenError;

/// Why `run`, `block_on` or `turn` of a reactor has failed.
///
/// # Examples
///
/// ```
/// use reactor::{Reactor, RunError};
///
/// let reactor = Reactor::new()?;
/// let handle = reactor.handle();
/// reactor.call_when_running(move || handle.stop());
/// // The reactor is stopped before the Deferred fires.
/// let (_trigger, never) = deferred::Deferred::<()>::pair();
/// let failure = reactor.block_on(never).unwrap_err();
/// assert!(matches!(failure.trap()?, RunError::Stopped));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The reactor is running already: a loop cannot run inside itself.
    AlreadyRunning,
    /// The reactor was stopped before the Deferred of `block_on` has fired.
    Stopped,
    /// This process was forked from the one that has made the reactor; see
    /// [`Reactor`](crate::Reactor).
    OtherProcess,
    /// The system has refused to wait for events, or for signals.
    Io(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRunning => f.write_str("the reactor is running already"),
            Self::Stopped => f.write_str("the reactor was stopped before there was a result"),
            Self::OtherProcess => {
                f.write_str("the reactor belongs to the process that this one was forked from")
            }
            Self::Io(error) => write!(f, "the reactor cannot wait for events: {error}"),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::AlreadyRunning | Self::Stopped | Self::OtherProcess => None,
            Self::Io(error) => Some(error),
        }
    }
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why a descriptor cannot be sent. The descriptor was closed.
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, testing};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::SendDescriptorError;
/// use std::fs::File;
///
/// testing::run(|reactor| {
///     let (connection, _peer) = reactor.connect_to_peer(Quiet);
///     let file = File::open("/dev/null").unwrap();
///     let refused = connection.send_descriptor(file, "here it is");
///     assert_eq!(refused, Err(SendDescriptorError::NotUnix));
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendDescriptorError {
    /// The connection is not a UNIX socket; only those can send descriptors.
    NotUnix,
    /// There are no bytes: a descriptor has to be sent with at least one byte.
    NoBytes,
    /// The maximum number of descriptors waits already, because the peer does not read. When the
    /// connection has [drained](crate::Connection::drained), there is room again.
    TooMany {
        /// Maximum number of descriptors that wait.
        limit: usize,
    },
    /// The connection is over or closing.
    Gone,
}

impl fmt::Display for SendDescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUnix => f.write_str("only a UNIX socket can send a descriptor"),
            Self::NoBytes => f.write_str("a descriptor has to be sent with at least one byte"),
            Self::TooMany { limit } => {
                write!(
                    f,
                    "the peer does not read: {limit} descriptors wait already"
                )
            }
            Self::Gone => f.write_str("the connection is gone"),
        }
    }
}

impl Error for SendDescriptorError {}

/// Why [`Remote::blocking_call_from_thread`] returns no value.
///
/// [`Remote::blocking_call_from_thread`]: crate::Remote::blocking_call_from_thread
///
/// # Examples
///
/// ```
/// use reactor::{BlockingCallError, Reactor};
/// use std::thread;
///
/// let reactor = Reactor::new()?;
/// let remote = reactor.remote();
/// drop(reactor);
/// let called = thread::spawn(move || remote.blocking_call_from_thread(|_| Ok(42))).join().unwrap();
/// assert!(matches!(called, Err(BlockingCallError::ReactorGone)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BlockingCallError {
    /// The call was made, and failed or panicked.
    Failed(Failure),
    /// The reactor was stopped before there was a result, and does not run.
    Stopped,
    /// The reactor was dropped before there was a result.
    ReactorGone,
    /// The call was made in the reactor's own thread, which would wait for itself.
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
    ($(#[$doc:meta])* pub struct $name:ident, $message:literal) => {
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
    /// The factory of a client has refused a connection: `build_protocol` has returned `None`. For
    /// a [`Connector`](crate::Connector) or a [`ClientService`](crate::ClientService).
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Address, ClientFactory, NoProtocol, testing};
    /// # use reactor::{Connector, Protocol, Raw};
    /// # use deferred::Failure;
    /// # use std::{cell::Cell, rc::Rc};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// struct Choosy {
    ///     refused: Rc<Cell<bool>>,
    /// }
    ///
    /// impl ClientFactory for Choosy {
    ///     type Protocol = Quiet;
    ///
    ///     fn build_protocol(&mut self, _peer: &Address) -> Option<Quiet> {
    ///         None
    ///     }
    ///
    ///     fn connection_failed(&mut self, _: &Connector<Quiet>, failure: Failure) {
    ///         self.refused.set(failure.is::<NoProtocol>());
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let refused = Rc::new(Cell::new(false));
    ///     let choosy = Choosy { refused: Rc::clone(&refused) };
    ///     let port = reactor.listen_tcp("192.0.2.1:80", || Quiet).unwrap();
    ///     let connector = reactor.connector_tcp("192.0.2.1:80", choosy);
    ///     connector.connect().unwrap();
    ///     reactor.settle();
    ///     assert!(refused.get());
    ///     port.stop_listening().ignore();
    /// });
    /// ```
    pub struct NoProtocol, "the factory made no protocol for the connection"
}

plain_error! {
    /// The reactor was dropped, so its handles have no effect.
    ///
    /// This is permanent. A thread that gets this error should end its work for the reactor.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Reactor, ReactorGone};
    ///
    /// let reactor = Reactor::new()?;
    /// let remote = reactor.remote();
    /// drop(reactor);
    /// let error: ReactorGone = remote.call_from_thread(|_| ()).unwrap_err();
    /// assert_eq!(error.to_string(), "the reactor is gone");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub struct ReactorGone, "the reactor is gone"
}

plain_error! {
    /// The connection has ended, so its handles have no effect.
    ///
    /// This is permanent. The reason goes to [`connection_lost`](crate::Protocol::connection_lost)
    /// of the protocol, and to [`closed`](crate::Connection::closed). A program that keeps handles
    /// of many connections, such as a chat server, drops this one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::Gone;
    ///
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     peer.close();
    ///     let error: Gone = connection.write("hello?").unwrap_err();
    ///     assert_eq!(error.to_string(), "the connection is gone");
    /// });
    /// ```
    pub struct Gone, "the connection is gone"
}
