//! `ByteStream`: a connection for `async` code, with the traits of `futures` and of Tokio.

mod io_traits;
mod open;
mod protocol;
mod remote;
mod stream;
#[cfg(feature = "send_wrapper")]
mod thread_bound;

pub use self::protocol::ByteStreamProtocol;
pub use self::remote::RemoteStream;
pub use self::stream::ByteStream;
#[cfg(feature = "send_wrapper")]
pub use self::thread_bound::ThreadBoundStream;
