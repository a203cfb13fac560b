//! `Delimited`: frames that end with a delimiter. The search, the limit and raw mode are in
//! [`Cutter`], as for [`Lines`](super::Lines).

use deferred::{Failure, Result};
use memchr::memmem;

use super::cutter::{Cutter, End, TooLong, cutter_methods};
use super::{Decoded, FrameTooLong, Framing};

/// Frames that end with a delimiter of one or more bytes, such as `Delimited::by("\0")` or
/// `Delimited::by("\r\n.\r\n")`. The protocol gets the frames without their delimiters. The default
/// delimiter is `\r\n`; a single `\n` does not end a frame, unlike with [`Lines`](super::Lines).
/// (Twisted: `LineReceiver` with a `delimiter`.)
///
/// If a frame is longer than the limit, [`framing_failed`](crate::Protocol::framing_failed) gets a
/// [`FrameTooLong`]. If it returns `Ok`, the rest of that frame is skipped, and the next frame
/// begins after its delimiter. Bytes after the last delimiter are dropped when the peer stops
/// sending. In raw mode ([`set_raw_mode`](Self::set_raw_mode)), the input goes to
/// [`raw_received`](crate::Protocol::raw_received) as it arrives.
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
    cutter: Cutter,
    delimiter: Delimiter,
}

#[derive(Clone, Debug)]
struct Delimiter(Vec<u8>);

impl Delimited {
    /// The longest frame allowed by default, in bytes, without its delimiter.
    pub const DEFAULT_MAX_LENGTH: usize = 16 * 1024;

    /// Frames that end with `delimiter`. An empty delimiter is never found, so the input fails as a
    /// frame that is too long.
    pub fn by(delimiter: impl AsRef<[u8]>) -> Self {
        Self {
            cutter: Cutter::new(Self::DEFAULT_MAX_LENGTH),
            delimiter: Delimiter(delimiter.as_ref().to_owned()),
        }
    }

    /// Frames of at most `max_length` bytes, without their delimiters.
    #[must_use = "the framing is what this gives"]
    pub fn with_max_length(mut self, max_length: usize) -> Self {
        self.cutter.max_length = max_length;
        self
    }

    /// Sets the delimiter of all further frames.
    ///
    /// # Examples
    ///
    /// After the line `DATA`, the text up to a line with only a dot is one frame:
    ///
    /// ```
    /// use reactor::framing::Delimited;
    /// use reactor::{Context, Protocol, testing};
    ///
    /// struct Mail;
    ///
    /// impl Protocol for Mail {
    ///     type Framing = Delimited;
    ///
    ///     fn received(&mut self, cx: &mut Context<'_, Self>, frame: &[u8]) -> deferred::Result<()> {
    ///         if frame == b"DATA" {
    ///             cx.framing().set_delimiter("\r\n.\r\n");
    ///         } else {
    ///             cx.framing().set_delimiter("\r\n");
    ///             cx.write(format!("{} bytes\r\n", frame.len()));
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (_mail, peer) = reactor.connect_to_peer(Mail);
    ///     peer.send("DATA\r\nHello,\r\nworld\r\n.\r\nQUIT\r\n");
    ///     assert_eq!(peer.received(), b"13 bytes\r\n4 bytes\r\n");
    /// });
    /// ```
    #[doc(alias = "delimiter")]
    pub fn set_delimiter(&mut self, delimiter: impl AsRef<[u8]>) {
        self.delimiter = Delimiter(delimiter.as_ref().to_owned());
        // Input that was searched for the old delimiter may have the new one.
        self.cutter.search_again();
    }

    /// `frame` with its delimiter, to be written.
    pub fn encode(&self, frame: &[u8]) -> Vec<u8> {
        [frame, &self.delimiter.0].concat()
    }
}

cutter_methods!(Delimited, "frame");

impl Default for Delimited {
    fn default() -> Self {
        Self::by("\r\n")
    }
}

impl Framing for Delimited {
    type Frame<'a> = &'a [u8];

    #[inline]
    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<&'a [u8]>> {
        self.cutter
            .decode(&self.delimiter, input)
            .map_err(|TooLong(length)| {
                Failure::new(FrameTooLong::new(length, self.cutter.max_length))
            })
    }
}

impl End for Delimiter {
    #[inline]
    fn find(&self, input: &[u8], searched: usize) -> Option<(usize, usize)> {
        let rest = input.get(searched..)?;
        let found = match &self.0[..] {
            // An empty delimiter would match before each byte, so it is never searched for.
            [] => None,
            [byte] => memchr::memchr(*byte, rest),
            delimiter => memmem::find(rest, delimiter),
        };
        let length = searched + found?;
        Some((length, length + self.0.len()))
    }

    #[inline]
    fn certain(&self, input: &[u8]) -> usize {
        // The input may end with all bytes of a delimiter except the last one.
        input.len().saturating_sub(self.0.len().saturating_sub(1))
    }
}
