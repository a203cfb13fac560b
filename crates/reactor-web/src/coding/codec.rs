//! Encoders and decoders of the content codings, behind one type each.

use std::io;

use bytes::Bytes;
#[cfg(feature = "client")]
use compression_codecs::ZlibDecoder;
use compression_codecs::brotli::params::EncoderParams as BrotliParams;
use compression_codecs::core::Level;
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::flate::params::FlateEncoderParams;
use compression_codecs::zstd::params::{CParameter, DParameter};
use compression_codecs::{
    BrotliDecoder, BrotliEncoder, DecodeV2, EncodeV2, GzipDecoder, GzipEncoder, ZstdDecoder,
    ZstdEncoder,
};

use crate::negotiation::Coding;

/// Compression levels: moderate ones, as in most servers, since a client waits for the answer.
const BROTLI_QUALITY: i32 = 4;
const GZIP_LEVEL: i32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// Logarithm of brotli's window, 512 KiB. The default of 4 MiB would take that much memory for each
/// answer.
const BROTLI_WINDOW: i32 = 19;

/// Logarithm of the largest window that zstd may use, 8 MiB, which any client takes (RFC 9659).
const ZSTD_WINDOW: u32 = 23;

/// Size of the output buffer for one call of a codec.
const ROOM: usize = 8 * 1024;

/// Encodes one body.
pub(super) struct Encoder(Box<dyn EncodeV2 + Send>);

impl Encoder {
    pub(super) fn new(coding: Coding) -> Self {
        Self(match coding {
            Coding::Brotli => {
                let params = BrotliParams::default()
                    .quality(Level::Precise(BROTLI_QUALITY))
                    .window_size(BROTLI_WINDOW);
                Box::new(BrotliEncoder::new(params))
            }
            Coding::Gzip => {
                let level = FlateEncoderParams::from(Level::Precise(GZIP_LEVEL));
                Box::new(GzipEncoder::new(level))
            }
            Coding::Zstd => {
                let window = CParameter::window_log(ZSTD_WINDOW);
                Box::new(ZstdEncoder::new_with_params(ZSTD_LEVEL, &[window]))
            }
        })
    }

    /// Encodes `bytes`. Their output may come with a later call.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        if bytes.is_empty() {
            return Ok(Bytes::new());
        }
        let mut input = PartialBuffer::new(bytes);
        self.run(|codec, room| {
            codec.encode(&mut input, room)?;
            Ok(input.unwritten().is_empty())
        })
    }

    /// The output that a client still needs to decode all that was written.
    pub(super) fn flush(&mut self) -> io::Result<Bytes> {
        self.run(|codec, room| codec.flush(room))
    }

    /// The rest of the output, up to the end of the encoding.
    pub(super) fn finish(&mut self) -> io::Result<Bytes> {
        self.run(|codec, room| codec.finish(room))
    }

    /// Repeats `step`, each time with new room, until it is done.
    fn run(
        &mut self,
        mut step: impl FnMut(&mut dyn EncodeV2, &mut WriteBuffer<'_>) -> io::Result<bool>,
    ) -> io::Result<Bytes> {
        let mut out = Vec::new();
        loop {
            let (is_done, _) = fill(&mut out, |room| step(&mut *self.0, room))?;
            if is_done {
                return Ok(out.into());
            }
        }
    }
}

/// Appends to `out` what `step` writes. Returns the result of `step`, and whether it has filled the
/// room.
fn fill<T>(
    out: &mut Vec<u8>,
    step: impl FnOnce(&mut WriteBuffer<'_>) -> io::Result<T>,
) -> io::Result<(T, bool)> {
    let begin = out.len();
    // Zeroed, since the codecs need initialized memory.
    out.resize(begin + ROOM, 0);
    let mut room = WriteBuffer::new_initialized(&mut out[begin..]);
    let result = step(&mut room);
    let (written, is_full) = (room.written_len(), room.has_no_spare_space());
    out.truncate(begin + written);
    Ok((result?, is_full))
}

/// Decodes one body piece by piece: no more than [`ROOM`] bytes of output are in memory, however
/// much a byte of input expands.
pub(crate) struct Decoder {
    codec: Box<dyn DecodeV2 + Send>,
    input: Bytes,
    /// Whether the codec may have more output without more input.
    // Set when a call has filled its room, cleared by one that has not, and at the end of a member.
    has_more: bool,
    /// Set between two members, and before the first one: the body may end there.
    // Cleared with the first byte of a member, set with its last one.
    is_at_end: bool,
}

impl Decoder {
    pub(crate) fn new(coding: Coding) -> Self {
        Self::of(match coding {
            Coding::Brotli => Box::new(BrotliDecoder::new()),
            Coding::Gzip => Box::new(GzipDecoder::new()),
            Coding::Zstd => {
                let window = DParameter::window_log_max(ZSTD_WINDOW);
                Box::new(ZstdDecoder::new_with_params(&[window]))
            }
        })
    }

    /// A decoder of `deflate`, which some servers send. This library never encodes with it.
    #[cfg(feature = "client")]
    pub(crate) fn deflate() -> Self {
        Self::of(Box::new(ZlibDecoder::new()))
    }

    fn of(codec: Box<dyn DecodeV2 + Send>) -> Self {
        Self {
            codec,
            input: Bytes::new(),
            has_more: false,
            is_at_end: true,
        }
    }

    /// Sets the next input. Called only after all input before was decoded.
    pub(super) fn push(&mut self, input: Bytes) {
        self.input = input;
    }

    /// The next bytes; `None` if more input is needed.
    pub(super) fn next(&mut self) -> io::Result<Option<Bytes>> {
        while self.has_more || !self.input.is_empty() {
            let mut input = PartialBuffer::new(&self.input[..]);
            let mut out = Vec::new();
            let (is_end, is_full) = fill(&mut out, |room| {
                if input.unwritten().is_empty() {
                    // `decode` errs without input, even if it has output left.
                    self.codec.flush(room)?;
                    return Ok(false);
                }
                self.is_at_end = false;
                self.codec.decode(&mut input, room)
            })?;
            let read = input.written_len();
            // The codec makes no progress: another call would be the same, without end.
            if read == 0 && out.is_empty() && !is_end && !self.input.is_empty() {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.input = self.input.slice(read..);
            self.has_more = is_full && !is_end;
            if is_end {
                // Another member may follow.
                // RFC 1952, 2.2, and RFC 8878, 3.1: members, or frames, follow one another.
                self.codec.reinit()?;
                self.is_at_end = true;
            }
            if !out.is_empty() {
                return Ok(Some(out.into()));
            }
        }
        Ok(None)
    }

    /// Whether nothing was decoded so far, or a member has just ended.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Whether the body may end here: whether nothing is missing from the encoded data.
    pub(super) fn is_complete(&mut self) -> bool {
        let mut rest = Vec::new();
        let finish = |room: &mut WriteBuffer<'_>| self.codec.finish(room);
        // A codec whose input is incomplete errs in `finish`, or returns output that it has held
        // back.
        self.is_at_end || matches!(fill(&mut rest, finish), Ok((true, _)) if rest.is_empty())
    }
}
