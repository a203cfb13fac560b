//! TCP: `listen_tcp`, `connect_tcp`, and adopted sockets.

mod adopt;
mod connect;
mod host_port;
mod listen;
mod options;

pub use self::host_port::HostPort;
pub use self::options::{TcpConnectOptions, TcpListenOptions};
