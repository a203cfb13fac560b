//! `ZoneError`: what is wrong with a zone.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a zone cannot be served.
///
/// # Examples
///
/// ```
/// use reactor_names::{Zone, ZoneError};
///
/// let failed = Zone::parse("www 60 IN A 192.0.2.1\n", "example.org.");
/// assert!(matches!(failed, Err(ZoneError::NoSoa(_))));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ZoneError {
    /// The name of the zone is not a domain name.
    Origin(String),
    /// The text is not a zone file.
    Syntax(String),
    /// There is no SOA record at the origin.
    NoSoa(String),
    /// There are several SOA records at the origin.
    SeveralSoas(String),
    /// A name with records is not in the zone, or a record is not of the class IN.
    Outside(String),
    /// A name has a CNAME record and other records, or several CNAME records.
    AliasBesideData(String),
    /// The file cannot be read.
    Io(Arc<std::io::Error>),
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(name) => write!(f, "{name:?} is no domain name"),
            Self::Syntax(reason) => write!(f, "malformed zone file: {reason}"),
            Self::NoSoa(origin) => write!(f, "{origin} has no SOA record"),
            Self::SeveralSoas(origin) => write!(f, "{origin} has several SOA records"),
            Self::Outside(name) => {
                write!(f, "{name} is outside of the zone, or not of the class IN")
            }
            Self::AliasBesideData(name) => write!(f, "{name} has a CNAME record and others"),
            Self::Io(error) => write!(f, "cannot read the zone file: {error}"),
        }
    }
}

impl Error for ZoneError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(&**error),
            _ => None,
        }
    }
}
