//! Stores of mail: the traits `Login`, `Account` and `Mailbox`, which a program implements, and a
//! store in memory.

mod account;
mod error;
mod flags;
mod mailbox;
mod memory;
mod name;
mod take_back;
mod watch;

pub use self::account::{Account, Login, MailboxEntry};
pub use self::error::MailboxError;
pub use self::flags::{FlagChange, MailFlag, MailFlags};
pub use self::mailbox::{CopiedMessages, Mailbox, MailboxSnapshot, MessageInfo, NewMessage, Uid};
pub use self::memory::MemoryMail;
pub use self::name::{InvalidMailboxName, MailboxName};
pub(crate) use self::take_back::take_back;
pub use self::watch::{MailboxWatch, MailboxWatchers};
