//! TLS for the connections of [`reactor`]: servers and clients over
//! [rustls](https://docs.rs/rustls), as a filter between the socket and the framing.
//!
//! A protocol does not change when it is spoken over TLS: it gets the same frames and writes
//! the same bytes. Limits, backpressure, half-close and timeouts stay those of the connection.
//!
//! # A server
//!
//! [`TlsServer::factory`] has every connection of a factory begin with TLS:
//!
//! ```no_run
//! use reactor::{Context, Lines, Protocol, Reactor};
//! use reactor_tls::{Identity, TlsInfo, TlsServer};
//!
//! struct Greeter;
//!
//! impl Protocol for Greeter {
//!     type Framing = Lines;
//!
//!     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
//!         // The handshake is finished.
//!         let tls = cx.filter_info::<TlsInfo>();
//!         cx.send_line(format!("welcome, by {:?}", tls.map(|tls| tls.version)));
//!         Ok(())
//!     }
//! }
//!
//! let identity = Identity::from_pem_files("fullchain.pem", "privkey.pem")?;
//! let tls = TlsServer::builder().identity(identity).build()?;
//! let reactor = Reactor::new()?;
//! reactor.listen_tcp("0.0.0.0:8443", tls.factory(|| Greeter))?;
//! reactor.run()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A client, and TLS in the middle of a connection
//!
//! [`StartTls::start_tls`] begins TLS on an open connection: at once, in `connection_made`, or
//! after a command of the protocol. Output after the call is encrypted, also in the same handler;
//! plain text that an attacker appends to the command is never delivered.
//!
//! ```
//! use reactor::{Context, Lines, Protocol};
//! use reactor_tls::{StartTls, TlsClient};
//!
//! struct Client {
//!     tls: TlsClient,
//!     server: String,
//! }
//!
//! impl Protocol for Client {
//!     type Framing = Lines;
//!
//!     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
//!         cx.start_tls(self.tls.filter(&self.server)?).ignore();
//!         cx.send_line("hello");
//!         Ok(())
//!     }
//! }
//! ```
//!
//! # What is safe by default
//!
//! - Clients verify servers, with the roots of the platform or with their own [`Roots`]. Only
//!   [`dangerously_accept_any_certificate`] turns that off, and logs a warning.
//! - TLS 1.3 and 1.2, with the cipher suites of rustls, of which none is weak. No renegotiation,
//!   no compression, no 0-RTT data.
//! - A connection that ends without a close_notify is
//!   [lost](reactor::ConnectionClosed::Lost), not done.
//! - A handshake takes 10 s at most.
//! - Revocation is checked where [`Roots::revocation_lists`] are given. The roots of the
//!   platform check it on macOS and Windows; OCSP is neither asked for nor stapled.
//! - Key exchange that withstands quantum computers (X25519MLKEM768) comes with the feature
//!   `aws-lc-rs`; `ring` has none.
//!
//! [`dangerously_accept_any_certificate`]: TlsClientBuilder::dangerously_accept_any_certificate
//!
//! # Features
//!
//! - `ring` (default), `aws-lc-rs`: the provider of the cryptography. With both features, it is
//!   `ring`, unless a configuration names the other.
//! - `platform-verifier` (default): clients verify with the roots of the platform.
//! - `tls12` (default): TLS 1.2 besides 1.3.
//!
//! A cold build with the default features takes 37 s with one job, and 68 s in release, on a virtual
//! machine of 2026.
#![doc(test(attr(deny(warnings), allow(dead_code))))]

mod adapter;
mod client;
mod config;
mod endpoint;
mod error;
mod factory;
mod filter;
mod identity;
mod info;
mod provider;
mod server;
mod start_tls;

pub use self::client::{TlsClient, TlsClientBuilder};
pub use self::endpoint::WithTls;
pub use self::error::{TlsConfigError, TlsError, TlsErrorKind};
pub use self::factory::TlsFactory;
pub use self::filter::TlsFilter;
pub use self::identity::{Identity, Roots};
pub use self::info::{TlsInfo, TlsVersion};
pub use self::provider::Provider;
pub use self::server::{ClientHello, TlsServer, TlsServerBuilder};
pub use self::start_tls::StartTls;

/// The chapter of the guide, whose programs are tests.
// They verify servers by the roots of the platform.
#[cfg(all(doctest, feature = "platform-verifier"))]
#[doc = include_str!("../../../docs/guide/21-tls.md")]
struct Guide;

/// The recipes, whose programs are tests.
// As above.
#[cfg(all(doctest, feature = "platform-verifier"))]
#[doc = include_str!("../../../docs/recipes-tls.md")]
struct Recipes;
