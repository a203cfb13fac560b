//! Listening ports: a factory, and a listener that makes a connection of each peer.

mod acceptor;
mod adopt;
mod port;

pub(crate) use self::acceptor::Acceptor;
pub(crate) use self::adopt::adopt;
pub use self::port::ListeningPort;
pub(crate) use self::port::{Opened, open};
