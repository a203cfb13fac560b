//! Ports: what listens, and makes a connection of everybody who comes.

mod acceptor;
mod port;

pub(crate) use self::acceptor::Acceptor;
pub use self::port::ListeningPort;
pub(crate) use self::port::{Opened, open};
