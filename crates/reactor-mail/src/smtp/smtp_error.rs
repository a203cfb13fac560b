//! `SmtpError`: why a message was not sent.

use std::error::Error;
use std::fmt;

use super::address::MailAddress;
use super::smtp_reply::SmtpReply;

/// Why [`send_mail`](crate::send_mail) or an [`SmtpClient`](crate::SmtpClient) has failed.
///
/// A failure to connect, a failed TLS handshake and a lost connection have errors of their own types
/// instead of this one. None of these failures is permanent.
///
/// # Examples
///
/// ```
/// use deferred::Failure;
/// use reactor_mail::{SmtpError, SmtpReply};
///
/// fn is_permanent(failure: &Failure) -> bool {
///     failure.check::<SmtpError>().is_some_and(SmtpError::is_permanent)
/// }
///
/// let reply = SmtpReply::new(451, "4.3.0 try again later");
/// let refused = SmtpError::Refused { command: "MAIL", reply };
/// assert!(!is_permanent(&Failure::new(refused)));
/// assert!(is_permanent(&Failure::new(SmtpError::NoRecipient)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SmtpError {
    /// An address, or the name for EHLO, is invalid: nothing was sent.
    InvalidAddress {
        /// The address or name.
        address: String,
    },
    /// No recipient was given.
    NoRecipient,
    /// The server has refused a command or the message.
    Refused {
        /// The command: `MAIL` for example, `connect` for the greeting, or `message`.
        command: &'static str,
        /// The server's reply.
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
    /// The message is larger than the size that the server has announced as its limit.
    TooLarge {
        /// The most bytes that the server accepts.
        limit: u64,
    },
    /// The connection is not encrypted, although the client was set up to require that, or a login
    /// requires it. Neither message nor password was sent.
    NotEncrypted,
    /// The server has refused name or password. This is not permanent, because the same message may
    /// be sent with another login.
    LoginRefused {
        /// The server's reply.
        reply: SmtpReply,
    },
    /// The domain of the recipients does not exist, or has no server. (Only `MxClient`.)
    NoSuchDomain {
        /// The domain.
        domain: String,
    },
    /// The domain of the recipients declares that it accepts no mail (RFC 7505). (Only `MxClient`.)
    NullMx {
        /// The domain.
        domain: String,
    },
    /// This side is itself the most preferred server of the domain, so mail would come back to it.
    /// (Only `MxClient`.)
    MailLoop {
        /// The domain.
        domain: String,
    },
    /// The server has sent a line that is not a valid reply, or a reply without a command.
    BadReply,
    /// The server has closed the connection before the message was sent.
    HungUp,
}

impl SmtpError {
    /// Whether the same message would fail again, so that retrying later is useless.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::InvalidAddress { .. }
            | Self::NoRecipient
            | Self::NotSupported { .. }
            | Self::TooLarge { .. }
            | Self::NoSuchDomain { .. }
            | Self::NullMx { .. }
            | Self::MailLoop { .. } => true,
            Self::Refused { reply, .. } => reply.is_permanent(),
            Self::AllRefused { refused } => refused.iter().all(|(_, reply)| reply.is_permanent()),
            // `NotEncrypted`: an attacker may have removed STARTTLS from the server's reply.
            Self::NotEncrypted | Self::LoginRefused { .. } | Self::BadReply | Self::HungUp => false,
        }
    }
}

impl fmt::Display for SmtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidAddress { address } => {
                write!(f, "{address:?} is not a valid address or name")
            }
            Self::NoRecipient => f.write_str("no recipient was given"),
            Self::Refused { command, reply } => write!(f, "the server refused {command}: {reply}"),
            Self::AllRefused { refused } => {
                write!(f, "the server refused all {} recipients", refused.len())
            }
            Self::NotSupported { extension } => {
                write!(f, "the server does not support {extension}")
            }
            Self::TooLarge { limit } => {
                write!(
                    f,
                    "the message is larger than the {limit} bytes that the server takes"
                )
            }
            Self::NoSuchDomain { domain } => write!(f, "there is no mail server of {domain}"),
            Self::NullMx { domain } => write!(f, "{domain} takes no mail"),
            Self::MailLoop { domain } => {
                write!(f, "mail for {domain} would come back to this server")
            }
            Self::NotEncrypted => f.write_str("the connection is not encrypted"),
            Self::LoginRefused { reply } => write!(f, "the server refused the login: {reply}"),
            Self::BadReply => f.write_str("the server sent no valid reply"),
            Self::HungUp => f.write_str("the server closed the connection"),
        }
    }
}

impl Error for SmtpError {}
