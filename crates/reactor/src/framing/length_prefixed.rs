//! `LengthPrefixed`: frames that begin with their length as a binary number.

use std::fmt;
use std::marker::PhantomData;

use deferred::{Failure, Result};

use super::{Decoded, FrameTooLong, Framing};

/// Frames that begin with their length, as a number of type `N`: [`U8`], [`U16`], [`U32`], or
/// [`U16Le`], [`U32Le`] with the least significant byte first. (Twisted: `Int8StringReceiver`,
/// `Int16StringReceiver`, `Int32StringReceiver`.)
///
/// A length above the limit is a [`FrameTooLong`] failure as soon as its prefix has arrived, before
/// any byte of the frame is stored. If [`framing_failed`](crate::Protocol::framing_failed) returns
/// `Ok`, that frame is skipped.
///
/// # Examples
///
/// ```
/// use reactor::framing::{LengthPrefixed, U16};
/// use reactor::{Context, Protocol, testing};
///
/// struct Echo;
///
/// impl Protocol for Echo {
///     type Framing = LengthPrefixed<U16>;
///
///     fn received(&mut self, cx: &mut Context<'_, Self>, frame: &[u8]) -> deferred::Result<()> {
///         cx.write(LengthPrefixed::<U16>::encode(frame)?);
///         Ok(())
///     }
/// }
///
/// testing::run(|reactor| {
///     let (_echo, peer) = reactor.connect_to_peer(Echo);
///     peer.send(b"\x00\x02hi\x00\x05hel");
///     assert_eq!(peer.received(), b"\x00\x02hi");
///     peer.send(b"lo");
///     assert_eq!(peer.received(), b"\x00\x05hello");
/// });
/// ```
pub struct LengthPrefixed<N> {
    max_length: usize,
    /// Number of bytes that are still to be skipped, of a frame that was too long.
    to_skip: usize,
    prefix: PhantomData<fn() -> N>,
}

/// Binary format of the length in [`LengthPrefixed`].
///
/// # Examples
///
/// A length of three bytes:
///
/// ```
/// use reactor::framing::{LengthPrefix, LengthPrefixed};
/// use reactor::{Decoded, Framing};
///
/// enum U24 {}
///
/// impl LengthPrefix for U24 {
///     const SIZE: usize = 3;
///
///     fn read(bytes: &[u8]) -> usize {
///         bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte))
///     }
///
///     fn write(length: usize, to: &mut Vec<u8>) -> bool {
///         to.extend(&length.to_be_bytes()[size_of::<usize>() - 3..]);
///         length < 1 << 24
///     }
/// }
///
/// let decoded = LengthPrefixed::<U24>::default().decode(b"\0\0\x02hi").unwrap();
/// assert_eq!(decoded, Decoded::Frame { frame: &b"hi"[..], consumed: 5 });
/// ```
pub trait LengthPrefix: 'static {
    /// Size of the prefix in bytes.
    const SIZE: usize;

    /// Decodes the length from [`SIZE`](Self::SIZE) bytes.
    fn read(bytes: &[u8]) -> usize;

    /// Appends the encoded length to `to`. Returns `false` if the length does not fit into
    /// [`SIZE`](Self::SIZE) bytes.
    fn write(length: usize, to: &mut Vec<u8>) -> bool;
}

macro_rules! prefixes {
    ($($name:ident: $number:ty, $from:ident, $to:ident, $what:literal;)*) => {$(
        #[doc = $what]
        ///
        /// # Examples
        ///
        /// ```
        #[doc = concat!("use reactor::framing::{LengthPrefixed, ", stringify!($name), "};")]
        ///
        #[doc = concat!("let frame = LengthPrefixed::<", stringify!($name), ">::encode(b\"hi\").unwrap();")]
        #[doc = concat!("assert_eq!(frame.len(), size_of::<", stringify!($number), ">() + 2);")]
        /// ```
        #[derive(Debug)]
        pub enum $name {}

        impl LengthPrefix for $name {
            const SIZE: usize = size_of::<$number>();

            #[inline]
            fn read(bytes: &[u8]) -> usize {
                match bytes.first_chunk() {
                    // A length above `usize::MAX` is above every limit.
                    Some(bytes) => usize::try_from(<$number>::$from(*bytes)).unwrap_or(usize::MAX),
                    None => 0,
                }
            }

            #[inline]
            fn write(length: usize, to: &mut Vec<u8>) -> bool {
                let Ok(length) = <$number>::try_from(length) else {
                    return false;
                };
                to.extend_from_slice(&length.$to());
                true
            }
        }
    )*};
}

prefixes! {
    U8: u8, from_be_bytes, to_be_bytes, "Length prefix of one byte.";
    U16: u16, from_be_bytes, to_be_bytes, "Length prefix of two bytes, the most significant first (network order).";
    U32: u32, from_be_bytes, to_be_bytes, "Length prefix of four bytes, the most significant first (network order).";
    U16Le: u16, from_le_bytes, to_le_bytes, "Length prefix of two bytes, the least significant first.";
    U32Le: u32, from_le_bytes, to_le_bytes, "Length prefix of four bytes, the least significant first.";
}

impl<N: LengthPrefix> LengthPrefixed<N> {
    /// The longest frame allowed by default, in bytes, without its prefix.
    pub const DEFAULT_MAX_LENGTH: usize = 16 * 1024 * 1024;

    /// Frames of at most `max_length` bytes, without their prefixes.
    pub fn with_max_length(max_length: usize) -> Self {
        Self {
            max_length,
            to_skip: 0,
            prefix: PhantomData,
        }
    }

    /// Allows frames of at most `max_length` bytes, without their prefixes, from now on.
    pub fn set_max_length(&mut self, max_length: usize) {
        self.max_length = max_length;
    }

    /// `frame` with its length before it, to be written.
    ///
    /// # Errors
    ///
    /// [`FrameTooLong`] if the length does not fit into the prefix.
    pub fn encode(frame: &[u8]) -> std::result::Result<Vec<u8>, FrameTooLong> {
        let mut encoded = Vec::with_capacity(N::SIZE + frame.len());
        if !N::write(frame.len(), &mut encoded) {
            // The largest length that the prefix can express, for the error. If the shift
            // overflows, the prefix is at least as wide as `usize`, and any length fits.
            let bits = 8 * N::SIZE;
            let max_length = u32::try_from(bits)
                .ok()
                .and_then(|bits| 1_usize.checked_shl(bits))
                .map_or(usize::MAX, |most| most - 1);
            return Err(FrameTooLong::new(frame.len(), max_length));
        }
        encoded.extend_from_slice(frame);
        Ok(encoded)
    }
}

impl<N: LengthPrefix> LengthPrefixed<N> {
    /// Refuses the frame. If decoding continues, the frame is skipped.
    #[cold]
    fn refuse(&mut self, length: usize) -> Failure {
        // Includes the prefix, which is still in the input, because an error consumes nothing.
        self.to_skip = length.saturating_add(N::SIZE);
        Failure::new(FrameTooLong::new(length, self.max_length))
    }

    #[cold]
    fn skip<F>(&mut self, available: usize) -> Decoded<F> {
        let consumed = available.min(self.to_skip);
        self.to_skip -= consumed;
        match consumed {
            0 => Decoded::Incomplete,
            consumed => Decoded::Skip { consumed },
        }
    }
}

impl<N: LengthPrefix> Framing for LengthPrefixed<N> {
    type Frame<'a> = &'a [u8];

    #[inline]
    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<&'a [u8]>> {
        if self.to_skip > 0 {
            return Ok(self.skip(input.len()));
        }
        let Some((prefix, rest)) = input.split_at_checked(N::SIZE) else {
            return Ok(Decoded::Incomplete);
        };
        let length = N::read(prefix);
        // Checked before the frame has arrived, so that a peer cannot make this side buffer it.
        if length > self.max_length {
            return Err(self.refuse(length));
        }
        Ok(match rest.get(..length) {
            Some(frame) => Decoded::Frame {
                frame,
                consumed: N::SIZE + length,
            },
            None => Decoded::Incomplete,
        })
    }
}

impl<N: LengthPrefix> Default for LengthPrefixed<N> {
    fn default() -> Self {
        Self::with_max_length(Self::DEFAULT_MAX_LENGTH)
    }
}

impl<N> Clone for LengthPrefixed<N> {
    fn clone(&self) -> Self {
        Self {
            max_length: self.max_length,
            to_skip: self.to_skip,
            prefix: PhantomData,
        }
    }
}

impl<N> fmt::Debug for LengthPrefixed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LengthPrefixed")
            .field("prefix", &std::any::type_name::<N>())
            .field("max_length", &self.max_length)
            .finish()
    }
}
