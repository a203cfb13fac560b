//! Content codings as middleware: answers that are compressed, requests that are decompressed.

mod answers;
mod requests;

pub use self::answers::Compression;
pub use self::requests::Decompression;
