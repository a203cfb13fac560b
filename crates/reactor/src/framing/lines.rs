//! `Lines`: frames that end with `\n` or `\r\n`.

use std::error::Error;
use std::fmt;

use deferred::{Failure, Result};

use super::{Decoded, Framing};

/// Lines that end in `\n` or `\r\n`; the protocol gets them without.
///
/// A line may be any bytes. One that is longer than the limit is a
/// [`LineTooLong`] failure, however it comes in. What follows the last line end
/// when the peer stops sending is not a line, and dropped.
///
/// # Examples
///
/// ```
/// use reactor::{Decoded, Framing, Lines};
///
/// let mut lines = Lines::default();
/// let decoded = lines.decode(b"HELO there\r\nMAIL").unwrap();
/// assert_eq!(decoded, Decoded::Frame { frame: &b"HELO there"[..], consumed: 12 });
/// assert_eq!(lines.decode(b"MAIL").unwrap(), Decoded::Incomplete);
/// ```
#[derive(Clone, Debug)]
pub struct Lines {
    max_length: usize,
    /// How many bytes of the input are known to hold no line end.
    searched: usize,
}

impl Lines {
    /// The longest line allowed by default, in bytes, without its end.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Framing, Lines};
    ///
    /// let mut lines = Lines::default();
    /// assert!(lines.decode(&[b'x'; Lines::DEFAULT_MAX_LENGTH]).is_ok());
    /// assert!(lines.decode(&[b'x'; Lines::DEFAULT_MAX_LENGTH + 1]).is_err());
    /// ```
    pub const DEFAULT_MAX_LENGTH: usize = 16 * 1024;

    /// Lines of at most `max_length` bytes, without their ends.
    pub fn with_max_length(max_length: usize) -> Self {
        Self {
            max_length,
            searched: 0,
        }
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::with_max_length(Self::DEFAULT_MAX_LENGTH)
    }
}

impl Framing for Lines {
    type Frame<'a> = &'a [u8];

    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<&'a [u8]>> {
        let end = memchr::memchr(b'\n', &input[self.searched..]).map(|at| self.searched + at);
        // While there is no end, a `\r` may be the first half of one.
        let line = &input[..end.unwrap_or(input.len())];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.max_length {
            return Err(Failure::new(LineTooLong {
                max_length: self.max_length,
            }));
        }
        Ok(match end {
            Some(end) => {
                self.searched = 0;
                Decoded::Frame {
                    frame: line,
                    consumed: end + 1,
                }
            }
            None => {
                self.searched = input.len();
                Decoded::Incomplete
            }
        })
    }
}

/// A line is longer than [`Lines`] allows.
///
/// # Examples
///
/// ```
/// use reactor::{Framing, LineTooLong, Lines};
///
/// let failure = Lines::with_max_length(3).decode(b"abcd").unwrap_err();
/// assert!(failure.is::<LineTooLong>());
/// assert_eq!(failure.to_string(), "a line is longer than 3 bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineTooLong {
    max_length: usize,
}

impl LineTooLong {
    /// The longest line allowed, in bytes.
    pub fn max_length(&self) -> usize {
        self.max_length
    }
}

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line is longer than {} bytes", self.max_length)
    }
}

impl Error for LineTooLong {}
