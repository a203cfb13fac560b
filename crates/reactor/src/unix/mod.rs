//! UNIX sockets: `listen_unix` and `connect_unix`.

mod adopt;
mod connect;
mod listen;

pub use self::connect::UnixConnectOptions;
pub(crate) use self::connect::dial;
pub use self::listen::UnixListenOptions;
pub(crate) use self::listen::listen_at;
