//! Adapter of rustls: the only module that names it, so that a new version changes only this one.

mod certificates;
mod client;
mod cryptography;
mod errors;
mod server;
mod session;

pub(crate) use rustls::pki_types::ServerName;

pub(crate) use self::certificates::{KeyPair, RootSet};
pub(crate) use self::client::{Client, Verification, client, server_name, without_alpn};
pub(crate) use self::cryptography::{TICKET_KEY_LIFETIME, Ticketer, ticketer};
pub(crate) use self::server::{ClientAuth, Server, server};
pub(crate) use self::session::{Accepting, Greeted, Session};
