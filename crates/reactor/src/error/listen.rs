//! Why a port cannot be opened.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a port cannot be opened: to listen on an address, or to send datagrams to a peer.
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// let reactor = TestReactor::new();
/// let port = reactor.listen_tcp("127.0.0.1:80", || Quiet)?;
/// let error = reactor.listen_tcp("127.0.0.1:80", || Quiet).unwrap_err();
/// assert_eq!(error.to_string(), "cannot listen on \"127.0.0.1:80\": address in use");
/// # drop(port);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ListenError {
    /// The operation that has failed, for the message.
    verb: &'static str,
    address: String,
    source: io::Error,
}

impl ListenError {
    pub(crate) fn new(address: impl fmt::Display, source: io::Error) -> Self {
        Self {
            verb: "listen on",
            address: address.to_string(),
            source,
        }
    }

    /// A port could not be connected to `peer`.
    pub(crate) fn connecting(peer: impl fmt::Display, source: io::Error) -> Self {
        Self {
            verb: "connect a port to",
            address: peer.to_string(),
            source,
        }
    }

    /// The address, as it was given.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The kind of the error, such as `AddrInUse` or `PermissionDenied`; `InvalidInput` for an
    /// address that cannot be parsed.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// Same as `Display`, because a `main` that returns the error prints its `Debug`.
impl fmt::Debug for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verb,
            address,
            source,
        } = self;
        write!(f, "cannot {verb} {address:?}: {source}")
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
