//! `ImapFramingError`: errors after which it is not known where the next command begins.

use std::error::Error;
use std::fmt;

/// Why the commands of an IMAP client cannot be read any further.
///
/// After such input, it is not known where the next command begins. The connection is closed, because
/// bytes of a message could otherwise be taken for commands.
///
/// # Examples
///
/// ```
/// use reactor::Framing;
/// use reactor_mail::{ImapFraming, ImapFramingError};
///
/// // A literal of 4 GiB has a length that IMAP cannot express.
/// let failure = ImapFraming::default().decode(b"a1 LOGIN {4294967296+}\r\n").unwrap_err();
/// assert_eq!(failure.downcast_ref(), Some(&ImapFramingError::LiteralTooLarge));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImapFramingError {
    /// The lines of a command, without its literals, are longer than the limit.
    LineTooLong {
        /// The most bytes that the lines of a command may have.
        limit: usize,
    },
    /// The announced length of a literal is not a number of 32 bits.
    LiteralTooLarge,
}

impl fmt::Display for ImapFramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong { limit } => {
                write!(f, "the lines of a command are longer than {limit} bytes")
            }
            Self::LiteralTooLarge => f.write_str("the length of a literal is no number of 32 bits"),
        }
    }
}

impl Error for ImapFramingError {}
