//! `ImapResponseError`: errors after which it is not known where the next response begins.

use std::error::Error;
use std::fmt;

/// Why the responses of an IMAP server cannot be read any further.
///
/// # Examples
///
/// ```
/// use reactor::Framing;
/// use reactor_mail::{ImapResponseError, ImapResponseFraming};
///
/// let mut framing = ImapResponseFraming::default();
/// let failure = framing.decode(b"* LIST () \"/\" {4294967296}\r\n").unwrap_err();
/// assert_eq!(failure.downcast_ref(), Some(&ImapResponseError::LiteralTooLarge));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImapResponseError {
    /// A response with its literals is longer than the limit. Bodies that are streamed do not
    /// count.
    TooLong {
        /// The most bytes that a response may have.
        limit: usize,
    },
    /// The announced length of a literal is not a number of 32 bits.
    LiteralTooLarge,
    /// A line ends with a line feed without a carriage return before it.
    BareLineFeed,
    /// The first line is not the greeting of an IMAP server.
    NoGreeting,
}

impl fmt::Display for ImapResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { limit } => write!(f, "a response is longer than {limit} bytes"),
            Self::LiteralTooLarge => f.write_str("the length of a literal is no number of 32 bits"),
            Self::BareLineFeed => f.write_str("a line ends with a line feed alone"),
            Self::NoGreeting => f.write_str("the server does not greet as an IMAP server does"),
        }
    }
}

impl Error for ImapResponseError {}
