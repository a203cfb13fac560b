//! `TransferError`: why a zone is not copied.

use std::error::Error;
use std::fmt;

use hickory_proto::op::ResponseCode;

use crate::message::MessageError;
use crate::server::zone::ZoneError;

/// Why a zone transfer or a NOTIFY has failed.
///
/// # Examples
///
/// ```
/// use reactor_names::TransferError;
/// use reactor_names::hickory_proto::op::ResponseCode;
///
/// let error = TransferError::Refused(ResponseCode::Refused);
/// assert_eq!(error.to_string(), "the server refuses: Query Refused");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TransferError {
    /// The other server answers with this code.
    Refused(ResponseCode),
    /// The primary has closed the connection before the end of the zone.
    Incomplete,
    /// The messages of the primary are not a zone transfer.
    Malformed(&'static str),
    /// A message of the primary is malformed.
    Message(MessageError),
    /// The zone is longer than 256 MiB.
    TooLong,
    /// The records of the primary are not a zone.
    Zone(ZoneError),
    /// Several datagrams were sent, and none was answered.
    Unanswered,
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) => write!(f, "the server refuses: {code}"),
            Self::Incomplete => f.write_str("the connection was closed before the end of the zone"),
            Self::Malformed(reason) => write!(f, "malformed zone transfer: {reason}"),
            Self::Message(_) => f.write_str("malformed message in a zone transfer"),
            Self::TooLong => f.write_str("the zone is too long"),
            Self::Zone(_) => f.write_str("malformed zone in a zone transfer"),
            Self::Unanswered => f.write_str("the server does not answer"),
        }
    }
}

impl Error for TransferError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Message(error) => Some(error),
            Self::Zone(error) => Some(error),
            _ => None,
        }
    }
}
