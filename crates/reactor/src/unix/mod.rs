//! UNIX sockets: `listen_unix` and `connect_unix`.

mod connect;
mod file;
mod listen;

pub use self::listen::UnixListenOptions;
