//! `Netstrings`: frames with a decimal length, `5:hello,`.

use std::error::Error;
use std::fmt;

use deferred::{Failure, Result};

use super::{Decoded, FrameTooLong, Framing};

/// The number of digits of the largest 64-bit length.
const MAX_DIGITS: usize = 20;

/// Netstrings: the length as a decimal number, a colon, that number of bytes, a comma. (Twisted:
/// `NetstringReceiver`.)
///
/// A length above the limit is a [`FrameTooLong`] failure as soon as its digits have arrived,
/// before any byte of the string is stored. Other malformed input is a [`BadNetstring`] failure.
/// Both end the connection, because the beginning of the next string cannot be found.
///
/// # Examples
///
/// ```
/// use reactor::framing::Netstrings;
/// use reactor::{Decoded, Framing};
///
/// let mut netstrings = Netstrings::default();
/// let decoded = netstrings.decode(b"5:hello,3:fo").unwrap();
/// assert_eq!(decoded, Decoded::Frame { frame: &b"hello"[..], consumed: 8 });
/// assert_eq!(netstrings.decode(b"3:fo").unwrap(), Decoded::Incomplete);
/// assert_eq!(Netstrings::encode(b"hello"), b"5:hello,");
/// ```
#[derive(Clone, Debug)]
pub struct Netstrings {
    max_length: usize,
}

impl Netstrings {
    /// The longest string allowed by default, in bytes, as in Twisted.
    // Twisted's `NetstringReceiver.MAX_LENGTH`.
    pub const DEFAULT_MAX_LENGTH: usize = 99_999;

    /// Strings of at most `max_length` bytes.
    pub fn with_max_length(max_length: usize) -> Self {
        Self { max_length }
    }

    /// Allows strings of at most `max_length` bytes from now on.
    pub fn set_max_length(&mut self, max_length: usize) {
        self.max_length = max_length;
    }

    /// `string` as a netstring, to be written.
    pub fn encode(string: &[u8]) -> Vec<u8> {
        let mut encoded = format!("{}:", string.len()).into_bytes();
        encoded.reserve_exact(string.len() + 1);
        encoded.extend_from_slice(string);
        encoded.push(b',');
        encoded
    }
}

impl Default for Netstrings {
    fn default() -> Self {
        Self::with_max_length(Self::DEFAULT_MAX_LENGTH)
    }
}

impl Framing for Netstrings {
    type Frame<'a> = &'a [u8];

    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<&'a [u8]>> {
        let mut length = 0_usize;
        for (at, byte) in input.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    // The format forbids leading zeros, so that each length has one spelling.
                    if at == 1 && length == 0 {
                        return Err(Failure::new(BadNetstring::LeadingZero));
                    }
                    let digit = usize::from(byte - b'0');
                    // Saturated, because the limit may be `usize::MAX`.
                    length = length.saturating_mul(10).saturating_add(digit);
                    // The second test bounds the number of digits even if every length is allowed.
                    if length > self.max_length || at >= MAX_DIGITS {
                        return Err(Failure::new(FrameTooLong::new(length, self.max_length)));
                    }
                }
                b':' if at > 0 => {
                    let rest = &input[at + 1..];
                    // Looks at the byte after the string. If it has not arrived, the netstring is
                    // incomplete.
                    return match rest.get(length) {
                        Some(b',') => Ok(Decoded::Frame {
                            frame: &rest[..length],
                            consumed: at + 1 + length + 1,
                        }),
                        Some(_) => Err(Failure::new(BadNetstring::NoComma)),
                        None => Ok(Decoded::Incomplete),
                    };
                }
                _ => return Err(Failure::new(BadNetstring::NoLength)),
            }
        }
        Ok(Decoded::Incomplete)
    }
}

/// Why input is not a netstring.
///
/// # Examples
///
/// ```
/// use reactor::Framing;
/// use reactor::framing::{BadNetstring, Netstrings};
///
/// let kind = |input: &[u8]| {
///     let failure = Netstrings::default().decode(input).unwrap_err();
///     *failure.check::<BadNetstring>().unwrap()
/// };
/// assert_eq!(kind(b"hello"), BadNetstring::NoLength);
/// assert_eq!(kind(b"05:hello,"), BadNetstring::LeadingZero);
/// assert_eq!(kind(b"5:hello!"), BadNetstring::NoComma);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadNetstring {
    /// The input does not begin with digits and a colon.
    NoLength,
    /// The length has a superfluous leading zero.
    LeadingZero,
    /// The byte after the string is not a comma.
    NoComma,
}

impl fmt::Display for BadNetstring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLength => "a netstring does not begin with its length and a colon",
            Self::LeadingZero => "the length of a netstring has a leading zero",
            Self::NoComma => "a netstring does not end with a comma",
        })
    }
}

impl Error for BadNetstring {}
