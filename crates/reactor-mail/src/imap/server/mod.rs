//! An IMAP server over the traits of the store.
//!
//! A command that waits for the store is an async body; the connection is not read until it has
//! ended, so pipelined commands are answered in order.

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
