//! Content codings: encoders, decoders, and bodies that go through them.

mod codec;
mod decoded;
mod encoded;

pub(crate) use self::codec::Decoder;
pub(crate) use self::decoded::Decoded;
pub(crate) use self::encoded::{Encoded, IN_LOOP, encode_whole};
