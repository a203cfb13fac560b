//! IMAP4rev1 client: a handle, `ImapClient`, and the protocol of its connection, `Session`.

mod builder;
mod collected;
mod commands;
mod error;
mod event;
mod fetch;
mod frame;
mod framing;
mod framing_error;
mod handle;
mod idle;
mod idling;
mod mailbox;
mod message;
mod messages;
mod opening;
mod receiving;
mod request;
mod session;
mod streaming;

pub use self::builder::ImapClientBuilder;
pub use self::error::ImapError;
pub use self::event::ImapEvent;
pub use self::fetch::FetchHandler;
pub use self::frame::ImapResponseFrame;
pub use self::framing::ImapResponseFraming;
pub use self::framing_error::ImapResponseError;
pub use self::handle::ImapClient;
pub use self::mailbox::{ImapListed, ImapMailbox};
pub use self::message::ImapMessage;
pub use self::messages::ImapMessages;
