//! UNIX sockets: `listen_unix` and `connect_unix`.

mod adopt;
mod connect;
mod file;
mod listen;

pub(crate) use self::file::SocketFile;
pub use self::listen::UnixListenOptions;
