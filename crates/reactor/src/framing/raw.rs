//! No framing.

use deferred::Result;

use super::{Decoded, Framing};

/// Bytes as they come, in pieces of whatever size.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl Framing for Raw {
    type Frame<'a> = &'a [u8];

    #[inline]
    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<&'a [u8]>> {
        Ok(if input.is_empty() {
            Decoded::Incomplete
        } else {
            Decoded::Frame {
                frame: input,
                consumed: input.len(),
            }
        })
    }
}
