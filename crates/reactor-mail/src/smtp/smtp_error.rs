//! `SmtpError`: why a message was not sent.

use std::error::Error;
use std::fmt;

use super::address::MailAddress;
use super::smtp_reply::SmtpReply;

/// Why [`send_mail`](crate::send_mail) has failed.
///
/// # Examples
///
/// ```
/// use reactor_mail::{SmtpError, SmtpReply};
///
/// let reply = SmtpReply::new(451, "4.3.0 try again later");
/// assert!(!SmtpError::Refused { reply }.is_permanent());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SmtpError {
    /// An address is invalid: nothing was sent.
    InvalidAddress {
        /// The address.
        address: String,
    },
    /// No recipient was given.
    NoRecipient,
    /// The server has refused a command or the message.
    Refused {
        /// Its reply.
        reply: SmtpReply,
    },
    /// The server has refused each recipient.
    AllRefused {
        /// The recipients, and the replies.
        refused: Vec<(MailAddress, SmtpReply)>,
    },
    /// The message needs an extension that the server does not have.
    NotSupported {
        /// The extension.
        extension: &'static str,
    },
    /// The server has sent something that is no reply, or that nothing had asked for.
    BadReply,
    /// The server has closed the connection before the end.
    HungUp,
}

impl SmtpError {
    /// Whether the same message will fail again, so that it is of no use to retry later.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::InvalidAddress { .. } | Self::NoRecipient | Self::NotSupported { .. } => true,
            Self::Refused { reply } => reply.is_permanent(),
            Self::AllRefused { refused } => refused.iter().all(|(_, reply)| reply.is_permanent()),
            Self::BadReply | Self::HungUp => false,
        }
    }
}

impl fmt::Display for SmtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidAddress { address } => write!(f, "{address:?} is no valid mail address"),
            Self::NoRecipient => f.write_str("no recipient was given"),
            Self::Refused { reply } => write!(f, "the server refused: {reply}"),
            Self::AllRefused { refused } => {
                write!(f, "the server refused all {} recipients", refused.len())
            }
            Self::NotSupported { extension } => {
                write!(f, "the server does not support {extension}")
            }
            Self::BadReply => f.write_str("the server sent no valid reply"),
            Self::HungUp => f.write_str("the server closed the connection"),
        }
    }
}

impl Error for SmtpError {}
