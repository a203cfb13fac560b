//! `Lines`: lines of text, with a raw mode for bytes between them.

use std::error::Error;
use std::fmt;

use deferred::{Failure, Result};

use super::cutter::{Cutter, End, TooLong, cutter_methods};
use super::{Decoded, Framing};

/// Lines, without their ends: `\n` or `\r\n`, or [only `\r\n`](Self::crlf). (Twisted:
/// `LineReceiver`, `LineOnlyReceiver`.)
///
/// If a line is longer than the limit, [`framing_failed`](crate::Protocol::framing_failed) gets a
/// [`LineTooLong`]. If it returns `Ok`, the rest of that line is skipped, and the next line begins
/// after its end. Bytes after the last line end are dropped when the peer stops sending. For other
/// line ends, use [`Delimited`](super::Delimited).
///
/// In raw mode ([`set_raw_mode`](Self::set_raw_mode)), the input goes to
/// [`raw_received`](crate::Protocol::raw_received) as it arrives.
///
/// # Examples
///
/// A line with a number, followed by that number of bytes:
///
/// ```
/// use reactor::{Context, Lines, Protocol, testing};
///
/// #[derive(Default)]
/// struct Store {
///     left: usize,
/// }
///
/// impl Protocol for Store {
///     type Framing = Lines;
///
///     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
///         self.left = std::str::from_utf8(line)?.parse()?;
///         cx.framing().set_raw_mode();
///         Ok(())
///     }
///
///     fn raw_received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<usize> {
///         let taken = data.len().min(self.left);
///         self.left -= taken;
///         if self.left == 0 {
///             cx.framing().set_line_mode();
///             cx.send_line("stored");
///         }
///         Ok(taken)
///     }
/// }
///
/// testing::run(|reactor| {
///     let (_store, peer) = reactor.connect_to_peer(Store::default());
///     peer.send("5\r\nab\ncd3\r\nxyz");
///     assert_eq!(peer.received(), b"stored\r\nstored\r\n");
/// });
/// ```
#[doc(alias = "LineReceiver")]
#[doc(alias = "LinesCodec")]
#[derive(Clone, Debug)]
pub struct Lines {
    cutter: Cutter,
    end: LineEnd,
}

#[derive(Clone, Copy, Debug)]
enum LineEnd {
    /// `\n` or `\r\n`.
    Newline,
    /// `\r\n`; `\n` alone is part of a line.
    CrLf,
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
    // Twisted's `LineReceiver.MAX_LENGTH`.
    pub const DEFAULT_MAX_LENGTH: usize = 16 * 1024;

    /// Lines of at most `max_length` bytes, without their ends.
    pub fn with_max_length(max_length: usize) -> Self {
        Self {
            cutter: Cutter::new(max_length),
            end: LineEnd::Newline,
        }
    }

    /// Makes only `\r\n` end a line; `\n` alone is part of the line. Protocols such as SMTP require
    /// this, so that two servers which read the same input agree on where its lines end.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Decoded, Framing, Lines};
    ///
    /// let mut lines = Lines::default().crlf();
    /// let decoded = lines.decode(b"one\ntwo\r\n").unwrap();
    /// assert_eq!(decoded, Decoded::Frame { frame: &b"one\ntwo"[..], consumed: 9 });
    /// ```
    #[must_use = "the framing is what this gives"]
    pub fn crlf(mut self) -> Self {
        self.end = LineEnd::CrLf;
        self
    }
}

cutter_methods!(Lines, "line");

impl Default for Lines {
    fn default() -> Self {
        Self::with_max_length(Self::DEFAULT_MAX_LENGTH)
    }
}

impl Framing for Lines {
    type Frame<'a> = &'a [u8];

    #[inline]
    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<&'a [u8]>> {
        self.cutter
            .decode(&self.end, input)
            .map_err(|TooLong(_)| Failure::new(LineTooLong::new(self.cutter.max_length)))
    }
}

impl End for LineEnd {
    #[inline]
    fn find(&self, input: &[u8], searched: usize) -> Option<(usize, usize)> {
        let mut from = searched;
        loop {
            // Searches for LF, because CR alone ends no line in either mode.
            let at = from + memchr::memchr(b'\n', &input[from..])?;
            if at > 0 && input[at - 1] == b'\r' {
                return Some((at - 1, at + 1));
            }
            match self {
                Self::Newline => return Some((at, at + 1)),
                Self::CrLf => from = at + 1,
            }
        }
    }

    #[inline]
    fn certain(&self, input: &[u8]) -> usize {
        // A CR at the end is part of the line, unless an LF follows.
        input.len() - usize::from(input.ends_with(b"\r"))
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
    #[cold]
    fn new(max_length: usize) -> Self {
        Self { max_length }
    }

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
