//! `SmtpFraming`: cuts what an SMTP client sends into commands and pieces of messages.

use std::error::Error;
use std::fmt;

use deferred::{Failure, Result};
use memchr::memchr2;
use reactor::{Decoded, Framing};

/// Longest command and answer to a challenge, in bytes without its end (RFC 4954, section 4).
const MAX_LINE: usize = 12 * 1024;

/// A part of what an SMTP client sends.
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
    /// A piece of a message, after `DATA`: the dots that were added for the transport are taken
    /// off, and each line end is CR LF. Where the message is cut depends on how it arrives.
    Data(&'a [u8]),
    /// The end of a message after `DATA`.
    EndOfData,
    /// A piece of a chunk, after `BDAT`.
    Chunk {
        /// At least one byte.
        data: &'a [u8],
        /// How many bytes of the chunk follow.
        remaining: u64,
    },
}

/// Cuts what an SMTP client sends into [`SmtpFrame`]s.
///
/// Lines end in CR LF, and in nothing else: a CR or LF that stands alone is refused wherever it
/// is. So a server that takes this message and one that passed it on agree where it ends, and no
/// second message can be hidden in it (SMTP smuggling).
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
        /// Offset in the input up to which an unfinished line was looked through.
        searched: usize,
    },
    /// Entered by `begin_data`, left at the dot.
    Data { at_line_start: bool },
    /// Entered by `begin_chunk`, left after its last byte.
    Chunk { remaining: u64 },
}

impl Default for State {
    fn default() -> Self {
        Self::Command { searched: 0 }
    }
}

impl SmtpFraming {
    /// A message follows, up to a line with nothing but a dot.
    pub fn begin_data(&mut self) {
        self.state = State::Data {
            at_line_start: true,
        };
    }

    /// A chunk of `length` bytes follows; if that is 0, a command.
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
        // Also for a line whose end has not come: so a client cannot have more than this kept.
        if end > MAX_LINE {
            return Err(SmtpFramingError::LineTooLong { limit: MAX_LINE });
        }
        // The usual case first: one read may have many pipelined commands.
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
                // An LF right behind the dot is refused by the check: some servers take that for
                // the end.
                [b'.', b'\r' | b'\n', ..] => {
                    check_line_end(input, 1)?;
                    self.state = State::default();
                    return Ok(Decoded::Frame {
                        frame: SmtpFrame::EndOfData,
                        consumed: 3,
                    });
                }
                // The added dot (RFC 5321, section 4.5.2). What follows is not at the start of a
                // line, so that a second dot is data.
                [b'.', ..] => {
                    self.state = State::Data {
                        at_line_start: false,
                    };
                    return Ok(Decoded::Skip { consumed: 1 });
                }
                _ => {}
            }
        }
        // Up to here whole lines were found.
        let mut at = 0;
        let (end, at_line_start) = loop {
            let Some(offset) = memchr2(b'\r', b'\n', &input[at..]) else {
                // The part of a line is given at once, so a line of any length needs no room here.
                break (input.len(), at == input.len());
            };
            let found = at + offset;
            if found + 1 == input.len() && input[found] == b'\r' {
                // Whether an LF follows is not known yet, so the CR is kept for the next call.
                break (found, at == found);
            }
            check_line_end(input, found)?;
            at = found + 2;
            // A dot at the start of a line: the frame ends before it, and the next call removes it.
            if input.get(at) == Some(&b'.') {
                break (at, true);
            }
        };
        // A CR alone, or nothing: the state stays as it is.
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
        // On 32 bits, a chunk may be longer than any slice: then all of the input belongs to it.
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

/// Whether the CR or LF at `at` is the CR of a CR LF. What follows a CR has arrived.
fn check_line_end(input: &[u8], at: usize) -> Result<(), SmtpFramingError> {
    if input[at..].starts_with(b"\r\n") {
        Ok(())
    } else {
        Err(wrong_line_end(input, at))
    }
}

/// What is wrong with a CR or LF that is not part of a CR LF.
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
        /// The most bytes that it may have.
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
