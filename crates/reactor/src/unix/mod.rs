//! UNIX sockets: `listen_unix` and `connect_unix`.

mod adopt;
mod connect;
mod listen;

pub use self::connect::UnixConnectOptions;
pub use self::listen::UnixListenOptions;
