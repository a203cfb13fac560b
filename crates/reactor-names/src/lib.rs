//! DNS for [`reactor`]: a resolver with a cache, and a server for zones, forwarding, and answers
//! of your own.
//!
//! Messages, names and records are those of [`hickory_proto`].

mod error;
mod message;

pub use hickory_proto;

pub use self::error::{LookupError, LookupErrorKind};
pub use self::message::{MessageError, TcpFraming, decode_message, encode_message};
