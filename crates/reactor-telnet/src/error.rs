//! `TelnetError`: violations of the protocol by a telnet peer.

use std::error::Error;
use std::fmt;

use crate::options::{Command, TelnetOption};

/// Why a connection with a telnet peer was closed.
///
/// # Examples
///
/// ```
/// use reactor::Framing;
/// use reactor_telnet::{TelnetError, TelnetFraming, TelnetOption};
///
/// let mut framing = TelnetFraming::with_max_subnegotiation(2);
/// let failure = framing.decode(b"\xff\xfa\x18abc").unwrap_err();
/// let option = TelnetOption::TERMINAL_TYPE;
/// let expected = TelnetError::SubnegotiationTooLong { option, limit: 2 };
/// assert_eq!(failure.downcast_ref(), Some(&expected));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TelnetError {
    /// A subnegotiation has no end within the limit.
    SubnegotiationTooLong {
        /// Its option.
        option: TelnetOption,
        /// The most bytes that its content may have.
        limit: usize,
    },
    /// A subnegotiation contains a command, which is not allowed: its end is missing.
    CommandInSubnegotiation {
        /// Its option.
        option: TelnetOption,
        /// The command.
        command: Command,
    },
    /// A line has no end within the limit.
    LineTooLong {
        /// The most bytes that a line may have.
        limit: usize,
    },
}

impl fmt::Display for TelnetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubnegotiationTooLong { option, limit } => write!(
                f,
                "the subnegotiation of option {option} is longer than {limit} bytes"
            ),
            Self::CommandInSubnegotiation { option, command } => write!(
                f,
                "the subnegotiation of option {option} holds the command {command}, \
                 where IAC SE was expected"
            ),
            Self::LineTooLong { limit } => {
                write!(f, "a line is longer than {limit} bytes")
            }
        }
    }
}

impl Error for TelnetError {}
