//! Datagrams: UDP and UNIX datagram sockets.
//!
//! ```text
//!   loop ──ready──▶ source ──datagram──▶ protocol
//!                    │  ▲                   │ through its context
//!                    │  └─────── jobs ◀─────┤
//!                  socket ◀──at once── send ┘
//!                    ▲                  │
//!                    └──── queue ◀──────┘ when there is no room
//! ```
//!
//! Only `address` depends on the address family. A datagram is sent as soon as it is written,
//! since datagrams cannot be merged. A datagram that cannot be sent is never lost silently: it
//! waits in the queue, or the call returns an error, or the protocol gets the error.

mod address;
mod context;
mod error;
mod interface;
mod limits;
mod multicast;
mod port;
mod protocol;
mod queue;
mod socket;
mod source;
mod udp;
mod unix;

pub use self::address::DatagramAddress;
pub use self::context::DatagramContext;
pub use self::error::{DatagramError, DatagramPortClosed};
pub use self::interface::MulticastInterface;
pub use self::port::DatagramPort;
pub use self::protocol::DatagramProtocol;
pub use self::udp::UdpOptions;
pub use self::unix::UnixDatagramOptions;
