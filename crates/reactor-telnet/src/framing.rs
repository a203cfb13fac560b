//! `TelnetFraming`: cuts the bytes of a connection into data and commands.

use std::borrow::Cow;

use deferred::{Failure, Result};
use memchr::{memchr, memchr2};
use reactor::{Decoded, Framing};

use crate::error::TelnetError;
use crate::options::{Command, IAC, SB, SE, TelnetOption, Verb};

const CR: u8 = b'\r';
const NUL: u8 = 0;

/// A part of what a telnet peer sends.
///
/// # Examples
///
/// ```
/// use reactor::{Decoded, Framing};
/// use reactor_telnet::{TelnetFrame, TelnetFraming, TelnetOption, Verb};
///
/// let (mut framing, mut input) = (TelnetFraming::default(), &b"hi\xff\xfb\x1f"[..]);
/// let mut frames = Vec::new();
/// while let Decoded::Frame { frame, consumed } = framing.decode(input).unwrap() {
///     frames.push(frame);
///     input = &input[consumed..];
/// }
/// let window = TelnetFrame::Negotiation(Verb::Will, TelnetOption::WINDOW_SIZE);
/// assert_eq!(frames, [TelnetFrame::Data(b"hi"), window]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TelnetFrame<'a> {
    /// Data, at least one byte: `IAC IAC` has become one byte, and the NUL after a CR is gone.
    /// Where data is cut depends on how it arrives.
    Data(&'a [u8]),
    /// A command that stands alone.
    Command(Command),
    /// `WILL`, `WONT`, `DO` or `DONT`.
    Negotiation(Verb, TelnetOption),
    /// The content of a subnegotiation of an option, with `IAC IAC` as one byte.
    Subnegotiation(TelnetOption, Cow<'a, [u8]>),
}

/// Cuts the bytes of a connection into [`TelnetFrame`]s.
///
/// The frames are the same however the bytes arrive, except for the places at which data is cut.
/// A CR is returned at once, before the next byte shows whether it ends a line: a client in
/// character mode may send nothing behind it.
///
/// # Errors
///
/// [`TelnetError`] for a subnegotiation that is longer than the limit (4 KiB unless it is
/// [set](Self::with_max_subnegotiation)), or that holds a command.
///
/// # Examples
///
/// ```
/// use reactor::{Decoded, Framing};
/// use reactor_telnet::{Command, TelnetFrame, TelnetFraming};
///
/// let mut framing = TelnetFraming::default();
/// let decoded = framing.decode(b"hey\r\0\xff\xf6").unwrap();
/// let Decoded::Frame { frame, consumed } = decoded else { panic!() };
/// assert_eq!((frame, consumed), (TelnetFrame::Data(b"hey\r"), 4));
/// assert_eq!(framing.decode(b"\0\xff\xf6").unwrap(), Decoded::Skip { consumed: 1 });
/// let Decoded::Frame { frame, .. } = framing.decode(b"\xff\xf6").unwrap() else { panic!() };
/// assert_eq!(frame, TelnetFrame::Command(Command::ARE_YOU_THERE));
/// ```
#[derive(Clone, Debug)]
pub struct TelnetFraming {
    is_binary: bool,
    /// The last byte of data was a CR: a NUL that follows it is not data.
    after_cr: bool,
    /// Offset in the input up to which an unfinished subnegotiation was searched, so that each
    /// of its bytes is searched once.
    searched: usize,
    max_subnegotiation: usize,
}

impl Default for TelnetFraming {
    fn default() -> Self {
        Self {
            is_binary: false,
            after_cr: false,
            searched: 0,
            max_subnegotiation: 4096,
        }
    }
}

impl TelnetFraming {
    /// A framing with another limit on the content of a subnegotiation, in bytes.
    pub fn with_max_subnegotiation(bytes: usize) -> Self {
        Self {
            max_subnegotiation: bytes,
            ..Self::default()
        }
    }

    /// Whether the peer sends binary data (RFC 856), in which a NUL after a CR is data.
    pub fn set_binary(&mut self, is_binary: bool) {
        self.is_binary = is_binary;
        self.after_cr = false;
    }

    /// Where the run of data at the beginning of `input` ends: at an `IAC`, or after a CR whose NUL
    /// is to be left out.
    fn end_of_run(&self, input: &[u8]) -> usize {
        if self.is_binary {
            return memchr(IAC, input).unwrap_or(input.len());
        }
        // Searches for NUL, and not for CR: NULs are rare, and a CR ends each line. A NUL at the
        // beginning of the run has its CR, if any, in an earlier run: `decode` has dealt with it.
        let mut from = 0;
        while let Some(offset) = memchr2(IAC, NUL, &input[from..]) {
            let at = from + offset;
            let follows_cr = at > 0 && input[at - 1] == CR;
            if input[at] == IAC || follows_cr {
                return at;
            }
            from = at + 1;
        }
        input.len()
    }

    fn data<'a>(&mut self, run: &'a [u8], consumed: usize) -> Decoded<TelnetFrame<'a>> {
        // Not touched by commands: RFC 854 lets them stand anywhere in the data, so also between a
        // CR and its NUL.
        self.after_cr = !self.is_binary && run.last() == Some(&CR);
        Decoded::Frame {
            frame: TelnetFrame::Data(run),
            consumed,
        }
    }

    /// `input` begins with `IAC SB`.
    fn subnegotiation<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<TelnetFrame<'a>>> {
        // Behind IAC, SB and the option.
        const CONTENT: usize = 3;
        let Some(&option) = input.get(2) else {
            return Ok(Decoded::Incomplete);
        };
        let option = TelnetOption(option);
        let mut at = self.searched.max(CONTENT);
        loop {
            let found = memchr(IAC, &input[at..]).map(|offset| at + offset);
            at = found.unwrap_or(input.len());
            // A doubled IAC may make the content a little shorter than this: the limit is on
            // what is kept.
            if at - CONTENT > self.max_subnegotiation {
                return Err(Failure::new(TelnetError::SubnegotiationTooLong {
                    option,
                    limit: self.max_subnegotiation,
                }));
            }
            match input.get(at + 1) {
                None => {
                    // At the end of the input, or at an IAC that is its last byte: what the IAC
                    // means is known with the byte after it, so the next search begins at the IAC.
                    self.searched = at;
                    return Ok(Decoded::Incomplete);
                }
                Some(&IAC) => at += 2,
                Some(&SE) => break,
                // The end of the subnegotiation was lost. Without an error, all data up to the
                // next `IAC SE` would be taken for its content.
                Some(&command) => {
                    let command = Command(command);
                    let error = TelnetError::CommandInSubnegotiation { option, command };
                    return Err(Failure::new(error));
                }
            }
        }
        self.searched = 0;
        Ok(Decoded::Frame {
            frame: TelnetFrame::Subnegotiation(option, undouble(&input[CONTENT..at])),
            consumed: at + 2,
        })
    }
}

impl Framing for TelnetFraming {
    type Frame<'a> = TelnetFrame<'a>;

    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<TelnetFrame<'a>>> {
        let frame = match *input {
            [] | [IAC] => return Ok(Decoded::Incomplete),
            // A CR that ends no line is sent as CR NUL (RFC 854): the CR was given as data already.
            [NUL, ..] if self.after_cr => {
                self.after_cr = false;
                return Ok(Decoded::Skip { consumed: 1 });
            }
            // The data is the second of the two bytes, in place: it is not joined to the data
            // around it, so nothing is copied.
            [IAC, IAC, ..] => return Ok(self.data(&input[1..2], 2)),
            [IAC, SB, ..] => return self.subnegotiation(input),
            [IAC, byte, ..] => match (Verb::from_byte(byte), input.get(2)) {
                (Some(_), None) => return Ok(Decoded::Incomplete),
                (Some(verb), Some(&option)) => {
                    return Ok(Decoded::Frame {
                        frame: TelnetFrame::Negotiation(verb, TelnetOption(option)),
                        consumed: 3,
                    });
                }
                (None, _) => TelnetFrame::Command(Command(byte)),
            },
            _ => {
                let end = self.end_of_run(input);
                return Ok(self.data(&input[..end], end));
            }
        };
        Ok(Decoded::Frame { frame, consumed: 2 })
    }
}

/// Each `IAC IAC` as one byte.
fn undouble(content: &[u8]) -> Cow<'_, [u8]> {
    if memchr(IAC, content).is_none() {
        return Cow::Borrowed(content);
    }
    let mut single = Vec::with_capacity(content.len());
    let mut bytes = content.iter();
    while let Some(&byte) = bytes.next() {
        single.push(byte);
        if byte == IAC {
            // The second IAC of the pair: `subnegotiation` has found that there is one.
            bytes.next();
        }
    }
    Cow::Owned(single)
}
