//! Why a port cannot be listened on.

use std::error::Error;
use std::fmt;
use std::io;

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
