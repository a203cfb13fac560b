//! TCP: `listen_tcp` and `connect_tcp`.

mod connect;
mod host_port;
mod listen;
mod socket;

pub use self::host_port::HostPort;
pub use self::listen::ListeningPort;
