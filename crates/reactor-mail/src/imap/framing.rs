//! `ImapFraming`: cuts the bytes of an IMAP client into commands.

use std::{fmt, mem};

use deferred::{Failure, Result};
use imap_codec::fragmentizer::{FragmentInfo, Fragmentizer, LineEnding};
use imap_codec::{AuthenticateDataCodec, CommandCodec, IdleDoneCodec};
use imap_types::IntoStatic;
use imap_types::core::LiteralMode;
use memchr::memchr;
use reactor::{Decoded, Framing};

use super::error::ImapFramingError;
use super::frame::{ImapFrame, ImapRefusal};

const MAX_COMMAND: u32 = 64 * 1024;

const MAX_LINES: usize = 64 * 1024;

/// Bytes at the end of a line that are searched for the announcement of a literal: a number of 32
/// bits, its braces, a plus sign and the line end take 15 bytes.
const TAIL: usize = 32;

/// Cuts the bytes of an IMAP client into [`ImapFrame`]s: a command with all its literals is one
/// frame.
///
/// - If the client announces a synchronizing literal (`{5}`) that fits into the limit, the frame
///   [`ImapFrame::LiteralAnnounced`] tells the server to send a continuation request. If the literal
///   does not fit, the command is refused at once, and the client does not send the literal.
/// - If a literal that the client sends at once (`{5+}`, RFC 7888) does not fit, the framing discards
///   it with the rest of its command, and then refuses the command. So no byte of it is taken for a
///   command.
/// - The memory for a literal grows with the bytes that arrive, not with the announced length.
/// - After [`expect_authenticate_data`](Self::expect_authenticate_data) or
///   [`expect_idle_done`](Self::expect_idle_done), the next line is not a command.
///
/// The frames do not depend on how the bytes are split into reads.
///
/// # Errors
///
/// [`ImapFramingError`] if the lines of one command have more than 64 KiB, not counting literals, or
/// if the length of a literal is not a number of 32 bits.
///
/// # Examples
///
/// ```
/// use reactor::{Decoded, Framing};
/// use reactor_mail::{ImapFrame, ImapFraming};
///
/// let (mut framing, mut input) = (ImapFraming::default(), &b"a1 LOGIN {3}\r\nbob {2+}\r\npw\r\n"[..]);
/// let mut frames = Vec::new();
/// while let Ok(decoded) = framing.decode(input) {
///     input = match decoded {
///         Decoded::Frame { frame, consumed } => {
///             frames.push(frame);
///             &input[consumed..]
///         }
///         Decoded::Skip { consumed } => &input[consumed..],
///         _ => break,
///     };
/// }
/// assert_eq!(frames[0], ImapFrame::LiteralAnnounced { length: 3 });
/// let ImapFrame::Command(command) = &frames[1] else { panic!() };
/// assert_eq!((command.tag.as_ref(), command.body.name()), ("a1", "LOGIN"));
/// ```
pub struct ImapFraming {
    /// Gets no bytes beyond the current command. So those stay in the reactor's buffer, and while the
    /// protocol is paused, the reactor stops reading.
    fragmentizer: Fragmentizer,
    max_command: u32,
    /// What the next line has to be.
    // Set by the session for one line; reset to `Command` by the frame for that line, whether it is
    // accepted or refused.
    expected: Expected,
    next: Next,
    /// Bytes of the command's lines so far.
    lines: usize,
    /// The last bytes of the unfinished line, at most `TAIL`.
    tail: Vec<u8>,
    /// Why the current command will be refused.
    // The first reason counts. It is kept until the command is complete, so that its literals are
    // discarded.
    refusal: Option<ImapRefusal>,
}

/// What the next line has to be.
#[derive(Clone, Copy, Debug, Default)]
enum Expected {
    #[default]
    Command,
    AuthenticateData,
    IdleDone,
}

/// The part of a command that comes next.
#[derive(Clone, Copy, Debug)]
enum Next {
    FirstLine,
    Literal { left: u32 },
    LaterLine,
}

/// Shows no bytes of the command, which may contain a password.
impl fmt::Debug for ImapFraming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImapFraming")
            .field("max_command", &self.max_command)
            .field("expected", &self.expected)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Default for ImapFraming {
    fn default() -> Self {
        Self::with_max_command(MAX_COMMAND)
    }
}

impl ImapFraming {
    /// A framing with another limit on a command with its literals, in bytes. The default, 64 KiB, is
    /// enough for clients that have not logged in.
    pub fn with_max_command(bytes: u32) -> Self {
        Self {
            fragmentizer: Fragmentizer::new(bytes),
            max_command: bytes,
            expected: Expected::Command,
            next: Next::FirstLine,
            lines: 0,
            tail: Vec::new(),
            refusal: None,
        }
    }

    /// Sets the limit on a command with its literals, in bytes, from the next command on: after the
    /// login, usually to the size of the largest message.
    pub fn set_max_command(&mut self, bytes: u32) {
        self.max_command = bytes;
        // If a command has begun, its fragmentizer has its first bytes, and stays with the old limit.
        if self.lines == 0 {
            self.start_next();
        }
    }

    /// Takes the next line as the answer to a continuation request of `AUTHENTICATE`.
    pub fn expect_authenticate_data(&mut self) {
        self.expected = Expected::AuthenticateData;
    }

    /// Takes the next line as the `DONE` that ends `IDLE`.
    pub fn expect_idle_done(&mut self) {
        self.expected = Expected::IdleDone;
    }

    /// Gives `bytes` of a line to the fragmentizer.
    fn line(&mut self, bytes: &[u8]) -> Result<Decoded<ImapFrame>> {
        let consumed = bytes.len();
        self.lines += consumed;
        if self.lines > MAX_LINES {
            let limit = MAX_LINES;
            return Err(Failure::new(ImapFramingError::LineTooLong { limit }));
        }
        // The end of the line is kept here, because the line may arrive in many pieces, and the
        // fragmentizer does not show its bytes.
        self.tail
            .extend_from_slice(&bytes[consumed.saturating_sub(TAIL)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        self.fragmentizer.enqueue_bytes(bytes);
        let Some(FragmentInfo::Line {
            end,
            announcement,
            ending,
            ..
        }) = self.fragmentizer.progress()
        else {
            return Ok(Decoded::Skip { consumed });
        };
        if ending == LineEnding::Lf {
            self.refusal.get_or_insert(ImapRefusal::BareLineFeed);
        }
        let limit = self.max_command;
        let Some(announcement) = announcement else {
            // If the length has more than 32 bits, the fragmentizer takes the announcement for text,
            // and the bytes of the literal would be taken for commands.
            if announces_literal(&self.tail) {
                return Err(Failure::new(ImapFramingError::LiteralTooLarge));
            }
            if self.fragmentizer.is_max_message_size_exceeded() {
                self.refusal.get_or_insert(ImapRefusal::TooLong { limit });
            }
            let frame = self.finish();
            return Ok(Decoded::Frame { frame, consumed });
        };
        // The line has ended; another line follows the literal.
        self.tail.clear();
        let length = announcement.length;
        // Lossless: `usize` has at least 32 bits on each system with sockets. `end` counts from the
        // beginning of the command.
        if end.saturating_add(length as usize) > limit as usize {
            self.refusal.get_or_insert(ImapRefusal::TooLong { limit });
        }
        self.next = Next::Literal { left: length };
        // No frame: the client sends the literal without an answer, also if it is refused.
        if announcement.mode == LiteralMode::NonSync {
            return Ok(Decoded::Skip { consumed });
        }
        // A client does not send a synchronising literal after a refusal (RFC 3501, 7.5).
        let frame = match self.refusal {
            Some(reason) => self.refuse(reason),
            None => ImapFrame::LiteralAnnounced { length },
        };
        Ok(Decoded::Frame { frame, consumed })
    }

    fn literal(&mut self, input: &[u8], left: u32) -> Decoded<ImapFrame> {
        let consumed = input.len().min(left as usize);
        self.fragmentizer.enqueue_bytes(&input[..consumed]);
        // Only to let the fragmentizer pass the literal: the command is decoded as a whole later.
        let _ = self.fragmentizer.progress();
        // Lossless: `consumed` is at most `left`.
        self.next = match left - consumed as u32 {
            0 => Next::LaterLine,
            left => Next::Literal { left },
        };
        Decoded::Skip { consumed }
    }

    /// The frame for the command that the fragmentizer has completely.
    fn finish(&mut self) -> ImapFrame {
        if let Some(reason) = self.refusal {
            return self.refuse(reason);
        }
        // Reset here and in `refuse`, because the line ends IDLE or AUTHENTICATE even if it is not
        // the expected one.
        let expected = mem::take(&mut self.expected);
        let decoded = match expected {
            Expected::Command => self
                .fragmentizer
                .decode_message(&CommandCodec::default())
                .map(|command| ImapFrame::Command(Box::new(command.into_static())))
                .ok(),
            Expected::AuthenticateData => self
                .fragmentizer
                .decode_message(&AuthenticateDataCodec::default())
                .map(|data| ImapFrame::AuthenticateData(data.into_static()))
                .ok(),
            Expected::IdleDone => self
                .fragmentizer
                .decode_message(&IdleDoneCodec::default())
                .map(|_| ImapFrame::IdleDone)
                .ok(),
        };
        match decoded {
            Some(frame) => {
                self.start_next();
                frame
            }
            None => self.refuse(ImapRefusal::Malformed),
        }
    }

    fn refuse(&mut self, reason: ImapRefusal) -> ImapFrame {
        let tag = self.fragmentizer.decode_tag();
        let tag = tag.map(IntoStatic::into_static);
        self.expected = Expected::Command;
        self.start_next();
        ImapFrame::Refused { tag, reason }
    }

    /// Prepares for the next command. The fragmentizer is a new one, because the old one would keep
    /// its limit, and the memory of its longest command.
    fn start_next(&mut self) {
        self.fragmentizer = Fragmentizer::new(self.max_command);
        self.next = Next::FirstLine;
        self.lines = 0;
        self.tail.clear();
        self.refusal = None;
    }
}

impl Framing for ImapFraming {
    type Frame<'a> = ImapFrame;

    fn decode(&mut self, input: &[u8]) -> Result<Decoded<ImapFrame>> {
        // For `{0}`, no bytes follow, but the fragmentizer has to pass the literal.
        if let Next::Literal { left: 0 } = self.next {
            self.literal(&[], 0);
        }
        match self.next {
            _ if input.is_empty() => Ok(Decoded::Incomplete),
            Next::Literal { left } => Ok(self.literal(input, left)),
            Next::FirstLine | Next::LaterLine => {
                // Only to the end of the line: a literal may follow, or the next command, whose bytes
                // this fragmentizer must not get.
                let end = memchr(b'\n', input).map_or(input.len(), |at| at + 1);
                self.line(&input[..end])
            }
        }
    }
}

/// Whether the line that ends with `tail` announces a literal.
fn announces_literal(tail: &[u8]) -> bool {
    let line = tail.strip_suffix(b"\n").unwrap_or(tail);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some(length) = line.strip_suffix(b"}") else {
        return false;
    };
    let length = length.strip_suffix(b"+").unwrap_or(length);
    let digits = length.iter().rev().take_while(|byte| byte.is_ascii_digit());
    match digits.count() {
        0 => false,
        // If the number fills the tail, its beginning was not kept; it counts as an announcement.
        count => count == length.len() || length[length.len() - count - 1] == b'{',
    }
}
