//! The server: answers from zones or by a function, over UDP and TCP.

mod answers;
mod respond;
mod tcp;
mod udp;
mod zone;
mod zones;

pub use self::answers::Answers;
pub use self::tcp::DnsOverTcp;
pub use self::udp::DnsOverUdp;
pub use self::zone::{Zone, ZoneError, ZoneFile};
pub use self::zones::Zones;
