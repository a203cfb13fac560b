//! `Delimited`: frames that end with a delimiter.

use deferred::{Failure, Result};
use memchr::memmem;

use super::{Decoded, FrameTooLong, Framing};

/// Frames that end with a delimiter of one or more bytes, such as `Delimited::by("\0")` or
/// `Delimited::by("\r\n.\r\n")`; the protocol gets them without. The default delimiter is `\r\n`;
/// a single `\n` does not end a frame, unlike with [`Lines`](super::Lines). (Twisted: `LineReceiver`
/// with a `delimiter`.)
///
/// A frame that is longer than the limit is a [`FrameTooLong`] failure, however the input is split.
/// Bytes after the last delimiter are dropped when the peer stops sending.
///
/// # Examples
///
/// ```
/// use reactor::framing::Delimited;
/// use reactor::{Context, Protocol, testing};
///
/// #[derive(Default)]
/// struct Words(Vec<String>);
///
/// impl Protocol for Words {
///     type Framing = Delimited;
///
///     fn framing(&self) -> Delimited {
///         Delimited::by("\0").with_max_length(100)
///     }
///
///     fn received(&mut self, cx: &mut Context<'_, Self>, word: &[u8]) -> deferred::Result<()> {
///         cx.write([word, b"!"].concat());
///         Ok(())
///     }
/// }
///
/// testing::run(|reactor| {
///     let (_words, peer) = reactor.connect_to_peer(Words::default());
///     peer.send("one\0two\0thr");
///     assert_eq!(peer.received(), b"one!two!");
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Delimited {
    delimiter: Vec<u8>,
    max_length: usize,
    /// No delimiter begins before this byte of the input.
    searched: usize,
}

impl Delimited {
    /// The longest frame allowed by default, in bytes, without its delimiter.
    pub const DEFAULT_MAX_LENGTH: usize = 16 * 1024;

    /// Frames that end with `delimiter`. An empty delimiter is never found, so that the input
    /// fails at the limit.
    pub fn by(delimiter: impl AsRef<[u8]>) -> Self {
        Self {
            delimiter: delimiter.as_ref().to_owned(),
            max_length: Self::DEFAULT_MAX_LENGTH,
            searched: 0,
        }
    }

    /// Frames of at most `max_length` bytes, without their delimiters.
    #[must_use = "the framing is what this gives"]
    pub fn with_max_length(mut self, max_length: usize) -> Self {
        self.max_length = max_length;
        self
    }

    /// `frame` with its delimiter, to be written.
    pub fn encode(&self, frame: &[u8]) -> Vec<u8> {
        [frame, &self.delimiter].concat()
    }

    fn find(&self, input: &[u8]) -> Option<usize> {
        let rest = input.get(self.searched..)?;
        let found = match &self.delimiter[..] {
            [] => None,
            [byte] => memchr::memchr(*byte, rest),
            delimiter => memmem::find(rest, delimiter),
        };
        found.map(|at| self.searched + at)
    }
}

impl Default for Delimited {
    fn default() -> Self {
        Self::by("\r\n")
    }
}

impl Framing for Delimited {
    type Frame<'a> = &'a [u8];

    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<&'a [u8]>> {
        let end = self.find(input);
        // The last bytes may be the beginning of a delimiter.
        let may_begin = self.delimiter.len().saturating_sub(1);
        let length = end.unwrap_or_else(|| input.len().saturating_sub(may_begin));
        if length > self.max_length {
            return Err(Failure::new(FrameTooLong::new(length, self.max_length)));
        }
        Ok(match end {
            Some(end) => {
                self.searched = 0;
                Decoded::Frame {
                    frame: &input[..end],
                    consumed: end + self.delimiter.len(),
                }
            }
            None => {
                self.searched = length;
                Decoded::Incomplete
            }
        })
    }
}
