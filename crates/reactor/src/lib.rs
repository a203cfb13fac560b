//! An event loop that fires [`Deferred`](deferred::Deferred)s from sockets and timers.
#![doc(test(attr(deny(warnings), allow(dead_code))))]

#[cfg(windows)]
compile_error!("the reactor knows no Windows yet; the `deferred` crate works everywhere");

mod address;
mod awaited;
mod connection;
mod core;
mod error;
mod framing;
mod handle;
mod inbox;
mod poll;
mod reactor;
mod reader;
mod registry;
mod remote;
mod reply;
mod resolver;
mod signals;
mod tcp;

pub use self::address::Address;
pub use self::connection::{Connection, Context, Factory, Frame, Handled, Protocol, WriteLimits};
pub use self::error::{
    ConnectError, ConnectErrorKind, ConnectionClosed, Gone, ListenError, NotRunning, ReactorGone,
    RunError,
};
pub use self::framing::{Decoded, Framing, LineTooLong, Lines, Raw};
pub use self::handle::ReactorHandle;
pub use self::reactor::{Reactor, Turn};
pub use self::reader::Reader;
pub use self::remote::Remote;
pub use self::signals::Signal;
pub use self::tcp::{HostPort, ListeningPort};
pub use deferred;

/// The README, whose program is a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
