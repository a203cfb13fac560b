//! IMAP4rev1: framing and MIME without I/O, a server, and a client.

mod client;
mod error;
mod frame;
mod framing;
pub(crate) mod mailbox_name;
mod mime;
mod server;

pub use self::client::{
    FetchHandler, ImapClient, ImapClientBuilder, ImapError, ImapEvent, ImapListed, ImapMailbox,
    ImapMessage, ImapMessages, ImapResponseError, ImapResponseFrame, ImapResponseFraming,
};
pub use self::error::ImapFramingError;
pub use self::frame::{ImapFrame, ImapRefusal};
pub use self::framing::ImapFraming;
pub use self::server::{ImapServer, ImapSession};
