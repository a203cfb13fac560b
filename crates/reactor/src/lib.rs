//! Network programs as protocols and [`Deferred`](deferred::Deferred)s, on one thread:
//! Twisted's reactor, in Rust.
//!
//! What you get:
//!
//! - **A defined order.** Each handler runs to its end before the next one, so your code needs no
//!   locks, no `Send` and no `Arc<Mutex<..>>`, and a protocol gets `&mut self`.
//! - **The speed of a loop written by hand** on epoll, with fewer instructions per request than
//!   other runtimes: `docs/performance.md` has the figures and their commands.
//! - **Tests without sockets and without waiting**: [`testing`] has a network in memory and a clock
//!   that the test advances.
//! - **Limits by default**: a peer cannot fill the memory, neither by what it sends nor by not
//!   reading.
//! - **Failures with a history**: where a failure was raised, and which callbacks it has passed.
//!
//! An echo server:
//!
//! ```
//! use reactor::{Context, Protocol, Raw, Reactor};
//!
//! struct Echo;
//!
//! impl Protocol for Echo {
//!     type Framing = Raw;
//!
//!     fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
//!         cx.write(data);
//!         Ok(())
//!     }
//! }
//!
//! # fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let reactor = Reactor::new()?;
//! let port = reactor.listen_tcp("127.0.0.1:8000", || Echo)?;
//! println!("listening on {}", port.address());
//! reactor.run_until_signal()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to begin
//!
//! | you want to | look at |
//! |---|---|
//! | serve | [`ReactorHandle::listen_tcp`], with a [`Factory`] of [`Protocol`]s |
//! | connect | [`ReactorHandle::connect_tcp`]; [`ask`] for one question and its answer; [`ClientService`] to stay connected |
//! | cut the bytes into frames | the [`Framing`] of a protocol: [`Lines`], [`Raw`], or your own |
//! | write, close, wait for a Deferred | the [`Context`] of a handler: [`Context::when`] calls you back with `&mut self` |
//! | use a connection outside of its handlers | its [`Connection`] handle |
//! | make a call later | [`ReactorHandle::call_later`], which returns a [`DelayedCall`](deferred::DelayedCall) |
//! | run blocking or long work | [`ReactorHandle::defer_to_thread`]; [`Remote`] to call into the loop from another thread |
//! | write `async` code | [`ReactorHandle::spawn`], and [`ByteStream`] for a connection |
//! | test it | [`testing::run`] |
//! | run a program | [`Reactor::run_until_signal`] for a server, [`react`] for one result |
//!
//! A [`Reactor`] owns a loop. Callbacks use a [`ReactorHandle`], other threads a [`Remote`]. A
//! program may have any number of reactors; [`Cores`] runs one for each core.
//!
//! There are also UNIX sockets ([`ReactorHandle::listen_unix`]), datagrams
//! ([`ReactorHandle::listen_udp`]), child processes ([`ReactorHandle::spawn_process`]), standard
//! input and output ([`ReactorHandle::stdio`]), any other descriptor
//! ([`ReactorHandle::add_reader`]), names ([`ReactorHandle::resolve`]), producers and [`pump`],
//! shutdown in phases ([`ReactorHandle::add_system_event_trigger`]), and
//! [`ReactorHandle::counters`].
//!
//! Errors are in [`error_types`], options in [`options`]; all of them can also be imported from the
//! root.
//!
//! # A protocol that waits
//!
//! ```
//! use deferred::{Deferred, defer_later};
//! use reactor::{Context, Lines, Protocol, ReactorHandle};
//! use std::time::Duration;
//!
//! /// Answers each line after a second; closes the connection at an empty one.
//! struct Oracle;
//!
//! fn ponder(reactor: &ReactorHandle, question: String) -> Deferred<String> {
//!     defer_later(reactor, Duration::from_secs(1), move || match question.as_str() {
//!         "" => Err(deferred::Failure::msg("ask something")),
//!         _ => Ok("perhaps"),
//!     })
//!     .add_callback(|answer| Ok(format!("{answer}\r\n")))
//! }
//!
//! impl Protocol for Oracle {
//!     type Framing = Lines;
//!
//!     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
//!         let question = String::from_utf8(line.to_vec())?;
//!         let answer = ponder(cx.reactor(), question);
//!         cx.when_or_cancel(answer, |_this, cx, answer| match answer {
//!             Ok(answer) => cx.write(answer),
//!             Err(failure) => {
//!                 cx.write(format!("{failure}\r\n"));
//!                 cx.lose_connection();
//!             }
//!         });
//!         Ok(())
//!     }
//! }
//! ```
//!
//! # What a handler can rely on
//!
//! - Handlers of one protocol never run inside one another. Calls from outside of its handlers
//!   (`when`, `call_later`, [`Connection::post`]) are queued on the connection, and run in the same
//!   turn, after the handler that is running.
//! - Requests of a handler take effect when it returns, before the next frame.
//! - The output of a handler is sent together when it returns; a write of 32 KiB or more is sent at
//!   once if no other output waits.
//! - An `Err` or a panic of a handler closes its own connection only, and is the reason of the
//!   close.
//! - `connection_lost` is called once, as the last handler, for every connection that was made.
//! - The memory that a peer can use, by sending or by not reading, is limited: see [`WriteLimits`]
//!   and [`framing`].
//!
//! # One turn of the loop
//!
//! 1. Calls from other threads, and async bodies that were woken.
//! 2. The delayed calls that are due.
//! 3. Connections to which these gave work: calls of their protocols, sending.
//! 4. The wait for events of descriptors: until the next delayed call at the latest.
//! 5. The descriptors that are ready, one after the other.
//! 6. Connections to which these gave work.
//! 7. The shutdown, if [`stop`](ReactorHandle::stop) was called.
//!
//! Each step handles only the work that existed when it began, so code that requests further calls
//! cannot delay the other steps.
//!
//! # The life of one byte
//!
//! A read puts it into the loop's one read buffer. It goes as a slice through the [`Framing`] to
//! [`Protocol::received`], and is copied only if its frame is not complete. A written byte goes to
//! the output buffer of the connection, and is sent when the handler returns. Bytes that the system
//! does not take stay in that buffer until the poller reports that there is room.
//!
//! `docs/words.md` lists the terms, with those of Twisted and Tokio.
#![doc(test(attr(deny(warnings), allow(dead_code))))]

#[cfg(windows)]
compile_error!("the reactor knows no Windows yet; the `deferred` crate works everywhere");

mod address;
mod ask;
mod blocking_calls;
mod byte_stream;
mod cancel_on_close;
mod client_service;
mod connecting;
mod connection;
mod core;
mod cores;
mod credentials;
mod datagram;
mod descriptor;
mod emfile;
pub mod endpoint;
mod error;
mod extensions;
pub mod filter;
pub mod framing;
#[cfg(doctest)]
mod guide;
mod handle;
mod happy_eyeballs;
mod inbox;
mod io;
mod listening;
mod mailbox;
mod memory;
mod out_buffer;
mod panics;
mod pending_replies;
mod poll;
mod process;
mod producer;
mod react;
mod reactor;
mod readiness;
mod registry;
mod remote;
mod reply_channel;
mod report;
mod resolver;
mod signals;
mod spawn;
mod stdio;
mod sys;
mod system_event;
mod system_event_triggers;
mod tasks;
mod tcp;
pub mod testing;
mod threads;
mod unix;
mod wait_list;

pub use self::address::{Address, UnixAddress};
pub use self::ask::ask;
pub use self::byte_stream::ByteStream;
pub use self::byte_stream::RemoteStream;
#[cfg(feature = "send_wrapper")]
pub use self::byte_stream::ThreadBoundStream;
pub use self::client_service::{Backoff, ClientService, ClientServiceBuilder, ClientServiceState};
pub use self::connecting::{ClientFactory, Connector, ConnectorState};
pub use self::connection::{
    AnyConnection, Connection, Context, Factory, Frame, Protocol, WriteLimits, pump,
};
pub use self::core::Counters;
pub use self::cores::Cores;
pub use self::credentials::PeerCredentials;
pub use self::datagram::{
    DatagramAddress, DatagramContext, DatagramPort, DatagramPortClosed, DatagramProtocol,
    MulticastInterface,
};
pub use self::descriptor::{Descriptor, DescriptorRef};
pub use self::endpoint::{ClientEndpoint, Connect, Listen, ServerEndpoint};
pub use self::error::{ConnectionClosed, ConnectionClosedKind};
pub use self::framing::{Decoded, Framing, Lines, Raw};
pub use self::handle::ReactorHandle;
pub use self::listening::ListeningPort;
pub use self::mailbox::Handled;
pub use self::process::{
    ChildFd, Command, Process, ProcessContext, ProcessEnded, ProcessProtocol, WindowSize,
};
pub use self::producer::{Consumer, Producer, Production, PullProducer, PushProducer};
pub use self::react::react;
pub use self::reactor::{Reactor, Turn};
pub use self::remote::Remote;
pub use self::resolver::{Resolver, SystemResolver};
pub use self::signals::Signal;
pub use self::spawn::DriverResult;
pub use self::system_event::{Phase, SystemEvent, SystemEventTrigger};
pub use self::threads::ThreadPool;
pub use deferred;

// Used in signatures and tests only, so hidden on the front page: the protocol behind a
// `ByteStream`, and the choice of the poller (below).
#[doc(hidden)]
pub use self::byte_stream::ByteStreamProtocol;
// Errors and options can be imported from the root. The front page shows only their modules, so
// that it begins with the types that a program needs first.
#[doc(hidden)]
pub use self::error_types::*;
#[doc(hidden)]
pub use self::options::*;
#[doc(hidden)]
pub use self::poll::PollerKind;

/// Errors of operations. They can also be imported from the root of the crate:
/// `reactor::ListenError`. The reasons that protocols get, such as [`ConnectionClosed`], are at the
/// root only.
pub mod error_types {
    pub use crate::client_service::ServiceStopped;
    pub use crate::connecting::ConnectorError;
    pub use crate::datagram::DatagramError;
    pub use crate::error::{
        AdoptError, BlockingCallError, ConnectError, ConnectErrorKind, Gone, ListenError,
        NoProtocol, ReactorGone, ResolveError, RunError, SendDescriptorError,
    };
    pub use crate::framing::{BadNetstring, FrameTooLong, LineTooLong};
    pub use crate::process::{OutputTooLong, ProcessError, SpawnError, StatusUnknown};
    pub use crate::producer::ProducerError;
    pub use crate::system_event::UnknownTrigger;
}

/// Options for listening and connecting. An address converts into each of them, so methods take a
/// plain address, too. They can also be imported from the root of the crate:
/// `reactor::TcpListenOptions`.
pub mod options {
    pub use crate::connection::KeepAlive;
    pub use crate::datagram::{UdpOptions, UnixDatagramOptions};
    pub use crate::tcp::{HostPort, TcpConnectOptions, TcpListenOptions};
    pub use crate::unix::{UnixConnectOptions, UnixListenOptions};
}

/// The README, whose program is a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
