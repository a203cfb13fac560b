//! Maildir: a folder of messages, one file each, which several programs use at once.

#[cfg(feature = "smtp")]
mod delivery;
mod entry;
mod error;
mod flags;
mod folder;
mod scan;
mod subfolders;
mod unique;
mod writer;

#[cfg(feature = "smtp")]
pub use self::delivery::{MaildirDelivery, MaildirMessage};
pub use self::entry::MaildirEntry;
pub use self::error::MaildirError;
pub use self::flags::MaildirFlags;
pub use self::folder::Maildir;
pub use self::writer::MaildirWriter;
