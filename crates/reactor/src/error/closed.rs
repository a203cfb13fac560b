//! Why a connection ended.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use deferred::Failure;

/// Why a connection ended: argument of [`Protocol::connection_lost`].
///
/// It is an [`Error`], so it becomes a [`Failure`] with `?` or `into()`.
///
/// [`Protocol::connection_lost`]: crate::Protocol::connection_lost
///
/// # Examples
///
/// ```
/// use reactor::{ConnectionClosed, Context, Protocol, Raw};
///
/// struct Client;
///
/// impl Protocol for Client {
///     type Framing = Raw;
///
///     fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
///         match reason {
///             ConnectionClosed::Done => println!("that was all"),
///             ConnectionClosed::Lost(error) => println!("the network: {error}"),
///             reason => println!("it ended otherwise: {reason}"),
///         }
///     }
/// }
/// # reactor::testing::run(|reactor| drop(reactor.connect_to_peer(Client)));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectionClosed {
    /// Orderly close: the peer has finished sending, or this side has called `lose_connection`.
    Done,
    /// This side has called `abort`, or the peer took no output for the close timeout. Unsent
    /// output was discarded.
    Aborted,
    /// The network or the peer has broken the connection.
    Lost(io::Error),
    /// The peer does not take the output: more bytes than
    /// [`WriteLimits::max_buffered`](crate::WriteLimits::max_buffered) waited and the peer took
    /// none for [`WriteLimits::stall_timeout`](crate::WriteLimits::stall_timeout), or eight times
    /// as many waited.
    Overflow {
        /// Number of bytes that waited, or would have waited with the last write.
        buffered: usize,
        /// Number of bytes that may wait.
        limit: usize,
    },
    /// A handler of the protocol or its framing failed or panicked.
    Failed(Failure),
    /// The reactor was stopped or dropped. At a stop, output that was written before was sent,
    /// unless the [shutdown timeout](crate::ReactorHandle::set_shutdown_timeout) came first.
    ReactorStopped,
    /// Nothing was received or sent for the time set with
    /// [`Connection::set_idle_timeout`](crate::Connection::set_idle_timeout).
    IdleTimeout {
        /// The time that was set.
        timeout: Duration,
    },
}

/// Kind of a [`ConnectionClosed`], which can be compared.
///
/// # Examples
///
/// ```
/// use reactor::{ConnectionClosed, ConnectionClosedKind};
///
/// let reason = ConnectionClosed::Done;
/// assert_eq!(reason.kind(), ConnectionClosedKind::Done);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionClosedKind {
    /// See [`ConnectionClosed::Done`].
    Done,
    /// See [`ConnectionClosed::Aborted`].
    Aborted,
    /// See [`ConnectionClosed::Lost`].
    Lost,
    /// See [`ConnectionClosed::Overflow`].
    Overflow,
    /// See [`ConnectionClosed::Failed`].
    Failed,
    /// See [`ConnectionClosed::ReactorStopped`].
    ReactorStopped,
    /// See [`ConnectionClosed::IdleTimeout`].
    IdleTimeout,
}

impl ConnectionClosed {
    /// The kind, for comparisons: the reason itself may contain an error, which cannot be compared.
    pub fn kind(&self) -> ConnectionClosedKind {
        match self {
            Self::Done => ConnectionClosedKind::Done,
            Self::Aborted => ConnectionClosedKind::Aborted,
            Self::Lost(_) => ConnectionClosedKind::Lost,
            Self::Overflow { .. } => ConnectionClosedKind::Overflow,
            Self::Failed(_) => ConnectionClosedKind::Failed,
            Self::ReactorStopped => ConnectionClosedKind::ReactorStopped,
            Self::IdleTimeout { .. } => ConnectionClosedKind::IdleTimeout,
        }
    }

    /// Whether the connection was lost, that is, the system has reported an error, for example
    /// because the peer has reset the connection or the network has failed. (Twisted:
    /// `ConnectionLost`.)
    #[doc(alias = "ConnectionLost")]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    /// Whether the reason is [`Done`](Self::Done).
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// `Ok` for [`Done`](Self::Done), otherwise the reason as a failure: the result of a transfer
    /// that ends with its connection.
    ///
    /// # Errors
    ///
    /// If the reason is not [`Done`](Self::Done).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Trigger;
    /// use reactor::{ConnectionClosed, Context, Protocol, Raw};
    ///
    /// struct Download {
    ///     done: Trigger<()>,
    /// }
    ///
    /// impl Protocol for Download {
    ///     type Framing = Raw;
    ///
    ///     fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
    ///         // Errs only if the trigger was fired before.
    ///         let _ = self.done.fire(reason.into_result());
    ///     }
    /// }
    /// # let (done, result) = deferred::Deferred::pair();
    /// # reactor::testing::run(|reactor| {
    /// #     let (_, peer) = reactor.connect_to_peer(Download { done });
    /// #     peer.reset();
    /// # });
    /// # let failure = result.into_result().unwrap().unwrap_err();
    /// # assert!(failure.downcast_ref::<ConnectionClosed>().unwrap().is_lost());
    /// ```
    #[track_caller]
    pub fn into_result(self) -> deferred::Result<()> {
        if self.is_clean() {
            return Ok(());
        }
        Err(Failure::new(self))
    }
}

/// The clone of a `Lost` has a new `io::Error`, with the same code of the system, or else the same
/// kind and text.
impl Clone for ConnectionClosed {
    fn clone(&self) -> Self {
        match self {
            Self::Done => Self::Done,
            Self::Aborted => Self::Aborted,
            // An `io::Error` cannot be cloned.
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
            Self::IdleTimeout { timeout } => Self::IdleTimeout { timeout: *timeout },
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
            Self::IdleTimeout { timeout } => write!(
                f,
                "the connection was closed: nothing was sent or received for {timeout:?}"
            ),
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
