//! IMAP server, which gets its mail through the traits of `store`.
//!
//! A command that waits for the store is an async block. The connection is not read until the block
//! has ended, so pipelined commands are answered in order.

mod append;
mod auth;
mod dispatch;
mod fetch;
mod imap_reply;
mod imap_server;
mod imap_settings;
mod mailboxes;
mod messages;
mod output;
mod pattern;
mod search;
mod select;
mod sequence;
mod session;
mod text;
mod view;

pub use self::imap_server::ImapServer;
pub use self::session::ImapSession;
