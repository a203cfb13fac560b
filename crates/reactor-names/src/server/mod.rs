//! The server: answers from zones, from other servers or by a function, over UDP and TCP.

mod answers;
mod clients;
mod forwarder;
mod listen;
mod rate_limit;
mod request;
mod respond;
mod tcp;
mod transfer;
mod udp;
mod zone;
mod zones;

pub use self::answers::Answers;
pub use self::forwarder::Forwarder;
pub use self::listen::{DnsPort, DnsServer};
pub use self::rate_limit::RateLimit;
pub use self::request::DnsRequest;
pub use self::tcp::DnsOverTcp;
pub use self::transfer::{Secondary, TransferError, notify, transfer_zone};
pub use self::udp::DnsOverUdp;
pub use self::zone::{Zone, ZoneError, ZoneFile};
pub use self::zones::Zones;
