//! Maildir: a folder of messages, one file each, which several programs use at once.

#[cfg(feature = "imap")]
mod account;
#[cfg(feature = "smtp")]
mod delivery;
mod entry;
mod error;
#[cfg(feature = "imap")]
mod files;
mod flags;
mod folder;
#[cfg(feature = "imap")]
mod keywords;
#[cfg(feature = "imap")]
mod mailbox;
#[cfg(feature = "imap")]
mod names;
mod scan;
mod subfolders;
#[cfg(feature = "imap")]
mod uids;
mod unique;
mod writer;

#[cfg(feature = "imap")]
pub use self::account::{MaildirAccount, MaildirLogin};
#[cfg(feature = "smtp")]
pub use self::delivery::{MaildirDelivery, MaildirMessage};
pub use self::entry::MaildirEntry;
pub use self::error::MaildirError;
pub use self::flags::MaildirFlags;
pub use self::folder::Maildir;
pub use self::writer::MaildirWriter;
