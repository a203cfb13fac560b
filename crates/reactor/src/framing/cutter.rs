//! `Cutter`: the common part of [`Lines`](super::Lines) and [`Delimited`](super::Delimited): the
//! search for the end of a frame, the limit of its length, and raw mode.
//!
//! ```text
//!   Frames ──set_raw_mode──▶ Raw ──set_line_mode──▶ Frames
//!   Frames ──a frame is too long──▶ Skipping ──its end is found──▶ Frames
//! ```

use super::Decoded;

/// The end of a frame: a line end or a delimiter.
pub(super) trait End {
    /// The lengths of the first frame in `input`: without its end, and with it. The search begins
    /// at `searched`, because no end begins before that.
    fn find(&self, input: &[u8], searched: usize) -> Option<(usize, usize)>;

    /// For an `input` without an end: the number of bytes that are part of the frame, whatever
    /// follows. The bytes after them may be the beginning of an end that has not arrived
    /// completely; they do not count for the limit, and are searched again. So the frames do not
    /// depend on how the input is split.
    fn certain(&self, input: &[u8]) -> usize;
}

/// Error: a frame is too long. The number is its length if its end has arrived, otherwise the
/// number of its bytes so far.
pub(super) struct TooLong(pub(super) usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cutting {
    Frames,
    /// The frame at the beginning of the input was too long; its bytes are skipped.
    Skipping,
    Raw,
}

#[derive(Clone, Debug)]
pub(super) struct Cutter {
    pub(super) max_length: usize,
    /// No end of a frame begins before this position of the input. Reset to zero after each frame,
    /// and when the end to search for changes.
    searched: usize,
    cutting: Cutting,
}

impl Cutter {
    pub(super) const fn new(max_length: usize) -> Self {
        Self {
            max_length,
            searched: 0,
            cutting: Cutting::Frames,
        }
    }

    pub(super) fn is_raw(&self) -> bool {
        self.cutting == Cutting::Raw
    }

    pub(super) fn set_raw(&mut self, is_raw: bool) {
        self.cutting = match self.cutting {
            _ if is_raw => Cutting::Raw,
            // It is not raw already, and the rest of the refused frame is still no frame.
            Cutting::Skipping => Cutting::Skipping,
            Cutting::Raw | Cutting::Frames => Cutting::Frames,
        };
        self.searched = 0;
    }

    /// Makes the next search begin at the first byte, because another end is searched for.
    pub(super) fn search_again(&mut self) {
        self.searched = 0;
    }

    #[inline]
    pub(super) fn decode<'a>(
        &mut self,
        end: &impl End,
        input: &'a [u8],
    ) -> Result<Decoded<&'a [u8]>, TooLong> {
        if self.cutting != Cutting::Frames {
            return Ok(self.decode_specially(end, input));
        }
        match end.find(input, self.searched) {
            Some((length, consumed)) if length <= self.max_length => {
                self.searched = 0;
                let frame = &input[..length];
                Ok(Decoded::Frame { frame, consumed })
            }
            // Nothing is consumed with the error; the next call skips the frame with its end.
            Some((length, _)) => Err(self.refuse(length)),
            None => {
                let certain = end.certain(input);
                // Bytes that may be the beginning of an end do not count, so that the result does
                // not depend on how the input is split.
                if certain > self.max_length {
                    return Err(self.refuse(certain));
                }
                self.searched = certain;
                Ok(Decoded::Incomplete)
            }
        }
    }

    /// Refuses the frame at the beginning of the input. If `framing_failed` returns `Ok`, decoding
    /// continues and skips that frame.
    #[cold]
    fn refuse(&mut self, length: usize) -> TooLong {
        self.cutting = Cutting::Skipping;
        self.searched = 0;
        TooLong(length)
    }

    /// Decodes in raw mode, and after a frame that was too long.
    #[cold]
    fn decode_specially<'a>(&mut self, end: &impl End, input: &'a [u8]) -> Decoded<&'a [u8]> {
        let skipped = match self.cutting {
            Cutting::Raw if !input.is_empty() => {
                return Decoded::RawBytes {
                    length: input.len(),
                };
            }
            // Searched from the first byte, because the bytes that were searched before are
            // consumed.
            Cutting::Skipping => match end.find(input, 0) {
                Some((_, consumed)) => {
                    self.cutting = Cutting::Frames;
                    consumed
                }
                // A possible beginning of an end is kept, so that the end is found when its other
                // bytes arrive.
                None => end.certain(input),
            },
            Cutting::Raw | Cutting::Frames => 0,
        };
        match skipped {
            0 => Decoded::Incomplete,
            consumed => Decoded::Skip { consumed },
        }
    }
}

/// The methods that [`Lines`](super::Lines) and [`Delimited`](super::Delimited) have in common.
macro_rules! cutter_methods {
    ($type:ident, $frame:literal) => {
        impl $type {
            #[doc = concat!("Allows ", $frame, "s of at most `max_length` bytes, without their ends, from now on.")]
            pub fn set_max_length(&mut self, max_length: usize) {
                self.cutter.max_length = max_length;
            }

            /// Turns on raw mode: from here on, the input goes to
            /// [`raw_received`](crate::Protocol::raw_received) as it arrives, until
            /// [`set_line_mode`](Self::set_line_mode).
            #[doc(alias = "setRawMode")]
            pub fn set_raw_mode(&mut self) {
                self.cutter.set_raw(true);
            }

            #[doc = concat!("Cuts the input into ", $frame, "s again, from the first byte on that")]
            /// [`raw_received`](crate::Protocol::raw_received) does not take.
            #[doc(alias = "setLineMode")]
            pub fn set_line_mode(&mut self) {
                self.cutter.set_raw(false);
            }

            /// Whether the input goes to [`raw_received`](crate::Protocol::raw_received).
            pub fn is_raw(&self) -> bool {
                self.cutter.is_raw()
            }
        }
    };
}

pub(super) use cutter_methods;
