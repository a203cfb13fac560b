//! Telnet for [`reactor`]: servers and clients, and a console to look into a running program.
//!
//! - [`Console`]: commands that a person enters, of which some look into the loop: connections,
//!   timers, counters. Add your own as closures.
//! - [`TelnetProtocol`]: the handlers of a connection, which [`Telnet`] runs: lines, an editor for
//!   them, questions and passwords, options; for servers and for clients.
//! - [`TelnetFraming`] and [`Negotiation`]: the protocol without I/O.
//!
//! # Examples
//!
//! A program with a console, for `telnet 127.0.0.1 2323`:
//!
//! ```no_run
//! use reactor::Reactor;
//! use reactor_telnet::Console;
//!
//! let reactor = Reactor::new()?;
//! let console = Console::new("app> ")
//!     .command("greet", "NAME: says hello", |call| Ok(format!("hello, {}", call.required(0, "a name")?)));
//! reactor.listen_tcp("127.0.0.1:2323", console)?;
//! reactor.run()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A server that answers lines, in a test without sockets:
//!
//! ```
//! use deferred::Result;
//! use reactor::testing;
//! use reactor_telnet::{Telnet, TelnetContext, TelnetProtocol};
//!
//! struct Shout;
//!
//! impl TelnetProtocol for Shout {
//!     fn line_received(&mut self, cx: &mut TelnetContext<'_, '_, Self>, line: &str) -> Result<()> {
//!         cx.write(format!("{}\n", line.to_uppercase()));
//!         Ok(())
//!     }
//! }
//!
//! testing::run(|reactor| {
//!     let (_connection, peer) = reactor.connect_to_peer(Telnet::new(Shout));
//!     peer.send("hello\r\n");
//!     assert_eq!(peer.received(), b"HELLO\r\n");
//! });
//! ```
//!
//! # What is safe by default
//!
//! - The memory that a peer can make this side use is bounded, and a negotiation always ends.
//! - Lines are processed one after the other; lines that the peer sends ahead wait.
//! - Passwords are not echoed, not drawn, and not remembered. Telnet itself encrypts nothing: put
//!   TLS in front of it.

mod console;
mod context;
mod editor;
mod encode;
mod error;
mod framing;
mod input;
mod lines;
mod link;
mod negotiate;
mod options;
mod protocol;
mod telnet;

pub use self::console::{Console, ConsoleCall, ConsoleSession, UsageError};
pub use self::context::TelnetContext;
pub use self::error::TelnetError;
pub use self::framing::{TelnetFrame, TelnetFraming};
pub use self::link::InputMode;
pub use self::options::{Answer, Command, Negotiation, Side, TelnetOption, Verb, WindowSize};
pub use self::protocol::TelnetProtocol;
pub use self::telnet::Telnet;

/// The page of the documentation, whose programs are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/telnet.md")]
struct TelnetPage;
