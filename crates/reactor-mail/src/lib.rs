//! Mail for [`reactor`]: SMTP and IMAP servers and clients, and Maildir.
//!
//! - `SmtpServer` (feature `smtp`) receives messages, and streams them to a `Delivery`;
//!   `send_mail` sends one, an `SmtpClient` several over one connection; an
//!   `MxClient` (feature `mx`) finds the servers of a domain.
//! - `ImapServer` (feature `imap`) lets mail programs read the mail of its users: a `Login` checks the
//!   password and returns an `Account` with its `Mailbox`es. `MemoryMail` keeps them in memory.
//! - `Maildir` (feature `maildir`) keeps messages, one file each; `MaildirDelivery` puts the messages
//!   of an `SmtpServer` there, and `MaildirLogin` lets the users of an `ImapServer` read them.
//! - `ImapClient` (feature `imap`) reads mail on an IMAP server.
//! - `ImapFraming` and `ImapResponseFraming` (feature `imap`) cut the bytes of IMAP into commands and
//!   responses.

#[cfg(feature = "imap")]
mod imap;
#[cfg(feature = "maildir")]
mod maildir;
#[cfg(any(feature = "imap", feature = "smtp"))]
mod sasl;
#[cfg(feature = "smtp")]
mod smtp;
#[cfg(feature = "imap")]
mod store;

#[cfg(feature = "imap")]
pub use self::imap::{
    FetchHandler, ImapClient, ImapClientBuilder, ImapError, ImapEvent, ImapListed, ImapMailbox,
    ImapMessage, ImapMessages, ImapResponseError, ImapResponseFrame, ImapResponseFraming,
};
#[cfg(feature = "imap")]
pub use self::imap::{
    ImapFrame, ImapFraming, ImapFramingError, ImapRefusal, ImapServer, ImapSession,
};
#[cfg(feature = "maildir")]
pub use self::maildir::{Maildir, MaildirEntry, MaildirError, MaildirFlags, MaildirWriter};
#[cfg(all(feature = "imap", feature = "maildir"))]
pub use self::maildir::{MaildirAccount, MaildirLogin};
#[cfg(all(feature = "maildir", feature = "smtp"))]
pub use self::maildir::{MaildirDelivery, MaildirMessage};
#[cfg(feature = "mx")]
pub use self::smtp::MxClient;
#[cfg(feature = "smtp")]
pub use self::smtp::{
    Delivery, DsnNotify, DsnReturn, Envelope, InvalidMailAddress, MailAddress, Message, Recipient,
    Sent, SmtpClient, SmtpError, SmtpFrame, SmtpFraming, SmtpFramingError, SmtpReceiver, SmtpReply,
    SmtpServer, send_mail,
};
#[cfg(feature = "imap")]
pub use self::store::{
    Account, CopiedMessages, FlagChange, InvalidMailboxName, Login, MailFlag, MailFlags, Mailbox,
    MailboxEntry, MailboxError, MailboxName, MailboxSnapshot, MailboxWatch, MailboxWatchers,
    MemoryMail, MessageInfo, NewMessage, Uid,
};
/// The crate with the types of commands and responses of IMAP.
#[cfg(feature = "imap")]
pub use imap_types;

/// The page of the documentation, whose programs are tests.
#[cfg(all(
    doctest,
    feature = "imap",
    feature = "maildir",
    feature = "mx",
    feature = "smtp"
))]
#[doc = include_str!("../../../docs/mail.md")]
struct MailPage;
