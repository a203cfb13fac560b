//! DNS for [`reactor`]: a resolver with a cache, and a server for zones, forwarding, and answers
//! of your own.
//!
//! - [`Dns`]: a client with a cache, which finds the addresses that a reactor connects to, and
//!   records of all types.
//! - With the feature `tls`: `DnsConfig::over_tls` asks servers over TLS, never in clear.
//! - With the feature `server`: a `DnsServer` on UDP and TCP serves zones, the answers of
//!   other servers, and answers of your own.
//! - [`SrvEndpoint`]: a service by name, `srv:_imap._tcp.example.org` among the endpoints.
//! - [`decode_message`] and [`encode_message`]: the protocol without I/O.
//!
//! Messages, names and records are those of [`hickory_proto`].
//!
//! # Examples
//!
//! ```no_run
//! use reactor::Reactor;
//! use reactor_names::Dns;
//!
//! let reactor = Reactor::new()?;
//! reactor.set_resolver(Dns::from_system()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does not do
//!
//! The client asks servers that resolve names (those of a `resolv.conf`), and does not resolve
//! them from the root itself. It does not validate DNSSEC.

mod client;
mod config;
mod error;
mod exchange;
mod hosts;
mod message;
#[cfg(feature = "server")]
mod server;
mod stamp;
mod upstream;

pub use hickory_proto;
#[cfg(feature = "server")]
pub use ipnet;

pub use self::client::{Dns, Lookup, SrvEndpoint, WithSrv};
pub use self::config::DnsConfig;
pub use self::error::{LookupError, LookupErrorKind};
pub use self::hosts::Hosts;
pub use self::message::{MessageError, TcpFraming, decode_message, encode_message};
#[cfg(feature = "server")]
pub use self::server::{
    Answers, DnsOverTcp, DnsOverUdp, DnsPort, DnsRequest, DnsServer, Forwarder, RateLimit,
    Secondary, TransferError, Zone, ZoneError, ZoneFile, Zones, notify, transfer_zone,
};

/// The page of the documentation, whose programs are tests.
#[cfg(all(doctest, feature = "server", feature = "tls"))]
#[doc = include_str!("../../../docs/names.md")]
struct NamesPage;
