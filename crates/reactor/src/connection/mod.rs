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
//! another. `opening` begins the connection, `reading` is the path of the input, `switching` hands
//! the connection to another protocol, `backpressure` pauses reading and producers. Jobs for the
//! protocol are in its mailbox.
//!
//! The protocol's handlers act through `context`, all other code through `handle`, and code that
//! does not know the protocol through `any`. Further methods of handles are in `backpressure` and
//! `socket_options`, further ones of contexts in `socket_options`.

mod any;
mod backpressure;
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
mod socket_options;
mod source;
mod switching;
mod transport;

pub use self::any::AnyConnection;
pub(crate) use self::cold::OnClose;
pub use self::context::Context;
pub(crate) use self::duplex::place;
pub use self::factory::Factory;
pub use self::handle::Connection;
pub use self::keepalive::KeepAlive;
pub use self::limits::WriteLimits;
pub(crate) use self::opening::NewConnection;
pub use self::protocol::{Frame, Protocol};
pub use self::pump::pump;
pub(crate) use self::source::ConnectionSource;
