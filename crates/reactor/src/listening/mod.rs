//! Listening ports: a listener, and a factory that makes a protocol for each accepted connection.

mod acceptor;
mod adopt;
mod handle;
mod port;
mod serve;

pub(crate) use self::acceptor::{Accepted, Acceptor};
pub(crate) use self::adopt::adopt;
pub use self::handle::ListeningPort;
pub(crate) use self::port::{Opened, open};
pub(crate) use self::serve::Serve;
