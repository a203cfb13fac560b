//! `ImapFrame`: a command of an IMAP client, or the announcement of a literal in one.

use std::fmt;

use imap_types::auth::AuthenticateData;
use imap_types::command::Command;
use imap_types::core::Tag;

/// A part of the input from an IMAP client, as [`ImapFraming`](crate::ImapFraming) finds it.
///
/// # Examples
///
/// ```
/// use reactor::{Decoded, Framing};
/// use reactor_mail::{ImapFrame, ImapFraming, ImapRefusal};
///
/// let decoded = ImapFraming::default().decode(b"a1 EAT CAKE\r\n").unwrap();
/// let Decoded::Frame { frame, .. } = decoded else { panic!() };
/// let ImapFrame::Refused { tag: Some(tag), reason } = frame else { panic!() };
/// assert_eq!(reason, ImapRefusal::Malformed);
/// assert_eq!(format!("{} BAD {reason}", tag.as_ref()), "a1 BAD no command of IMAP4rev1");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImapFrame {
    /// A command with its literals.
    Command(Box<Command<'static>>),
    /// The client has announced a literal, which it sends when it gets a continuation request (`+`).
    LiteralAnnounced {
        /// The number of bytes of the literal.
        length: u32,
    },
    /// The line after a continuation request of `AUTHENTICATE`.
    AuthenticateData(AuthenticateData<'static>),
    /// `DONE`, which ends `IDLE`.
    IdleDone,
    /// Input that the server must not execute, but answer with `BAD` and the tag, if there is one.
    /// The next command begins behind it.
    Refused {
        /// The tag, if the input begins with one.
        tag: Option<Tag<'static>>,
        /// The reason. Its text is meant for the answer.
        reason: ImapRefusal,
    },
}

/// Shows no arguments of commands, because `imap_types` redacts passwords in release builds only.
impl fmt::Debug for ImapFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => f
                .debug_tuple("Command")
                .field(&command.tag.as_ref())
                .field(&command.body.name())
                .finish(),
            Self::LiteralAnnounced { length } => f
                .debug_struct("LiteralAnnounced")
                .field("length", length)
                .finish(),
            Self::AuthenticateData(_) => f.write_str("AuthenticateData"),
            Self::IdleDone => f.write_str("IdleDone"),
            Self::Refused { tag, reason } => f
                .debug_struct("Refused")
                .field("tag", tag)
                .field("reason", reason)
                .finish(),
        }
    }
}

/// Why the input of an IMAP client is refused.
///
/// # Examples
///
/// ```
/// use reactor_mail::ImapRefusal;
///
/// let refusal = ImapRefusal::TooLong { limit: 65_536 };
/// assert_eq!(refusal.to_string(), "longer than 65536 bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImapRefusal {
    /// The input is not a valid command, or not the line that was expected.
    Malformed,
    /// The command with its literals is longer than the limit.
    TooLong {
        /// The most bytes that a command may have.
        limit: u32,
    },
    /// A line ends with a line feed without a carriage return before it.
    BareLineFeed,
}

impl fmt::Display for ImapRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("no command of IMAP4rev1"),
            Self::TooLong { limit } => write!(f, "longer than {limit} bytes"),
            // The text names the rule that the client has violated.
            Self::BareLineFeed => f.write_str("a line must end with CRLF"),
        }
    }
}
