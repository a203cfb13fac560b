//! `SmtpFraming`: cuts the bytes of an SMTP client into commands and pieces of messages.

use std::error::Error;
use std::fmt;

use deferred::{Failure, Result};
use memchr::memchr2;
use reactor::{Decoded, Framing};

/// Longest command or answer to a challenge, in bytes without its line end (RFC 4954, section 4).
const MAX_LINE: usize = 12 * 1024;

/// A part of the input from an SMTP client.
///
/// # Examples
///
/// ```
/// use reactor::{Decoded, Framing};
/// use reactor_mail::{SmtpFrame, SmtpFraming};
///
/// let mut framing = SmtpFraming::default();
/// let decoded = framing.decode(b"DATA\r\n").unwrap();
/// let frame = SmtpFrame::Command(b"DATA");
/// assert_eq!(decoded, Decoded::Frame { frame, consumed: 6 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpFrame<'a> {
    /// A line without its end: a command, or the answer to a challenge.
    Command(&'a [u8]),
    /// A piece of a message, after `DATA`. The dots that were added for the transport are removed,
    /// and each line end is CR LF. The message is cut wherever a read of the input ends.
    Data(&'a [u8]),
    /// The end of a message after `DATA`.
    EndOfData,
    /// A piece of a chunk, after `BDAT`.
    Chunk {
        /// The bytes; at least one.
        data: &'a [u8],
        /// Number of bytes of the chunk that follow this piece.
        remaining: u64,
    },
}

/// Cuts the bytes of an SMTP client into [`SmtpFrame`]s.
///
/// Lines end in CR LF only: a CR or LF that stands alone is refused, in commands and in messages
/// after `DATA`. So this server and the one that sent the message agree where the message ends, and
/// no second message can be hidden in it (SMTP smuggling). The bytes of chunks are not checked.
///
/// # Errors
///
/// [`SmtpFramingError`].
///
/// # Examples
///
/// ```
/// use reactor::{Decoded, Framing};
/// use reactor_mail::{SmtpFrame, SmtpFraming};
///
/// let mut framing = SmtpFraming::default();
/// framing.begin_data();
/// let (mut input, mut message) = (&b"one\r\n..two\r\n.\r\n"[..], Vec::new());
/// loop {
///     match framing.decode(input).unwrap() {
///         Decoded::Frame { frame: SmtpFrame::Data(data), consumed } => {
///             message.extend_from_slice(data);
///             input = &input[consumed..];
///         }
///         Decoded::Skip { consumed } => input = &input[consumed..],
///         end => break assert!(matches!(end, Decoded::Frame { frame: SmtpFrame::EndOfData, .. })),
///     }
/// }
/// assert_eq!(message, b"one\r\n.two\r\n");
/// ```
#[derive(Clone, Debug, Default)]
pub struct SmtpFraming {
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Entered at the beginning, and after the end of a message or chunk.
    Command {
        /// Offset in the input up to which an unfinished line was searched for its end.
        searched: usize,
    },
    /// Entered by `begin_data`, left at the dot that ends the message.
    Data { at_line_start: bool },
    /// Entered by `begin_chunk`, left after the last byte of the chunk.
    Chunk { remaining: u64 },
}

impl Default for State {
    fn default() -> Self {
        Self::Command { searched: 0 }
    }
}

impl SmtpFraming {
    /// Takes the input that follows as a message, up to a line with nothing but a dot.
    pub fn begin_data(&mut self) {
        self.state = State::Data {
            at_line_start: true,
        };
    }

    /// Takes the next `length` bytes as a chunk. Does nothing if `length` is 0.
    pub fn begin_chunk(&mut self, length: u64) {
        if length > 0 {
            self.state = State::Chunk { remaining: length };
        }
    }

    fn command<'a>(
        &mut self,
        input: &'a [u8],
        searched: usize,
    ) -> Result<Decoded<SmtpFrame<'a>>, SmtpFramingError> {
        let found = memchr2(b'\r', b'\n', &input[searched..]).map(|offset| searched + offset);
        let end = found.unwrap_or(input.len());
        // Also for a line whose end has not arrived, so that no more than this is buffered.
        if end > MAX_LINE {
            return Err(SmtpFramingError::LineTooLong { limit: MAX_LINE });
        }
        // The usual case is tested first, since one read may have many pipelined commands.
        if input[end..].starts_with(b"\r\n") {
            self.state = State::default();
            return Ok(Decoded::Frame {
                frame: SmtpFrame::Command(&input[..end]),
                consumed: end + 2,
            });
        }
        if let b"" | b"\r" = &input[end..] {
            self.state = State::Command { searched: end };
            return Ok(Decoded::Incomplete);
        }
        Err(wrong_line_end(input, end))
    }

    fn data<'a>(
        &mut self,
        input: &'a [u8],
        at_line_start: bool,
    ) -> Result<Decoded<SmtpFrame<'a>>, SmtpFramingError> {
        if at_line_start {
            match input {
                [] | b"." | b".\r" => return Ok(Decoded::Incomplete),
                // An LF right behind the dot is refused by `check_line_end`, because some servers take
                // it for the end.
                [b'.', b'\r' | b'\n', ..] => {
                    check_line_end(input, 1)?;
                    self.state = State::default();
                    return Ok(Decoded::Frame {
                        frame: SmtpFrame::EndOfData,
                        consumed: 3,
                    });
                }
                // The added dot is skipped (RFC 5321, section 4.5.2). Then `at_line_start` is `false`,
                // so that a second dot is data.
                [b'.', ..] => {
                    self.state = State::Data {
                        at_line_start: false,
                    };
                    return Ok(Decoded::Skip { consumed: 1 });
                }
                _ => {}
            }
        }
        // End of the whole lines found so far.
        let mut at = 0;
        let (end, at_line_start) = loop {
            let Some(offset) = memchr2(b'\r', b'\n', &input[at..]) else {
                // The beginning of a line is passed on at once, so that lines of any length need no
                // buffer.
                break (input.len(), at == input.len());
            };
            let found = at + offset;
            if found + 1 == input.len() && input[found] == b'\r' {
                // It is not known yet whether an LF follows, so the CR is left for the next call.
                break (found, at == found);
            }
            check_line_end(input, found)?;
            at = found + 2;
            // A dot at the start of a line: the frame ends before it, and the next call removes it.
            if input.get(at) == Some(&b'.') {
                break (at, true);
            }
        };
        // The input is empty or a single CR: the state stays as it is.
        if end == 0 {
            return Ok(Decoded::Incomplete);
        }
        self.state = State::Data { at_line_start };
        Ok(Decoded::Frame {
            frame: SmtpFrame::Data(&input[..end]),
            consumed: end,
        })
    }

    fn chunk<'a>(&mut self, input: &'a [u8], remaining: u64) -> Decoded<SmtpFrame<'a>> {
        // If `usize` has 32 bits, a chunk may be longer than any slice; then all of the input belongs
        // to it.
        let length = usize::try_from(remaining).map_or(input.len(), |most| most.min(input.len()));
        if length == 0 {
            return Decoded::Incomplete;
        }
        let remaining = remaining - length as u64;
        self.state = match remaining {
            0 => State::default(),
            remaining => State::Chunk { remaining },
        };
        Decoded::Frame {
            frame: SmtpFrame::Chunk {
                data: &input[..length],
                remaining,
            },
            consumed: length,
        }
    }
}

impl Framing for SmtpFraming {
    type Frame<'a> = SmtpFrame<'a>;

    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<SmtpFrame<'a>>> {
        match self.state {
            State::Command { searched } => self.command(input, searched).map_err(Failure::new),
            State::Data { at_line_start } => self.data(input, at_line_start).map_err(Failure::new),
            State::Chunk { remaining } => Ok(self.chunk(input, remaining)),
        }
    }
}

/// Errs unless the CR or LF at `at` is the CR of a CR LF. The byte behind a CR must have arrived.
fn check_line_end(input: &[u8], at: usize) -> Result<(), SmtpFramingError> {
    if input[at..].starts_with(b"\r\n") {
        Ok(())
    } else {
        Err(wrong_line_end(input, at))
    }
}

/// The error for a CR or LF that is not part of a CR LF.
#[cold]
fn wrong_line_end(input: &[u8], at: usize) -> SmtpFramingError {
    match input[at] {
        b'\n' => SmtpFramingError::BareLineFeed,
        _ => SmtpFramingError::BareCarriageReturn,
    }
}

/// Why [`SmtpFraming`] refuses input.
///
/// # Examples
///
/// ```
/// use reactor::Framing;
/// use reactor_mail::{SmtpFraming, SmtpFramingError};
///
/// let mut framing = SmtpFraming::default();
/// framing.begin_data();
/// let failure = framing.decode(b"hello\n.\nMAIL FROM:<eve@example.org>\r\n").unwrap_err();
/// assert_eq!(failure.downcast_ref(), Some(&SmtpFramingError::BareLineFeed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SmtpFramingError {
    /// A CR stands without an LF behind it.
    BareCarriageReturn,
    /// An LF stands without a CR before it.
    BareLineFeed,
    /// A command has no end within the limit.
    LineTooLong {
        /// The most bytes that a command may have.
        limit: usize,
    },
}

impl fmt::Display for SmtpFramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BareCarriageReturn => f.write_str("a CR without an LF"),
            Self::BareLineFeed => f.write_str("an LF without a CR"),
            Self::LineTooLong { limit } => write!(f, "a line is longer than {limit} bytes"),
        }
    }
}

impl Error for SmtpFramingError {}
