//! Endpoints: destinations and listening addresses, as values and as strings.
//!
//! An endpoint makes connections without a protocol: a [`ClientEndpoint`] returns a
//! [`PendingConnection`]; a [`ServerEndpoint`] passes each accepted one to an [`Accept`]. Both
//! traits are object-safe, so endpoints can be boxed, chosen at run time, and wrapped around one
//! another. [`Connect`] and [`Listen`], which every endpoint implements, add the methods with type
//! parameters: they take a protocol or a factory.
//!
//! ```text
//!   ClientEndpoint ──dial──────────▶ PendingConnection ──start(protocol)──▶ Connection
//!   ServerEndpoint ──listen_with───▶ AnyPort
//!         each connection: Accept ──▶ PendingConnection ──start(protocol)──▶ Connection
//! ```
//!
//! # Examples
//!
//! A server and a client with their endpoints from the command line:
//!
//! ```
//! # use reactor::{Protocol, Raw, testing::TestReactor};
//! # #[derive(Clone)] struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
//! use reactor::endpoint::{Connect, Listen};
//!
//! # let reactor = TestReactor::new();
//! let port = "unix:/run/service".listen(&reactor, || Quiet);
//! let connecting = "unix:/run/service".connect(&reactor, Quiet);
//! reactor.settle();
//! assert!(port.into_result().unwrap()?.is_listening());
//! assert!(connecting.into_result().unwrap().is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod any_port;
mod builtin;
mod client;
mod descriptor;
mod limits;
mod parse;
mod pending;
mod server;
mod stdio;
mod systemd;
mod tcp;
mod text;
mod unix;
mod with_filter;

pub use self::any_port::AnyPort;
pub use self::client::{ClientEndpoint, Connect};
pub use self::descriptor::InheritedFd;
pub use self::limits::{ConnectionLimits, Limited, TooManyConnections};
pub use self::parse::{Arguments, EndpointError, EndpointErrorKind, EndpointParser, quote};
pub use self::pending::PendingConnection;
pub use self::server::{Accept, Begin, Listen, ServerEndpoint};
pub use self::stdio::Stdio;
pub use self::systemd::SystemdSocket;
pub use self::with_filter::WithFilter;
