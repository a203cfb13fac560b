//! Framings: decoders that cut the bytes of a connection into frames.
//!
//! | framing | a frame | default limit and its error |
//! |---|---|---|
//! | [`Raw`] | the bytes of one read | none |
//! | [`Lines`] | ends with `\n` or `\r\n`, or only with `\r\n` | 16 KiB, [`LineTooLong`] |
//! | [`Delimited`] | ends with a delimiter of one or more bytes | 16 KiB, [`FrameTooLong`] |
//! | [`LengthPrefixed`] | follows its length as a binary number of 1, 2 or 4 bytes | 16 MiB, [`FrameTooLong`] |
//! | [`Netstrings`] | has its length as a decimal number before it and a comma after it: `5:hello,` | 99,999 bytes, [`FrameTooLong`] |
//!
//! A protocol names its framing as [`Protocol::Framing`](crate::Protocol::Framing), and may set a
//! limit in [`Protocol::framing`](crate::Protocol::framing). Other formats implement [`Framing`];
//! with the feature `tokio-util`, `Codec` makes a framing from a codec of that crate.
//!
//! Except for [`Raw`], the frames do not depend on how the input is split. [`Context::framing`]
//! gives access to the framing, to change it in the middle of the input; [`Context::switch_to`]
//! changes the whole protocol.
//!
//! [`Context::framing`]: crate::Context::framing
//! [`Context::switch_to`]: crate::Context::switch_to

#[cfg(feature = "tokio-util")]
mod codec;
mod cutter;
mod delimited;
mod length_prefixed;
mod lines;
mod netstrings;
mod raw;
mod too_long;

#[cfg(feature = "tokio-util")]
pub use self::codec::Codec;
pub use self::delimited::Delimited;
pub use self::length_prefixed::{LengthPrefix, LengthPrefixed, U8, U16, U16Le, U32, U32Le};
pub use self::lines::{LineTooLong, Lines};
pub use self::netstrings::{BadNetstring, Netstrings};
pub use self::raw::Raw;
pub use self::too_long::FrameTooLong;

use deferred::Result;

/// Cuts the bytes of a connection into the frames that its protocol gets.
///
/// A framing does no I/O: it gets bytes, and returns the first frame in them. So it can be tested
/// and fuzzed without a connection.
///
/// # Examples
///
/// A frame is a byte with a length, and that number of bytes:
///
/// ```
/// use reactor::{Decoded, Framing};
///
/// #[derive(Default)]
/// struct Short;
///
/// impl Framing for Short {
///     type Frame<'a> = &'a [u8];
///
///     fn decode<'a>(&mut self, input: &'a [u8]) -> deferred::Result<Decoded<&'a [u8]>> {
///         let Some((&length, rest)) = input.split_first() else {
///             return Ok(Decoded::Incomplete);
///         };
///         let length = usize::from(length);
///         Ok(match rest.get(..length) {
///             Some(frame) => Decoded::Frame { frame, consumed: 1 + length },
///             None => Decoded::Incomplete,
///         })
///     }
/// }
///
/// let decoded = Short.decode(b"\x02hi\x05hel").unwrap();
/// assert_eq!(decoded, Decoded::Frame { frame: &b"hi"[..], consumed: 3 });
/// assert_eq!(Short.decode(b"\x05hel").unwrap(), Decoded::Incomplete);
/// ```
pub trait Framing: 'static {
    /// The value that the protocol gets for a frame. It may borrow from the input.
    type Frame<'a>;

    /// Looks for a frame at the beginning of `input`, which has all bytes that have arrived and
    /// were not consumed.
    ///
    /// After [`Decoded::Incomplete`], the next call gets the same bytes, and more after them. So a
    /// framing may store how far it has searched.
    ///
    /// # Errors
    ///
    /// If the input is not the beginning of a frame.
    /// [`Protocol::framing_failed`](crate::Protocol::framing_failed) gets the failure; by default,
    /// this closes the connection, with the failure as the reason. If the protocol returns `Ok`,
    /// `decode` is called with the same input again. So a framing that can recover skips the
    /// refused bytes in that call; if it fails again, the connection is closed.
    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<Self::Frame<'a>>>;
}

/// The result of [`Framing::decode`].
///
/// # Examples
///
/// A test of a framing, without a connection:
///
/// ```
/// use reactor::{Decoded, Framing, Lines};
///
/// let mut input = &b"one\ntwo\nthr"[..];
/// let (mut lines, mut found) = (Lines::default(), Vec::new());
/// while let Decoded::Frame { frame, consumed } = lines.decode(input).unwrap() {
///     found.push(frame);
///     input = &input[consumed..];
/// }
/// assert_eq!(found, [b"one", b"two"]);
/// assert_eq!(input, b"thr");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decoded<F> {
    /// A frame.
    Frame {
        /// The frame.
        frame: F,
        /// Number of bytes of the input that the frame takes, at least one.
        consumed: usize,
    },
    /// Bytes that the protocol does not get, such as padding, a comment or a heartbeat. Decoding
    /// continues after them.
    Skip {
        /// Number of bytes of the input that are skipped, at least one.
        consumed: usize,
    },
    /// Bytes that are not cut into frames, as in the raw mode of [`Lines`].
    /// [`Protocol::raw_received`](crate::Protocol::raw_received) gets them, and returns how many it
    /// takes; decoding continues after those.
    RawBytes {
        /// Number of raw bytes at the beginning of the input, at least one.
        length: usize,
    },
    /// There is no whole frame yet.
    Incomplete,
}
