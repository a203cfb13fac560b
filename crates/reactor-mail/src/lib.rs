//! Mail for [`reactor`]: SMTP receiver and sender, IMAP server and client, Maildir.
//!
//! - `SmtpServer` (feature `smtp`) receives messages, and streams them to a `Delivery`.

#[cfg(feature = "smtp")]
mod smtp;

#[cfg(feature = "smtp")]
pub use self::smtp::{
    Delivery, DsnNotify, DsnReturn, Envelope, InvalidMailAddress, MailAddress, Message, Recipient,
    SmtpFrame, SmtpFraming, SmtpFramingError, SmtpReceiver, SmtpReply, SmtpServer,
};

/// The page of the documentation, whose programs are tests.
#[cfg(all(doctest, feature = "smtp"))]
#[doc = include_str!("../../../docs/mail.md")]
struct MailPage;
