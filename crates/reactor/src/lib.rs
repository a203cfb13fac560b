//! An event loop that fires [`Deferred`](deferred::Deferred)s from sockets and
//! timers: Twisted's reactor, in Rust.
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
//! One thread runs everything, so nothing needs a lock, and callbacks may borrow
//! what they like. A protocol owns its state and gets `&mut self`; what several
//! share is an `Rc<RefCell<..>>` that their factory captures.
//!
//! The guide in `docs/` of the repository teaches both crates from zero, with pictures;
//! `docs/words.md` lists the terms, with those of Twisted and Tokio.
//!
//! # The parts
//!
//! *The loop*
//!
//! - [`Reactor`] owns a loop. [`ReactorHandle`] is what callbacks hold, [`Remote`]
//!   what other threads do. There may be any number of reactors; [`Cores`] runs several.
//! - [`react`] runs a program that is over when a Deferred fires,
//!   [`Reactor::run_until_signal`] one that is over when somebody says so.
//! - [`ReactorHandle::call_later`] schedules; the [`DelayedCall`](deferred::DelayedCall)
//!   it gives can be cancelled, reset and delayed.
//! - [`ReactorHandle::stop`] is an event with phases, which can wait:
//!   [`ReactorHandle::add_system_event_trigger`].
//!
//! *Connections*
//!
//! - [`ReactorHandle::listen_tcp`] takes a [`Factory`], which makes a [`Protocol`]
//!   for each connection; [`ReactorHandle::connect_tcp`] takes a protocol and gives
//!   a Deferred of its [`Connection`]. [`listen_unix`](ReactorHandle::listen_unix) and
//!   [`connect_unix`](ReactorHandle::connect_unix) do so for UNIX sockets,
//!   [`stdio`](ReactorHandle::stdio) for standard input and output.
//! - A protocol names its [`Framing`]: [`Raw`], [`Lines`], or one of your own.
//! - [`Context`] is what its handlers act through: they write, close, wait for
//!   Deferreds ([`Context::when`]) and schedule ([`Context::call_later`]), with
//!   closures that get `&mut self` back.
//! - A [`Producer`] writes no faster than a connection can send; [`pump`] joins two.
//! - [`ask`] is a question to a server as a function: its timeout ends the connection.
//!   A [`Connector`] connects again and again.
//! - [`ByteStream`] is a connection for `async` code, [`ReactorHandle::spawn`] runs that.
//!
//! *Other things to wait for*
//!
//! - [`ReactorHandle::listen_udp`] gives a [`DatagramProtocol`] what comes in, and
//!   [`ReactorHandle::listen_unix_datagram`] does so for UNIX sockets.
//! - [`ReactorHandle::add_reader`] and [`add_writer`](ReactorHandle::add_writer) watch
//!   any other [`Descriptor`].
//! - [`ReactorHandle::spawn_process`] runs a [`Command`] beside this program, and gives a
//!   [`ProcessProtocol`] what it writes; [`Command::output`] collects that.
//! - [`ReactorHandle::defer_to_thread`] is for work that takes long or blocks;
//!   [`Remote::blocking_call_from_thread`] is the way back.
//! - [`ReactorHandle::resolve`] finds the addresses of a name, and
//!   [`ReactorHandle::set_resolver`] says who does.
//!
//! *Looking at it*
//!
//! - [`testing`] has a reactor with a network in memory and a clock that a test turns.
//! - [`ReactorHandle::counters`] says what it has done. What a handler logs with
//!   `tracing` is in a span of its connection.
//!
//! # A protocol that waits
//!
//! ```
//! use deferred::{Deferred, defer_later};
//! use reactor::{Context, Lines, Protocol, ReactorHandle};
//! use std::time::Duration;
//!
//! /// Answers each line after a while; hangs up on who says nothing.
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
//! - Handlers of one protocol never run inside one another. What comes from
//!   elsewhere (`when`, `call_later`, [`Connection::post`]) is queued on the
//!   connection and run in the same turn, after the handler that is running.
//! - What a handler asks for applies when it returns, before the next frame.
//! - What it writes goes out together when it returns; a write of 32 KiB or more at once.
//! - An `Err` or a panic closes its own connection, with that as the reason.
//! - `connection_lost` is called once, last, whatever happened.
//! - What a peer sends, or does not take, is bounded: see [`WriteLimits`] and
//!   [`Lines`].
//!
//! # One turn of the loop
//!
//! 1. The calls from other threads that are there, and the async bodies that something
//!    has woken.
//! 2. The delayed calls that are due.
//! 3. What those left to be done on connections: jobs for their protocols, sending.
//! 4. Waiting for a descriptor: until the next delayed call at the latest.
//! 5. The descriptors that are ready, one after the other.
//! 6. What those left to be done on connections.
//! 7. The shutdown, if somebody has asked for it.
//!
//! Each step deals with what was there when it began, so that nothing which asks to be
//! called again keeps the others from their turn.
//!
//! # The life of one byte
//!
//! It comes in with a read into the loop's one buffer, goes as a slice through the
//! [`Framing`] to [`Protocol::received`], and is copied only if its frame is not
//! complete. On the way out it is written to the connection's buffer and sent when
//! the handler returns; what the system does not take waits there, and the poller
//! is asked to say when there is room.
#![doc(test(attr(deny(warnings), allow(dead_code))))]

#[cfg(windows)]
compile_error!("the reactor knows no Windows yet; the `deferred` crate works everywhere");

mod address;
mod ask;
mod blocking_calls;
mod byte_stream;
mod cancel_on_close;
mod connect;
mod connecting;
mod connection;
mod core;
mod cores;
mod credentials;
mod datagram;
mod descriptor;
mod emfile;
mod error;
mod extensions;
pub mod filter;
mod framing;
#[cfg(doctest)]
mod guide;
mod handle;
mod inbox;
mod io;
mod listening;
mod mailbox;
mod memory;
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
pub use self::byte_stream::{ByteStream, ByteStreamProtocol};
pub use self::connect::Connect;
pub use self::connecting::{ClientFactory, Connector, ConnectorError, ConnectorState};
pub use self::connection::{
    Connection, Context, Factory, Frame, Handled, KeepAlive, Protocol, WriteLimits, pump,
};
pub use self::core::Counters;
pub use self::cores::Cores;
pub use self::credentials::PeerCredentials;
pub use self::datagram::{
    DatagramAddress, DatagramContext, DatagramError, DatagramPort, DatagramPortClosed,
    DatagramProtocol, MulticastInterface, UdpOptions, UnixDatagramOptions,
};
pub use self::descriptor::{Descriptor, DescriptorRef};
pub use self::error::{
    BlockingCallError, ConnectError, ConnectErrorKind, ConnectionClosed, Gone, ListenError,
    NoProtocol, NotRunning, ReactorGone, ResolveError, RunError, SendDescriptorError,
};
pub use self::framing::{Decoded, Framing, LineTooLong, Lines, Raw};
pub use self::handle::ReactorHandle;
pub use self::listening::ListeningPort;
pub use self::poll::PollerKind;
pub use self::process::{
    ChildFd, Command, OutputTooLong, Process, ProcessContext, ProcessEnded, ProcessError,
    ProcessProtocol, SpawnError, StatusUnknown,
};
pub use self::producer::{
    Consumer, Producer, ProducerError, Production, PullProducer, PushProducer,
};
pub use self::react::react;
pub use self::reactor::{Reactor, Turn};
pub use self::remote::Remote;
pub use self::resolver::{Resolver, SystemResolver};
pub use self::signals::Signal;
pub use self::system_event::{Phase, SystemEvent, SystemEventTrigger, UnknownTrigger};
pub use self::tcp::{HostPort, TcpConnectOptions, TcpListenOptions};
pub use self::threads::ThreadPool;
pub use self::unix::UnixListenOptions;
pub use deferred;

/// The README, whose program is a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
