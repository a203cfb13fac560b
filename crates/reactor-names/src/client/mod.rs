//! The client: a resolver with a cache, over UDP and TCP.

mod answer;
mod cache;
mod dns;
mod files;
mod lookup;
mod lookups;
mod question;
mod resolver;
mod schedule;
mod srv;
mod tcp;
mod udp;

pub use self::dns::Dns;
pub use self::lookup::Lookup;
pub use self::srv::{SrvEndpoint, WithSrv};
