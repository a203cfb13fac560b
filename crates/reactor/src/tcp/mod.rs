//! TCP: `listen_tcp`, `connect_tcp`, and adopted sockets.

mod adopt;
mod connect;
mod family;
mod host_port;
mod listen;
mod options;

pub(crate) use self::connect::dial;
pub(crate) use self::family::Family;
pub use self::host_port::HostPort;
pub(crate) use self::host_port::Parsed;
pub(crate) use self::listen::listen_at;
pub use self::options::{TcpConnectOptions, TcpListenOptions};
