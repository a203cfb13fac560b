//! One connection: a transport, a framing, a protocol, and the source that drives them.
//!
//! ```text
//!   loop ──ready──▶ source ──frames──▶ protocol
//!                     │  ▲                │ through its context
//!                     ▼  └──── jobs ◀─────┤
//!                  transport ◀─ writes ───┘
//! ```
//!
//! `transport` has the unsent output and decides when the connection is over; it knows nothing of
//! protocols. `source` calls the protocol, only from the loop, and never one handler inside
//! another. `opening` begins the connection, `reading` is the path of the input, `settling` does
//! all pending work and ends the connection, `switching` hands it to another protocol,
//! `backpressure` pauses reading and producers. Jobs for the protocol are in its mailbox.
//!
//! A program has many types of protocols, and each generic function is compiled for each of them.
//! So only the steps that each message or each connection takes have the protocol as a type
//! parameter: the beginning, decoding, settling, the end. The rest is compiled once: as methods of
//! `base::Base`, the state that has no type of the user, and of `dyn any_source::AnySource`, which
//! calls the protocol.
//!
//! The protocol's handlers act through `context`, all other code through `handle`, and code that
//! does not know the protocol through `any`. Further methods of handles are in `backpressure` and
//! `socket_options`, further ones of contexts in `socket_options`.

mod any;
mod any_source;
mod backpressure;
mod base;
#[cfg(feature = "tokio-util")]
mod codec;
mod cold;
mod context;
mod duplex;
mod factory;
mod filtering;
mod flags;
mod handle;
mod idle;
mod keepalive;
mod limits;
mod linger;
mod opening;
mod output;
mod progress;
mod protocol;
mod pump;
mod reading;
mod settling;
mod socket_options;
mod source;
mod switching;
mod transport;

pub use self::any::AnyConnection;
pub(crate) use self::cold::OnClose;
pub use self::context::Context;
pub use self::factory::Factory;
pub use self::handle::Connection;
pub use self::keepalive::KeepAlive;
pub use self::limits::WriteLimits;
pub(crate) use self::opening::NewConnection;
pub use self::protocol::{Frame, Protocol};
pub use self::pump::pump;
pub(crate) use self::source::ConnectionSource;
pub(crate) use self::transport::Keys;
