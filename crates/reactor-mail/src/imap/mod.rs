//! IMAP4rev1: commands without I/O.

mod error;
mod frame;
mod framing;

pub use self::error::ImapFramingError;
pub use self::frame::{ImapFrame, ImapRefusal};
pub use self::framing::ImapFraming;
