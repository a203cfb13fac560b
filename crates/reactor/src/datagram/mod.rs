//! Datagrams: UDP, and UNIX sockets for datagrams.
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
//! Only `address` knows of one family of addresses and another. A datagram is sent when
//! it is written: there is nothing to be gathered. What cannot be sent is never silent:
//! it waits, is given back as an error, or is reported to the protocol.

mod address;
mod context;
mod error;
mod interface;
mod limits;
mod multicast;
mod port;
mod protocol;
mod queue;
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
