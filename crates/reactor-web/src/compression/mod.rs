//! Content codings as middleware: compresses answers, and decompresses requests.

mod answers;
mod requests;

pub use self::answers::Compression;
pub use self::requests::Decompression;
