//! `Codec`: a codec of `tokio-util` as a framing.

use std::fmt;

use deferred::{Failure, Result};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

use super::{Decoded, Framing};

/// A [`Decoder`] of `tokio-util` as a framing, and an [`Encoder`] for
/// [`Context::send`](crate::Context::send). Needs the feature `tokio-util`, which adds the crates
/// `tokio-util`, `tokio` (without its runtime), `bytes`, `futures-core` and `futures-sink`.
///
/// The input is copied once, into the buffer from which a `Decoder` takes bytes. At the end of the
/// input, [`decode_eof`](Decoder::decode_eof) is not called: an incomplete frame is dropped, as
/// with the framings of this crate. A failure of the decoder ends the connection.
///
/// # Examples
///
/// ```
/// use reactor::framing::Codec;
/// use reactor::{Context, Protocol, testing};
/// use tokio_util::codec::LinesCodec;
///
/// struct Shout;
///
/// impl Protocol for Shout {
///     type Framing = Codec<LinesCodec>;
///
///     fn framing(&self) -> Codec<LinesCodec> {
///         Codec::new(LinesCodec::new_with_max_length(80))
///     }
///
///     fn received(&mut self, cx: &mut Context<'_, Self>, line: String) -> deferred::Result<()> {
///         Ok(cx.send(line.to_uppercase())?)
///     }
/// }
///
/// testing::run(|reactor| {
///     let (_shout, peer) = reactor.connect_to_peer(Shout);
///     peer.send("one\ntwo\nthr");
///     assert_eq!(peer.received(), b"ONE\nTWO\n");
/// });
/// ```
pub struct Codec<C> {
    codec: C,
    /// Copy of the input that the codec has not taken; further input may have arrived since.
    buffer: BytesMut,
    /// Number of bytes at the beginning of the input that the codec has taken already. They are
    /// reported as consumed one by one, because a codec may take bytes once and return several
    /// frames for them, but each frame of a framing has to consume at least one byte.
    ahead: usize,
}

impl<C> Codec<C> {
    /// `codec` as a framing.
    pub fn new(codec: C) -> Self {
        Self {
            codec,
            buffer: BytesMut::new(),
            ahead: 0,
        }
    }

    /// Encodes `item`.
    ///
    /// # Errors
    ///
    /// The error of the encoder.
    pub fn encode<I>(&mut self, item: I) -> std::result::Result<BytesMut, C::Error>
    where
        C: Encoder<I>,
    {
        let mut encoded = BytesMut::new();
        self.codec.encode(item, &mut encoded)?;
        Ok(encoded)
    }

    /// The codec, for example to change its limit.
    pub fn codec(&mut self) -> &mut C {
        &mut self.codec
    }
}

impl<C: Default> Default for Codec<C> {
    fn default() -> Self {
        Self::new(C::default())
    }
}

impl<C> Framing for Codec<C>
where
    C: Decoder + 'static,
    Failure: From<C::Error>,
{
    type Frame<'a> = C::Item;

    fn decode(&mut self, input: &[u8]) -> Result<Decoded<C::Item>> {
        // The first `known` bytes were copied by earlier calls.
        let known = self.ahead + self.buffer.len();
        self.buffer
            .extend_from_slice(input.get(known..).unwrap_or_default());
        let before = self.buffer.len();
        let frame = self.codec.decode(&mut self.buffer);
        // Counted before a failure is returned, because decoding may continue after it.
        self.ahead += before.saturating_sub(self.buffer.len());
        Ok(match frame? {
            Some(frame) if self.ahead > 0 => {
                // Each frame consumes one of the bytes that the codec has taken. So `decode` is
                // called again while such bytes are left, for further frames from the buffer of the
                // codec. When the codec returns `None`, the other bytes are skipped.
                self.ahead -= 1;
                Decoded::Frame { frame, consumed: 1 }
            }
            Some(_) => return Err(Failure::new(FramesOfNothing)),
            None if self.ahead > 0 => Decoded::Skip {
                consumed: std::mem::take(&mut self.ahead),
            },
            None => Decoded::Incomplete,
        })
    }
}

impl<C: fmt::Debug> fmt::Debug for Codec<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec")
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}

/// A codec has returned more frames than it has taken bytes.
#[derive(Clone, Copy, Debug)]
struct FramesOfNothing;

impl fmt::Display for FramesOfNothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the codec gave more frames than it took bytes")
    }
}

impl std::error::Error for FramesOfNothing {}
