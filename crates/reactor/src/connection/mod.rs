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
//! `transport` is the socket with its out-buffer and says when the connection is
//! over; it knows nothing of protocols. `stream` calls the protocol: only from
//! the loop, and never one handler inside another. What comes from elsewhere
//! (`when`, delayed calls, `post`) is a job in its queue.

mod context;
mod handle;
mod linger;
mod protocol;
mod stream;
mod transport;

pub use self::context::Context;
pub use self::handle::Connection;
pub use self::protocol::{Factory, Frame, Handled, Protocol};
pub(crate) use self::stream::Stream;
pub use self::transport::WriteLimits;
