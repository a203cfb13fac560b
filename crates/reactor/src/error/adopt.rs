//! Why a descriptor cannot be adopted.

use std::error::Error;
use std::fmt;
use std::io;

use deferred::Failure;

use super::ReactorGone;

/// Why `adopt_listener`, `adopt_stream`, `adopt_pipes` or another `adopt` method has failed. The
/// descriptor was closed.
///
/// # Examples
///
/// ```
/// use reactor::{AdoptError, Protocol, Raw, Reactor};
///
/// struct Quiet;
///
/// impl Protocol for Quiet {
///     type Framing = Raw;
/// }
///
/// let reactor = Reactor::new()?;
/// let datagrams = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// let refused = reactor.adopt_stream(datagrams, Quiet);
/// assert!(matches!(refused, Err(AdoptError::Io(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AdoptError {
    /// The descriptor is not of the kind that the method adopts, or the system refuses.
    Io(io::Error),
    /// The protocol's `connection_made` has failed, or its `framing` has panicked.
    Protocol(Failure),
    /// The reactor is gone.
    ReactorGone,
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot adopt the descriptor: {error}"),
            Self::Protocol(failure) => write!(f, "the protocol failed: {failure}"),
            Self::ReactorGone => f.write_str("the reactor is gone"),
        }
    }
}

impl Error for AdoptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Protocol(failure) => Some(failure.as_error()),
            Self::ReactorGone => None,
        }
    }
}

impl From<io::Error> for AdoptError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ReactorGone> for AdoptError {
    fn from(_gone: ReactorGone) -> Self {
        Self::ReactorGone
    }
}
