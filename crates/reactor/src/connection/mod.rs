//! One connection: a socket, a framing, a protocol, and what they ask of one
//! another.
//!
//! ```text
//!   loop ──ready──▶ stream ──frames──▶ protocol
//!                     │  ▲                │ through its context
//!                     ▼  └──── jobs ◀─────┤
//!                  transport ◀─ writes ───┘
//! ```
//!
//! `transport` has what is to be sent and says when the connection is over; it
//! knows nothing of protocols. `stream` calls the protocol: only from the loop, and
//! never one handler inside another; `reading` is what happens to bytes that come in,
//! `flow` sees to it that there are not too many. What comes from elsewhere (`when`,
//! delayed calls, `post`) is a job in its queue.
//!
//! What can be asked of a connection is in `context` for its protocol and in `handle` for
//! others; `pace`, `settings`, `credentials` and `waiting` are more of both.

mod backpressure;
mod cold;
mod context;
mod credentials;
mod factory;
mod filtering;
mod flags;

mod handle;
mod keepalive;
mod limits;
mod linger;
mod out_buffer;
mod pace;
mod progress;
mod protocol;
mod pump;
mod reading;
mod socket_options;
mod source;
mod transport;
mod when;

pub use self::context::Context;
pub use self::factory::Factory;
pub use self::handle::Connection;
pub use self::keepalive::KeepAlive;
pub use self::limits::WriteLimits;
pub use self::protocol::{Frame, Handled, Protocol};
pub use self::pump::pump;
pub(crate) use self::source::{ConnectionSource, Duplex, NewConnection, OnClose};
