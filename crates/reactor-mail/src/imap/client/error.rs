//! `ImapError`: why a command of an IMAP client has failed.

use std::error::Error;
use std::fmt;

use imap_types::response::Code;

/// Why an [`ImapClient`](crate::ImapClient) could not connect, or a command has failed.
///
/// # Examples
///
/// ```
/// use reactor_mail::ImapError;
///
/// let error = ImapError::No { code: None, text: "no such mailbox".to_owned() };
/// assert_eq!(error.to_string(), "the server refused: no such mailbox");
/// assert!(!error.ends_connection());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImapError {
    /// The server has refused the command: `NO`.
    No {
        /// The reason for programs, if there is one.
        code: Option<Code<'static>>,
        /// The reason for people.
        text: String,
    },
    /// The server does not understand the command, or does not allow it in this state: `BAD`.
    Bad {
        /// The reason for programs, if there is one.
        code: Option<Code<'static>>,
        /// The reason for people.
        text: String,
    },
    /// The server has ended the connection: `BYE`.
    Bye {
        /// The reason for programs, if there is one.
        code: Option<Code<'static>>,
        /// The reason for people.
        text: String,
    },
    /// The server has broken the protocol, and the connection was aborted.
    Protocol {
        /// What the server has done.
        what: &'static str,
    },
    /// A response to this command could not be decoded. The connection goes on.
    Malformed {
        /// The beginning of the response.
        response: String,
    },
    /// The responses to a command have more bytes than the client collects. The connection goes on.
    TooLong {
        /// The most bytes of responses that a command collects.
        limit: usize,
    },
    /// An argument cannot be sent. Nothing was sent.
    InvalidArgument {
        /// The argument.
        what: &'static str,
    },
    /// The server lacks a capability that the command needs. Nothing was sent.
    NotSupported {
        /// The missing capability.
        capability: &'static str,
    },
    /// Connecting failed, because the connection would have stayed unencrypted. Either it has no
    /// TLS, and the builder neither asks for STARTTLS nor allows to go without; or STARTTLS was
    /// asked for, but the server refused it, or greeted with `PREAUTH`, after which it is not
    /// possible. No login was sent, and the connection was aborted.
    NotEncrypted,
    /// The server has ended IDLE without being asked to. The connection goes on.
    IdleEnded,
    /// The server sent nothing for too long, and the connection was closed.
    TimedOut,
    /// The connection is closed.
    Closed,
}

impl ImapError {
    /// Whether the connection ends with this error, or had ended before. If connecting fails,
    /// there is no connection in any case.
    pub fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::Bye { .. }
                | Self::Protocol { .. }
                | Self::NotEncrypted
                | Self::TimedOut
                | Self::Closed
        )
    }
}

impl fmt::Display for ImapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No { text, .. } => write!(f, "the server refused: {text}"),
            Self::Bad { text, .. } => write!(f, "the server does not understand: {text}"),
            Self::Bye { text, .. } => write!(f, "the server ended the connection: {text}"),
            Self::Protocol { what } => write!(f, "the server broke the protocol: {what}"),
            Self::Malformed { response } => write!(f, "a response is not valid: {response:?}"),
            Self::TooLong { limit } => write!(f, "the responses have more than {limit} bytes"),
            Self::InvalidArgument { what } => write!(f, "{what} cannot be sent"),
            Self::NotSupported { capability } => {
                write!(f, "the server does not support {capability}")
            }
            Self::NotEncrypted => f.write_str("the connection is not encrypted"),
            Self::IdleEnded => f.write_str("the server ended IDLE on its own"),
            Self::TimedOut => f.write_str("the server said nothing for too long"),
            Self::Closed => f.write_str("the connection is closed"),
        }
    }
}

impl Error for ImapError {}
