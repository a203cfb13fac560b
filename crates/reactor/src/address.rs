//! Where a connection comes from or goes to.

use std::fmt;
use std::net::SocketAddr;

/// The address of one side of a connection or of a listening port.
///
/// # Examples
///
/// ```
/// use reactor::Address;
///
/// let address = Address::from("127.0.0.1:80".parse::<std::net::SocketAddr>().unwrap());
/// assert_eq!(address.to_string(), "127.0.0.1:80");
/// assert_eq!(address.as_inet().unwrap().port(), 80);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An internet address, of version 4 or 6, and a port.
    Inet(SocketAddr),
    /// The system would not tell.
    Unknown,
}

impl Address {
    /// The internet address, if it is one.
    pub fn as_inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unknown => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
